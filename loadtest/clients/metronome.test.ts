import type { MessagePort } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { Schedule, wakeUpsPerSecond } from '../measure/schedule.js'
import { NextBeat } from './metronome.js'

const [a, b] = ['a', 'b'] as unknown as [MessagePort, MessagePort]

function beats(next: NextBeat, count: number): [unknown, number][] {
  return Array.from({ length: count }, () => {
    const { port, atMs } = next.take()
    return [port, atMs]
  })
}

test('the beats of all rows in the order of their times', () => {
  const next = new NextBeat([
    { port: a, startMs: 100, intervalMs: 10 },
    { port: b, startMs: 103, intervalMs: 4 },
  ])
  expect(beats(next, 6)).toEqual([
    [a, 100],
    [b, 103],
    [b, 107],
    [a, 110],
    [b, 111],
    [b, 115],
  ])
})

test('every send of a schedule has a beat at its time', () => {
  for (const ratePerSecond of [3, 400, 1_000, 2_500]) {
    const schedule = new Schedule({ startMs: 50, endMs: 1_050, ratePerSecond })
    const next = new NextBeat([{ port: a, startMs: 50, intervalMs: 1_000 / wakeUpsPerSecond(ratePerSecond) }])
    const times = new Set(beats(next, wakeUpsPerSecond(ratePerSecond)).map(([, atMs]) => atMs.toFixed(3)))
    for (let n = 0; n < schedule.total; n += 1) expect(times).toContain(schedule.intendedMs(n).toFixed(3))
  }
})
