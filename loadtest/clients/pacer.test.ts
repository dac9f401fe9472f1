import { expect, test } from 'vitest'
import { Schedule } from '../measure/schedule.js'
import { Pacer } from './pacer.js'

function rig(ratePerSecond: number, endMs: number) {
  const log: string[] = []
  const clock = { now: 0, nowMs: () => clock.now }
  const schedule = new Schedule({ startMs: 0, endMs, ratePerSecond })
  const pacer = new Pacer({
    schedule,
    clock,
    send: (n, intendedMs) => log.push(`${n} of ${intendedMs} at ${clock.now}`),
    handleDone: () => log.push('done'),
  })
  const wakeAt = (nowMs: number): string[] => {
    clock.now = nowMs
    pacer.wake()
    return log.splice(0)
  }
  return { pacer, clock, log, wakeAt }
}

test('sends on every beat, and once after each', () => {
  const { wakeAt } = rig(10, 300)
  expect(wakeAt(0)).toEqual(['0 of 0 at 0'])
  expect(wakeAt(0)).toEqual([])
  expect(wakeAt(100)).toEqual(['1 of 100 at 100'])
  expect(wakeAt(200)).toEqual(['2 of 200 at 200', 'done'])
  expect(wakeAt(300)).toEqual([])
})

test('after a pause everything that is due goes out with its own intended time', () => {
  const { wakeAt } = rig(10, 1_000)
  wakeAt(0)
  expect(wakeAt(350)).toEqual(['1 of 100 at 350', '2 of 200 at 350', '3 of 300 at 350'])
})

test('a beat that comes a hair early by the clock of this thread is not lost', () => {
  const { wakeAt } = rig(10, 1_000)
  wakeAt(0)
  expect(wakeAt(99.995)).toEqual(['1 of 100 at 99.995'])
  expect(wakeAt(199.9)).toEqual([])
})

test('a run that is cut short ends at once', () => {
  const { pacer, clock, log, wakeAt } = rig(10, 10_000)
  wakeAt(0)
  clock.now = 210
  pacer.cut(210)
  expect(log).toEqual(['1 of 100 at 210', '2 of 200 at 210', 'done'])
  expect(wakeAt(400)).toEqual(['1 of 100 at 210', '2 of 200 at 210', 'done'])
})
