/** What works of the gateway and of raw uWebSockets.js have in common: their shapes must be the same to be compared. */
import type { Load, Measure } from './rig.js'

export const CONTENT = 'x'.repeat(64)
/** A server's text frame with this content: two bytes of head. */
export const FRAME_BYTES = 66
export const FAN_OUT_CONNECTIONS = 1_000
/** Publishes whose deliveries have not all come. */
export const IN_FLIGHT_MAX = 1_000
export const ROUND_TRIP_CONNECTIONS = 64
/** Nothing has come for this long: what is missing now will not come. */
const STALL_MS = 3_000

/** Publishes as fast as the receivers take it. */
export class SaturatedPublishing {
  published = 0
  readonly #load: Load
  readonly #receivers: number
  readonly #channels: number

  /** `receivers`: of each channel. */
  constructor(load: Load, receivers: number, channels: number) {
    this.#load = load
    this.#receivers = receivers
    this.#channels = channels
  }

  /** Whole rounds over all channels, so that every connection gets the same number of frames. */
  async run(forMs: number, publish: (n: number) => Promise<void>): Promise<void> {
    const end = performance.now() + forMs
    while (performance.now() < end || this.published % this.#channels !== 0) {
      if (!(await this.#load.reached((this.published - IN_FLIGHT_MAX) * this.#receivers, STALL_MS))) break
      await publish(this.published)
      this.published += 1
    }
    await this.#load.reached(this.published * this.#receivers, STALL_MS)
  }
}

export function costOf({ units, seconds, cpuMicros }: Measure): { rate: number; cost: number } {
  if (units === 0) throw new Error('nothing was done')
  return { rate: units / seconds, cost: cpuMicros / units }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
