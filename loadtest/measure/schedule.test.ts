import { describe, expect, test } from 'vitest'
import { Schedule, wakeUpsPerSecond } from './schedule.js'

function sendsOf(schedule: Schedule, wakeUpsMs: readonly number[]): number[][] {
  let sent = 0
  return wakeUpsMs.map((nowMs) => {
    const times: number[] = []
    for (const due = schedule.dueBy(nowMs); sent < due; sent += 1) times.push(schedule.intendedMs(sent))
    return times
  })
}

test('each send has its own time, from the start up to the end', () => {
  const schedule = new Schedule({ startMs: 1_000, endMs: 1_500, ratePerSecond: 10 })
  expect(schedule.total).toBe(5)
  expect(sendsOf(schedule, [999, 1_000, 1_050, 1_100, 1_450, 9_000])).toEqual([
    [],
    [1_000],
    [],
    [1_100],
    [1_200, 1_300, 1_400],
    [],
  ])
})

test('a sender that was held up sends what is due with the times it should have had', () => {
  const schedule = new Schedule({ startMs: 0, endMs: 10_000, ratePerSecond: 100 })
  const [, , late] = sendsOf(schedule, [0, 10, 505])
  expect(late).toHaveLength(49)
  expect(late?.[0]).toBe(20)
  expect(late?.at(-1)).toBe(500)
})

test('sends closer than the grid share its steps, and none is lost', () => {
  const schedule = new Schedule({ startMs: 100, endMs: 1_100, ratePerSecond: 5_000 })
  expect(schedule.total).toBe(5_000)
  const sends = sendsOf(
    schedule,
    Array.from({ length: 1_000 }, (_, n) => 100 + n),
  )
  expect(sends.every((times) => times.length === 5)).toBe(true)
  expect(sends[7]).toEqual([107, 107, 107, 107, 107])
  expect(wakeUpsPerSecond(5_000)).toBe(1_000)
  expect(wakeUpsPerSecond(20)).toBe(20)
})

test('a run that is cut short sends nothing at its new end or later', () => {
  const schedule = new Schedule({ startMs: 0, endMs: 10_000, ratePerSecond: 10 })
  schedule.endAt(500)
  expect(schedule.total).toBe(5)
  schedule.endAt(9_000)
  expect(schedule.total).toBe(5)
  expect(schedule.dueBy(10_000)).toBe(5)
})

describe('what is due agrees with the intended times', () => {
  test.each([0.3, 1, 3, 7, 13, 99, 333, 999, 1_000, 1_001, 1_500, 3_333, 7_777, 100_000])('%d per second', (rate) => {
    const schedule = new Schedule({ startMs: 12_345.678, endMs: 12_345.678 + 3_000, ratePerSecond: rate })
    expect(Math.abs(schedule.total - rate * 3)).toBeLessThan(1)
    const wrong: number[] = []
    for (let n = 0; n < Math.min(schedule.total, 5_000); n += 1) {
      const at = schedule.intendedMs(n)
      if (schedule.dueBy(at) <= n || schedule.dueBy(at - 0.001) > n) wrong.push(n)
    }
    expect(wrong).toEqual([])
  })
})
