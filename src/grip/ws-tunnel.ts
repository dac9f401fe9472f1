/**
 * The session machine of a WebSocket whose backend is spoken to over a WebSocket of its own: frames pass both ways.
 *
 * Inputs are the handle… methods, effects are asked for with poll() until it returns null, as of ws-session.ts. What
 * the client sends needs no effect: the shell writes it to the backend while `isForwarding`. What the backend sends
 * passes through the outbox, because GRIP may hold it: nothing overtakes a subscription that is not live yet.
 *
 *     link   Idle ──connect──► Connecting ──101──► Open ──our close frame──► Closing ──► Over
 */
import type { Buffer } from 'node:buffer'
import { assert } from '../base/assert.js'
import { WS_REJECT_RELAY_BYTES_MAX, WS_UNREAD_BYTES_MAX } from '../base/limits.js'
import { WsMessageType } from '../wire/publish-types.js'
import { proxyErrorRejection, relayedAccept, relayedRejection, type WsResponse } from './ws-answer.js'
import { Client, WsClientHalf, type WsClientHalfConfig } from './ws-client-half.js'
import { WsDropReason, type WsTunnelEffect } from './ws-effects.js'
import { isUnreached, type WsRequestFailure } from './ws-request.js'

const Link = { Idle: 'idle', Connecting: 'connecting', Open: 'open', Closing: 'closing', Over: 'over' } as const
type Link = (typeof Link)[keyof typeof Link]

const CONNECT: WsTunnelEffect = { kind: 'connect' }
const TERMINATE: WsTunnelEffect = { kind: 'backend-terminate' }
const ENDED: WsTunnelEffect = { kind: 'ended' }

export class WsTunnel extends WsClientHalf {
  readonly #config: WsClientHalfConfig
  #link: Link = Link.Idle
  /** What is to be done with the backend next. It does not wait behind what the client has to read. */
  #due: WsTunnelEffect | null = null

  constructor(config: WsClientHalfConfig) {
    super()
    this.#config = config
  }

  override get deadlineMs(): number {
    return this.automaticDeadlineMs
  }

  override get naming(): WsClientHalfConfig {
    return this.#config
  }

  /** What the client sends goes to the backend; otherwise nobody hears it (after a detach, or near the end). */
  get isForwarding(): boolean {
    return this.#link === Link.Open && this.client === Client.Open && !this.isEnding
  }

  /** The backend is not to be read for now: the client reads too slowly, or channels are not live yet. */
  get isHeld(): boolean {
    if (this.#link !== Link.Open || this.client === Client.Gone) return false
    return !this.outbox.isEmpty || this.outbox.isWaiting || this.unreadBytes >= WS_UNREAD_BYTES_MAX
  }

  override handleOpen(_nowMs: number): void {
    assert(this.#link === Link.Idle, 'a session opens once')
    this.#link = Link.Connecting
    this.#due = CONNECT
  }

  override handleClientClose(code: number | null, reason: string, nowMs: number): void {
    if (this.client !== Client.Open) {
      this.handleClientGone(nowMs)
      return
    }
    this.#closeBackend(code, reason)
    this.leaveClient(nowMs)
  }

  override handleClientGone(nowMs: number): void {
    if (this.client === Client.Gone) return
    this.leaveClient(nowMs)
    this.abandonBackend()
  }

  override handleBufferCap(nowMs: number): void {
    if (!this.isForwarding) return
    this.endClient({ kind: 'drop', reason: WsDropReason.Buffer }, nowMs)
    this.abandonBackend()
  }

  /** Only a backend over HTTP can be asked again. */
  override handleRefresh(_nowMs: number): void {}

  override handlePublishClose(code: number, reason: string, nowMs: number): void {
    // A session that has not opened holds no channel.
    if (this.#link === Link.Idle || this.#link === Link.Connecting || this.isEnding) return
    this.#closeBackend(null, '')
    this.sendClose(code < 0 ? 1000 : code, reason, nowMs)
  }

  override handleDeadline(nowMs: number): void {
    this.sendAutomatic(nowMs)
  }

  // The backend

  /** Its 101. `headers`: flat list as received. */
  handleBackendOpen(headers: readonly string[]): void {
    assert(this.#link === Link.Connecting, 'a backend answers once')
    this.#link = Link.Open
    this.beginOpening(this.#config, relayedAccept(headers), headers)
    this.outbox.endOpening()
  }

  /** An answer other than 101, small enough to be relayed. */
  handleRejected(response: WsResponse, nowMs: number): void {
    this.#link = Link.Over
    this.endClient(relayedRejection(response, WS_REJECT_RELAY_BYTES_MAX), nowMs)
  }

  override handleFailure(failure: WsRequestFailure, nowMs: number, tried: readonly string[] = []): void {
    this.#link = Link.Over
    this.endClient(proxyErrorRejection(this.#config.debug && isUnreached(failure) ? tried : null), nowMs)
  }

  /** A whole message; `content` is the session's to keep. */
  handleBackendMessage(content: Buffer, isBinary: boolean, nowMs: number): void {
    if (this.#link !== Link.Open) return
    this.deliver(isBinary ? WsMessageType.Binary : WsMessageType.Text, content, nowMs)
  }

  /**
   * What came in one piece has been handed over. Only now does a `detach` in it count: in Pushpin control messages make
   * a detour through another process, so a message sent along with one is still delivered. False: nothing can have come of it.
   */
  handleBackendTurn(nowMs: number): boolean {
    if (this.grip === null || this.#link !== Link.Open) return false
    this.applyDue(nowMs)
    return true
  }

  handleBackendPing(content: Buffer, nowMs: number): void {
    if (this.#link === Link.Open) this.deliverControlFrame(WsMessageType.Ping, content, nowMs)
  }

  handleBackendPong(content: Buffer, nowMs: number): void {
    if (this.#link === Link.Open) this.deliverControlFrame(WsMessageType.Pong, content, nowMs)
  }

  /** The connection is over, after close frames both ways. code null: the backend gave none. */
  handleBackendClosed(code: number | null, reason: string, nowMs: number): void {
    this.#link = Link.Over
    if (!this.isDetached) this.sendClose(code ?? 1000, reason, nowMs)
  }

  /** The connection ended without a close frame. */
  handleBackendGone(nowMs: number): void {
    this.#link = Link.Over
    if (!this.isDetached) this.endClient({ kind: 'drop', reason: WsDropReason.Disconnect }, nowMs)
  }

  /** The next thing to do, or null. */
  override poll(): WsTunnelEffect | null {
    const due = this.#due
    if (due !== null) {
      this.#due = null
      return due
    }
    const effect = this.takeForClient()
    if (effect !== null) return effect
    if (this.client !== Client.Gone || this.#link !== Link.Over || this.isEnded) return null
    this.isEnded = true
    return ENDED
  }

  protected override detach(): void {
    if (this.#link !== Link.Open) return
    this.isDetached = true
    this.#closeBackend(null, '')
  }

  protected override abandonBackend(): void {
    // A backend that has had our close frame is left to answer it.
    if (this.#link !== Link.Connecting && this.#link !== Link.Open) return
    this.#due = TERMINATE
    this.#link = Link.Over
  }

  #closeBackend(code: number | null, reason: string): void {
    if (this.#link !== Link.Open) return
    this.#link = Link.Closing
    this.#due = { kind: 'backend-close', code, reason }
  }
}
