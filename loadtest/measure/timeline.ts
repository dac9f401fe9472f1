/** What the workers measured, merged: histograms over all workers, and figures of the first series for each second. */
import type { Interval } from '../clients/protocol.js'
import { decodeHistogram, newHistogram, percentileMs } from './histogram.js'
import type { Histogram } from './histogram.js'

export interface Second {
  /** 0: the first one of the measurement. */
  readonly second: number
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Connections open at its end. */
  readonly connections: number
}

export class Timeline {
  readonly #mainSeries: string
  readonly #totals = new Map<string, Histogram>()
  readonly #seconds = new Map<number, Histogram>()
  readonly #connections = new Map<number, number>()

  constructor(mainSeries: string) {
    this.#mainSeries = mainSeries
  }

  add({ second, series }: Interval): void {
    for (const [name, encoded] of Object.entries(series)) {
      const histogram = decodeHistogram(encoded)
      this.#merge(this.#totals, name, histogram)
      if (name === this.#mainSeries && second >= 0) this.#merge(this.#seconds, second, histogram)
    }
  }

  setConnections(second: number, connections: number): void {
    this.#connections.set(second, connections)
  }

  /** Of all workers and seconds; empty for a series of which nothing came. */
  total(series: string): Histogram {
    return this.#totals.get(series) ?? newHistogram()
  }

  /** Figures of one second so far; null: nothing has come. */
  second(second: number): Second | null {
    const histogram = this.#seconds.get(second)
    return histogram === undefined ? null : this.#figures(second, histogram)
  }

  /** The first `count` seconds, those without messages too. */
  seconds(count: number): Second[] {
    const empty = newHistogram()
    return Array.from({ length: count }, (_, n) => this.#figures(n, this.#seconds.get(n) ?? empty))
  }

  #figures(second: number, histogram: Histogram): Second {
    return {
      second,
      count: histogram.totalCount,
      p50Ms: percentileMs(histogram, 50),
      p99Ms: percentileMs(histogram, 99),
      maxMs: percentileMs(histogram, 100),
      connections: this.#connections.get(second) ?? 0,
    }
  }

  #merge<K>(into: Map<K, Histogram>, key: K, histogram: Histogram): void {
    const known = into.get(key)
    if (known === undefined) {
      const sum = newHistogram()
      sum.add(histogram)
      into.set(key, sum)
    } else {
      known.add(histogram)
    }
  }
}
