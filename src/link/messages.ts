/**
 * What main and a shard say to each other over the shard's MessagePort: rare things, all structured-clone values.
 * Items and subscriptions go by the bus (bus.ts), counts through shared memory (counters.ts).
 */
import type { MessagePort } from 'node:worker_threads'
import type { Certificates } from '../config/certificates.js'
import type { Settings } from '../config/types.js'
import type { StatsBatch } from './statistics.js'

/** What a shard is started with. */
export interface ShardStart {
  readonly shard: number
  readonly shards: number
  readonly settings: Settings
  /** Text of the routes file; empty when --route lines replace it. */
  readonly routesText: string
  readonly certificates: Certificates
  readonly busAddress: string
  readonly counters: SharedArrayBuffer
  readonly progress: SharedArrayBuffer
  /** One Int32: connections open over all shards. */
  readonly connections: SharedArrayBuffer
  readonly port: MessagePort
  /** A random 32-bit number, the same for all shards: spreads SockJS sessions. */
  readonly seed: number
  /** Towards workers behind ZeroMQ (zhttp-link.ts), and the gateway's instance id there. */
  readonly zhttp: { readonly port: MessagePort; readonly instance: string }
}

/** What main asks a shard; ids and channels are byte strings. */
export type ShardQuestion =
  /** Which of these connections are open? */
  | { readonly kind: 'connected'; readonly ids: readonly string[] }
  /** A backend is asked for a sign of life on its WebSocket(s); what was found is named in the answer. */
  | { readonly kind: 'refresh'; readonly id: string }
  | { readonly kind: 'refresh-channel'; readonly channel: string }

export type ToMain =
  | { readonly kind: 'listening' }
  /** The shard cannot go on; main ends the process with this message. */
  | { readonly kind: 'fatal'; readonly message: string }
  /** The channels whose last ids are wanted in the answer to barrier `number`. */
  | { readonly kind: 'question'; readonly number: number; readonly channels: readonly string[] }
  /** A session has missed something of `channel`; see Ingest.forget. */
  | { readonly kind: 'forget'; readonly channel: string; readonly lastId: string | null }
  /** Items that the demo target was asked to publish, as encodeBusItem writes them. */
  | { readonly kind: 'publish'; readonly items: readonly Uint8Array[] }
  /** SockJS requests for sessions that live on another shard will come by this port: it is for that shard. */
  | { readonly kind: 'sockjs'; readonly shard: number; readonly port: MessagePort }
  /** What is to be told in statistics. */
  | { readonly kind: 'statistics'; readonly batch: StatsBatch }
  /** Answer to what was asked with that number: the ids of the connections that it found. */
  | { readonly kind: 'answer'; readonly number: number; readonly found: readonly string[] }

export type ToShard =
  /** Stop taking connections, end what is held politely, cut the rest at the deadline, then finish. */
  | { readonly kind: 'drain'; readonly deadlineMs: number }
  | { readonly kind: 'sockjs'; readonly port: MessagePort }
  /** Which statistics are to be collected from now on: bits of Collect (statistics.ts). */
  | { readonly kind: 'collect'; readonly flags: number }
  | { readonly kind: 'ask'; readonly number: number; readonly question: ShardQuestion }
  /** Another text of the routes file, for new requests. */
  | { readonly kind: 'routes'; readonly text: string }
  /** Other certificates, for new connections. */
  | { readonly kind: 'certificates'; readonly certificates: Certificates }
  /** Log files have been moved away. */
  | { readonly kind: 'reopen-log' }
