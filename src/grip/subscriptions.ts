/**
 * Who holds which channel on this shard.
 *
 * Joining and leaving are O(1) whatever the number of receivers: a channel keeps its subscriptions in one array per
 * kind, a subscription knows its place in it, and leaving moves the last one into the gap. Fan-out walks the arrays
 * and allocates nothing.
 */
import { assert } from '../base/assert.js'
import { DeadlineEntry } from '../base/deadlines.js'
import type { FilterStack } from './filters.js'
import { type Receiver, ReceiverKind } from './receiver.js'

export class Subscription {
  readonly channel: Channel
  readonly receiver: Receiver
  /** null: no sequence check. */
  prevId: string | null
  filters: FilterStack
  /** @internal Place in the channel's array of its kind. */
  place = -1
  /**
   * Whether each item needs a look of its own for this receiver: it has filters or a prev-id, or (streams) it holds
   * several channels, whose order a chunk joined per channel would lose. Set by the hub.
   */
  byItem = false

  constructor(channel: Channel, receiver: Receiver, prevId: string | null, filters: FilterStack) {
    this.channel = channel
    this.receiver = receiver
    this.prevId = prevId
    this.filters = filters
  }
}

/** One channel of this shard. Its deadline is the end of its linger (an empty channel may stay subscribed a while). */
export abstract class Channel extends DeadlineEntry {
  /** Byte string, with the route's prefix. */
  readonly name: string
  readonly streams: Subscription[] = []
  readonly responses: Subscription[] = []
  readonly ws: Subscription[] = []
  /** How many of `ws` (not in the uWebSockets.js topic) and of `streams` are byItem. */
  wsByItem = 0
  streamsByItem = 0
  /** Whether the bus delivers it: the barrier of its subscription has been answered. */
  live = false
  /** Receivers that wait for it to become live. */
  waiting = 0
  /** Id of the item released last, as far as the receivers have been given it. null: there is none; undefined: unknown. */
  lastId: string | null | undefined = undefined
  /** Bytes published by topic since the sockets were looked at last; see WS_LOOK_BYTES. */
  unlookedBytes = 0
  /** Content of this turn's http-stream items, joined and written at its end. */
  chunks: Buffer[] = []
  chunkItems = 0

  constructor(name: string) {
    super()
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
    const { receiver } = subscription
    // Most receivers hold one channel, and a list made with it has room for one: push() would make room for 17.
    if (receiver.subscriptions.length === 0) receiver.subscriptions = [subscription]
    else receiver.subscriptions.push(subscription)
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
