/**
 * The session machine of WebSocket-over-HTTP: one client WebSocket, carried to its backend as a series of POSTs.
 *
 * Plain and synchronous: inputs are the handle… methods, effects are asked for with poll() until it returns null.
 * After every input the shell drains poll(), performs the effects in order, and reads deadlineMs.
 *
 * Two sides with a life of their own, each in a file of its own (ws-client-half.ts, ws-http-link.ts):
 *
 *     client   Opening ──101──► Open ──close, drop, gone──► Gone
 *     link     Connecting ──OPEN──► Connected ──close──► Closing ──► Over          (the backend's view of the session)
 *
 * `ended` is said when the client is Gone and the link Over. The link may outlive the client (CLOSE or DISCONNECT is
 * still to be said, or retried) and the client the link (detach).
 *
 * Here is what one side does to the other, and what a backend's answer means. All state is theirs.
 */
import type { Buffer } from 'node:buffer'
import { assert } from '../base/assert.js'
import { EMPTY_BYTES } from '../base/bytes.js'
import { WS_REJECT_BYTES_MAX, WS_REJECT_RELAY_BYTES_MAX } from '../base/limits.js'
import { WsMessageType } from '../wire/publish-types.js'
import {
  cutCloseReason,
  decodeCloseContent,
  decodeWebSocketEvents,
  encodeCloseContent,
  WsEventType,
  type WebSocketEvent,
  type WsContentEventType,
} from '../wire/websocket-events.js'
import {
  acceptEffect,
  isWsEvents,
  keepAliveIntervalMs,
  proxyErrorRejection,
  readAnswerHead,
  relayedRejection,
  type WsResponse,
} from './ws-answer.js'
import { Client } from './ws-client-half.js'
import { WsDropReason, type WsEffect } from './ws-effects.js'
import { Link, WsHttpLink } from './ws-http-link.js'
import { isUnhandled, isUnreached, type WsRequestFailure, WsSent } from './ws-request.js'

export type { WsResponse } from './ws-answer.js'
export type { WsRequestFailure } from './ws-request.js'
export type { WsSessionConfig } from './ws-session-config.js'

/** How the events of an answer ended. */
const Verdict = { Going: 'going', Closed: 'closed', Dropped: 'dropped' } as const
type Verdict = (typeof Verdict)[keyof typeof Verdict]

const ENDED: WsEffect = { kind: 'ended' }

export class WsSession extends WsHttpLink {
  // The client

  /** The client's upgrade request is here: OPEN goes to the backend. */
  override handleOpen(_nowMs: number): void {
    assert(this.link === Link.Connecting && !this.isAsking, 'a session opens once')
    this.requestNow()
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
    const isPolite = this.isForwarding
    if (isPolite) this.setClose(code === null ? EMPTY_BYTES : encodeCloseContent(code, reason))
    this.leaveClient(nowMs)
    if (isPolite) this.beginClosing()
  }

  /** The client went without a close frame, also while opening. */
  override handleClientGone(nowMs: number): void {
    if (this.client === Client.Gone) return
    this.leaveClient(nowMs)
    switch (this.link) {
      case Link.Connecting:
        // A backend that has not accepted OPEN has nothing to disconnect. One that is being asked is heard first.
        if (!this.isAsking) this.endLink()
        else this.mustDisconnect = true
        break
      case Link.Connected:
        this.mustDisconnect = true
        break
      case Link.Closing:
        // After a detach: CLOSE is being said already.
        if (this.isCloseAccepted && !this.isAsking) this.endLink()
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
    if (this.isForwarding) this.requestNow()
  }

  /** Published action close. code -1: none given. The backend gets a CLOSE without code. */
  override handlePublishClose(code: number, reason: string, nowMs: number): void {
    // A session that has not opened holds no channel.
    if (this.link === Link.Connecting) return
    this.#closeClient(code < 0 ? 1000 : code, reason, EMPTY_BYTES, nowMs)
  }

  // The backend

  handleResponse(response: WsResponse, nowMs: number): void {
    const sent = this.takeSent()
    if (sent === WsSent.Disconnect) {
      this.endLink()
      return
    }
    const head = readAnswerHead(response.headers)
    if (!isWsEvents(response, head)) {
      this.#fail(WsDropReason.Answer, nowMs, sent === WsSent.Open ? response : null)
      return
    }
    if (head.keepAliveInterval !== null) this.intervalMs = keepAliveIntervalMs(head.keepAliveInterval)
    if (!this.takeAccepted(head.contentBytesAccepted)) {
      this.#fail(WsDropReason.Answer, nowMs)
      return
    }
    if (head.hasSetMeta) this.setMeta(response.headers)
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
    if (this.takeSent() === WsSent.Disconnect) this.endLink()
    else this.#fail(WsDropReason.Answer, nowMs)
  }

  /** Retries after the opening are made here. */
  override handleFailure(failure: WsRequestFailure, nowMs: number, tried: readonly string[] = []): void {
    if (this.retryLater(failure, nowMs)) return
    const isOpening = this.link === Link.Connecting
    const sent = this.takeSent()
    if (sent === WsSent.Disconnect) this.endLink()
    else if (isOpening) {
      this.endLink()
      this.endClient(proxyErrorRejection(this.config.debug && isUnreached(failure) ? tried : null), nowMs)
    } else {
      this.#fail(isUnhandled(failure) || !failure.bodySent ? WsDropReason.Unreachable : WsDropReason.Unanswered, nowMs)
    }
  }

  /** The next thing to do, or null. */
  override poll(): WsEffect | null {
    const effect = this.takeForClient()
    if (effect !== null) {
      if (effect.kind === 'close' && this.isForwarding) this.beginClosing()
      return effect
    }
    if (this.outbox.isWaiting || this.isStalled) return null
    const request = this.nextRequest()
    if (request !== null) return request
    if (this.client !== Client.Gone || this.link !== Link.Over || this.isEnded) return null
    this.isEnded = true
    return ENDED
  }

  // Reading answers

  #isOpening(events: readonly WebSocketEvent[]): boolean {
    const first = events[0]
    return first === undefined ? this.intervalMs > 0 : first.type === WsEventType.Open
  }

  #applyEvents(events: readonly WebSocketEvent[], response: WsResponse, nowMs: number): Verdict {
    for (const event of events) {
      switch (event.type) {
        case WsEventType.Open:
          if (this.link !== Link.Connecting) return Verdict.Dropped
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
    this.link = Link.Connected
    if (this.client === Client.Gone) return
    this.beginOpening(this.config, acceptEffect(response), response.headers)
  }

  /**
   * The backend's CLOSE. Pushpin sends the close frame, waits for the client's, and POSTs CLOSE with the client's code.
   * uWebSockets.js ends the connection with the frame it sends, and the client's own is not seen. So the backend gets
   * the CLOSE that a client makes of such a frame (RFC 6455 §5.5.1: it typically echoes the code), with the content
   * that was waiting in front of it.
   */
  #closeByBackend(content: Buffer, nowMs: number): void {
    if (this.isDetached || this.link !== Link.Connected) return
    const { code, reason } = decodeCloseContent(content)
    const shortReason = cutCloseReason(reason)
    const echo = this.config.isPolled ? EMPTY_BYTES : encodeCloseContent(code ?? 1000, shortReason)
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
      this.endLink()
      return
    }
    this.planNext(nowMs)
  }

  #isLinkFinished(verdict: Verdict, events: readonly WebSocketEvent[]): boolean {
    const isClientGone = this.client === Client.Gone
    if (this.link === Link.Connecting) return isClientGone && events.length === 0
    if (!this.isCloseAccepted) return false
    // Pushpin repeats CLOSE at the keep-alive interval until the backend answers it, for the sake of a client that
    // waits. Only after a detach do we still have one.
    return verdict === Verdict.Closed || isClientGone || this.intervalMs === 0
  }

  /** Ends the session because of its backend. `rejection`: the answer to OPEN that refused it. */
  #fail(reason: WsDropReason, nowMs: number, rejection: WsResponse | null = null): void {
    const wasConnecting = this.link === Link.Connecting
    this.endLink()
    if (this.isDetached) return
    if (!wasConnecting) this.endClient({ kind: 'drop', reason }, nowMs)
    else if (rejection === null) this.endClient(proxyErrorRejection(null), nowMs)
    else {
      const bytesMax = this.config.isPolled ? WS_REJECT_BYTES_MAX : WS_REJECT_RELAY_BYTES_MAX
      this.endClient(relayedRejection(rejection, bytesMax), nowMs)
    }
  }

  // Ending

  #appendContent(type: WsContentEventType, content: Buffer, nowMs: number): void {
    if (!this.isForwarding || this.client === Client.Gone) return
    this.append(type, content)
    const { messageBytesMax, bufferBytesMax } = this.config
    if (content.length > messageBytesMax || this.bufferedBytes > bufferBytesMax) this.#overflow(nowMs)
  }

  #overflow(nowMs: number): void {
    if (this.link !== Link.Connected || this.client === Client.Gone) return
    this.endClient({ kind: 'drop', reason: WsDropReason.Buffer }, nowMs)
    this.mustDisconnect = true
  }

  /** A close frame for the client, and for the backend, once it is out, CLOSE with `content`. */
  #closeClient(code: number, reason: string, content: Buffer, nowMs: number): void {
    if (this.client === Client.Gone || this.isEnding) return
    if (this.link === Link.Connected) this.setClose(content)
    this.sendClose(code, reason, nowMs)
  }
}
