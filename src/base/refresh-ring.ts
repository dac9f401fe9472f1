/**
 * What is told again and again, each once a round: its members stand in buckets, one of which is due every second, so that
 * all have been told within three quarters of their time to live.
 */
import { type Linked, LinkedSet } from './linked-set.js'

export interface RingMember<T> extends Linked<T> {
  /** @internal Of its bucket; -1: it has none yet. */
  ringPlace: number
}

export class RefreshRing<T extends RingMember<T>> {
  readonly #buckets: readonly LinkedSet<T>[]
  /** Of the next member. */
  #next = 0
  #due = 0

  /** Seconds. */
  constructor(ttl: number) {
    this.#buckets = Array.from({ length: Math.max(1, Math.floor((ttl * 3) / 4)) }, () => new LinkedSet<T>())
  }

  add(member: T): void {
    member.ringPlace = this.#next
    this.#next = (this.#next + 1) % this.#buckets.length
    this.#bucket(member.ringPlace).add(member)
  }

  /** One that was added. A second time changes nothing. */
  delete(member: T): void {
    this.#bucket(member.ringPlace).delete(member)
  }

  /** To be called once a second: who is due. */
  turn(): Iterable<T> {
    const due = this.#bucket(this.#due)
    this.#due = (this.#due + 1) % this.#buckets.length
    return due
  }

  #bucket(place: number): LinkedSet<T> {
    return this.#buckets[place] as LinkedSet<T>
  }
}
