import { expect, test } from 'vitest'
import type { Interval } from '../clients/protocol.js'
import { decodeHistogram, encodeHistogram, figuresOf, newHistogram, percentileMs, recordMs } from './histogram.js'
import { Timeline } from './timeline.js'

function encoded(...latenciesMs: number[]): string {
  const histogram = newHistogram()
  for (const latencyMs of latenciesMs) recordMs(histogram, latencyMs)
  return encodeHistogram(histogram)
}

function interval(worker: number, second: number, series: Record<string, string>): Interval {
  return { kind: 'interval', worker, second, series }
}

test('workers and seconds merge into what one worker would have measured', () => {
  const timeline = new Timeline('delivery')
  const whole = newHistogram()
  for (let worker = 0; worker < 4; worker += 1) {
    for (let second = 0; second < 5; second += 1) {
      const latencies = Array.from({ length: 50 }, (_, n) => worker * 10 + second + n / 7 + 0.001)
      for (const latencyMs of latencies) recordMs(whole, latencyMs)
      timeline.add(interval(worker, second, { delivery: encoded(...latencies) }))
    }
  }
  expect(figuresOf(timeline.total('delivery'))).toEqual(figuresOf(whole))
  expect(timeline.total('delivery').totalCount).toBe(1_000)
})

test('a second has the figures of all workers, and of the first series only', () => {
  const timeline = new Timeline('delivery')
  timeline.add(interval(0, 0, { delivery: encoded(1, 2, 3), answer: encoded(99) }))
  timeline.add(interval(1, 0, { delivery: encoded(40) }))
  timeline.add(interval(0, 2, { delivery: encoded(5) }))
  timeline.setConnections(2, 17)
  expect(timeline.second(0)).toMatchObject({
    count: 4,
    p50Ms: 2,
    maxMs: percentileMs(decodeHistogram(encoded(40)), 100),
  })
  expect(timeline.second(1)).toBeNull()
  expect(timeline.seconds(3).map(({ count, connections }) => [count, connections])).toEqual([
    [4, 0],
    [0, 0],
    [1, 17],
  ])
  expect(timeline.total('answer').totalCount).toBe(1)
})

test('what came before the measurement and behind it counts in the total, not in the seconds', () => {
  const timeline = new Timeline('connect')
  timeline.add(interval(0, -1, { connect: encoded(7) }))
  timeline.add(interval(0, 1, { connect: encoded(8) }))
  expect(timeline.seconds(1)[0]?.count).toBe(0)
  expect(timeline.total('connect').totalCount).toBe(2)
})

test('latencies out of range are kept as the nearest that can be', () => {
  const histogram = newHistogram()
  recordMs(histogram, -0.5)
  recordMs(histogram, 10_000_000)
  expect(histogram.totalCount).toBe(2)
  expect(percentileMs(histogram, 0)).toBe(0)
  expect(percentileMs(histogram, 100)).toBeGreaterThan(599_000)
})

test('an empty series has figures', () => {
  expect(figuresOf(new Timeline('delivery').total('delivery'))).toMatchObject({
    count: 0,
    minMs: 0,
    meanMs: 0,
    maxMs: 0,
  })
})
