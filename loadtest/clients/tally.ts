/**
 * What one worker measures: latencies by series, second by second, failures, live numbers, and how busy it is itself.
 *
 * A latency belongs to the measurement when its intended time does. It is counted in the second in which it was
 * complete, also behind the end.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import type { Clock } from '../measure/clock.js'
import { Failures } from '../measure/failures.js'
import { encodeHistogram, newHistogram, recordMs, warmUpEncoding } from '../measure/histogram.js'
import { LIVE_ROW, Live } from './protocol.js'
import type { Interval, Phases, WorkerSigns, WorkerStart } from './protocol.js'

const LOOP_DELAY_RESOLUTION_MS = 10

/** Stamps have whole microseconds: a time that is rounded down must not fall out of the measurement. */
const ROUNDING_MS = 0.001

/** Latencies of one kind. */
export class Series {
  readonly histogram = newHistogram()
  /** What should have begun before is not recorded. */
  fromMs: number

  constructor(fromMs: number) {
    this.fromMs = fromMs
  }

  record(intendedMs: number, nowMs: number): void {
    if (intendedMs >= this.fromMs - ROUNDING_MS) recordMs(this.histogram, nowMs - intendedMs)
  }
}

export class Tally {
  readonly failures = new Failures()
  readonly #lateSends = newHistogram()
  readonly #start: WorkerStart
  readonly #clock: Clock
  readonly #live: Float64Array
  readonly #row: number
  readonly #series = new Map<string, Series>()
  readonly #delay = monitorEventLoopDelay({ resolution: LOOP_DELAY_RESOLUTION_MS })
  #utilization = performance.eventLoopUtilization()
  #signs: Omit<WorkerSigns, 'role'> | null = null
  #timer: NodeJS.Timeout | undefined
  #second = -1
  #phases: Phases | null = null

  constructor(start: WorkerStart, clock: Clock) {
    this.#start = start
    this.#clock = clock
    this.#live = new Float64Array(start.live)
    this.#row = start.worker * LIVE_ROW
    warmUpEncoding()
  }

  /** By default what should have begun within the measurement; `fromMs` 0: everything. */
  series(name: string, fromMs = this.#phases?.measureMs ?? Infinity): Series {
    const known = this.#series.get(name)
    if (known !== undefined) return known
    const series = new Series(fromMs)
    this.#series.set(name, series)
    return series
  }

  /** Adds to this worker's live number. */
  count(field: Live, by = 1): void {
    this.#live[this.#row + field] = (this.#live[this.#row + field] as number) + by
  }

  fail(kind: string, example = '', count = 1): void {
    this.failures.add(kind, example, count)
    this.count(Live.Failures, count)
  }

  /** Something was sent at `nowMs` that should have been sent at `intendedMs`. */
  sent(intendedMs: number, nowMs: number): void {
    this.count(Live.Sent)
    if (this.#phases !== null && intendedMs >= this.#phases.measureMs) recordMs(this.#lateSends, nowMs - intendedMs)
  }

  begin(phases: Phases): void {
    this.#phases = phases
    for (const series of this.#series.values()) if (series.fromMs === Infinity) series.fromMs = phases.measureMs
    this.#timer = setTimeout(() => this.#beginMeasure(), phases.measureMs - this.#clock.nowMs())
  }

  /** The measurement ends earlier. */
  cut(endMs: number): void {
    if (this.#phases !== null) this.#phases = { ...this.#phases, endMs: Math.min(endMs, this.#phases.endMs) }
  }

  /** Hands over what was measured since the last second. Nothing is recorded any more. */
  end(): WorkerSigns {
    clearTimeout(this.#timer)
    const signs = this.#settleSigns()
    this.#flush()
    return { role: this.#start.role, ...signs }
  }

  /** Null when nothing was sent by a schedule. */
  get encodedLateSends(): string | null {
    return this.#lateSends.totalCount === 0 ? null : encodeHistogram(this.#lateSends)
  }

  #beginMeasure(): void {
    this.#flush()
    this.#second = 0
    this.#utilization = performance.eventLoopUtilization()
    this.#delay.enable()
    this.#armSecond()
  }

  #armSecond(): void {
    const { measureMs, endMs } = this.#phases as Phases
    this.#timer = setTimeout(
      () => {
        if (this.#clock.nowMs() >= endMs) this.#settleSigns()
        this.#flush()
        // A loop that was held up goes on with the second it is in.
        this.#second = Math.max(this.#second + 1, Math.floor((this.#clock.nowMs() - measureMs) / 1_000))
        this.#armSecond()
      },
      measureMs + (this.#second + 1) * 1_000 - this.#clock.nowMs(),
    )
  }

  /** How busy this worker was: until the end of the measurement, not while it waits for the last messages. */
  #settleSigns(): Omit<WorkerSigns, 'role'> {
    if (this.#signs !== null) return this.#signs
    const busy = this.#second === -1 ? 0 : performance.eventLoopUtilization(this.#utilization).utilization
    this.#delay.disable()
    const delayMs = this.#delay.count === 0 ? 0 : this.#delay.percentile(99) / 1e6
    this.#signs = { busy, lagP99Ms: Math.max(0, delayMs - LOOP_DELAY_RESOLUTION_MS) }
    return this.#signs
  }

  #flush(): void {
    const series: Record<string, string> = {}
    let empty = true
    for (const [name, { histogram }] of this.#series) {
      if (histogram.totalCount === 0) continue
      series[name] = encodeHistogram(histogram)
      histogram.reset()
      empty = false
    }
    if (empty) return
    const interval: Interval = { kind: 'interval', worker: this.#start.worker, second: this.#second, series }
    this.#start.port.postMessage(interval)
  }
}
