/**
 * What a WebSocket session asks its shell to do. The shell does them in order, see shard/ws-client-side.ts.
 */
import type { ChannelInstruct } from '../wire/instruct-types.js'
import type { Header, WsMessageType } from '../wire/publish-types.js'

/** Why the client's TCP connection is ended without a close frame; the shell counts by it. */
export const WsDropReason = {
  /** A message over the limit, or more waits for the backend than allowed. */
  Buffer: 'buffer',
  /** Wrong status or type, a body that cannot be read or is too large, a second OPEN, or more accepted than offered. */
  Answer: 'answer',
  /** The backend sent DISCONNECT, or did not answer our CLOSE with one. */
  Disconnect: 'disconnect',
  /** The request had been sent completely and no answer came: it must not be sent again. */
  Unanswered: 'unanswered',
  /** The backend could not be reached, retries included. */
  Unreachable: 'unreachable',
  /** The channels of a subscribe did not become live. */
  Barrier: 'barrier',
} as const
export type WsDropReason = (typeof WsDropReason)[keyof typeof WsDropReason]

/** Concerning the client. */
export type WsClientEffect =
  /** Answer the client's upgrade with 101. `headers` are the backend's: Sec-WebSocket-Protocol stands among them. */
  | { readonly kind: 'accept'; readonly headers: readonly Header[] }
  /** Answer the client's upgrade with an ordinary response and close the connection. */
  | {
      readonly kind: 'reject'
      readonly status: number
      readonly reason: string
      readonly headers: readonly Header[]
      readonly body: Buffer
    }
  /** `droppable`: not to be queued for a client that reads slowly (automatic keep-alive messages). */
  | { readonly kind: 'send'; readonly type: WsMessageType; readonly content: Buffer; readonly droppable: boolean }
  /** Send a close frame and end the connection. `reason` is a byte string of at most 123 bytes. */
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  /** End the TCP connection without a close frame. */
  | { readonly kind: 'drop'; readonly reason: WsDropReason }
  /** Subscribe (names carry the prefix); poll() is silent until handleLive. */
  | { readonly kind: 'subscribe'; readonly channels: readonly ChannelInstruct[] }
  | { readonly kind: 'unsubscribe'; readonly channel: string }

/** Nothing will come any more: nothing is in flight and nothing will be asked. The shell forgets the session. */
export interface WsEndedEffect {
  readonly kind: 'ended'
}

/** Of a session whose backend is spoken to over HTTP. */
export type WsEffect =
  | WsClientEffect
  | WsEndedEffect
  /** POST this body of WebSocket events. The shell adds the session's fixed headers; exactly one handleResponse… or handleFailure follows. */
  | {
      readonly kind: 'request'
      readonly body: readonly Buffer[]
      readonly bodyBytes: number
      /** Content-Bytes-Replayed; 0: header absent. */
      readonly replayedBytes: number
      /** Meta-<name> headers, in order. */
      readonly meta: readonly Header[]
      /** 0: sent for the first time; k: retry number k of the same body. */
      readonly attempt: number
    }

/** Of a session whose backend is spoken to over a WebSocket. */
export type WsTunnelEffect =
  | WsClientEffect
  | WsEndedEffect
  /** Open a WebSocket to the backend; exactly one of handleBackendOpen, handleRejected and handleFailure follows. */
  | { readonly kind: 'connect' }
  /** Send the backend a close frame (code null: without one); handleBackendClosed or handleBackendGone follows. */
  | { readonly kind: 'backend-close'; readonly code: number | null; readonly reason: string }
  /** Give the connection to the backend up, at once and without a close frame; nothing of it follows. */
  | { readonly kind: 'backend-terminate' }

export type WsAnyEffect = WsEffect | WsTunnelEffect
