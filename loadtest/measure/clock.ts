/**
 * One monotonic clock for all threads of the process: messages carry the time they should have been sent, and another
 * thread takes the difference.
 */

export interface Clock {
  /** Milliseconds with a fraction; only differences mean anything. */
  nowMs(): number
}

/** Comparisons of the two clocks; the best of them counts, since the first ones run in code that is not compiled yet. */
const SAMPLES = 50

/** performance.now() begins at zero in every thread; process.hrtime is the machine's monotonic clock. */
function offsetMs(): number {
  let offset = 0
  let shortest = Infinity
  for (let i = 0; i < SAMPLES; i += 1) {
    const before = performance.now()
    const machine = Number(process.hrtime.bigint()) / 1e6
    const after = performance.now()
    if (after - before >= shortest) continue
    shortest = after - before
    offset = machine - (before + after) / 2
  }
  return offset
}

const OFFSET_MS = offsetMs()

export const machineClock: Clock = { nowMs: () => performance.now() + OFFSET_MS }
