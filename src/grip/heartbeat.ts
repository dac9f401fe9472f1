/**
 * Whether a WebSocket client is still there: pings of our own, and the time of its last sign of life.
 *
 * Time is an argument; the shell sets one deadline for it among its others. A sign of life is any frame of the client,
 * and moves nothing: when the deadline comes, what is due is decided anew.
 */

/** Content of our pings. A pong that carries it answers us and is not the backend's business. */
export const HEARTBEAT_CONTENT: Buffer = Buffer.from('tackboard')

export interface HeartbeatTimes {
  readonly pingIntervalMs: number
  /** Without a sign of life for this long a client counts as gone. */
  readonly timeoutMs: number
}

/** What to do now. */
export type HeartbeatVerdict = 'wait' | 'ping' | 'gone'

export class Heartbeat {
  readonly #times: HeartbeatTimes
  #lastSignMs: number
  #pingDueMs: number

  /** `random` in [0, 1) spreads the first pings over one interval, so that many sockets do not ping in one second. */
  constructor(times: HeartbeatTimes, nowMs: number, random: number) {
    this.#times = times
    this.#lastSignMs = Math.round(nowMs)
    this.#pingDueMs = Math.round(nowMs + times.pingIntervalMs * random)
  }

  /** The client sent something. */
  handleSign(nowMs: number): void {
    this.#lastSignMs = Math.round(nowMs)
  }

  /** When to ask advance() again. */
  get deadlineMs(): number {
    return Math.min(this.#pingDueMs, this.#lastSignMs + this.#times.timeoutMs)
  }

  advance(nowMs: number): HeartbeatVerdict {
    if (nowMs >= this.#lastSignMs + this.#times.timeoutMs) return 'gone'
    if (nowMs < this.#pingDueMs) return 'wait'
    // From the time it was due, not from now: a late tick does not bunch pings that were spread.
    const missed = Math.floor((nowMs - this.#pingDueMs) / this.#times.pingIntervalMs)
    this.#pingDueMs += (missed + 1) * this.#times.pingIntervalMs
    return 'ping'
  }
}
