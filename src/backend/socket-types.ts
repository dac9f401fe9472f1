/** WebSockets to backends as sessions see them, over TCP (ws-client.ts) or to a worker behind ZeroMQ (zhttp-socket.ts). */
import type { Target } from '../routing/types.js'
import type { BackendFailure } from './types.js'

export interface BackendSocketRequest {
  readonly target: Target
  /** Value of Host: also the name for SNI and certificates. */
  readonly host: string
  /** Path and query, percent-encoded, beginning with `/`. */
  readonly path: string
  /** name, value, name, value …: byte strings, `Host` first. */
  readonly headers: readonly string[]
  /** No answer for this long after the connection is there: connect-timeout. */
  readonly handshakeTimeoutMs: number
}

/** An answer other than 101. `headers`: flat list of byte strings as received. */
export interface BackendRejection {
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
  readonly body: Buffer
}

/**
 * First exactly one of open, rejected and failure; after open any number of messages, pings and pongs, then exactly one
 * of closed and gone. Buffers are the receiver's to keep.
 */
export interface BackendSocketHandler {
  /** 101. `headers` as received: flat list of byte strings. */
  handleSocketOpen(headers: readonly string[]): void
  handleSocketRejected(rejection: BackendRejection): void
  handleSocketFailure(failure: BackendFailure): void
  handleSocketMessage(content: Buffer, isBinary: boolean): void
  handleSocketPing(content: Buffer): void
  handleSocketPong(content: Buffer): void
  /** Everything that came in one piece has been handed over. */
  handleSocketTurn(): void
  /** All that was to be sent is on its way. */
  handleSocketWritten(): void
  /** The backend sent a close frame and has had ours. code null: it had none. `reason` is a byte string. */
  handleSocketClosed(code: number | null, reason: string): void
  /** The connection ended without a close frame of the backend, or by what no WebSocket may send. */
  handleSocketGone(message: string): void
}

/** A WebSocket to a target of kind `http` or `zhttp`; connect() opens it. */
export type OpenBackendSocket = (request: BackendSocketRequest, handler: BackendSocketHandler) => BackendSocket

/** Nothing is called before connect() has returned, and nothing after terminate(). */
export interface BackendSocket {
  connect(): void
  /** Bytes that wait for the backend, a fixed sum per message included. */
  readonly bufferedBytes: number
  /** `content` must not change any more. */
  send(content: Buffer, isBinary: boolean): void
  ping(content: Buffer): void
  pong(content: Buffer): void
  /** Says that it closes, behind what was sent before. code null: without a code. Closed or gone follows. */
  close(code: number | null, reason: string): void
  /** Ends the connection at once. */
  terminate(): void
  /** Messages may wait with the backend, or here. */
  pause(): void
  resume(): void
}
