/** Latencies in HdrHistograms: whole microseconds, three digits, up to ten minutes. */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import type { Histogram } from 'hdr-histogram-js'

export type { Histogram }

const HIGHEST_MICROS = 600_000_000
const BITS = 32

export function newHistogram(): Histogram {
  return build({
    bitBucketSize: BITS,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_MICROS,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  })
}

/** What is negative (two threads' clocks differ by less than a microsecond) counts as 0, what is too long as the longest. */
export function recordMs(histogram: Histogram, latencyMs: number): void {
  const micros = Math.round(latencyMs * 1_000)
  histogram.recordValue(micros < 0 ? 0 : micros > HIGHEST_MICROS ? HIGHEST_MICROS : micros)
}

/** The form in which HdrHistograms of all languages are exchanged (V2, compressed, base64). */
export function encodeHistogram(histogram: Histogram): string {
  return encodeIntoCompressedBase64(histogram)
}

export function decodeHistogram(base64: string): Histogram {
  return decodeFromCompressedBase64(base64, BITS, false, HIGHEST_MICROS)
}

/** Milliseconds below which `percentile` percent of the values are; 0 when there are none. */
export function percentileMs(histogram: Histogram, percentile: number): number {
  return histogram.totalCount === 0 ? 0 : histogram.getValueAtPercentile(percentile) / 1_000
}

export const PERCENTILES = [50, 75, 90, 95, 99, 99.9, 99.99] as const

export interface LatencyFigures {
  readonly count: number
  readonly minMs: number
  readonly meanMs: number
  readonly maxMs: number
  /** Percentile → milliseconds; those of PERCENTILES. */
  readonly percentilesMs: Readonly<Record<string, number>>
}

export function figuresOf(histogram: Histogram): LatencyFigures {
  const count = histogram.totalCount
  return {
    count,
    minMs: percentileMs(histogram, 0),
    meanMs: count === 0 ? 0 : round(histogram.mean / 1_000),
    maxMs: percentileMs(histogram, 100),
    percentilesMs: Object.fromEntries(PERCENTILES.map((p) => [String(p), percentileMs(histogram, p)])),
  }
}

function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}

let warm = false

/** Makes the first encodings of a thread before the load begins: code that is not compiled yet takes milliseconds. */
export function warmUpEncoding(): void {
  if (warm) return
  warm = true
  const histogram = newHistogram()
  for (let round = 0; round < 15; round += 1) {
    for (let micros = 1; micros < 20_000; micros += 37) histogram.recordValue(micros)
    encodeHistogram(histogram)
  }
}
