/**
 * Subscribers of channels over all shards, and the `sub` packets about them (reference: stats PUB, sub): at the first
 * subscriber, when the last one has left (a long poll's channel lingers), and in between when their number has changed,
 * or when the time to live of what was told is three quarters over.
 */
import { RefreshRing, type RingMember } from '../base/refresh-ring.js'
import type { SubMode } from '../link/statistics.js'
import { type SubPacket, StatsType } from '../wire/stats-packet.js'

class Subscribed implements RingMember<Subscribed> {
  nextLinked: Subscribed | null = null
  previousLinked: Subscribed | null = null
  ringPlace = -1
  readonly mode: SubMode
  readonly channel: string
  subscribers = 0
  /** When it ends if nobody comes back; null: it has subscribers. */
  lingersUntilMs: number | null = null

  constructor(mode: SubMode, channel: string) {
    this.mode = mode
    this.channel = channel
  }
}

export class SubscriberBook {
  readonly #ttl: number
  readonly #lingerMs: number
  readonly #emit: (packet: SubPacket) => void
  readonly #byKey = new Map<string, Subscribed>()
  readonly #ring: RefreshRing<Subscribed>
  readonly #changed = new Set<Subscribed>()
  readonly #lingering = new Set<Subscribed>()

  /** Seconds. */
  constructor(ttl: number, linger: number, emit: (packet: SubPacket) => void) {
    this.#ttl = ttl
    this.#lingerMs = linger * 1000
    this.#emit = emit
    this.#ring = new RefreshRing(ttl)
  }

  handleChange(mode: SubMode, channel: string, change: number, nowMs: number): void {
    const key = `${mode} ${channel}`
    const subscribed = this.#byKey.get(key) ?? this.#add(key, mode, channel)
    const before = subscribed.subscribers
    subscribed.subscribers += change
    if (subscribed.subscribers === 0) {
      if (mode === 'response') this.#linger(subscribed, nowMs)
      else this.#end(subscribed)
    } else if (before === 0) {
      subscribed.lingersUntilMs = null
      this.#lingering.delete(subscribed)
      this.#tell(subscribed)
    } else {
      this.#changed.add(subscribed)
    }
  }

  handleSecond(nowMs: number): void {
    for (const subscribed of this.#lingering) {
      if (nowMs >= (subscribed.lingersUntilMs ?? Number.POSITIVE_INFINITY)) this.#end(subscribed)
    }
    for (const subscribed of this.#changed) this.#tell(subscribed)
    for (const subscribed of this.#ring.turn()) {
      if (subscribed.lingersUntilMs === null && !this.#changed.has(subscribed)) this.#tell(subscribed)
    }
    this.#changed.clear()
  }

  #add(key: string, mode: SubMode, channel: string): Subscribed {
    const subscribed = new Subscribed(mode, channel)
    this.#byKey.set(key, subscribed)
    this.#ring.add(subscribed)
    return subscribed
  }

  #linger(subscribed: Subscribed, nowMs: number): void {
    subscribed.lingersUntilMs = nowMs + this.#lingerMs
    this.#lingering.add(subscribed)
    this.#changed.delete(subscribed)
  }

  #end(subscribed: Subscribed): void {
    const { mode, channel } = subscribed
    this.#byKey.delete(`${mode} ${channel}`)
    this.#ring.delete(subscribed)
    this.#changed.delete(subscribed)
    this.#lingering.delete(subscribed)
    this.#emit({ type: StatsType.Sub, mode, channel, subscription: null })
  }

  #tell({ mode, channel, subscribers }: Subscribed): void {
    this.#emit({ type: StatsType.Sub, mode, channel, subscription: { ttl: this.#ttl, subscribers } })
  }
}
