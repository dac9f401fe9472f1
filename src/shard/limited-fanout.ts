/**
 * Fan-out with message_rate: each delivery to each receiver waits for its turn (grip/publish-limiter.ts). It takes the
 * place of fanout.ts when a rate is set, which costs nothing when none is.
 *
 * The rate and the high-water mark are those of the whole gateway; the kernel spreads clients over the shards, so each
 * shard has an equal part of both.
 */
import type { Log } from '../base/log.js'
import { unreachable } from '../base/assert.js'
import { PublishLimiter } from '../grip/publish-limiter.js'
import { type Receiver, ReceiverKind } from '../grip/receiver.js'
import type { Channel, Subscription } from '../grip/subscriptions.js'
import type { Counters } from '../link/counters.js'
import type { HttpResponseFormat, HttpStreamFormat, PublishItem, WsMessageFormat } from '../wire/publish-types.js'
import { LimiterPulse } from './limiter-pulse.js'

export interface LimitedFanoutOptions {
  /** Of the whole gateway; `rate` above 0. */
  readonly rate: number
  readonly hwm: number
  /** Bytes; 0 or less: every delivery weighs 1. */
  readonly blockSize: number
  readonly shards: number
  readonly counters: Counters
  readonly log: Log
  onError(receiver: Receiver, error: unknown): void
}

interface Delivery {
  readonly subscription: Subscription
  readonly item: PublishItem
}

export class LimitedFanout {
  readonly #options: LimitedFanoutOptions
  readonly #limiter: PublishLimiter<Delivery>
  readonly #pulse: LimiterPulse

  constructor(options: LimitedFanoutOptions) {
    this.#options = options
    const { rate, hwm, shards } = options
    const limits = { rate: rate / shards, hwm: hwm > 0 ? Math.max(Math.floor(hwm / shards), 1) : -1 }
    this.#limiter = new PublishLimiter(limits, (delivery) => this.#perform(delivery))
    this.#pulse = new LimiterPulse(this.#limiter)
  }

  deliver(channel: Channel, item: PublishItem): void {
    const { httpResponse, httpStream, wsMessage } = item
    if (httpResponse !== null) this.#add(channel.responses, item, httpResponse.body.length)
    if (httpStream !== null) this.#add(channel.streams, item, httpStream.content.length)
    if (wsMessage !== null) this.#add(channel.ws, item, wsMessage.content.length)
    this.#pulse.schedule()
  }

  close(): void {
    this.#pulse.close()
  }

  #add(subscriptions: readonly Subscription[], item: PublishItem, bytes: number): void {
    const weight = this.#weight(item.size >= 0 ? item.size : bytes)
    const dropped = new Map<string, number>()
    for (const subscription of subscriptions) {
      const route = subscription.receiver.statsRoute
      if (!this.#limiter.add(route, { subscription, item }, weight)) dropped.set(route, (dropped.get(route) ?? 0) + 1)
    }
    for (const [route, count] of dropped) this.#report(route, count)
  }

  #weight(bytes: number): number {
    const { blockSize } = this.#options
    return blockSize > 0 ? Math.ceil(bytes / blockSize) : 1
  }

  #report(route: string, count: number): void {
    const { counters, log, hwm } = this.#options
    counters.add('drop_rate', count)
    const where = route === '' ? '' : ` for route ${route}`
    log.warn({ receivers: count }, `exceeded publish hwm (${String(hwm)})${where}, dropping message`)
  }

  #perform({ subscription, item }: Delivery): boolean {
    const { receiver } = subscription
    if (subscription.place === -1) return false
    try {
      switch (receiver.kind) {
        case ReceiverKind.Stream:
          receiver.deliverItem(item, item.httpStream as HttpStreamFormat, subscription)
          break
        case ReceiverKind.Response:
          receiver.deliverResponse(item, item.httpResponse as HttpResponseFormat, subscription)
          break
        case ReceiverKind.Ws:
          receiver.deliverWs(item, item.wsMessage as WsMessageFormat, subscription)
          break
        default:
          unreachable(receiver)
      }
    } catch (error) {
      this.#options.onError(receiver, error)
    }
    return true
  }
}
