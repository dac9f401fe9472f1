/**
 * Statistics that a shard collects and main publishes (runner/stats-book.ts): what is wanted, and a batch of it.
 *
 * A shard sends a batch by its MessagePort when a tick has something to tell, and nothing at all while nobody wants
 * anything. Texts are byte strings.
 */
import type { PublishItem } from '../wire/publish-types.js'

/** What somebody wants to know: bits. */
export const Collect = {
  Counts: 1,
  Message: 2,
  Conn: 4,
  Sub: 8,
  /** The numbers of the Prometheus port. */
  Totals: 16,
} as const

/** Numbers of one route (`''`: of all without an id of their own), by index. */
export const RouteStat = {
  /** Of the route `''` only, like Sent: nobody wants to know them by route. */
  Requests: 0,
  /** Connections that came, less those that went. */
  Connections: 1,
  /** Highest value that Connections had in this batch. */
  ConnectionsPeak: 2,
  Minutes: 3,
  Sent: 4,
} as const
export const ROUTE_STATS = 5

/** A connection that came (or is still there), or has gone. */
export interface ConnEvent {
  readonly id: string
  readonly route: string
  /** null: it has gone. */
  readonly here: { readonly type: 'http' | 'ws'; readonly peerAddress: string; readonly ssl: boolean } | null
}

export type SubMode = 'response' | 'stream' | 'ws'

/** Subscribers of a channel on this shard: how many more than it told last. */
export interface SubEvent {
  readonly mode: SubMode
  readonly channel: string
  readonly change: number
}

/** Receivers on this shard of an item that main cannot know: it did not come by the bus, or came before its channel was live. */
export interface StrayItem {
  readonly channel: string
  readonly id: string | null
  /** Receivers and blocks of each of them, by transport in the order of TRANSPORTS. */
  readonly receivers: readonly number[]
  readonly blocks: readonly number[]
}

export const TRANSPORTS = ['http-response', 'http-stream', 'ws-message'] as const

export interface StatsBatch {
  /** A Float64Array of ROUTE_STATS for each route. */
  readonly routes: ReadonlyMap<string, Float64Array>
  readonly connections: readonly ConnEvent[]
  readonly subscriptions: readonly SubEvent[]
  /** Four numbers for each item of the bus: its position, and its receivers on this shard by transport. */
  readonly items: readonly number[]
  readonly strays: readonly StrayItem[]
}

/**
 * Blocks of content of this size (`message_block_size`) in an item's formats, by transport in the order of TRANSPORTS; -1:
 * they are not counted. An item may say its size itself.
 */
export function blocksByTransport(item: PublishItem, blockBytes: number): [number, number, number] {
  const { size, httpResponse, httpStream, wsMessage } = item
  const blocks = (bytes = 0): number => (blockBytes > 0 ? Math.ceil((size >= 0 ? size : bytes) / blockBytes) : -1)
  return [blocks(httpResponse?.body.length), blocks(httpStream?.content.length), blocks(wsMessage?.content.length)]
}
