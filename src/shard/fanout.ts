/**
 * From one published item to the sockets of its subscribers.
 *
 * WebSockets: the frame is made once and written to all plain subscribers by uWebSockets.js (app.publish batches per
 * loop turn). HTTP streams: the items of one loop turn are joined into one chunk per channel, and every receiver gets
 * one corked write. Only subscriptions that are byItem (filters, prev-id, several channels) are looked at per item.
 *
 * Nothing here runs inside a uWebSockets.js callback (there another socket cannot be corked), and nothing is allocated
 * per receiver.
 */
import { WS_LOOK_BYTES } from '../base/limits.js'
import type { HttpStreamFormat, PublishItem, WsMessageFormat } from '../wire/publish-types.js'
import { PublishAction, WsMessageType } from '../wire/publish-types.js'
import { type Receiver, ReceiverKind } from '../grip/receiver.js'
import type { Channel, Subscription } from '../grip/subscriptions.js'
import { C, type Counters } from '../link/counters.js'
import type { Report } from './report.js'

/** What fan-out needs of uWebSockets.js: TemplatedApp.publish. */
export interface TopicPublisher {
  publish(topic: string, message: Uint8Array, isBinary: boolean, compress: boolean): boolean
}

export interface FanoutOptions {
  readonly topics: TopicPublisher
  readonly counters: Counters
  readonly report: Pick<Report, 'wantsTraffic' | 'wroteToTopic'>
  /** WebSocket messages of this length and more are compressed for those who have negotiated it. */
  readonly compressedFromBytes: number
  /** A delivery threw: that receiver is to be ended; the others go on. */
  onError(receiver: Receiver, error: unknown): void
}

/** An item may demand that its content passes certain filters: a plain subscription has none, so each is looked at. */
function demandsFilters(contentFilters: readonly string[] | null): boolean {
  return contentFilters !== null && contentFilters.length > 0
}

/** Joined content above this is written before the turn ends: it bounds what a turn can hold in memory. */
const TURN_CHUNK_BYTES_MAX = 262_144

export class Fanout {
  readonly #options: FanoutOptions
  /** Channels with content pending for this turn. */
  #dirty: Channel[] = []
  /** Channels published to by topic since the last tick. */
  #unlooked: Channel[] = []
  #pendingBytes = 0
  #scheduled = false

  constructor(options: FanoutOptions) {
    this.#options = options
  }

  deliver(channel: Channel, item: PublishItem): void {
    const { httpStream, httpResponse, wsMessage } = item
    if (wsMessage !== null && channel.ws.length > 0) this.#deliverWs(channel, item, wsMessage)
    if (httpStream !== null && channel.streams.length > 0) this.#deliverStream(channel, item, httpStream)
    if (httpResponse !== null) {
      // From the end: an answered poll leaves, and the one moved into its place has been visited.
      const { responses } = channel
      for (let i = responses.length - 1; i >= 0; i--) {
        const subscription = responses[i] as Subscription
        const { receiver } = subscription
        if (receiver.kind !== ReceiverKind.Response) continue
        try {
          receiver.deliverResponse(item, httpResponse, subscription)
        } catch (error) {
          this.#options.onError(receiver, error)
        }
      }
    }
  }

  #deliverWs(channel: Channel, item: PublishItem, format: WsMessageFormat): void {
    const { counters, report } = this.#options
    const { values } = counters
    const plain = channel.ws.length - channel.wsByItem
    const byTopic =
      format.action === PublishAction.Send &&
      (format.type === WsMessageType.Text || format.type === WsMessageType.Binary) &&
      !demandsFilters(format.contentFilters)
    if (byTopic && plain > 0) {
      const { topics, compressedFromBytes } = this.#options
      const isCompressed = format.content.length >= compressedFromBytes
      topics.publish(channel.name, format.content, format.type === WsMessageType.Binary, isCompressed)
      values[C.ws_messages_out] = (values[C.ws_messages_out] as number) + plain
      if (report.wantsTraffic) report.wroteToTopic(channel, format.content.length)
    }
    if (!byTopic || channel.wsByItem > 0) this.#deliverWsByItem(channel, item, format, byTopic)
    // Last: who is found slow by it has had this item.
    if (byTopic && plain > 0) this.#look(channel, format.content.length)
  }

  #deliverWsByItem(channel: Channel, item: PublishItem, format: WsMessageFormat, byTopic: boolean): void {
    const { ws } = channel
    for (let i = ws.length - 1; i >= 0; i--) {
      const subscription = ws[i] as Subscription
      const { receiver } = subscription
      if (receiver.kind !== ReceiverKind.Ws || (byTopic && !subscription.byItem)) continue
      try {
        receiver.deliverWs(item, format, subscription)
      } catch (error) {
        this.#options.onError(receiver, error)
      }
    }
  }

  /** Remembers to look at the sockets of `channel` at the next tick, or looks now when very much was published. */
  #look(channel: Channel, bytes: number): void {
    if (channel.unlookedBytes === 0) this.#unlooked.push(channel)
    // An empty message counts too.
    channel.unlookedBytes += bytes + 1
    if (channel.unlookedBytes > WS_LOOK_BYTES) {
      channel.unlookedBytes = 1
      this.#checkBacklogs(channel)
    }
  }

  /** To be called every tick. Its cost is one look per receiver, and only for channels that were published to. */
  handleTick(): void {
    if (this.#unlooked.length === 0) return
    const unlooked = this.#unlooked
    this.#unlooked = []
    for (const channel of unlooked) {
      channel.unlookedBytes = 0
      this.#checkBacklogs(channel)
    }
  }

  #checkBacklogs(channel: Channel): void {
    const { ws } = channel
    for (let i = ws.length - 1; i >= 0; i--) {
      const { byItem, receiver } = ws[i] as Subscription
      if (byItem || receiver.kind !== ReceiverKind.Ws) continue
      try {
        receiver.checkBacklog()
      } catch (error) {
        this.#options.onError(receiver, error)
      }
    }
  }

  #deliverStream(channel: Channel, item: PublishItem, format: HttpStreamFormat): void {
    const plain = channel.streams.length - channel.streamsByItem
    const joined = format.action === PublishAction.Send && !demandsFilters(format.contentFilters)
    if (!joined) this.flush(channel)
    else if (plain > 0) this.#append(channel, format.content)
    if (joined && channel.streamsByItem === 0) return
    const { streams } = channel
    for (let i = streams.length - 1; i >= 0; i--) {
      const subscription = streams[i] as Subscription
      const { receiver } = subscription
      if (receiver.kind !== ReceiverKind.Stream || (joined && !subscription.byItem)) continue
      try {
        receiver.deliverItem(item, format, subscription)
      } catch (error) {
        this.#options.onError(receiver, error)
      }
    }
  }

  #append(channel: Channel, content: Buffer): void {
    if (channel.chunkItems === 0) this.#dirty.push(channel)
    channel.chunks.push(content)
    channel.chunkItems++
    this.#pendingBytes += content.length
    if (this.#pendingBytes > TURN_CHUNK_BYTES_MAX) this.flushAll()
    else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => {
        this.#scheduled = false
        this.flushAll()
      })
    }
  }

  /** Writes what is pending for `channel`. */
  flush(channel: Channel): void {
    const items = channel.chunkItems
    if (items === 0) return
    const chunk = channel.chunks.length === 1 ? (channel.chunks[0] as Buffer) : Buffer.concat(channel.chunks)
    channel.chunks.length = 0
    channel.chunkItems = 0
    const { streams } = channel
    for (let i = streams.length - 1; i >= 0; i--) {
      const subscription = streams[i] as Subscription
      const { receiver } = subscription
      if (receiver.kind !== ReceiverKind.Stream || subscription.byItem) continue
      try {
        receiver.deliverChunk(chunk, items)
      } catch (error) {
        this.#options.onError(receiver, error)
      }
    }
  }

  flushAll(): void {
    const dirty = this.#dirty
    this.#dirty = []
    this.#pendingBytes = 0
    for (const channel of dirty) this.flush(channel)
  }
}
