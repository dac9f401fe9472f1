/**
 * When an open-loop load sends: message n has an intended time, whatever became of the messages before it. Latencies
 * count from the intended time, so that a client or a gateway that comes late cannot hide it (no coordinated omission).
 *
 * Sends further apart than a grid step have times of their own. Closer ones share the steps of the grid: at 5,000 a
 * second five go out together each millisecond.
 */

/** Shortest time between two wake-ups of a sender. */
export const GRID_MS = 1

export interface ScheduleOptions {
  readonly startMs: number
  /** No send is intended at this time or later; may be Infinity. */
  readonly endMs: number
  readonly ratePerSecond: number
}

export class Schedule {
  readonly startMs: number
  readonly ratePerSecond: number
  #total: number
  readonly #stepMs: number
  readonly #gridMs: number

  constructor({ startMs, endMs, ratePerSecond }: ScheduleOptions) {
    this.startMs = startMs
    this.ratePerSecond = ratePerSecond
    this.#stepMs = 1_000 / ratePerSecond
    this.#gridMs = this.#stepMs < GRID_MS ? GRID_MS : 0
    this.#total = this.#countBefore(endMs)
  }

  /** How many sends there are in all. */
  get total(): number {
    return this.#total
  }

  /** No send at `endMs` or later: the run was cut short. */
  endAt(endMs: number): void {
    this.#total = Math.min(this.#total, this.#countBefore(endMs))
  }

  intendedMs(n: number): number {
    const at = n * this.#stepMs
    return this.startMs + (this.#gridMs === 0 ? at : Math.floor(at / this.#gridMs) * this.#gridMs)
  }

  /** How many sends should have gone out by `nowMs`, this moment included. */
  dueBy(nowMs: number): number {
    if (nowMs < this.startMs) return 0
    const elapsed = nowMs - this.startMs
    const upTo = this.#gridMs === 0 ? elapsed : (Math.floor(elapsed / this.#gridMs) + 1) * this.#gridMs
    let due = Math.min(this.#total, Math.floor(upTo / this.#stepMs) + 1)
    // Divisions round: what is said here must agree with intendedMs.
    while (due > 0 && this.intendedMs(due - 1) > nowMs) due -= 1
    while (due < this.#total && this.intendedMs(due) <= nowMs) due += 1
    return due
  }

  #countBefore(endMs: number): number {
    if (endMs <= this.startMs) return 0
    if (endMs === Infinity) return Infinity
    let count = Math.ceil((endMs - this.startMs) / this.#stepMs)
    while (count > 0 && this.intendedMs(count - 1) >= endMs) count -= 1
    return count
  }
}

/** Wake-ups per second that a schedule of this rate needs. */
export function wakeUpsPerSecond(ratePerSecond: number): number {
  return Math.min(ratePerSecond, 1_000 / GRID_MS)
}
