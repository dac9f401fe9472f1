/**
 * The client's half of a WebSocket session: what is the same whether the backend is spoken to over HTTP
 * (ws-session.ts) or over a WebSocket of its own (ws-tunnel.ts).
 *
 * Opening ──101──► Open ──close, drop, gone──► Gone
 *
 * What is said to the client waits in the outbox; the last word (a rejection, a close, a drop) stands behind all else,
 * and nothing is added behind it.
 */
import type { Buffer } from 'node:buffer'
import { NO_DEADLINE } from '../base/deadlines.js'
import { WS_CONTROL_FRAME_BYTES_MAX, WS_STALL_BYTES } from '../base/limits.js'
import { parseGripExtension } from '../wire/header-params.js'
import type { PublishItem, WsMessageFormat, WsMessageType } from '../wire/publish-types.js'
import { cutCloseReason } from '../wire/websocket-events.js'
import { type FilterQuestion, type Filtered, type FilteredSession, contentFilterMismatch } from './filters.js'
import type { Meta } from './meta.js'
import type { Subscription } from './subscriptions.js'
import { notLiveRejection, withGripExtension } from './ws-answer.js'
import { type WsAnyEffect, type WsClientEffect, WsDropReason } from './ws-effects.js'
import { WsGrip, type WsGripConfig } from './ws-grip.js'
import { WsOutbox } from './ws-outbox.js'
import type { WsRequestFailure } from './ws-request.js'

export const Client = { Opening: 'opening', Open: 'open', Gone: 'gone' } as const
export type Client = (typeof Client)[keyof typeof Client]

export interface WsClientHalfConfig extends WsGripConfig {
  /** False for no_grip routes and for trusted clients: the grip extension of an answer is not acted on. */
  readonly gripAllowed: boolean
  /** The client is a trusted gateway: it is told of the extension, and acts on it. */
  readonly isClientGateway?: boolean
}

export abstract class WsClientHalf implements FilteredSession {
  protected readonly outbox = new WsOutbox()
  protected client: Client = Client.Opening
  /** The last effect for the client is on its way: nothing more is said to it. */
  protected isEnding = false
  protected isEnded = false
  protected isDetached = false
  protected unreadBytes = 0
  #isDropping = false
  /** null: the backend does not speak GRIP on this session and its target has no implicit channels. */
  protected grip: WsGrip | null = null

  // What the shell asks of every session

  /** When handleDeadline wants to be called; NO_DEADLINE: never. */
  abstract get deadlineMs(): number
  /** The next thing to do, or null. */
  abstract poll(): WsAnyEffect | null
  /** The client's upgrade request is here: the backend is to be asked. */
  abstract handleOpen(nowMs: number): void
  /**
   * The backend could not be asked, and the shell has no other target to try (it tries them while opening, for failures
   * of kind connect, connect-timeout and tls); `tried` names them all for debug routes. May also be called in place of
   * handleOpen, when nothing can be asked.
   */
  abstract handleFailure(failure: WsRequestFailure, nowMs: number, tried?: readonly string[]): void
  abstract handleDeadline(nowMs: number): void
  /**
   * The client's close frame; code null: it had no payload. `reason` is a byte string. uWebSockets.js has answered it
   * already, so nothing can be sent to the client any more; the backend is still told.
   */
  abstract handleClientClose(code: number | null, reason: string, nowMs: number): void
  /** The client went without a close frame, also while opening. */
  abstract handleClientGone(nowMs: number): void
  /** The process-wide cap is reached: the session is dropped as if its own buffer were full. */
  abstract handleBufferCap(nowMs: number): void
  /** Published action close. code -1: none given. The backend is told without a code. */
  abstract handlePublishClose(code: number, reason: string, nowMs: number): void
  /** Published action refresh. */
  abstract handleRefresh(nowMs: number): void

  /** An idle keep-alive is set: the shell calls handleWritten for every publish it writes to the client. */
  get wantsWritten(): boolean {
    return this.grip?.automatic?.wantsWritten ?? false
  }

  abstract get naming(): WsGripConfig

  /** Its channels have no ids. */
  get hasIds(): boolean {
    return false
  }

  /** Set by control messages set-meta, for filters; null: none. */
  get subMeta(): Meta | null {
    return this.grip?.connectionMeta ?? null
  }

  /** Set by the control message session; null: none. */
  get sessionId(): string | null {
    return this.grip?.sessionId ?? null
  }

  /** An item as its subscription's filters let it pass. The session may have to be driven when it is dropped (null). */
  filterItem(
    { meta }: PublishItem,
    { content, contentFilters }: WsMessageFormat,
    { filters, receiver }: Subscription,
    nowMs: number,
  ): Filtered | FilterQuestion {
    if (filters.hasContentFilters(contentFilters)) {
      return filters.isEmpty ? content : filters.apply(content, this, receiver.subscriptions, meta)
    }
    if (this.naming.debug) this.handlePublishClose(1011, contentFilterMismatch(filters, contentFilters ?? []), nowMs)
    return null
  }

  /** A filter could not decide; the session may have to be driven. `message`: for debug mode, a byte string. */
  handleFilterFailure(message: string, nowMs: number): void {
    if (this.naming.debug) this.handlePublishClose(1011, message, nowMs)
  }

  /** Bytes written for the client that it has not read yet. */
  handleUnread(bytes: number): void {
    this.unreadBytes = bytes
  }

  /** Something published was written to the client; see wantsWritten. */
  handleWritten(nowMs: number): void {
    this.grip?.automatic?.handleWritten(nowMs)
  }

  /** The channels of the last subscribe effect are live, or the barrier failed. */
  handleLive(ok: boolean, nowMs: number): void {
    // The client may have left meanwhile; then nobody waits.
    if (!this.outbox.isWaiting) return
    this.outbox.handleLive()
    if (ok) return
    this.outbox.clear()
    this.isEnding = false
    this.abandonBackend()
    this.endClient(
      this.client === Client.Opening ? notLiveRejection() : { kind: 'drop', reason: WsDropReason.Barrier },
      nowMs,
    )
  }

  // For the half that knows the backend

  /** The client cannot be served any longer, by no fault of the backend: it is told that the session ends uncleanly. */
  protected abstract abandonBackend(): void
  /** The control message `detach`: the backend is left, the client stays. */
  protected abstract detach(): void

  /** The client does not read what it has: nothing more is written. */
  protected get isStalled(): boolean {
    return this.unreadBytes > WS_STALL_BYTES && this.client !== Client.Gone
  }

  protected get automaticDeadlineMs(): number {
    return this.grip?.automatic?.deadlineMs ?? NO_DEADLINE
  }

  protected sendAutomatic(nowMs: number): void {
    const automatic = this.grip?.automatic ?? null
    if (automatic === null) return
    const delayed = automatic.takeDelayedDue(nowMs)
    if (delayed !== null) this.send(delayed.type, delayed.content, false, nowMs)
    const keepAlive = automatic.takeKeepAliveDue(nowMs)
    if (keepAlive !== null) this.send(keepAlive.type, keepAlive.content, true, nowMs)
  }

  /** The backend has accepted: `accept` is said once the implicit channels are live. Until endOpening; see the outbox. */
  protected beginOpening(config: WsClientHalfConfig, accept: WsClientEffect, headers: readonly string[]): void {
    this.outbox.beginOpening(config.isClientGateway === true ? withGripExtension(accept, headers) : accept)
    const extension = config.gripAllowed ? parseGripExtension(headers) : null
    if (extension === null && config.implicitChannels.length === 0) return
    this.grip = new WsGrip(config, this.outbox, extension === null ? null : extension.messagePrefix)
  }

  /** A message of the backend. */
  protected deliver(type: 'text' | 'binary', content: Buffer, nowMs: number): void {
    if (this.client === Client.Gone || this.isEnding || this.isDetached) return
    const forClient = this.grip === null ? content : this.grip.receive(type, content, nowMs)
    if (forClient !== null) this.send(type, forClient, false, nowMs)
  }

  /** A ping or pong of the backend. */
  protected deliverControlFrame(type: 'ping' | 'pong', content: Buffer, nowMs: number): void {
    if (this.client === Client.Gone || this.isEnding || this.isDetached) return
    if (content.length <= WS_CONTROL_FRAME_BYTES_MAX) {
      this.send(type, content, false, nowMs)
      return
    }
    // No such frame exists; in Pushpin the client's side of the session breaks on it.
    this.endClient({ kind: 'drop', reason: WsDropReason.Answer }, nowMs)
    this.abandonBackend()
  }

  /** What control messages have left to be done when everything that came with them has been delivered. */
  protected applyDue(nowMs: number): void {
    if (this.grip === null) return
    const reason = this.grip.takeCloseReason()
    if (reason !== null) this.handlePublishClose(1011, reason, nowMs)
    if (this.grip.takeDetach() && !this.isEnding) this.detach()
  }

  protected send(type: WsMessageType, content: Buffer, droppable: boolean, nowMs: number): void {
    if (this.client === Client.Gone || this.isEnding) return
    this.outbox.push({ kind: 'send', type, content, droppable })
    this.grip?.automatic?.handleWritten(nowMs)
  }

  /** A close frame for the client, behind what was said before it. */
  protected sendClose(code: number, reason: string, nowMs: number): void {
    this.endClient({ kind: 'close', code, reason: cutCloseReason(reason) }, nowMs)
  }

  /** The last effect for the client. It waits behind what was said before it; only for a drop nobody has to read. */
  protected endClient(effect: WsClientEffect, _nowMs: number): void {
    if (this.client === Client.Gone || this.isEnding) return
    this.isEnding = true
    this.#isDropping = effect.kind === 'drop'
    this.outbox.push(effect)
  }

  /** The client's connection is gone: what was still to be said to it is void. */
  protected leaveClient(_nowMs: number): void {
    this.client = Client.Gone
    this.isEnding = true
    this.outbox.clear()
    this.grip = null
  }

  /** The next effect for the client, or null. */
  protected takeForClient(): WsClientEffect | null {
    // What the backend says is never dropped for a slow client: it waits here until the client has read.
    if (this.isStalled) {
      if (!this.#isDropping) return null
      this.outbox.keepLast()
    }
    const effect = this.outbox.next()
    switch (effect?.kind) {
      case 'accept':
        this.client = Client.Open
        break
      case 'close':
      case 'reject':
      case 'drop':
        this.client = Client.Gone
        this.grip = null
        break
      default:
        break
    }
    return effect
  }
}
