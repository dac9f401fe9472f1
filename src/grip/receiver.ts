/**
 * What fan-out sees of a session that holds channels, and what a session sees of the shard's channels.
 */
import type { HttpResponseFormat, HttpStreamFormat, PublishItem, WsMessageFormat } from '../wire/publish-types.js'
import type { ChannelInstruct } from '../wire/instruct-types.js'
import type { Channel, Subscription } from './subscriptions.js'

export const ReceiverKind = { Stream: 'stream', Response: 'response', Ws: 'ws' } as const
export type ReceiverKind = (typeof ReceiverKind)[keyof typeof ReceiverKind]

interface ReceiverBase {
  /** Kept by the hub: one per channel held, in no particular order. Read-only for the session. */
  subscriptions: Subscription[]
  /** Explicit id of its route, or empty: what deliveries are counted and limited by. */
  readonly statsRoute: string
  /**
   * The channels of the last subscribe() are live (`ok`), or the barrier failed. From a live channel everything
   * published after the client sees a byte arrives. Called exactly once per subscribe() unless leave() came first.
   */
  handleLive(ok: boolean): void
  /** A call into this receiver threw: it is to end, abruptly, and leave the hub. Must not throw. */
  fail(error: unknown): void
}

/** HTTP sessions: what they hold may be outdated, and they ask their backend again when they can. */
interface UpdatableReceiver extends ReceiverBase {
  /** Soon, together with others. It does not leave or join channels inside this call. */
  requestUpdate(): void
}

export interface StreamReceiver extends UpdatableReceiver {
  readonly kind: typeof ReceiverKind.Stream
  /** Every item is to be handed over one by one, whatever its filters: it may have to wait for a page. */
  readonly wantsItems: boolean
  /** Write `chunk`, the content of `items` items joined. Never called from inside a uWebSockets.js callback. */
  deliverChunk(chunk: Buffer, items: number): void
  /**
   * One item as published: of a subscription that is byItem, with an action other than send, or that demands content
   * filters. Chunks published before it have been delivered.
   */
  deliverItem(item: PublishItem, format: HttpStreamFormat, subscription: Subscription): void
}

export interface ResponseReceiver extends UpdatableReceiver {
  readonly kind: typeof ReceiverKind.Response
  deliverResponse(item: PublishItem, format: HttpResponseFormat, subscription: Subscription): void
}

export interface WsReceiver extends ReceiverBase {
  readonly kind: typeof ReceiverKind.Ws
  /** Every item is to be handed over one by one at the moment, whatever its filters; see ChannelHub.reclassify. */
  readonly wantsItems: boolean
  /** Called now and then while much is published: a socket that reads slowly is to want items from now on. */
  checkBacklog(): void
  /** Joins and leaves the uWebSockets.js topic of a channel: what is published to plain subscribers goes by it. */
  joinTopic(channel: string): void
  leaveTopic(channel: string): void
  /**
   * What does not go by topic: ping, pong, close, refresh, what demands content filters, and every item of a
   * subscription with filters.
   */
  deliverWs(item: PublishItem, format: WsMessageFormat, subscription: Subscription): void
}

export type Receiver = StreamReceiver | ResponseReceiver | WsReceiver

/** The shard's channels. Channel names here carry the route's prefix; they are byte strings. */
export interface ChannelHub {
  /**
   * Subscribes `receiver` to `channels` (in addition to what it holds; a channel it already holds gets the new
   * prev-id and filters) and calls receiver.handleLive once all of them are live: at once, inside this call, when
   * every one is already live on this shard.
   */
  subscribe(receiver: Receiver, channels: readonly ChannelInstruct[]): void
  unsubscribe(receiver: Receiver, channel: string): void
  /** A receiver has missed something of `channel`, or was told that it has: the last id is forgotten, everywhere. */
  forgetLastId(channel: Channel): void
  /** The receiver's wantsItems changed. */
  reclassify(receiver: Receiver): void
  /** Drops all subscriptions and a pending subscribe(). Idempotent; to be called when a session ends. */
  leave(receiver: Receiver): void
}
