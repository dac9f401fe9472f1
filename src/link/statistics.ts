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
  Report: 32,
  Activity: 64,
} as const

/** Numbers of one route (`''`: of all without an id of their own), by index. */
export const RouteStat = {
  /** Of the route `''` only: nobody wants to know them by route. */
  Requests: 0,
  /** Connections that came, less those that went. */
  Connections: 1,
  /** How often one came or went. */
  ConnectionChanges: 2,
  /** Highest value that Connections had after one of the changes. */
  ConnectionsPeak: 3,
  Minutes: 4,
  /** Without Collect.Report all of the shard are counted under the route `''`. */
  Sent: 5,
  HttpResponseSent: 6,
  BlocksSent: 7,
  Activity: 8,
  // Traffic, in the order of TRAFFIC. Client: between it and the gateway; server: between the gateway and the backend.
  ClientHeaderBytesReceived: 9,
  ClientHeaderBytesSent: 10,
  ClientContentBytesReceived: 11,
  ClientContentBytesSent: 12,
  ClientMessagesReceived: 13,
  ClientMessagesSent: 14,
  ServerHeaderBytesReceived: 15,
  ServerHeaderBytesSent: 16,
  ServerContentBytesReceived: 17,
  ServerContentBytesSent: 18,
  ServerMessagesReceived: 19,
  ServerMessagesSent: 20,
} as const
export const ROUTE_STATS = 21
export const FIRST_TRAFFIC_STAT = RouteStat.ClientHeaderBytesReceived

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
