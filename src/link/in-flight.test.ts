import { describe, expect, it } from 'vitest'
import {
  BUS_IN_FLIGHT_BLOCKS_MAX,
  BUS_IN_FLIGHT_BLOCKS_MIN,
  BUS_IN_FLIGHT_MS,
  BUS_RATE_SAMPLE_MS,
} from '../base/limits.js'
import { InFlightLimit } from './in-flight.js'

const LAG = BUS_IN_FLIGHT_BLOCKS_MIN

/** A shard that takes `rate` blocks in a millisecond, seen several times from `fromMs` on. */
function watched(limit: InFlightLimit, rate: number, fromMs = 0): number {
  for (let sample = 0; sample < 4; sample++) {
    const nowMs = fromMs + sample * BUS_RATE_SAMPLE_MS
    limit.observe(0, LAG, nowMs * rate, nowMs)
  }
  return limit.blocks
}

describe('what may be on the bus', () => {
  it('is what a busy shard takes in its time', () => {
    expect(watched(new InFlightLimit(), 100)).toBe(100 * BUS_IN_FLIGHT_MS)
  })

  it('stays within its limits, however slow or fast the shard is', () => {
    expect(watched(new InFlightLimit(), 0)).toBe(BUS_IN_FLIGHT_BLOCKS_MIN)
    expect(watched(new InFlightLimit(), 1e7)).toBe(BUS_IN_FLIGHT_BLOCKS_MAX)
  })

  it('follows when items get other numbers of receivers', () => {
    const limit = new InFlightLimit()
    watched(limit, 100)
    expect(watched(limit, 30, 60_000)).toBe(30 * BUS_IN_FLIGHT_MS)
  })

  it('learns nothing from a shard with nothing to do, or from two different ones', () => {
    const limit = new InFlightLimit()
    const before = limit.blocks
    limit.observe(0, LAG, 0, 0)
    limit.observe(0, LAG - 1, 500, 500)
    limit.observe(0, LAG, 1_000, 1_000)
    limit.observe(1, LAG, 7_000, 2_000)
    expect(limit.blocks).toBe(before)
  })

  it('reads positions that have begun again at 0', () => {
    const limit = new InFlightLimit()
    limit.observe(0, LAG, 2 ** 32 - 1_000, 0)
    limit.observe(0, LAG, 1_000, BUS_RATE_SAMPLE_MS)
    expect(limit.blocks).toBe((2_000 / BUS_RATE_SAMPLE_MS) * BUS_IN_FLIGHT_MS)
  })
})
