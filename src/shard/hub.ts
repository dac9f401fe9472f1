/**
 * The shard's channels: who holds them, which of them the bus delivers, and the barrier in between.
 *
 * A channel new to the shard is subscribed on the bus at once; receivers join it when the barrier sent after it has
 * been answered, and are told so (handleLive) in the same breath. Joining exactly at the answer's place in the stream
 * of bus messages means: no item put after it is missed, and none put before it is seen.
 *
 * The last id of a channel (Channel.lastId) is kept here from the items that pass by, so it too is true at every place
 * in the stream. Where it is unknown and a receiver with a prev-id needs it, the barrier asks main.
 */
import { assert } from '../base/assert.js'
import { BARRIER_DEADLINE_MS, BARRIER_RETRY_MS, NOT_LIVE_ITEMS_MAX } from '../base/limits.js'
import { type Deadlines, DeadlineEntry, NO_DEADLINE } from '../base/deadlines.js'
import type { Clock } from '../base/clock.js'
import { filterStackOf } from '../grip/filters.js'
import { type ChannelHub, type Receiver, ReceiverKind } from '../grip/receiver.js'
import { Channel, Subscription } from '../grip/subscriptions.js'
import { ChannelNote } from '../link/bus-item.js'
import type { Counters } from '../link/counters.js'
import type { ChannelInstruct } from '../wire/instruct-types.js'
import type { PublishItem } from '../wire/publish-types.js'

/** What the hub needs of the bus (link/bus.ts: BusShard), and of direct publishers where there are any. */
export interface ChannelSource {
  subscribe(channel: string): void
  unsubscribe(channel: string): void
  /** `asks`: channels whose last ids are wanted in the answer. */
  sendBarrier(number: number, asks: readonly string[]): void
  forgetLastId(channel: string, lastId: string | null): void
}

export interface HubOptions {
  readonly source: ChannelSource
  readonly deadlines: Deadlines
  readonly clock: Clock
  readonly counters: Counters
  readonly lingerMs: number
  /** A receiver of this kind holds `channel` from now on, or does so no more. */
  onSubscribers?(channel: Channel, kind: ReceiverKind): void
  /** The number of channels changed. */
  onChannels(count: number): void
  /** Content is pending for a channel that somebody joins: write it first, it is older than the newcomer. */
  flush(channel: Channel): void
  /** Fan-out of an item that was kept until its channel had a receiver. */
  deliver(channel: Channel, item: PublishItem): void
  /** A receiver's handleLive threw: the receiver is to be ended. */
  onError(receiver: Receiver, error: unknown): void
}

class HubChannel extends Channel {
  readonly #hub: Hub
  /** The batch whose barrier will make it live; null once live. */
  batch: Batch | null = null
  /** Items of it among those that the hub keeps. */
  kept = 0

  constructor(hub: Hub, name: string) {
    super(name)
    this.#hub = hub
  }

  override handleDeadline(): void {
    this.#hub.dropIfUnused(this, false)
  }
}

/** A receiver whose channels are not all live. */
interface Pending {
  readonly receiver: Receiver
  readonly requests: readonly ChannelInstruct[]
  readonly channels: readonly HubChannel[]
  left: boolean
}

/** Came while the first receivers of its channel waited for the barrier. */
interface KeptItem {
  readonly channel: HubChannel
  readonly item: PublishItem
}

/** The channels that became new in one loop turn, and who waits for them. One barrier. */
class Batch extends DeadlineEntry {
  readonly #hub: Hub
  readonly channels: HubChannel[] = []
  /** Whose last id is unknown and wanted. */
  readonly asks = new Set<HubChannel>()
  readonly pendings: Pending[] = []
  /** Of the barrier sent last; a batch still being filled comes after every other. */
  number = Number.POSITIVE_INFINITY
  failsAtMs = 0

  constructor(hub: Hub) {
    super()
    this.#hub = hub
  }

  override handleDeadline(nowMs: number): void {
    this.#hub.retryOrFail(this, nowMs)
  }
}

export class Hub implements ChannelHub {
  readonly #options: HubOptions
  readonly #channels = new Map<string, HubChannel>()
  readonly #pendings = new Map<Receiver, Pending>()
  /** Sent and unanswered, oldest first. */
  readonly #batches: Batch[] = []
  /** Being filled in this turn; sent at its end. */
  #filling: Batch | null = null
  /** Of all channels, in the order of the bus: a receiver may wait for several. */
  #kept: KeptItem[] = []
  #nextNumber = 1

  constructor(options: HubOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#channels.size
  }

  channels(): Iterable<Channel> {
    return this.#channels.values()
  }

  channel(name: string): Channel | undefined {
    return this.#channels.get(name)
  }

  /**
   * Takes an item off the bus. False: nobody here holds the channel or is about to.
   *
   * A publisher's own XPUB can see a subscription before our barrier for it is answered: what it publishes then is kept
   * for the receivers that wait, and follows their first bytes.
   *
   * `decode(true)`: the item is kept for a while, and must not keep a batch of others in memory.
   */
  handleItem(name: string, decode: (isKept: boolean) => PublishItem): boolean {
    const channel = this.#channels.get(name)
    if (channel === undefined) return false
    if (channel.subscribers > 0) {
      this.#deliver(channel, decode(false))
    } else if (channel.waiting === 0 || (channel.live && channel.kept === 0)) {
      channel.lastId = undefined
      return false
    } else if (channel.kept < NOT_LIVE_ITEMS_MAX) {
      channel.kept++
      this.#kept.push({ channel, item: decode(true) })
    } else {
      this.#options.counters.add('drop_not_live')
    }
    return true
  }

  /** A note of main about a channel. */
  handleNote(name: string, note: ChannelNote): void {
    const channel = this.#channels.get(name)
    if (channel === undefined) return
    if (note === ChannelNote.Forget) channel.lastId = null
    else this.#requestUpdates(channel)
  }

  /** Main has forgotten all last ids. */
  handleRecover(): void {
    for (const channel of this.#channels.values()) channel.lastId = null
  }

  forgetLastId(channel: Channel): void {
    // Whoever comes second finds it done. An unknown id is forgotten whatever it is.
    if (channel.lastId === null) return
    this.#options.source.forgetLastId(channel.name, channel.lastId ?? null)
    channel.lastId = null
  }

  subscribe(receiver: Receiver, requests: readonly ChannelInstruct[]): void {
    assert(!this.#pendings.has(receiver), 'one subscribe() at a time for a receiver')
    let last: Batch | null = null
    const channels: HubChannel[] = []
    for (const request of requests) {
      const channel = this.#open(request.name)
      channels.push(channel)
      // What is kept for those who wait comes before anything that this one is to get.
      const batch = channel.batch ?? (channel.kept > 0 ? this.#newest() : null)
      if (batch !== null && (last === null || batch.number > last.number)) last = batch
      if (request.prevId !== null && channel.lastId === undefined) last = this.#ask(channel)
    }
    if (last === null) {
      this.#join(receiver, requests, channels)
      receiver.handleLive(true)
      return
    }
    for (const channel of channels) channel.waiting++
    const pending: Pending = { receiver, requests, channels, left: false }
    this.#pendings.set(receiver, pending)
    last.pendings.push(pending)
  }

  unsubscribe(receiver: Receiver, name: string): void {
    const subscription = receiver.subscriptions.find((candidate) => candidate.channel.name === name)
    if (subscription !== undefined) this.#part(subscription)
  }

  leave(receiver: Receiver): void {
    const pending = this.#pendings.get(receiver)
    if (pending !== undefined) this.#abandon(pending)
    const { subscriptions } = receiver
    while (subscriptions.length > 0) this.#part(subscriptions[subscriptions.length - 1] as Subscription)
  }

  reclassify(receiver: Receiver): void {
    for (const subscription of receiver.subscriptions) this.#classify(subscription)
  }

  /** The bus answered barrier `number`: its batch and every older one are live. `lastIds`: of what the batch asks. */
  handleBarrier(number: number, lastIds: readonly (string | null)[] = []): void {
    while (this.#batches.length > 0 && (this.#batches[0] as Batch).number <= number) {
      const batch = this.#batches.shift() as Batch
      this.#options.deadlines.clear(batch)
      this.#options.counters.add('barriers')
      if (batch.number === number) this.#learn(batch, lastIds)
      for (const channel of batch.channels) {
        channel.live = true
        channel.batch = null
      }
      for (const pending of batch.pendings) this.#resolve(pending, true)
      // When all of them have joined: what was kept is for each.
      this.#deliverKept()
      for (const channel of batch.channels) this.dropIfUnused(channel, false)
    }
  }

  /** @internal */
  retryOrFail(batch: Batch, nowMs: number): void {
    const { counters, deadlines, source } = this.#options
    if (nowMs >= batch.failsAtMs) {
      counters.add('barriers_failed')
      this.#batches.splice(this.#batches.indexOf(batch), 1)
      for (const channel of batch.channels) {
        // A later subscribe() starts over with a subscription of its own.
        source.unsubscribe(channel.name)
        this.#channels.delete(channel.name)
      }
      for (const pending of batch.pendings) this.#resolve(pending, false)
      this.#deliverKept()
      this.#options.onChannels(this.#channels.size)
      return
    }
    counters.add('barriers_resent')
    // A new number is a new topic; its answer vouches for the batch too because numbers only grow.
    this.#sendBarrier(batch)
    // Keep the list sorted by number: the answer is matched from its head.
    this.#batches.splice(this.#batches.indexOf(batch), 1)
    this.#batches.push(batch)
    deadlines.set(batch, nowMs + BARRIER_RETRY_MS)
  }

  /** @internal Unsubscribes `channel` when nobody holds or awaits it and it need not linger. */
  dropIfUnused(channel: HubChannel, linger: boolean): void {
    if (channel.subscribers > 0 || channel.waiting > 0 || !channel.live) return
    // It lingers already: a long poll has come and gone while the barrier that made it live was being handled.
    if (!linger && channel.deadlineMs !== NO_DEADLINE) return
    if (linger && this.#options.lingerMs > 0) {
      this.#options.deadlines.set(channel, this.#options.clock.nowMs() + this.#options.lingerMs)
      return
    }
    this.#options.deadlines.clear(channel)
    channel.live = false
    this.#channels.delete(channel.name)
    this.#options.source.unsubscribe(channel.name)
    this.#options.onChannels(this.#channels.size)
  }

  #open(name: string): HubChannel {
    const known = this.#channels.get(name)
    if (known !== undefined) return known
    const channel = new HubChannel(this, name)
    this.#channels.set(name, channel)
    this.#options.onChannels(this.#channels.size)
    this.#options.source.subscribe(name)
    channel.batch = this.#fill()
    channel.batch.channels.push(channel)
    return channel
  }

  #fill(): Batch {
    if (this.#filling === null) {
      this.#filling = new Batch(this)
      setImmediate(() => this.#sendFilled())
    }
    return this.#filling
  }

  /** The one that is answered last. */
  #newest(): Batch {
    return this.#filling ?? this.#batches.at(-1) ?? this.#fill()
  }

  #ask(channel: HubChannel): Batch {
    const batch = this.#fill()
    batch.asks.add(channel)
    return batch
  }

  #learn(batch: Batch, lastIds: readonly (string | null)[]): void {
    let index = 0
    for (const channel of batch.asks) {
      const lastId = lastIds[index++]
      // What passed by meanwhile is as new. Items kept are in what main knows, but not yet in what receivers have got.
      if (channel.lastId === undefined && channel.kept === 0) channel.lastId = lastId
    }
  }

  #deliver(channel: HubChannel, item: PublishItem): void {
    if (!item.noSeq) channel.lastId = item.id
    this.#options.deliver(channel, item)
  }

  #requestUpdates(channel: HubChannel): void {
    for (const { receiver } of [...channel.responses, ...channel.streams]) {
      if (receiver.kind === ReceiverKind.Ws) continue
      try {
        receiver.requestUpdate()
      } catch (error) {
        this.#options.onError(receiver, error)
      }
    }
  }

  #sendFilled(): void {
    const batch = this.#filling as Batch
    this.#filling = null
    const nowMs = this.#options.clock.nowMs()
    batch.failsAtMs = nowMs + BARRIER_DEADLINE_MS
    this.#sendBarrier(batch)
    this.#batches.push(batch)
    this.#options.deadlines.set(batch, nowMs + BARRIER_RETRY_MS)
  }

  #sendBarrier(batch: Batch): void {
    batch.number = this.#nextNumber++
    const asks = [...batch.asks].map(({ name }) => name)
    this.#options.source.sendBarrier(batch.number, asks)
  }

  #resolve(pending: Pending, answered: boolean): void {
    if (pending.left) return
    const { receiver, requests, channels } = pending
    this.#pendings.delete(receiver)
    for (const channel of channels) channel.waiting--
    // A channel of an older batch that failed meanwhile is not on the bus any more.
    const ok = answered && channels.every((channel) => this.#channels.get(channel.name) === channel)
    try {
      if (ok) this.#join(receiver, requests, channels)
      receiver.handleLive(ok)
    } catch (error) {
      this.#options.onError(receiver, error)
    }
  }

  /** What has receivers by now. The rest waits on, or is for nobody any more. */
  #deliverKept(): void {
    const kept = this.#kept
    if (kept.length === 0) return
    this.#kept = []
    for (const entry of kept) {
      const { channel, item } = entry
      const isAwaited = channel.subscribers === 0 && channel.waiting > 0
      if (isAwaited && this.#channels.get(channel.name) === channel) {
        this.#kept.push(entry)
        continue
      }
      channel.kept--
      if (channel.subscribers > 0) this.#deliver(channel, item)
      // Newer ones may have passed by since the last who waited has left.
      else channel.lastId = undefined
    }
  }

  #abandon(pending: Pending): void {
    pending.left = true
    this.#pendings.delete(pending.receiver)
    for (const channel of pending.channels) {
      channel.waiting--
      this.dropIfUnused(channel, false)
    }
  }

  #join(receiver: Receiver, requests: readonly ChannelInstruct[], channels: readonly HubChannel[]): void {
    for (let i = 0; i < requests.length; i++) {
      const request = requests[i] as ChannelInstruct
      const channel = channels[i] as HubChannel
      this.#options.deadlines.clear(channel)
      this.#options.flush(channel)
      let subscription = receiver.subscriptions.find((candidate) => candidate.channel === channel)
      if (subscription === undefined) {
        subscription = new Subscription(channel, receiver, request.prevId, filterStackOf(request.filters))
        channel.add(subscription)
        if (receiver.kind === ReceiverKind.Ws) receiver.joinTopic(channel.name)
        this.#options.onSubscribers?.(channel, receiver.kind)
      } else {
        subscription.prevId = request.prevId
        subscription.filters = filterStackOf(request.filters)
      }
    }
    this.reclassify(receiver)
  }

  /** Decides whether items can go the common way (uWebSockets.js topic, joined chunk) or need a look of their own. */
  #classify(subscription: Subscription): void {
    const { receiver, channel } = subscription
    const byItem =
      !subscription.filters.isEmpty ||
      (receiver.kind !== ReceiverKind.Response && receiver.wantsItems) ||
      (receiver.kind === ReceiverKind.Stream && (subscription.prevId !== null || receiver.subscriptions.length > 1))
    if (byItem === subscription.byItem) return
    subscription.byItem = byItem
    const step = byItem ? 1 : -1
    if (receiver.kind === ReceiverKind.Ws) {
      channel.wsByItem += step
      if (byItem) receiver.leaveTopic(channel.name)
      else receiver.joinTopic(channel.name)
    } else if (receiver.kind === ReceiverKind.Stream) {
      // What is pending goes the way it was meant to go.
      this.#options.flush(channel)
      channel.streamsByItem += step
    }
  }

  #part(subscription: Subscription): void {
    const { receiver } = subscription
    const channel = subscription.channel as HubChannel
    if (receiver.kind === ReceiverKind.Ws) {
      if (subscription.byItem) channel.wsByItem--
      else receiver.leaveTopic(channel.name)
    } else if (receiver.kind === ReceiverKind.Stream && subscription.byItem) {
      channel.streamsByItem--
    }
    channel.remove(subscription)
    this.#options.onSubscribers?.(channel, receiver.kind)
    this.dropIfUnused(channel, receiver.kind === ReceiverKind.Response)
  }
}
