/**
 * One run: opens the connections, lets the load begin, measures, waits for the last messages, and gathers what the workers
 * have to say.
 */
import { Live, addCounts, liveSum, NO_COUNTS } from '../clients/protocol.js'
import type { Counts, Phases, Target, WorkerSigns } from '../clients/protocol.js'
import { machineClock } from '../measure/clock.js'
import { Failures } from '../measure/failures.js'
import type { Failure } from '../measure/failures.js'
import { decodeHistogram, newHistogram } from '../measure/histogram.js'
import type { Histogram } from '../measure/histogram.js'
import { Timeline } from '../measure/timeline.js'
import type { LoadOptions } from '../options.js'
import { seriesOf } from '../scenarios.js'
import { BACKEND_ROLE } from '../verdict.js'
import type { Backend } from './backend.js'
import { Crew } from './crew.js'
import { busyBetween, cpuTimes } from './machine.js'
import { RunError } from './run-error.js'

/** From the command to begin until the load begins: workers and metronome must have got it. */
const BEGIN_AFTER_MS = 100
const PROGRESS_MS = 500

export type Step = 'opening' | 'warm-up' | 'measuring' | 'waiting for the last messages'

export interface Progress {
  readonly step: Step
  /** Since the measurement began; 0 before. */
  readonly seconds: number
  readonly open: number
  readonly failures: number
  /** Of the last full second; null: none yet. */
  readonly perSecond: number | null
  readonly p99Ms: number | null
}

export interface RunRecord {
  /** Of the measurement; shorter than asked for when it was cut. */
  readonly measuredMs: number
  readonly earlyEnd: EarlyEnd
  /** Open when the load began. */
  readonly open: number
  readonly timeline: Timeline
  readonly failures: readonly Failure[]
  readonly counts: Counts
  readonly lateSends: Histogram
  readonly workers: readonly WorkerSigns[]
  /** Share of all cores of this machine, 0 to 1. */
  readonly machineBusy: number
}

/** Why a run was shorter than asked for; null: it was not. */
export type EarlyEnd = 'by the user' | 'no connection is open any more' | null

export interface RunHooks {
  progress(progress: Progress): void
  /** Aborted: measure no longer, and say what there is. */
  readonly cut: AbortSignal
  /** Null: the load test has none of its own. */
  readonly backend: Backend | null
}

export async function runLoad(options: LoadOptions, target: Target, run: string, hooks: RunHooks): Promise<RunRecord> {
  const { backend } = hooks
  const timeline = new Timeline(seriesOf(options)[0])
  const epochMs = machineClock.nowMs()
  const crew = new Crew({ options, target, run, epochMs, handleInterval: (interval) => timeline.add(interval) })
  const watch = new Watch(crew.live, timeline, hooks, options.scenario !== 'churn')
  try {
    await crew.ready()
    const open = liveSum(crew.live, Live.Open)
    if (open === 0 && options.connections > 0 && opensAhead(options)) {
      const results = await crew.finish()
      const first = results.flatMap(({ failures }) => failures)[0]
      throw new RunError(first?.kind ?? 'no connection', `Not one connection is open: ${first?.kind ?? 'no reason is known'}.`)
    }
    const phases = phasesFrom(machineClock.nowMs() + BEGIN_AFTER_MS, options)
    crew.begin(phases, open)
    watch.begin(phases)
    const { endMs, machineBusy, backendBusy } = await measure(phases, crew, AbortSignal.any([hooks.cut, watch.deserted]), backend)
    watch.drain()
    await crew.sent()
    const results = await crew.finish()
    const backendSigns = backend === null ? [] : [{ role: BACKEND_ROLE, busy: backendBusy, lagP99Ms: 0 }]
    const failures = new Failures()
    for (const result of results) failures.addAll(result.failures)
    return {
      measuredMs: Math.max(0, endMs - phases.measureMs),
      earlyEnd: hooks.cut.aborted ? 'by the user' : watch.deserted.aborted ? 'no connection is open any more' : null,
      open,
      timeline,
      failures: failures.list(),
      counts: results.reduce((sum, { counts }) => addCounts(sum, counts), NO_COUNTS),
      lateSends: mergeLateSends(results.map(({ lateSends }) => lateSends)),
      workers: [...results.map(({ signs }) => signs), ...backendSigns],
      machineBusy,
    }
  } finally {
    watch.end()
    await crew.destroy()
  }
}

/** Whether connections are opened before the load begins. */
function opensAhead({ scenario }: LoadOptions): boolean {
  return scenario !== 'proxy'
}

function phasesFrom(startMs: number, { warmupMs, durationMs }: LoadOptions): Phases {
  return { startMs, measureMs: startMs + warmupMs, endMs: startMs + warmupMs + durationMs }
}

interface Measured {
  readonly endMs: number
  readonly machineBusy: number
  readonly backendBusy: number
}

/** Until the end, or until it is cut. */
async function measure(phases: Phases, crew: Crew, cut: AbortSignal, backend: Backend | null): Promise<Measured> {
  await sleepUntil(phases.measureMs, cut)
  const before = cpuTimes()
  const backendBefore = backend?.utilization()
  await sleepUntil(phases.endMs, cut)
  const endMs = cut.aborted ? Math.min(machineClock.nowMs(), phases.endMs) : phases.endMs
  if (cut.aborted) crew.cut(endMs)
  const backendBusy = backend?.utilization(backendBefore).utilization ?? 0
  return { endMs, machineBusy: busyBetween(before, cpuTimes()), backendBusy }
}

function sleepUntil(timeMs: number, cut: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer)
      cut.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, timeMs - machineClock.nowMs())
    if (cut.aborted) wake()
    else cut.addEventListener('abort', wake)
  })
}

function mergeLateSends(encoded: readonly (string | null)[]): Histogram {
  const sum = newHistogram()
  for (const one of encoded) if (one !== null) sum.add(decodeHistogram(one))
  return sum
}

/** Tells how it goes, and notes how many connections are open each second. */
class Watch {
  readonly #live: Float64Array
  readonly #timeline: Timeline
  readonly #hooks: RunHooks
  readonly #timer: NodeJS.Timeout
  /** Connections that are open should stay so. */
  readonly #connectionsStay: boolean
  readonly #deserted = new AbortController()
  #phases: Phases | null = null
  #hadSome = false
  #step: Step = 'opening'

  constructor(live: Float64Array, timeline: Timeline, hooks: RunHooks, connectionsStay: boolean) {
    this.#live = live
    this.#timeline = timeline
    this.#hooks = hooks
    this.#connectionsStay = connectionsStay
    this.#timer = setInterval(() => this.#look(), PROGRESS_MS)
  }

  /** Aborted when the load has begun and all its connections are gone: nothing more can be measured. */
  get deserted(): AbortSignal {
    return this.#deserted.signal
  }

  begin(phases: Phases): void {
    this.#phases = phases
    this.#step = 'warm-up'
  }

  drain(): void {
    this.#step = 'waiting for the last messages'
    this.#look()
  }

  end(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const nowMs = machineClock.nowMs()
    const open = liveSum(this.#live, Live.Open)
    if (open > 0) this.#hadSome = true
    else if (this.#hadSome && this.#connectionsStay && this.#phases !== null) this.#deserted.abort()
    const seconds = this.#phases === null ? 0 : Math.max(0, (nowMs - this.#phases.measureMs) / 1_000)
    if (this.#step === 'warm-up' && seconds > 0) this.#step = 'measuring'
    if (this.#step === 'measuring') this.#timeline.setConnections(Math.floor(seconds), open)
    // The workers tell of a second shortly after its end.
    const last = this.#timeline.second(Math.floor(seconds - 0.3) - 1)
    this.#hooks.progress({
      step: this.#step,
      seconds,
      open,
      failures: liveSum(this.#live, Live.Failures),
      perSecond: last?.count ?? null,
      p99Ms: last?.p99Ms ?? null,
    })
  }
}
