import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { decodeHistogram } from '../measure/histogram.js'
import { LIVE_ROW, Live, liveSum } from './protocol.js'
import type { Interval, WorkerStart } from './protocol.js'
import { Tally } from './tally.js'

const PHASES = { startMs: 1_000, measureMs: 3_000, endMs: 6_000 }

let nowMs = 0
let live: Float64Array
let intervals: Interval[] = []
let tally: Tally

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  nowMs = 0
  intervals = []
  live = new Float64Array(new SharedArrayBuffer(2 * LIVE_ROW * 8))
  const port = { postMessage: (interval: Interval) => intervals.push(interval) }
  const start = { worker: 1, role: 'clients 1', live: live.buffer, port } as unknown as WorkerStart
  tally = new Tally(start, { nowMs: () => nowMs })
})

afterEach(() => {
  vi.useRealTimers()
})

function advanceTo(timeMs: number): void {
  // Step by step: a timer asks the clock what time it is.
  while (nowMs < timeMs) {
    nowMs += 1
    vi.advanceTimersByTime(1)
  }
}

function countsBySecond(series: string): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { second, series: of } of intervals) {
    const encoded = of[series]
    if (encoded !== undefined) counts[second] = (counts[second] ?? 0) + decodeHistogram(encoded).totalCount
  }
  return counts
}

test('what was intended in the warm-up is not recorded, however late it is', () => {
  const delivery = tally.series('delivery')
  advanceTo(900)
  tally.begin(PHASES)
  advanceTo(3_500)
  delivery.record(2_999.9, nowMs)
  delivery.record(3_000, nowMs)
  advanceTo(4_500)
  delivery.record(4_000, nowMs)
  delivery.record(4_100, nowMs)
  tally.end()
  expect(countsBySecond('delivery')).toEqual({ 0: 1, 1: 2 })
})

test('a series of everything: openings before the load stand before the first second', () => {
  const openings = tally.series('connect', 0)
  openings.record(10, 12)
  tally.begin(PHASES)
  advanceTo(3_200)
  openings.record(3_100, 3_200)
  tally.end()
  expect(countsBySecond('connect')).toEqual({ '-1': 1, '0': 1 })
})

test('last messages behind the end are measured', () => {
  const delivery = tally.series('delivery')
  tally.begin(PHASES)
  advanceTo(7_300)
  delivery.record(5_999, nowMs)
  tally.end()
  expect(countsBySecond('delivery')).toEqual({ 4: 1 })
  expect(decodeHistogram(intervals.at(-1)?.series.delivery ?? '').maxValue).toBeCloseTo(1_301_000, -4)
})

test('only sends of the measurement count as late', () => {
  tally.begin(PHASES)
  expect(tally.encodedLateSends).toBeNull()
  tally.sent(2_000, 2_900)
  expect(tally.encodedLateSends).toBeNull()
  tally.sent(3_100, 3_107)
  expect(decodeHistogram(tally.encodedLateSends ?? '').maxValue).toBeCloseTo(7_000, -2)
})

test('live numbers stand in the row of the worker', () => {
  tally.count(Live.Open, 3)
  tally.count(Live.Open, -1)
  tally.fail('closed with code 1006', 'bye', 2)
  expect(live[LIVE_ROW + Live.Open]).toBe(2)
  expect(liveSum(live, Live.Failures)).toBe(2)
  expect(tally.failures.list()).toEqual([{ kind: 'closed with code 1006', count: 2, example: 'bye' }])
})
