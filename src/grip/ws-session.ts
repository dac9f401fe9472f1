/**
 * The session machine of WebSocket-over-HTTP: one client WebSocket, carried to its backend as a series of POSTs.
 *
 * Plain and synchronous: inputs are the handle… methods, effects are asked for with poll() until it returns null.
 * After every input the shell drains poll(), performs the effects in order, and reads deadlineMs.
 */
import { NO_DEADLINE } from '../base/deadlines.js'
import type { WsEffect } from './ws-effects.js'

/** What all sessions of a target (and of one kind of client, trusted or not) share: one object for all of them. */
export interface WsSessionConfig {
  /** The route's prefix, put in front of every channel the backend names. Byte string. */
  readonly channelPrefix: string
  /** sub=: channels every session is subscribed to. Byte strings. */
  readonly implicitChannels: readonly string[]
  /** False for no_grip routes and for trusted clients: the grip extension of an answer is not acted on. */
  readonly gripAllowed: boolean
  readonly oneEvent: boolean
  readonly debug: boolean
  /** Channels a session may hold. */
  readonly subscriptionMax: number
  /** A longer client message drops the connection. */
  readonly messageBytesMax: number
  /** What may wait for the backend; above it the connection is dropped. */
  readonly bufferBytesMax: number
  /** A number in [0, 1), for jitter. */
  readonly random: () => number
}

/** A complete backend answer. `headers`: name, value, name, value … as received (byte strings). */
export interface WsResponse {
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
  readonly body: Buffer
}

/** Why a request failed; what backend/ reports fits this shape. */
export interface WsRequestFailure {
  readonly kind: 'connect' | 'connect-timeout' | 'tls' | 'generic' | 'aborted'
  /** Whether the whole body (an empty one: the head) had been handed to the connection. */
  readonly bodySent: boolean
}

export class WsSession {
  constructor(config: WsSessionConfig) {
    void config
  }

  /** When handleDeadline wants to be called; NO_DEADLINE: never. */
  get deadlineMs(): number {
    return NO_DEADLINE
  }

  /** What the buffer of client content costs, for the process-wide cap: content plus a fixed sum per message. */
  get bufferedBytes(): number {
    return 0
  }

  /** An idle keep-alive is set: the shell calls handleWritten for every publish it writes to the client. */
  get wantsWritten(): boolean {
    return false
  }

  /** The client's upgrade request is here: OPEN goes to the backend. */
  handleOpen(nowMs: number): void {
    void nowMs
  }

  /** `data` is the session's to keep (already copied at the native border). */
  handleClientMessage(data: Buffer, isBinary: boolean, nowMs: number): void {
    void [data, isBinary, nowMs]
  }
  handleClientPing(data: Buffer, nowMs: number): void {
    void [data, nowMs]
  }
  handleClientPong(data: Buffer, nowMs: number): void {
    void [data, nowMs]
  }
  /** The client's close frame; code null: it had no payload. Nothing can be sent to the client any more. */
  handleClientClose(code: number | null, reason: string, nowMs: number): void {
    void [code, reason, nowMs]
  }
  /** The client went without a close frame, also while opening. */
  handleClientGone(nowMs: number): void {
    void nowMs
  }

  handleResponse(response: WsResponse, nowMs: number): void {
    void [response, nowMs]
  }
  /** The body passed WS_RESPONSE_BYTES_MAX and the shell gave the exchange up. */
  handleResponseTooLarge(nowMs: number): void {
    void nowMs
  }
  /**
   * The request failed. While opening the shell has tried the other targets of the route before (failure kinds
   * connect, connect-timeout and tls) and calls this when none is left; `tried` names them for debug routes.
   * Retries after the opening are made here.
   */
  handleFailure(failure: WsRequestFailure, nowMs: number, tried: readonly string[] = []): void {
    void [failure, nowMs, tried]
  }
  /** The channels of the last subscribe effect are live, or the barrier failed. */
  handleLive(ok: boolean, nowMs: number): void {
    void [ok, nowMs]
  }
  /** Published action refresh. */
  handleRefresh(nowMs: number): void {
    void nowMs
  }
  /** Published action close. code -1: none given. */
  handlePublishClose(code: number, reason: string, nowMs: number): void {
    void [code, reason, nowMs]
  }
  /** Bytes written for the client that it has not read yet. */
  handleUnread(bytes: number): void {
    void bytes
  }
  /** Something published was written to the client; see wantsWritten. */
  handleWritten(nowMs: number): void {
    void nowMs
  }
  /** The process-wide cap is reached: the session is dropped as if its own buffer were full. */
  handleBufferCap(nowMs: number): void {
    void nowMs
  }
  handleDeadline(nowMs: number): void {
    void nowMs
  }

  /** The next thing to do, or null. */
  poll(): WsEffect | null {
    return null
  }
}
