/** The middle of several measurements of the same thing. */
import type { Measure } from './works/work.js'

/** Middle of the sorted values; the mean of the two middle ones for an even count. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2
}

/** The median of each figure by itself; all remarks and faults, each once. */
export function medianMeasure(measures: readonly Measure[]): Measure {
  const of = (figure: (measure: Measure) => number | null): number | null => {
    const values = measures.map(figure).filter((value) => value !== null)
    return values.length === 0 ? null : median(values)
  }
  return {
    cost: median(measures.map(({ cost }) => cost)),
    rate: of(({ rate }) => rate),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    clientCores: of(({ clientCores }) => clientCores),
    remarks: [...new Set(measures.flatMap(({ remarks }) => remarks))],
    faults: [...new Set(measures.flatMap(({ faults }) => faults))],
  }
}

/** How far the costs of the runs lie apart: (largest - smallest) / median. */
export function spread(measures: readonly Measure[]): number {
  const costs = measures.map(({ cost }) => cost)
  return (Math.max(...costs) - Math.min(...costs)) / median(costs)
}
