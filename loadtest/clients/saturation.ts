/**
 * How many publishes may go out now, when a run is to be as fast as it goes: never more than `inFlight` per publisher that
 * are not answered, and as many times the publishers that are not delivered to everybody. Without these bounds the
 * gateway would have to drop, and what is measured would be the length of queues.
 */

/** Deliveries that have not come for so long are not waited for any more: they will be counted as missing. */
export const STALL_MS = 1_000

export interface SaturationOptions {
  readonly inFlight: number
  readonly publishers: number
  /** Deliveries that a publish makes, on average; 0: nobody listens, only answers count. */
  readonly deliveriesPerPublish: number
}

/** What has been done so far. */
export interface Progress {
  readonly sent: number
  readonly answered: number
  /** Over all publishers. */
  readonly allSent: number
  readonly delivered: number
}

export class Saturation {
  readonly #options: SaturationOptions
  /** Publishes whose deliveries are not waited for. */
  #forgiven = 0
  #delivered = -1
  #grownAtMs = 0

  constructor(options: SaturationOptions) {
    this.#options = options
  }

  free({ sent, answered, allSent, delivered }: Progress, nowMs: number): number {
    const { inFlight, publishers, deliveriesPerPublish } = this.#options
    const unanswered = sent - answered
    if (deliveriesPerPublish === 0) return Math.max(0, inFlight - unanswered)
    if (delivered !== this.#delivered) {
      this.#delivered = delivered
      this.#grownAtMs = nowMs
    }
    let undelivered = allSent - this.#forgiven - delivered / deliveriesPerPublish
    if (undelivered > 0 && nowMs - this.#grownAtMs >= STALL_MS) {
      this.#forgiven += undelivered
      this.#grownAtMs = nowMs
      undelivered = 0
    }
    return Math.max(0, Math.floor(Math.min(inFlight - unanswered, inFlight * publishers - undelivered)))
  }
}
