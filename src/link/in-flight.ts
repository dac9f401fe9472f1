/**
 * How much may be on the bus: what the shards take in a fraction of a second, so that a publish that comes when others
 * have published too much is not late by more than that.
 *
 * The rate is the one seen while a shard has work waiting. What it takes depends on how many receivers each item has, and
 * so on what is published: it is measured again and again. Values in blocks (limits: BUS_BLOCK_BYTES), times in milliseconds.
 */
import {
  BUS_IN_FLIGHT_BLOCKS_MAX,
  BUS_IN_FLIGHT_BLOCKS_MIN,
  BUS_IN_FLIGHT_BLOCKS_START,
  BUS_IN_FLIGHT_MS,
  BUS_RATE_SAMPLE_MS,
} from '../base/limits.js'

export class InFlightLimit {
  #limit = BUS_IN_FLIGHT_BLOCKS_START
  #shard = -1
  #sinceMs = 0
  #taken = 0

  get blocks(): number {
    return this.#limit
  }

  /** `shard` is the one that lags most, by `lag`, and has taken up to position `taken`. */
  observe(shard: number, lag: number, taken: number, nowMs: number): void {
    // With little waiting it may have waited for us.
    if (lag < BUS_IN_FLIGHT_BLOCKS_MIN) {
      this.#shard = -1
      return
    }
    const elapsedMs = nowMs - this.#sinceMs
    if (shard === this.#shard && elapsedMs < BUS_RATE_SAMPLE_MS) return
    if (shard === this.#shard) {
      const limit = (((taken - this.#taken) >>> 0) / elapsedMs) * BUS_IN_FLIGHT_MS
      this.#limit = Math.min(Math.max(limit, BUS_IN_FLIGHT_BLOCKS_MIN), BUS_IN_FLIGHT_BLOCKS_MAX)
    }
    this.#shard = shard
    this.#sinceMs = nowMs
    this.#taken = taken
  }
}
