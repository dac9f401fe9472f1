/**
 * Channels that got their first subscriber a moment ago. When they have had it for a second, who holds them asks its
 * backend again: what was published between the backend's answer and the subscription may have gone to nobody
 * (reference: first-subscription retry).
 *
 * The wait is the same for all, so the channels are in the order of their time as they come.
 */
import { NO_DEADLINE } from '../base/deadlines.js'
import { FIRST_SUBSCRIPTION_MS } from '../base/limits.js'

export class FirstSubscriptions {
  readonly #dueMs = new Map<string, number>()

  /** When the next channel is due; NO_DEADLINE: none waits. */
  get deadlineMs(): number {
    for (const dueMs of this.#dueMs.values()) return dueMs
    return NO_DEADLINE
  }

  /** `nowMs` must not go back. */
  handleFirst(channel: string, nowMs: number): void {
    this.#dueMs.set(channel, nowMs + FIRST_SUBSCRIPTION_MS)
  }

  /** The last subscriber of `channel` has gone. */
  handleLast(channel: string): void {
    this.#dueMs.delete(channel)
  }

  /** The channels that are due, which are forgotten with that. */
  *takeDue(nowMs: number): Generator<string> {
    for (const [channel, dueMs] of this.#dueMs) {
      if (dueMs > nowMs) return
      this.#dueMs.delete(channel)
      yield channel
    }
  }
}
