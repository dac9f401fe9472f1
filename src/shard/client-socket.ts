/**
 * What a WebSocket session needs of its client's end: a socket once it is open, an upgrade request before. Both are
 * uWebSockets.js's own as a rule; SockJS makes others.
 */
import { Buffer } from 'node:buffer'
import { canonicalAddress } from '../base/ip.js'
import type { ClientHead } from '../grip/forwarding.js'
import type { WsReject } from '../grip/ws-answer.js'
import type { Header, WsMessageType } from '../wire/publish-types.js'

/** Whose address can be asked for: a socket or a response of uWebSockets.js. */
export interface Addressed {
  /** Absent: it is no connection of its own (SockJS polls). */
  getRemoteAddressAsText?(): ArrayBuffer
}

/** A WebSocket of uWebSockets.js is one; its documentation says what the calls do. */
export interface ClientSocket extends Addressed {
  send(message: Uint8Array, isBinary: boolean, compress: boolean): number
  ping(message: Uint8Array): number
  getBufferedAmount(): number
  end(code: number, reason: string | Uint8Array): unknown
  close(): unknown
  subscribe(topic: string): boolean
  unsubscribe(topic: string): boolean
  /** SockJS: it has no topics, so every published item is written to it alone. */
  readonly isWrapped?: boolean
}

/** What the callbacks of a socket are for. Each is called inside a catching boundary; what is lent ends with the call. */
export interface SocketOwner {
  handleOpened(socket: ClientSocket): void
  /** A frame of the client: it lives. Called before the others. */
  handleSign(): void
  handleMessage(lent: ArrayBuffer, isBinary: boolean): void
  handlePing(lent: ArrayBuffer): void
  /** A pong that answers a ping of the gateway's own is not for handlePong. */
  isOwnPong(lent: ArrayBuffer): boolean
  handlePong(lent: ArrayBuffer): void
  /** The socket takes more. */
  handleDrained(): void
  /** code 1005: its close frame had no payload; 1006: there was none. */
  handleClosed(code: number, lent: ArrayBuffer): void
  /** A callback threw: this session ends. Must not throw. */
  fail(error: unknown): void
}

/** A message or ping that goes out along with the verdict. */
export interface FirstFrame {
  readonly type: WsMessageType
  readonly content: Buffer
}

/** A client that asks for a WebSocket, while it waits for the verdict. */
export interface Upgrade extends Addressed {
  readonly head: ClientHead
  readonly startedMs: number
  readonly connectionId: string
  /** The client polls by HTTP (SockJS). */
  readonly isPolled: boolean
  /** Starts a session that asks this target of the route. */
  ask(targetIndex: number): void
  /** Says yes, sends `frames` along with it, and hands `session` its socket. */
  accept(session: SocketOwner, headers: readonly Header[], frames: readonly FirstFrame[]): void
  reject(answer: Omit<WsReject, 'kind'>): void
  /** Ends it without a word. */
  drop(): void
}

/** Of its connection; empty when there is none, or a unix socket. The kernel is asked for it each time. */
export function addressOf(end: Addressed | null): string {
  const text = end?.getRemoteAddressAsText?.() ?? new ArrayBuffer(0)
  return canonicalAddress(Buffer.from(text).toString('latin1'))
}
