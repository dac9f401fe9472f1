/** Time, handed in so that it can be simulated. */
export interface Clock {
  /** Milliseconds on a monotonic clock; only differences mean anything. */
  nowMs(): number
}

export const systemClock: Clock = { nowMs: () => performance.now() }
