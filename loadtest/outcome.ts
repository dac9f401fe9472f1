/** The result of a run as one JSON object: what --json writes, and what summary and report are made of. */
import type { Counts, Target, WorkerSigns } from './clients/protocol.js'
import type { Failure } from './measure/failures.js'
import { encodeHistogram, figuresOf, percentileMs } from './measure/histogram.js'
import type { LatencyFigures } from './measure/histogram.js'
import type { Second } from './measure/timeline.js'
import type { LoadOptions } from './options.js'
import type { Machine } from './run/machine.js'
import type { EarlyEnd, RunRecord } from './run/run.js'
import { SERIES_TITLES, seriesOf, unitOf } from './scenarios.js'
import type { SeriesName } from './scenarios.js'
import { clientLimits } from './verdict.js'

/** Changes when a field changes its meaning or goes. */
export const OUTCOME_FORMAT = 'tackboard-loadtest/1'

export interface SeriesOutcome extends LatencyFigures {
  readonly name: SeriesName
  readonly title: string
  /** Microseconds, HdrHistogram V2, compressed, base64. */
  readonly histogram: string
}

export interface Outcome {
  readonly format: typeof OUTCOME_FORMAT
  readonly verdict: 'passed' | 'failed'
  readonly options: LoadOptions
  readonly run: string
  /** Version of Tackboard that the load test belongs to. */
  readonly version: string
  readonly machine: Machine
  /** ISO 8601. */
  readonly startedAt: string
  readonly measuredSeconds: number
  readonly earlyEnd: EarlyEnd
  readonly connectionsOpened: number
  /** Entries of the first series within the measurement, per second. */
  readonly perSecond: number
  readonly unit: string
  /** The first one is what the run is about. Empty ones are left out. */
  readonly series: readonly SeriesOutcome[]
  readonly seconds: readonly Second[]
  readonly counts: Counts
  readonly failures: readonly Failure[]
  readonly client: {
    readonly workers: readonly WorkerSigns[]
    readonly lateSendsMs: { readonly p50: number; readonly p99: number; readonly max: number }
    readonly machineBusy: number
    /** Why the load client was the limit; empty: it was not. */
    readonly limits: readonly string[]
  }
}

export interface Circumstances {
  readonly options: LoadOptions
  readonly target: Target
  readonly run: string
  readonly version: string
  readonly machine: Machine
  readonly startedAt: Date
}

export function outcomeOf(record: RunRecord, circumstances: Circumstances): Outcome {
  const { options, target, run, version, machine, startedAt } = circumstances
  const { timeline, failures, lateSends, workers, machineBusy } = record
  const measuredSeconds = record.measuredMs / 1_000
  // The last second may be a part of one; what came after the end stands in later ones and is no throughput.
  const seconds = timeline.seconds(Math.ceil(measuredSeconds))
  const counted = seconds.reduce((sum, { count }) => sum + count, 0)
  const lateSendsP99Ms = percentileMs(lateSends, 99)
  const sameMachine = target.address === '::1' || target.address.startsWith('127.')
  const limits = clientLimits({ workers, lateSendsP99Ms, machineBusy, sameMachine })
  const isEmpty = timeline.total(seriesOf(options)[0]).totalCount === 0
  const nothing = isEmpty ? [{ kind: `no ${unitOf(options)} within the measurement`, count: 1, example: '' }] : []
  const allFailures = [...failures, ...nothing]
  return {
    format: OUTCOME_FORMAT,
    verdict: allFailures.length === 0 ? 'passed' : 'failed',
    options,
    run,
    version,
    machine,
    startedAt: startedAt.toISOString(),
    measuredSeconds,
    earlyEnd: record.earlyEnd,
    connectionsOpened: record.open,
    perSecond: measuredSeconds === 0 ? 0 : counted / measuredSeconds,
    unit: unitOf(options),
    series: seriesOf(options).flatMap((name) => seriesOutcome(name, record)),
    seconds,
    counts: record.counts,
    failures: allFailures,
    client: {
      workers,
      lateSendsMs: { p50: percentileMs(lateSends, 50), p99: lateSendsP99Ms, max: percentileMs(lateSends, 100) },
      machineBusy,
      limits,
    },
  }
}

function seriesOutcome(name: SeriesName, { timeline }: RunRecord): SeriesOutcome[] {
  const histogram = timeline.total(name)
  if (histogram.totalCount === 0) return []
  return [{ name, title: SERIES_TITLES[name], ...figuresOf(histogram), histogram: encodeHistogram(histogram) }]
}
