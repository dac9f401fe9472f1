/**
 * What one long-polling client has got. A poll is answered with one message, and what is published while the next poll is on
 * its way is for nobody: that is no fault. But a poll that has been out for a while (`settleMs`) is held, and must be
 * answered by the first publish after that.
 */
import type { Box, Post } from './inbox.js'
import { Live, NO_COUNTS } from './protocol.js'
import type { Counts } from './protocol.js'

export interface PollPost extends Post {
  /** When each publish went out; 0: not yet; NaN: it was refused. By its number. */
  readonly sentTimes: Float64Array
  readonly settleMs: number
}

export class PollInbox implements Box {
  readonly channel: number
  readonly #post: PollPost
  /** When the poll that is out was sent; Infinity: none is. */
  #polledMs = Infinity
  /** The next number that can be for this client. */
  #next: number
  #received = 0
  #duplicates = 0
  #missing = 0
  #betweenPolls = 0

  constructor(channel: number, post: PollPost) {
    this.channel = channel
    this.#post = post
    this.#next = channel
  }

  handlePolled(nowMs: number): void {
    this.#polledMs = nowMs
  }

  receive(bytes: Buffer, start: number, end: number, nowMs: number): void {
    const { reader, channels, tally, delivery } = this.#post
    const polledMs = this.#polledMs
    this.#polledMs = Infinity
    if (!reader.read(bytes, start, end)) return
    if (reader.number % channels !== this.channel) return tally.fail('message of another channel')
    if (reader.number < this.#next) {
      this.#duplicates += 1
      return tally.fail('duplicate messages')
    }
    for (; this.#next < reader.number; this.#next += channels) {
      if (this.#wasHeld(this.#next, polledMs)) this.#missing += 1
      else this.#betweenPolls += 1
    }
    this.#next = reader.number + channels
    this.#received += 1
    tally.count(Live.Received)
    delivery.record(reader.intendedMs, nowMs)
  }

  missing(): number {
    const { sentTimes, channels } = this.#post
    let missing = this.#missing
    for (let number = this.#next; number < sentTimes.length && sentTimes[number] !== 0; number += channels) {
      if (this.#wasHeld(number, this.#polledMs)) missing += 1
    }
    return missing
  }

  counts(published: unknown): Counts {
    const missing = published === null ? this.#missing : this.missing()
    return {
      ...NO_COUNTS,
      expected: this.#received + missing,
      received: this.#received,
      missing,
      duplicates: this.#duplicates,
      betweenPolls: this.#betweenPolls,
    }
  }

  /** Whether the poll of `polledMs` was held for certain when `number` was published. */
  #wasHeld(number: number, polledMs: number): boolean {
    const { sentTimes, settleMs } = this.#post
    // NaN, a refused publish, compares false.
    return (sentTimes[number] ?? NaN) > polledMs + settleMs
  }
}
