/**
 * The link of a WebSocket-over-HTTP session: its backend's view of the session, and the requests that carry it.
 *
 *     Connecting ──OPEN──► Connected ──close──► Closing ──► Over
 *
 * Here is known what is still to be said to the backend, and when to ask it: one request at a time, made when
 * nextRequest() is called, so what arrives while one is in flight goes with the next. What an answer means, and what the
 * end of one side is for the other, is decided in ws-session.ts.
 *
 * Methods are `private` rather than #: each class with # methods in a chain costs each of its objects a pointer.
 */
import type { Buffer } from 'node:buffer'
import { assert } from '../base/assert.js'
import { EMPTY_BYTES } from '../base/bytes.js'
import { NO_DEADLINE } from '../base/deadlines.js'
import { WS_CLOSING_MS, WS_UNREAD_BYTES_MAX } from '../base/limits.js'
import type { Header } from '../wire/publish-types.js'
import { WebSocketEventsBody, WsEventType, type WsContentEventType } from '../wire/websocket-events.js'
import { acceptedBytes, applySetMeta } from './ws-answer.js'
import { Client, WsClientHalf } from './ws-client-half.js'
import type { WsClientEffect } from './ws-effects.js'
import { WsRequest, type WsRequestEffect, type WsRequestFailure, WsSent } from './ws-request.js'
import type { WsSessionConfig } from './ws-session-config.js'
import { WsUpstream } from './ws-upstream.js'

export const Link = { Connecting: 'connecting', Connected: 'connected', Closing: 'closing', Over: 'over' } as const
export type Link = (typeof Link)[keyof typeof Link]

const NO_META: readonly Header[] = []

export abstract class WsHttpLink extends WsClientHalf {
  protected readonly config: WsSessionConfig
  protected link: Link = Link.Connecting
  /** The next request says DISCONNECT, and nothing follows it. */
  protected mustDisconnect = false
  /** Keep-Alive-Interval; 0: off. */
  protected intervalMs = 0
  /** Only while there is something for the backend to take, and #request only while one is made: most sessions idle. */
  #upstream: WsUpstream | null = null
  #request: WsRequest | null = null

  // When to make the next one.
  #isRequestDue = false
  #requestAtMs = NO_DEADLINE
  /** Until then a backend that holds back what the client has left may be asked again. */
  #closingUntilMs = NO_DEADLINE
  /** What the backend has set. */
  #meta: readonly Header[] | null = null

  constructor(config: WsSessionConfig) {
    super()
    this.config = config
  }

  // Getters

  /** When handleDeadline wants to be called; NO_DEADLINE: never. */
  override get deadlineMs(): number {
    return Math.min(
      this.#requestAtMs,
      this.automaticDeadlineMs,
      this.isHeldAtClose() ? this.#closingUntilMs : NO_DEADLINE,
    )
  }

  override get naming(): WsSessionConfig {
    return this.config
  }

  /** What the buffer of client content costs, for the process-wide cap: content plus a fixed sum per message. */
  get bufferedBytes(): number {
    return this.#upstream?.weightBytes ?? 0
  }

  /** What the client sends goes to the backend. After a detach, and near the end of the session, it speaks to nobody. */
  get isForwarding(): boolean {
    return this.link === Link.Connected && !this.mustDisconnect
  }

  /** A request is in flight, or waits for its retry. */
  protected get isAsking(): boolean {
    return this.#request !== null
  }

  protected get isCloseAccepted(): boolean {
    return this.#upstream?.isCloseAccepted === true
  }

  // What is to be said

  /** Goes with the next request. */
  protected append(type: WsContentEventType, content: Buffer): void {
    this.useUpstream().append(type, content)
  }

  /** What CLOSE will say, once the link is closing. */
  protected setClose(content: Buffer): void {
    this.useUpstream().setClose(content)
  }

  protected setMeta(headers: readonly string[]): void {
    this.#meta = applySetMeta(this.#meta, headers)
  }

  /** A request is due, whether there is something to say or not. */
  protected requestNow(): void {
    this.#isRequestDue = true
  }

  /** Takes the Content-Bytes-Accepted header of an answer (null: absent); false: it makes no sense. */
  protected takeAccepted(header: string | null): boolean {
    const upstream = this.#upstream
    if (upstream === null) return acceptedBytes(header, 0) === 0
    const isSensible = upstream.accept(header)
    if (isSensible && upstream.isIdle) this.#upstream = null
    return isSensible
  }

  private useUpstream(): WsUpstream {
    return (this.#upstream ??= new WsUpstream(this.config.oneEvent))
  }

  // Requests

  /** Null: none is to be made now. */
  protected nextRequest(): WsRequestEffect | null {
    if (!this.needsRequest()) return null
    if (this.#request !== null) return this.#request.again()
    this.#isRequestDue = false
    this.#requestAtMs = NO_DEADLINE
    const replayedBytes = this.#upstream?.replayedBytes ?? 0
    const body = new WebSocketEventsBody()
    const sent = this.addEvents(body)
    const { slices, bytes } = body
    const meta = this.#meta ?? NO_META
    const effect: WsRequestEffect = { kind: 'request', body: slices, bodyBytes: bytes, replayedBytes, meta, attempt: 0 }
    this.#request = new WsRequest(sent, effect)
    return effect
  }

  private needsRequest(): boolean {
    if (this.#request !== null) return this.#request.isRetryDue
    switch (this.link) {
      case Link.Over:
        return false
      case Link.Connecting:
        return this.#isRequestDue
      case Link.Connected:
      case Link.Closing:
        if (this.mustDisconnect || this.#isRequestDue) return true
        // A client that does not read gets no more to read.
        if (this.unreadBytes >= WS_UNREAD_BYTES_MAX && this.client !== Client.Gone) return false
        // Held-back content alone is no reason: the backend waits for more.
        if (this.#upstream?.hasNew === true) return true
        return this.link === Link.Closing && this.#upstream?.isEmpty !== false && !this.isCloseAccepted
    }
  }

  private addEvents(body: WebSocketEventsBody): WsSent {
    if (this.link === Link.Connecting) {
      body.add(WsEventType.Open, EMPTY_BYTES)
      return WsSent.Open
    }
    if (this.mustDisconnect) {
      body.add(WsEventType.Disconnect, EMPTY_BYTES)
      // What has not been accepted is lost with the client; DISCONNECT says so.
      this.#upstream?.clear()
      return WsSent.Disconnect
    }
    this.#upstream?.offer(body, this.link === Link.Closing)
    return WsSent.Content
  }

  /** The request is over; what it said. */
  protected takeSent(): WsSent {
    assert(this.#request !== null || this.link === Link.Connecting, 'an answer belongs to a request')
    const sent = this.#request?.sent ?? WsSent.Nothing
    this.#request = null
    return sent
  }

  /** The request has failed; false: it is not to be made again. */
  protected retryLater(failure: WsRequestFailure, nowMs: number): boolean {
    const retryAfterMs = this.#request?.retryAfterMs(failure, this.config.random) ?? null
    if (retryAfterMs === null) return false
    this.#requestAtMs = nowMs + retryAfterMs
    return true
  }

  /** Behind a good answer: when to ask again, if ever. */
  protected planNext(nowMs: number): void {
    const isAskedAgain = this.intervalMs > 0
    if (this.link === Link.Closing && this.#upstream?.isCloseHeldBack === true) {
      if (!isAskedAgain || nowMs >= this.#closingUntilMs) this.mustDisconnect = true
    }
    if (isAskedAgain) this.#requestAtMs = nowMs + this.intervalMs
  }

  override handleDeadline(nowMs: number): void {
    if (this.isHeldAtClose() && nowMs >= this.#closingUntilMs) {
      this.mustDisconnect = true
      this.#requestAtMs = NO_DEADLINE
    }
    if (nowMs >= this.#requestAtMs) {
      this.#requestAtMs = NO_DEADLINE
      if (this.#request?.endRetryWait() !== true) this.#isRequestDue = true
    }
    this.sendAutomatic(nowMs)
  }

  // The end of the link

  protected beginClosing(): void {
    this.link = Link.Closing
    this.#isRequestDue = true
  }

  protected endLink(): void {
    this.link = Link.Over
    this.#upstream = null
    this.#requestAtMs = NO_DEADLINE
    this.#meta = null
  }

  protected override detach(): void {
    if (this.link !== Link.Connected) return
    this.isDetached = true
    this.setClose(EMPTY_BYTES)
    this.beginClosing()
  }

  protected override abandonBackend(): void {
    if (this.link === Link.Connected) this.mustDisconnect = true
  }

  protected override endClient(effect: WsClientEffect, nowMs: number): void {
    if (this.client === Client.Gone || this.isEnding) return
    super.endClient(effect, nowMs)
    this.#closingUntilMs = nowMs + WS_CLOSING_MS
  }

  protected override leaveClient(nowMs: number): void {
    super.leaveClient(nowMs)
    this.#closingUntilMs = nowMs + WS_CLOSING_MS
  }

  /** The client is gone, and its backend has not taken everything yet and may be asked again. */
  private isHeldAtClose(): boolean {
    return (
      this.link === Link.Closing &&
      this.client === Client.Gone &&
      this.#request === null &&
      !this.isCloseAccepted &&
      !this.mustDisconnect
    )
  }
}
