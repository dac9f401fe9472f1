/**
 * The client's side of a WebSocket session: uWebSockets.js, the session machine (grip/ws-client-half.ts) and its
 * effects for the client. It decides nothing. How the backend is spoken to is for the class that extends it:
 * ws-connection.ts (over HTTP) or ws-tunnel-connection.ts (over a WebSocket).
 *
 * Life: upgrade request → the backend is asked → 101 (or a rejection) → messages → end. Until the verdict the client's
 * socket is not read, so what a hasty client sends waits in the kernel.
 *
 * It stands on ws-subscriber.ts, which knows the channels, and that on ws-client-end.ts, which writes to the client and
 * knows neither. They extend each other, because of what there may be a million of there is one object each.
 */
import type { BackendFailure } from '../backend/types.js'
import { WsDropReason, type WsAnyEffect, type WsClientEffect } from '../grip/ws-effects.js'
import type { Route, Target } from '../routing/types.js'
import { WsMessageType } from '../wire/publish-types.js'
import type { ClientSocket, FirstFrame, SocketOwner, Upgrade } from './client-socket.js'
import type { ShardContext } from './context.js'
import { nativeString } from './native-headers.js'
import type { WsShared } from './ws-shared.js'
import { WsSubscriber } from './ws-subscriber.js'

const DROP_COUNTERS = {
  [WsDropReason.Buffer]: 'ws_dropped_buffer',
  [WsDropReason.Answer]: 'ws_dropped_answer',
  [WsDropReason.Disconnect]: 'ws_dropped_disconnect',
  [WsDropReason.Unanswered]: 'ws_dropped_unanswered',
  [WsDropReason.Unreachable]: 'ws_dropped_unreachable',
  [WsDropReason.Barrier]: 'ws_dropped_barrier',
} as const

/** What only the half that speaks to the backend can do. */
export type WsBackendEffect = Exclude<WsAnyEffect, WsClientEffect | { kind: 'ended' }>

export abstract class WsClientSide extends WsSubscriber implements SocketOwner {
  nextLinked: WsClientSide | null = null
  previousLinked: WsClientSide | null = null
  protected ended = false
  readonly #targetIndex: number
  /** Taken from the machine and not yet performed. */
  #postponed: WsAnyEffect | null = null
  #driving = false
  #bufferedBytes = 0

  constructor(context: ShardContext, shared: WsShared, upgrade: Upgrade, route: Route, targetIndex: number) {
    super(context, shared, upgrade, route, route.targets[targetIndex] as Target)
    this.#targetIndex = targetIndex
  }

  /** What waits for the backend, in bytes. */
  get waitingBytes(): number {
    return this.bufferedBytes
  }

  // For the half that knows the backend

  /** What waits for the backend, in bytes. */
  protected abstract get bufferedBytes(): number
  /** Whether the client's head can be made one for the target. */
  protected abstract get hasHead(): boolean
  protected abstract performForBackend(effect: WsBackendEffect): void
  /** Gives up what is under way with the backend; nothing of it comes any more. */
  protected abstract abortBackend(): void

  // From the socket.

  abstract handleMessage(lent: ArrayBuffer, isBinary: boolean): void
  abstract handlePing(lent: ArrayBuffer): void
  abstract handlePong(lent: ArrayBuffer): void

  /** Asks the target. */
  open(): void {
    this.shared.connections.add(this)
    this.noteOpen(this.#targetIndex === 0)
    if (this.hasHead) this.session.handleOpen(this.nowMs())
    else this.session.handleFailure({ kind: 'generic', bodySent: false }, this.nowMs())
    this.drive()
  }

  /** The gateway ends: a polite close to the client, CLOSE to the backend. */
  drain(): void {
    if (this.ended) return
    if (this.ws !== null) {
      this.session.handlePublishClose(1001, '', this.nowMs())
      this.drive()
    } else if (this.upgrade !== null) this.fail(new Error('the gateway is shutting down'))
    // Else the client is gone, and what its backend is still to be told may be told until the shard's deadline.
  }

  /** A callback threw: this session ends, the shard lives. */
  override fail(error: unknown): void {
    this.context.counters.add('callback_errors')
    this.context.log.error({ err: error, connectionId: this.connectionId }, 'WebSocket session failed')
    this.abortBackend()
    this.#dropClient()
    this.#finish()
  }

  /** The command of that name: the backend is asked for a sign of life. */
  refresh(): void {
    try {
      this.session.handleRefresh(this.nowMs())
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleOpened(socket: ClientSocket): void {
    this.ws = socket
  }

  handleClosed(code: number, lent: ArrayBuffer): void {
    if (this.ws === null) return
    this.ws = null
    this.#clientGone()
    const nowMs = this.nowMs()
    if (code === 1006) this.session.handleClientGone(nowMs)
    else this.session.handleClientClose(code === 1005 ? null : code, Buffer.from(lent).toString('latin1'), nowMs)
    this.drive()
  }

  handleAborted(): void {
    this.upgrade = null
    this.context.hub.leave(this)
    this.session.handleClientGone(this.nowMs())
    this.drive()
  }

  override handleDeadline(nowMs: number): void {
    try {
      this.releaseDue(nowMs)
      if (!this.beat(nowMs)) return
      if (nowMs >= this.session.deadlineMs) this.session.handleDeadline(nowMs)
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  /** While opening: a session of its own asks the next target, if the failure is of the kind that allows it. */
  protected handOver(failure: BackendFailure): boolean {
    const failsOver = failure.kind === 'connect' || failure.kind === 'connect-timeout' || failure.kind === 'tls'
    const next = this.#targetIndex + 1
    const { upgrade } = this
    if (!failsOver || upgrade === null || next >= this.route.targets.length) return false
    this.upgrade = null
    this.#leave()
    try {
      upgrade.ask(next)
    } catch (error) {
      this.upgrade = upgrade
      throw error
    }
    return true
  }

  /** Names of the targets asked so far. */
  protected get tried(): string[] {
    return this.route.targets.slice(0, this.#targetIndex + 1).map((target) => target.name)
  }

  /**
   * Performs what the machine asks for. Effects can call back (uWebSockets.js runs close handlers inside end(), a
   * hub answers at once when channels are live): the inner call returns, the outer loop picks up what it caused.
   */
  protected override drive(): void {
    if (this.#driving || this.ended) return
    this.#driving = true
    try {
      for (;;) {
        if (this.ws !== null) this.session.handleUnread(this.#unreadBytes(this.ws))
        const effect = this.#postponed ?? this.session.poll()
        this.#postponed = null
        if (effect === null) break
        this.#perform(effect)
        if (this.#isEnded()) return
      }
    } finally {
      this.#driving = false
    }
    this.accountBuffer()
    this.reclassify()
    this.context.deadlines.set(this, this.#deadlineMs())
  }

  /** What the client has not read; during a first_frame_delay it is said to take nothing at all. */
  #unreadBytes(ws: ClientSocket): number {
    return this.isHeld ? Number.POSITIVE_INFINITY : ws.getBufferedAmount()
  }

  #deadlineMs(): number {
    if (this.ws === null) return this.session.deadlineMs
    return Math.min(this.session.deadlineMs, this.beatMs, this.heldUntilMs)
  }

  /** A method, so that the compiler does not believe that #ended cannot have changed. */
  #isEnded(): boolean {
    return this.ended
  }

  #perform(effect: WsAnyEffect): void {
    switch (effect.kind) {
      case 'accept':
        this.#accept(effect)
        break
      case 'reject':
        this.#reject(effect)
        break
      case 'send':
        this.#send(effect)
        break
      case 'close':
        this.#closeClient(effect.code, effect.reason)
        break
      case 'drop':
        this.context.counters.add(DROP_COUNTERS[effect.reason])
        this.#dropClient()
        break
      case 'subscribe':
        this.subscribe(effect.channels)
        break
      case 'unsubscribe':
        this.context.hub.unsubscribe(this, effect.channel)
        break
      case 'ended':
        this.#finish()
        break
      default:
        this.performForBackend(effect)
    }
  }

  #accept(effect: WsClientEffect & { kind: 'accept' }): void {
    const upgrade = this.upgrade as Upgrade
    this.upgrade = null
    const frames = this.#firstFrames()
    this.shared.opened()
    upgrade.accept(this, effect.headers, frames)
    if (this.#webSocket() !== null) for (const { content } of frames) this.noteWritten(content)
    this.#startClocks(upgrade.isPolled)
    this.access(upgrade, 101, 0, 'opened')
    const ws = this.#webSocket()
    if (ws !== null) this.joinTopics(ws)
  }

  #startClocks(isPolled: boolean): void {
    const nowMs = this.nowMs()
    this.startHeartbeat(isPolled, nowMs)
    this.startFirstFrameDelay(nowMs)
  }

  /** What the machine has to send at once: it leaves in one segment with the 101. Topics are joined afterwards. */
  #firstFrames(): readonly FirstFrame[] {
    const frames: FirstFrame[] = []
    if (this.isHeld) return frames
    for (;;) {
      const effect = this.session.poll()
      if (effect?.kind !== 'send') {
        this.#postponed = effect
        return frames
      }
      if (effect.type === WsMessageType.Pong) this.notePong(effect.content)
      else frames.push(effect)
    }
  }

  /** A method, so that the compiler does not believe that #ws cannot have changed. */
  #webSocket(): ClientSocket | null {
    return this.ws
  }

  #reject(effect: WsClientEffect & { kind: 'reject' }): void {
    const upgrade = this.upgrade
    if (upgrade === null) return
    this.upgrade = null
    upgrade.reject(effect)
    this.traffic?.clientAnswer({ ...effect, headers: effect.headers.flat() })
    this.access(upgrade, effect.status, effect.body.length, effect.status === 502 ? 'error' : 'rejected')
  }

  #send(effect: WsClientEffect & { kind: 'send' }): void {
    if (this.ws === null) return
    if (effect.droppable && this.ws.getBufferedAmount() > 0) this.context.counters.add('drop_ws_backpressure')
    else this.write(effect.type, effect.content)
  }

  #closeClient(code: number, reason: string): void {
    const ws = this.ws
    if (ws === null) return
    // Cleared first: uWebSockets.js calls the close handler inside end(), and this close is not the client's.
    this.ws = null
    this.#clientGone()
    ws.end(code, nativeString(reason))
  }

  #dropClient(): void {
    const ws = this.ws
    const upgrade = this.upgrade
    this.ws = null
    this.upgrade = null
    if (ws !== null) {
      this.#clientGone()
      ws.close()
    } else if (upgrade !== null) {
      upgrade.drop()
    }
  }

  /** What the session still has to say to its backend can take long; its channels are free now. */
  #clientGone(): void {
    this.shared.closed()
    this.leaveChannels()
    this.noteGone()
  }

  #finish(): void {
    if (this.ended) return
    this.#leave()
    this.noteGone()
  }

  #leave(): void {
    this.ended = true
    this.leaveChannels()
    this.context.deadlines.clear(this)
    this.shared.connections.delete(this)
    this.shared.accountBuffer(-this.#bufferedBytes)
    this.#bufferedBytes = 0
  }

  /** Keeps the shard's sum of what waits for backends; above the cap this session, which grew it, is the one to go. */
  protected accountBuffer(): void {
    const bytes = this.bufferedBytes
    const grown = bytes - this.#bufferedBytes
    if (grown === 0) return
    this.#bufferedBytes = bytes
    if (this.shared.accountBuffer(grown) || grown < 0) return
    this.session.handleBufferCap(this.nowMs())
    this.drive()
  }
}
