/** Opens many connections over a ramp: each has a time at which it should begin, and is not held up by the others. */
import type { Clock } from '../measure/clock.js'
import { Schedule } from '../measure/schedule.js'

/** Timers come at whole milliseconds; connections need no finer ones. */
const WAKE_MS = 1

export interface RampOptions {
  readonly count: number
  readonly rampMs: number
  readonly clock: Clock
  /** Resolves when connection `n` is open or has failed. `intendedMs`: when it should have been begun. */
  open(n: number, intendedMs: number): Promise<void>
}

/** Resolves when all are open or have failed. */
export async function openOverRamp({ count, rampMs, clock, open }: RampOptions): Promise<void> {
  if (count === 0) return
  const startMs = clock.nowMs()
  // A ramp of 0 is a millisecond long: all at once, and no division by zero.
  const lengthMs = Math.max(rampMs, 1)
  const schedule = new Schedule({ startMs, endMs: Infinity, ratePerSecond: (count * 1_000) / lengthMs })
  const openings: Promise<void>[] = []
  while (openings.length < count) {
    const due = Math.min(count, schedule.dueBy(clock.nowMs()))
    while (openings.length < due) openings.push(open(openings.length, schedule.intendedMs(openings.length)))
    if (openings.length < count) await new Promise((resolve) => setTimeout(resolve, WAKE_MS))
  }
  await Promise.all(openings)
}
