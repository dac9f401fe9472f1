/**
 * Time-outs of the next links of held streams (reference: next links, timeout registration).
 *
 * Streams with the same time-out and the same link, its query left out, have one deadline, so that they ask together.
 * Who comes later joins the deadline that runs, and may ask early. Those that have had an item since the last one are
 * let off until the next.
 */
import type { Clock } from '../base/clock.js'
import { DeadlineEntry, type Deadlines } from '../base/deadlines.js'

export interface TimedStream {
  /** @internal */
  linkBucket: LinkBucket | null
  /** Its time is up; it is not registered any more. Must not throw. */
  handleLinkTimeout(): void
}

/** @internal */
export class LinkBucket extends DeadlineEntry {
  readonly key: string
  readonly timeoutMs: number
  readonly streams = new Set<TimedStream>()
  readonly active = new Set<TimedStream>()
  readonly #timeouts: LinkTimeouts

  constructor(timeouts: LinkTimeouts, key: string, timeoutMs: number) {
    super()
    this.#timeouts = timeouts
    this.key = key
    this.timeoutMs = timeoutMs
  }

  override handleDeadline(nowMs: number): void {
    this.#timeouts.handleBucketDue(this, nowMs)
  }
}

export class LinkTimeouts {
  readonly #deadlines: Deadlines
  readonly #clock: Clock
  readonly #buckets = new Map<string, LinkBucket>()

  constructor(deadlines: Deadlines, clock: Clock) {
    this.#deadlines = deadlines
    this.#clock = clock
  }

  register(stream: TimedStream, uri: string, timeoutMs: number): void {
    const key = `${String(timeoutMs)} ${uri}`
    if (stream.linkBucket?.key === key) return
    this.unregister(stream)
    let bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      bucket = new LinkBucket(this, key, timeoutMs)
      this.#buckets.set(key, bucket)
      this.#deadlines.set(bucket, this.#clock.nowMs() + timeoutMs)
    }
    bucket.streams.add(stream)
    stream.linkBucket = bucket
  }

  /** It has had an item of each of its channels. */
  noteActive(stream: TimedStream): void {
    stream.linkBucket?.active.add(stream)
  }

  unregister(stream: TimedStream): void {
    const bucket = stream.linkBucket
    if (bucket === null) return
    stream.linkBucket = null
    bucket.streams.delete(stream)
    bucket.active.delete(stream)
    if (bucket.streams.size === 0) this.#remove(bucket)
  }

  /** @internal */
  handleBucketDue(bucket: LinkBucket, nowMs: number): void {
    const due = [...bucket.streams].filter((stream) => !bucket.active.has(stream))
    bucket.active.clear()
    for (const stream of due) {
      bucket.streams.delete(stream)
      stream.linkBucket = null
    }
    if (bucket.streams.size > 0) this.#deadlines.set(bucket, nowMs + bucket.timeoutMs)
    else this.#remove(bucket)
    for (const stream of due) stream.handleLinkTimeout()
  }

  #remove(bucket: LinkBucket): void {
    this.#deadlines.clear(bucket)
    this.#buckets.delete(bucket.key)
  }
}
