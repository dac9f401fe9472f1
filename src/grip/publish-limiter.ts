/**
 * message_rate: deliveries that wait for their turn, so that no more than so many a second are made (reference: fan-out,
 * rate limiting). Plain and synchronous: the shell calls run() when it is due.
 *
 * Deliveries wait in buckets, one per route, first in, first out; turns go round the buckets. A batch is run every 25 ms,
 * or one delivery at a time below 40 a second. A delivery that weighs more than its batch has left leaves its bucket in
 * debt, and turns of that bucket pay it off before it delivers again.
 */
import { LIMITED_DELIVERIES_MAX } from '../base/limits.js'

export interface PublishLimits {
  /** Deliveries a second, above 0; may be a fraction. */
  readonly rate: number
  /** What may wait in one bucket, by weight; 0 or less: nothing but LIMITED_DELIVERIES_MAX bounds it. */
  readonly hwm: number
}

interface Waiting<Delivery> {
  readonly delivery: Delivery
  readonly weight: number
}

class Bucket<Delivery> {
  readonly key: string
  /** From `first` on; what was taken is cut off now and then. */
  readonly waiting: (Waiting<Delivery> | null)[] = []
  first = 0
  weight = 0
  debt = 0

  constructor(key: string) {
    this.key = key
  }

  get isEmpty(): boolean {
    return this.first === this.waiting.length
  }

  take(): Waiting<Delivery> {
    const taken = this.waiting[this.first] as Waiting<Delivery>
    this.waiting[this.first++] = null
    if (this.first >= CUT_AT) {
      this.waiting.splice(0, this.first)
      this.first = 0
    }
    this.weight -= taken.weight
    return taken
  }
}
const CUT_AT = 4_096

const INTERVAL_MS = 25

export class PublishLimiter<Delivery> {
  /** Between two batches. */
  readonly intervalMs: number
  readonly #batch: number
  readonly #hwm: number
  readonly #perform: (delivery: Delivery) => boolean
  readonly #buckets: Bucket<Delivery>[] = []
  readonly #byKey = new Map<string, Bucket<Delivery>>()
  /** The bucket whose turn it is. */
  #turn = 0
  #size = 0

  /** `perform` makes a delivery; false: its receiver is gone, and the turn costs nothing. Must not throw. */
  constructor({ rate, hwm }: PublishLimits, perform: (delivery: Delivery) => boolean) {
    const isBatched = rate >= 1000 / INTERVAL_MS
    this.intervalMs = isBatched ? INTERVAL_MS : Math.floor(1000 / rate)
    this.#batch = isBatched ? Math.ceil((rate * INTERVAL_MS) / 1000) : 1
    this.#hwm = hwm
    this.#perform = perform
  }

  get size(): number {
    return this.#size
  }

  /** False: its bucket is full, and it is not to be made. */
  add(key: string, delivery: Delivery, weight: number): boolean {
    const known = this.#byKey.get(key)
    if (this.#hwm > 0 && (known?.weight ?? 0) + weight > this.#hwm) return false
    if (this.#size >= LIMITED_DELIVERIES_MAX) return false
    const bucket = known ?? this.#open(key)
    bucket.waiting.push({ delivery, weight })
    bucket.weight += weight
    this.#size++
    return true
  }

  /** One batch. False: nothing waited, so run() need not be called until something is added. */
  run(): boolean {
    if (this.#buckets.length === 0) return false
    let spent = 0
    while (spent < this.#batch && this.#buckets.length > 0) {
      const bucket = this.#buckets[this.#turn] as Bucket<Delivery>
      spent += this.#runOne(bucket, this.#batch - spent)
      if (bucket.isEmpty && bucket.debt <= 0) this.#close(bucket)
      else this.#turn++
      if (this.#turn >= this.#buckets.length) this.#turn = 0
    }
    return true
  }

  /** A turn of one bucket; what it costs. */
  #runOne(bucket: Bucket<Delivery>, left: number): number {
    if (bucket.debt > 0) {
      bucket.debt--
      return 1
    }
    const { delivery, weight } = bucket.take()
    this.#size--
    if (!this.#perform(delivery)) return 0
    const cost = Math.max(weight, 1)
    if (cost > left) bucket.debt += cost - left
    return cost
  }

  #open(key: string): Bucket<Delivery> {
    const bucket = new Bucket<Delivery>(key)
    this.#buckets.push(bucket)
    this.#byKey.set(key, bucket)
    return bucket
  }

  #close(bucket: Bucket<Delivery>): void {
    this.#buckets.splice(this.#turn, 1)
    this.#byKey.delete(bucket.key)
  }
}
