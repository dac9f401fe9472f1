/**
 * The session machine of WebSocket-over-HTTP: one client WebSocket, carried to its backend as a series of POSTs.
 *
 * Plain and synchronous: inputs are the handle… methods, effects are asked for with poll() until it returns null.
 * After every input the shell drains poll(), performs the effects in order, and reads deadlineMs.
 *
 * Two sides with a life of their own:
 *
 *     client   Opening ──101──► Open ──close, drop, gone──► Gone
 *     link     Connecting ──OPEN──► Connected ──close──► Closing ──► Over          (the backend's view of the session)
 *
 * `ended` is said when the client is Gone and the link Over. The link may outlive the client (CLOSE or DISCONNECT is
 * still to be said, or retried) and the client the link (detach).
 *
 * Requests are made at poll time, one at a time: what arrives while one is in flight goes with the next.
 */
import type { Buffer } from 'node:buffer'
import { assert } from '../base/assert.js'
import { EMPTY_BYTES } from '../base/bytes.js'
import { NO_DEADLINE } from '../base/deadlines.js'
import { WS_CLOSING_MS, WS_REJECT_BYTES_MAX, WS_REJECT_RELAY_BYTES_MAX, WS_UNREAD_BYTES_MAX } from '../base/limits.js'
import { type Header, WsMessageType } from '../wire/publish-types.js'
import {
  cutCloseReason,
  decodeCloseContent,
  decodeWebSocketEvents,
  encodeCloseContent,
  WebSocketEventsBody,
  WsEventType,
  type WebSocketEvent,
  type WsContentEventType,
} from '../wire/websocket-events.js'
import {
  acceptEffect,
  acceptedBytes,
  applySetMeta,
  isWsEvents,
  keepAliveIntervalMs,
  proxyErrorRejection,
  readAnswerHead,
  relayedRejection,
  type WsResponse,
} from './ws-answer.js'
import { Client, WsClientHalf } from './ws-client-half.js'
import { type WsClientEffect, WsDropReason, type WsEffect } from './ws-effects.js'
import {
  isUnhandled,
  isUnreached,
  WsRequest,
  type WsRequestEffect,
  type WsRequestFailure,
  WsSent,
} from './ws-request.js'
import type { WsSessionConfig } from './ws-session-config.js'
import { WsUpstream } from './ws-upstream.js'

export type { WsResponse } from './ws-answer.js'
export type { WsRequestFailure } from './ws-request.js'
export type { WsSessionConfig } from './ws-session-config.js'

const Link = { Connecting: 'connecting', Connected: 'connected', Closing: 'closing', Over: 'over' } as const
type Link = (typeof Link)[keyof typeof Link]

/** How the events of an answer ended. */
const Verdict = { Going: 'going', Closed: 'closed', Dropped: 'dropped' } as const
type Verdict = (typeof Verdict)[keyof typeof Verdict]

const NO_META: readonly Header[] = []
const ENDED: WsEffect = { kind: 'ended' }

export class WsSession extends WsClientHalf {
  readonly #config: WsSessionConfig
  /** Only while there is something for the backend to take, and #request only while one is made: most sessions idle. */
  #upstream: WsUpstream | null = null
  #request: WsRequest | null = null
  #link: Link = Link.Connecting

  // When to make the next one.
  #isRequestDue = false
  #requestAtMs = NO_DEADLINE
  #intervalMs = 0

  // The end of the link.
  #mustDisconnect = false
  #closingUntilMs = NO_DEADLINE

  // What the backend has set.
  #meta: readonly Header[] | null = null

  constructor(config: WsSessionConfig) {
    super()
    this.#config = config
  }

  // Getters

  /** When handleDeadline wants to be called; NO_DEADLINE: never. */
  override get deadlineMs(): number {
    return Math.min(
      this.#requestAtMs,
      this.automaticDeadlineMs,
      this.#isHeldAtClose() ? this.#closingUntilMs : NO_DEADLINE,
    )
  }

  override get naming(): WsSessionConfig {
    return this.#config
  }

  /** What the buffer of client content costs, for the process-wide cap: content plus a fixed sum per message. */
  get bufferedBytes(): number {
    return this.#upstream?.weightBytes ?? 0
  }

  // The client

  /** The client's upgrade request is here: OPEN goes to the backend. */
  override handleOpen(_nowMs: number): void {
    assert(this.#link === Link.Connecting && this.#request === null, 'a session opens once')
    this.#isRequestDue = true
  }

  /** `data` is the session's to keep (already copied at the native border). */
  handleClientMessage(data: Buffer, isBinary: boolean, nowMs: number): void {
    this.#appendContent(isBinary ? WsEventType.Binary : WsEventType.Text, data, nowMs)
  }

  handleClientPing(data: Buffer, nowMs: number): void {
    this.#appendContent(WsEventType.Ping, data, nowMs)
  }

  handleClientPong(data: Buffer, nowMs: number): void {
    this.#appendContent(WsEventType.Pong, data, nowMs)
  }

  /**
   * The client's close frame; code null: it had no payload. `reason` is a byte string. uWebSockets.js has answered it
   * already, so nothing can be sent to the client any more; the backend still gets CLOSE.
   */
  override handleClientClose(code: number | null, reason: string, nowMs: number): void {
    if (this.client !== Client.Open) {
      this.handleClientGone(nowMs)
      return
    }
    const isPolite = this.#link === Link.Connected && !this.#mustDisconnect
    if (isPolite) this.#useUpstream().setClose(code === null ? EMPTY_BYTES : encodeCloseContent(code, reason))
    this.leaveClient(nowMs)
    if (isPolite) this.#beginClosing()
  }

  /** The client went without a close frame, also while opening. */
  override handleClientGone(nowMs: number): void {
    if (this.client === Client.Gone) return
    this.leaveClient(nowMs)
    switch (this.#link) {
      case Link.Connecting:
        // A backend that has not accepted OPEN has nothing to disconnect. One that is being asked is heard first.
        if (this.#request === null) this.#endLink()
        else this.#mustDisconnect = true
        break
      case Link.Connected:
        this.#mustDisconnect = true
        break
      case Link.Closing:
        // After a detach: CLOSE is being said already.
        if (this.#isCloseAccepted && this.#request === null) this.#endLink()
        break
      case Link.Over:
        break
    }
  }

  /** The process-wide cap is reached: the session is dropped as if its own buffer were full. */
  override handleBufferCap(nowMs: number): void {
    this.#overflow(nowMs)
  }

  // Publishing

  /** Published action refresh: one request, whether there is something to say or not. */
  override handleRefresh(_nowMs: number): void {
    if (this.#link === Link.Connected && !this.#mustDisconnect) this.#isRequestDue = true
  }

  /** Published action close. code -1: none given. The backend gets a CLOSE without code. */
  override handlePublishClose(code: number, reason: string, nowMs: number): void {
    // A session that has not opened holds no channel.
    if (this.#link === Link.Connecting) return
    this.#closeClient(code < 0 ? 1000 : code, reason, EMPTY_BYTES, nowMs)
  }

  // The backend

  handleResponse(response: WsResponse, nowMs: number): void {
    const sent = this.#takeSent()
    if (sent === WsSent.Disconnect) {
      this.#endLink()
      return
    }
    const head = readAnswerHead(response.headers)
    if (!isWsEvents(response, head)) {
      this.#fail(WsDropReason.Answer, nowMs, sent === WsSent.Open ? response : null)
      return
    }
    if (head.keepAliveInterval !== null) this.#intervalMs = keepAliveIntervalMs(head.keepAliveInterval)
    if (!this.#accept(head.contentBytesAccepted)) {
      this.#fail(WsDropReason.Answer, nowMs)
      return
    }
    if (head.hasSetMeta) this.#meta = applySetMeta(this.#meta, response.headers)
    const events = decodeWebSocketEvents(response.body)
    if (events === null || (sent === WsSent.Open && !this.#isOpening(events))) {
      this.#fail(WsDropReason.Answer, nowMs)
      return
    }
    const verdict = this.#applyEvents(events, response, nowMs)
    this.outbox.endOpening()
    this.#afterEvents(verdict, events, nowMs)
  }

  /** The body passed WS_RESPONSE_BYTES_MAX and the shell gave the exchange up. */
  handleResponseTooLarge(nowMs: number): void {
    if (this.#takeSent() === WsSent.Disconnect) this.#endLink()
    else this.#fail(WsDropReason.Answer, nowMs)
  }

  /** Retries after the opening are made here. */
  override handleFailure(failure: WsRequestFailure, nowMs: number, tried: readonly string[] = []): void {
    const retryAfterMs = this.#request?.retryAfterMs(failure, this.#config.random) ?? null
    if (retryAfterMs !== null) {
      this.#requestAtMs = nowMs + retryAfterMs
      return
    }
    const isOpening = this.#link === Link.Connecting
    const sent = this.#takeSent()
    if (sent === WsSent.Disconnect) this.#endLink()
    else if (isOpening) {
      this.#endLink()
      this.endClient(proxyErrorRejection(this.#config.debug && isUnreached(failure) ? tried : null), nowMs)
    } else {
      this.#fail(isUnhandled(failure) || !failure.bodySent ? WsDropReason.Unreachable : WsDropReason.Unanswered, nowMs)
    }
  }

  override handleDeadline(nowMs: number): void {
    if (this.#isHeldAtClose() && nowMs >= this.#closingUntilMs) {
      this.#mustDisconnect = true
      this.#requestAtMs = NO_DEADLINE
    }
    if (nowMs >= this.#requestAtMs) {
      this.#requestAtMs = NO_DEADLINE
      if (this.#request?.endRetryWait() !== true) this.#isRequestDue = true
    }
    this.sendAutomatic(nowMs)
  }

  /** The next thing to do, or null. */
  override poll(): WsEffect | null {
    const effect = this.takeForClient()
    if (effect !== null) {
      if (effect.kind === 'close' && this.#link === Link.Connected && !this.#mustDisconnect) this.#beginClosing()
      return effect
    }
    if (this.outbox.isWaiting || this.isStalled) return null
    if (this.#needsRequest()) return this.#nextRequest()
    if (this.client !== Client.Gone || this.#link !== Link.Over || this.isEnded) return null
    this.isEnded = true
    return ENDED
  }

  // Making requests

  #needsRequest(): boolean {
    if (this.#request !== null) return this.#request.isRetryDue
    switch (this.#link) {
      case Link.Over:
        return false
      case Link.Connecting:
        return this.#isRequestDue
      case Link.Connected:
      case Link.Closing:
        if (this.#mustDisconnect || this.#isRequestDue) return true
        // A client that does not read gets no more to read.
        if (this.unreadBytes >= WS_UNREAD_BYTES_MAX && this.client !== Client.Gone) return false
        // Held-back content alone is no reason: the backend waits for more.
        if (this.#upstream?.hasNew === true) return true
        return this.#link === Link.Closing && this.#upstream?.isEmpty !== false && !this.#isCloseAccepted
    }
  }

  #nextRequest(): WsRequestEffect {
    if (this.#request !== null) return this.#request.again()
    this.#isRequestDue = false
    this.#requestAtMs = NO_DEADLINE
    const replayedBytes = this.#upstream?.replayedBytes ?? 0
    const body = new WebSocketEventsBody()
    const sent = this.#addEvents(body)
    const { slices, bytes } = body
    const meta = this.#meta ?? NO_META
    const effect: WsRequestEffect = { kind: 'request', body: slices, bodyBytes: bytes, replayedBytes, meta, attempt: 0 }
    this.#request = new WsRequest(sent, effect)
    return effect
  }

  #addEvents(body: WebSocketEventsBody): WsSent {
    if (this.#link === Link.Connecting) {
      body.add(WsEventType.Open, EMPTY_BYTES)
      return WsSent.Open
    }
    if (this.#mustDisconnect) {
      body.add(WsEventType.Disconnect, EMPTY_BYTES)
      // What has not been accepted is lost with the client; DISCONNECT says so.
      this.#upstream?.clear()
      return WsSent.Disconnect
    }
    this.#upstream?.offer(body, this.#link === Link.Closing)
    return WsSent.Content
  }

  #takeSent(): WsSent {
    assert(this.#request !== null || this.#link === Link.Connecting, 'an answer belongs to a request')
    const sent = this.#request?.sent ?? WsSent.Nothing
    this.#request = null
    return sent
  }

  #useUpstream(): WsUpstream {
    return (this.#upstream ??= new WsUpstream(this.#config.oneEvent))
  }

  get #isCloseAccepted(): boolean {
    return this.#upstream?.isCloseAccepted === true
  }

  // Reading answers

  /** Takes the Content-Bytes-Accepted header of an answer (null: absent); false: it makes no sense. */
  #accept(header: string | null): boolean {
    const upstream = this.#upstream
    if (upstream === null) return acceptedBytes(header, 0) === 0
    const isSensible = upstream.accept(header)
    if (isSensible && upstream.isIdle) this.#upstream = null
    return isSensible
  }

  #isOpening(events: readonly WebSocketEvent[]): boolean {
    const first = events[0]
    return first === undefined ? this.#intervalMs > 0 : first.type === WsEventType.Open
  }

  #applyEvents(events: readonly WebSocketEvent[], response: WsResponse, nowMs: number): Verdict {
    for (const event of events) {
      switch (event.type) {
        case WsEventType.Open:
          if (this.#link !== Link.Connecting) return Verdict.Dropped
          this.#open(response)
          break
        case WsEventType.Text:
          this.deliver(WsMessageType.Text, event.content, nowMs)
          break
        case WsEventType.Binary:
          this.deliver(WsMessageType.Binary, event.content, nowMs)
          break
        case WsEventType.Ping:
          this.deliverControlFrame(WsMessageType.Ping, event.content, nowMs)
          break
        case WsEventType.Pong:
          this.deliverControlFrame(WsMessageType.Pong, event.content, nowMs)
          break
        case WsEventType.Close:
          this.#closeByBackend(event.content, nowMs)
          return Verdict.Closed
        case WsEventType.Disconnect:
          return Verdict.Dropped
        case null:
          break
      }
    }
    return Verdict.Going
  }

  #open(response: WsResponse): void {
    this.#link = Link.Connected
    if (this.client === Client.Gone) return
    this.beginOpening(this.#config, acceptEffect(response), response.headers)
  }

  /**
   * The backend's CLOSE. Pushpin sends the close frame, waits for the client's, and POSTs CLOSE with the client's code.
   * uWebSockets.js ends the connection with the frame it sends, and the client's own is not seen. So the backend gets
   * the CLOSE that a client makes of such a frame (RFC 6455 §5.5.1: it typically echoes the code), with the content
   * that was waiting in front of it.
   */
  #closeByBackend(content: Buffer, nowMs: number): void {
    if (this.isDetached || this.#link !== Link.Connected) return
    const { code, reason } = decodeCloseContent(content)
    const shortReason = cutCloseReason(reason)
    const echo = this.#config.isPolled ? EMPTY_BYTES : encodeCloseContent(code ?? 1000, shortReason)
    this.#closeClient(code ?? 1000, shortReason, echo, nowMs)
  }

  /** Bookkeeping behind the events of a good answer: who is closed now, and when to ask again. */
  #afterEvents(verdict: Verdict, events: readonly WebSocketEvent[], nowMs: number): void {
    if (verdict === Verdict.Dropped) {
      this.#fail(WsDropReason.Disconnect, nowMs)
      return
    }
    this.applyDue(nowMs)
    if (this.#isLinkFinished(verdict, events)) {
      this.#endLink()
      return
    }
    const isAskedAgain = this.#intervalMs > 0
    if (this.#link === Link.Closing && this.#upstream?.isCloseHeldBack === true) {
      if (!isAskedAgain || nowMs >= this.#closingUntilMs) this.#mustDisconnect = true
    }
    if (isAskedAgain) this.#requestAtMs = nowMs + this.#intervalMs
  }

  #isLinkFinished(verdict: Verdict, events: readonly WebSocketEvent[]): boolean {
    const isClientGone = this.client === Client.Gone
    if (this.#link === Link.Connecting) return isClientGone && events.length === 0
    if (!this.#isCloseAccepted) return false
    // Pushpin repeats CLOSE at the keep-alive interval until the backend answers it, for the sake of a client that
    // waits. Only after a detach do we still have one.
    return verdict === Verdict.Closed || isClientGone || this.#intervalMs === 0
  }

  /** Ends the session because of its backend. `rejection`: the answer to OPEN that refused it. */
  #fail(reason: WsDropReason, nowMs: number, rejection: WsResponse | null = null): void {
    const wasConnecting = this.#link === Link.Connecting
    this.#endLink()
    if (this.isDetached) return
    if (!wasConnecting) this.endClient({ kind: 'drop', reason }, nowMs)
    else if (rejection === null) this.endClient(proxyErrorRejection(null), nowMs)
    else {
      const bytesMax = this.#config.isPolled ? WS_REJECT_BYTES_MAX : WS_REJECT_RELAY_BYTES_MAX
      this.endClient(relayedRejection(rejection, bytesMax), nowMs)
    }
  }

  /** What the client sends goes to the backend (see #appendContent). */
  get isForwarding(): boolean {
    return this.#link === Link.Connected && !this.#mustDisconnect
  }

  protected override detach(): void {
    if (this.#link !== Link.Connected) return
    this.isDetached = true
    this.#useUpstream().setClose(EMPTY_BYTES)
    this.#beginClosing()
  }

  protected override abandonBackend(): void {
    if (this.#link === Link.Connected) this.#mustDisconnect = true
  }

  // Ending

  #appendContent(type: WsContentEventType, content: Buffer, nowMs: number): void {
    // After a detach, and when the session is coming to its end, the client speaks to nobody.
    if (this.#link !== Link.Connected || this.client === Client.Gone || this.#mustDisconnect) return
    const upstream = this.#useUpstream()
    upstream.append(type, content)
    const { messageBytesMax, bufferBytesMax } = this.#config
    if (content.length > messageBytesMax || upstream.weightBytes > bufferBytesMax) this.#overflow(nowMs)
  }

  #overflow(nowMs: number): void {
    if (this.#link !== Link.Connected || this.client === Client.Gone) return
    this.endClient({ kind: 'drop', reason: WsDropReason.Buffer }, nowMs)
    this.#mustDisconnect = true
  }

  /** A close frame for the client, and for the backend, once it is out, CLOSE with `content`. */
  #closeClient(code: number, reason: string, content: Buffer, nowMs: number): void {
    if (this.client === Client.Gone || this.isEnding) return
    if (this.#link === Link.Connected) this.#useUpstream().setClose(content)
    this.sendClose(code, reason, nowMs)
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

  #beginClosing(): void {
    this.#link = Link.Closing
    this.#isRequestDue = true
  }

  #endLink(): void {
    this.#link = Link.Over
    this.#upstream = null
    this.#requestAtMs = NO_DEADLINE
    this.#meta = null
  }

  /** The client is gone, and its backend has not taken everything yet and may be asked again. */
  #isHeldAtClose(): boolean {
    return (
      this.#link === Link.Closing &&
      this.client === Client.Gone &&
      this.#request === null &&
      !this.#isCloseAccepted &&
      !this.#mustDisconnect
    )
  }
}
