/** What one receiver has got of the messages on its channel, each of which it should get once. */
import { Seen, Sight } from '../measure/seen.js'
import type { StampReader } from '../measure/stamp.js'
import { Live } from './protocol.js'
import type { Counts } from './protocol.js'
import { NO_COUNTS } from './protocol.js'
import type { Series, Tally } from './tally.js'

/** What the inboxes of a worker share. */
export interface Post {
  readonly reader: StampReader
  readonly tally: Tally
  readonly delivery: Series
  /** Channels of the run: a source publishes to them in turn, so every so many numbers are for one channel. */
  readonly channels: number
}

/** What has come for one receiver. */
export interface Box {
  readonly channel: number
  receive(bytes: Buffer, start: number, end: number, nowMs: number): void
  /** What should have come and has not. `published`: by source and channel. */
  missing(published: readonly (readonly number[])[]): number
  /** `published`: null for a receiver that is gone, from which nothing more is expected. */
  counts(published: readonly (readonly number[])[] | null): Counts
}

export class Inbox implements Box {
  readonly channel: number
  readonly #post: Post
  /** By source. */
  readonly #seen: Seen[] = []
  #received = 0
  #duplicates = 0
  #outOfOrder = 0

  constructor(channel: number, post: Post) {
    this.channel = channel
    this.#post = post
  }

  /** What is not a message of this run is passed over: first lines of a stream, what others publish. */
  receive(bytes: Buffer, start: number, end: number, nowMs: number): void {
    const { reader, channels, tally, delivery } = this.#post
    if (!reader.read(bytes, start, end)) return
    if (reader.number % channels !== this.channel) {
      tally.fail('message of another channel')
      return
    }
    const number = (reader.number - this.channel) / channels
    const seen = (this.#seen[reader.source] ??= new Seen())
    const sight = seen.see(number)
    if (sight === Sight.Duplicate) {
      this.#duplicates += 1
      tally.fail('duplicate messages')
      return
    }
    if (sight === Sight.OutOfOrder) this.#outOfOrder += 1
    this.#received += 1
    tally.count(Live.Received)
    delivery.record(reader.intendedMs, nowMs)
  }

  missing(published: readonly (readonly number[])[]): number {
    let missing = 0
    for (const [source, byChannel] of published.entries()) {
      const sent = byChannel[this.channel] ?? 0
      missing += this.#seen[source]?.missing(sent) ?? sent
    }
    return missing
  }

  counts(published: readonly (readonly number[])[] | null): Counts {
    const missing = published === null ? 0 : this.missing(published)
    return {
      ...NO_COUNTS,
      expected: this.#received + missing,
      received: this.#received,
      missing,
      duplicates: this.#duplicates,
      outOfOrder: this.#outOfOrder,
    }
  }
}
