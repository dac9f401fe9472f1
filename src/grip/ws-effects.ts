/**
 * What a WebSocket-over-HTTP session asks its shell to do. The shell does them in order, see shard/drive.ts.
 */
import type { ChannelInstruct } from '../wire/instruct-types.js'
import type { Header, WsMessageType } from '../wire/publish-types.js'

export type WsEffect =
  /** POST this body of WebSocket events. The shell adds the session's fixed headers; exactly one handleResponse… or handleFailure follows. */
  | {
      readonly kind: 'request'
      readonly body: readonly Buffer[]
      readonly bodyBytes: number
      /** Content-Bytes-Replayed; 0: header absent. */
      readonly replayedBytes: number
      /** Meta-<name> headers, in order. */
      readonly meta: readonly Header[]
    }
  /** Answer the client's upgrade with 101. `headers` without Sec-WebSocket-Protocol, which is `protocol` ('' = none). */
  | { readonly kind: 'accept'; readonly headers: readonly Header[]; readonly protocol: string }
  /** Answer the client's upgrade with an ordinary response and close the connection. */
  | {
      readonly kind: 'reject'
      readonly status: number
      readonly reason: string
      readonly headers: readonly Header[]
      readonly body: Buffer
    }
  | { readonly kind: 'send'; readonly type: WsMessageType; readonly content: Buffer }
  /** Send a close frame and end the connection. */
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  /** End the TCP connection without a close frame. */
  | { readonly kind: 'drop' }
  /** Subscribe (names carry the prefix); poll() is silent until handleLive. */
  | { readonly kind: 'subscribe'; readonly channels: readonly ChannelInstruct[] }
  | { readonly kind: 'unsubscribe'; readonly channel: string }
  /** Nothing will come any more: no request is in flight and none will be made. The shell forgets the session. */
  | { readonly kind: 'ended' }
