/**
 * Whether a run was a good one, and whether it says something about the gateway at all: a load client that is the limit
 * itself measures itself.
 */
import type { WorkerSigns } from './clients/protocol.js'

/** The load test's own backend, among the workers. */
export const BACKEND_ROLE = 'the backend'

/** An event loop that is busy for more than this share has no room for bursts. */
const BUSY_MAX = 0.85
/** Timers that come later than this at the 99th percentile blur every latency. */
const LAG_P99_MS_MAX = 25
/** Sends that come later than this at the 99th percentile are no even load any more. */
const LATE_P99_MS_MAX = 10
const MACHINE_BUSY_MAX = 0.95

export interface ClientSigns {
  readonly workers: readonly WorkerSigns[]
  readonly lateSendsP99Ms: number
  /** 0 to 1. */
  readonly machineBusy: number
  /** The gateway runs on this machine too. */
  readonly sameMachine: boolean
}

/** Of an event loop, or of a machine: no room left. */
export function isBusy(share: number): boolean {
  return share > BUSY_MAX
}

/** Sentences, one for each sign that the load client was the limit; empty: it was not. */
export function clientLimits(signs: ClientSigns): string[] {
  const limits: string[] = []
  const busiest = most(signs.workers, ({ busy }) => busy)
  if (busiest !== null && isBusy(busiest.busy)) {
    const what = busiest.role === BACKEND_ROLE ? 'use one of your own' : 'use more --workers or a lower --rate'
    limits.push(`${busiest.role} was busy ${percent(busiest.busy)} of the time: ${what}`)
  }
  const laggard = most(signs.workers, ({ lagP99Ms }) => lagP99Ms)
  if (laggard !== null && laggard.lagP99Ms > LAG_P99_MS_MAX) {
    limits.push(`timers of ${laggard.role} came ${ms(laggard.lagP99Ms)} late (p99): latencies of this run are blurred`)
  }
  if (signs.lateSendsP99Ms > LATE_P99_MS_MAX) {
    limits.push(`sends went out ${ms(signs.lateSendsP99Ms)} late (p99): latencies contain this`)
  }
  if (signs.machineBusy > MACHINE_BUSY_MAX) {
    const why = signs.sameMachine
      ? 'gateway and load client took CPU from each other; a second machine would tell more'
      : 'the load client had no CPU left'
    limits.push(`this machine was ${percent(signs.machineBusy)} busy: ${why}`)
  }
  return limits
}

function most(workers: readonly WorkerSigns[], of: (signs: WorkerSigns) => number): WorkerSigns | null {
  return workers.reduce<WorkerSigns | null>((best, one) => (best === null || of(one) > of(best) ? one : best), null)
}

function percent(share: number): string {
  return `${String(Math.round(share * 100))} %`
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`
}
