/**
 * Which messages of one source a receiver has seen: finds duplicates, messages out of order, and at the end what is
 * missing. In order, as it should be, it is one number.
 *
 * Invariant: every number in `#ahead` is greater than `#next`.
 */

export const Sight = { InOrder: 0, OutOfOrder: 1, Duplicate: 2 } as const
export type Sight = (typeof Sight)[keyof typeof Sight]

/** More messages than this are not waited for in the middle of a run: those below are missing for good. */
const AHEAD_MAX = 10_000

export class Seen {
  /** Everything below has been seen or is counted in `#lost`. */
  #next = 0
  #lost = 0
  #ahead: Set<number> | null = null

  /** Numbers count from 0. */
  see(number: number): Sight {
    if (number === this.#next) {
      this.#next += 1
      if (this.#ahead !== null) this.#catchUp(this.#ahead)
      return Sight.InOrder
    }
    if (number < this.#next) return Sight.Duplicate
    this.#ahead ??= new Set()
    if (this.#ahead.has(number)) return Sight.Duplicate
    this.#ahead.add(number)
    if (this.#ahead.size > AHEAD_MAX) this.#giveUpGap(this.#ahead)
    return Sight.OutOfOrder
  }

  /** How many of the first `sent` messages have not been seen. */
  missing(sent: number): number {
    const seen = this.#next - this.#lost + (this.#ahead?.size ?? 0)
    return Math.max(0, sent - seen)
  }

  #catchUp(ahead: Set<number>): void {
    while (ahead.delete(this.#next)) this.#next += 1
    if (ahead.size === 0) this.#ahead = null
  }

  #giveUpGap(ahead: Set<number>): void {
    let first = Infinity
    for (const number of ahead) if (number < first) first = number
    this.#lost += first - this.#next
    this.#next = first
    this.#catchUp(ahead)
  }
}
