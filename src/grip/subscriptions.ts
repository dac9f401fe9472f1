/**
 * Who holds which channel on this shard.
 *
 * Joining and leaving are O(1) whatever the number of receivers: a channel keeps its subscriptions in one array per
 * kind, a subscription knows its place in it, and leaving moves the last one into the gap. Fan-out walks the arrays
 * and allocates nothing.
 */
import { assert } from '../base/assert.js'
import { type Receiver, ReceiverKind } from './receiver.js'

export class Subscription {
  readonly channel: Channel
  readonly receiver: Receiver
  /** null: no sequence check. */
  prevId: string | null
  filters: readonly string[]
  /** @internal Place in the channel's array of its kind. */
  place = -1
  /** @internal Whether the receiver is in the uWebSockets.js topic (kind ws without filters). */
  byTopic = false

  constructor(channel: Channel, receiver: Receiver, prevId: string | null, filters: readonly string[]) {
    this.channel = channel
    this.receiver = receiver
    this.prevId = prevId
    this.filters = filters
  }
}

export class Channel {
  /** Byte string, with the route's prefix. */
  readonly name: string
  readonly streams: Subscription[] = []
  readonly responses: Subscription[] = []
  readonly ws: Subscription[] = []
  /** WebSocket subscriptions that are not in the topic. */
  wsByItem = 0
  /** Whether the bus delivers it: the barrier of its subscription has been answered. */
  live = false
  /** @internal Barrier number that will make it live, or 0. */
  barrier = 0
  /** @internal Content of this turn's http-stream items, joined and written at its end. */
  chunks: Buffer[] = []
  chunkItems = 0
  /** @internal Monotonic time until which an empty channel stays subscribed; 0: not lingering. */
  lingerUntilMs = 0

  constructor(name: string) {
    this.name = name
  }

  get subscribers(): number {
    return this.streams.length + this.responses.length + this.ws.length
  }

  #list(receiver: Receiver): Subscription[] {
    switch (receiver.kind) {
      case ReceiverKind.Stream:
        return this.streams
      case ReceiverKind.Response:
        return this.responses
      case ReceiverKind.Ws:
        return this.ws
    }
  }

  add(subscription: Subscription): void {
    const list = this.#list(subscription.receiver)
    subscription.place = list.length
    list.push(subscription)
    subscription.receiver.subscriptions.push(subscription)
  }

  remove(subscription: Subscription): void {
    const list = this.#list(subscription.receiver)
    assert(list[subscription.place] === subscription, 'a subscription knows its place')
    const last = list.pop() as Subscription
    if (last !== subscription) {
      list[subscription.place] = last
      last.place = subscription.place
    }
    subscription.place = -1
    const own = subscription.receiver.subscriptions
    const index = own.indexOf(subscription)
    assert(index >= 0, 'a receiver lists its subscriptions')
    own[index] = own[own.length - 1] as Subscription
    own.pop()
  }
}
