/**
 * The shell of one client WebSocket whose backend is spoken to over a WebSocket: ws-client-side.ts towards the client,
 * backend/ws-client.ts towards the backend, the machine (grip/ws-tunnel.ts) in between.
 *
 * A client that reads slowly holds its backend up: the backend is not read meanwhile. The other way round
 * uWebSockets.js cannot stop reading, so what waits for the backend is counted, and above the cap the session ends.
 */
import type { BackendFailure } from '../backend/types.js'
import type { BackendRejection, BackendSocket, BackendSocketHandler } from '../backend/socket-types.js'
import { copyOfArrayBuffer } from '../base/bytes.js'
import type { Forwarded } from '../grip/forwarding.js'
import { WsTunnel } from '../grip/ws-tunnel.js'
import { C } from '../link/counters.js'
import type { Route } from '../routing/types.js'
import { countBackendFailure } from './backend-results.js'
import type { Upgrade } from './client-socket.js'
import type { ShardContext } from './context.js'
import { type WsBackendEffect, WsClientSide } from './ws-client-side.js'
import type { WsShared } from './ws-shared.js'

/** Of the client; what goes out has its own. */
const HANDSHAKE = new Set(['upgrade', 'sec-websocket-key', 'sec-websocket-version'])

export class WsTunnelConnection extends WsClientSide implements BackendSocketHandler {
  protected override readonly session: WsTunnel
  /** Until it is used. */
  #forwarded: Forwarded | null
  #backend: BackendSocket | null = null
  #isPaused = false

  constructor(context: ShardContext, shared: WsShared, upgrade: Upgrade, route: Route, targetIndex: number) {
    super(context, shared, upgrade, route, targetIndex)
    this.#forwarded = context.forwarding.forwardWebSocket(upgrade.head, route, this.target, context.epochMs())
    this.session = new WsTunnel(
      shared.sessionConfig(route, this.target, this.#forwarded?.trusted ?? false, upgrade.isPolled),
    )
  }

  override handleMessage(lent: ArrayBuffer, isBinary: boolean): void {
    const { counters } = this.context
    counters.values[C.ws_messages_in] = (counters.values[C.ws_messages_in] as number) + 1
    if (this.context.report.wantsFrames) this.noteClientFrame(lent, this.session.isForwarding)
    if (!this.session.isForwarding) return
    this.#backend?.send(copyOfArrayBuffer(lent), isBinary)
    this.#checkBuffer()
  }

  override handlePing(lent: ArrayBuffer): void {
    if (this.context.report.wantsFrames) this.noteClientFrame(lent, this.session.isForwarding)
    if (!this.session.isForwarding) return
    this.#backend?.ping(copyOfArrayBuffer(lent))
    this.#checkBuffer()
  }

  override handlePong(lent: ArrayBuffer): void {
    if (this.context.report.wantsFrames) this.noteClientFrame(lent, this.session.isForwarding)
    if (!this.session.isForwarding) return
    this.#backend?.pong(copyOfArrayBuffer(lent))
    this.#checkBuffer()
  }

  // From the backend: callbacks of node:net, where nothing may be thrown either.

  handleSocketOpen(headers: readonly string[]): void {
    try {
      this.context.counters.add('backend_ok')
      this.traffic?.webSocketAnswer(headers)
      this.session.handleBackendOpen(headers)
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleSocketRejected(rejection: BackendRejection): void {
    try {
      this.#backend = null
      this.context.counters.add('backend_ok')
      this.session.handleRejected(rejection, this.nowMs())
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleSocketFailure(failure: BackendFailure): void {
    try {
      this.#backend = null
      countBackendFailure(this.context.counters, failure)
      this.#log(failure.message)
      if (this.handOver(failure)) return
      this.session.handleFailure(failure, this.nowMs(), this.tried)
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleSocketMessage(content: Buffer, isBinary: boolean): void {
    try {
      if (this.context.report.wantsFrames) this.#noteBackendFrame(content)
      this.session.handleBackendMessage(content, isBinary, this.nowMs())
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleSocketPing(content: Buffer): void {
    try {
      if (this.context.report.wantsFrames) this.#noteBackendFrame(content)
      this.session.handleBackendPing(content, this.nowMs())
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleSocketPong(content: Buffer): void {
    try {
      if (this.context.report.wantsFrames) this.#noteBackendFrame(content)
      this.session.handleBackendPong(content, this.nowMs())
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleSocketTurn(): void {
    try {
      if (this.session.handleBackendTurn(this.nowMs())) this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleSocketWritten(): void {
    try {
      this.accountBuffer()
    } catch (error) {
      this.fail(error)
    }
  }

  handleSocketClosed(code: number | null, reason: string): void {
    try {
      this.#backend = null
      this.session.handleBackendClosed(code, reason, this.nowMs())
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleSocketGone(message: string): void {
    try {
      this.#backend = null
      this.#log(message)
      this.session.handleBackendGone(this.nowMs())
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  protected override get hasHead(): boolean {
    return this.#forwarded !== null
  }

  protected override get bufferedBytes(): number {
    return this.#backend?.bufferedBytes ?? 0
  }

  protected override abortBackend(): void {
    this.#backend?.terminate()
    this.#backend = null
  }

  protected override performForBackend(effect: WsBackendEffect): void {
    switch (effect.kind) {
      case 'connect':
        this.#connect()
        break
      case 'backend-close':
        // Paused, it would not see the answer.
        this.#setPaused(false)
        this.#backend?.close(effect.code, effect.reason)
        break
      case 'backend-terminate':
        this.abortBackend()
        break
      case 'request':
        throw new Error('a tunnel makes no requests')
    }
  }

  protected override drive(): void {
    super.drive()
    this.#setPaused(this.session.isHeld)
  }

  #noteBackendFrame({ length }: Buffer): void {
    this.traffic?.serverMessage(length)
    this.noteFrame()
  }

  #connect(): void {
    const { target } = this
    const { host, path, headers } = this.#forwarded as Forwarded
    this.#forwarded = null
    if (this.traffic !== null) this.noteServerRequest(path, headers, HANDSHAKE)
    const handshakeTimeoutMs = this.context.settings.proxy.backendTimeout * 1000
    this.#backend = this.context.backendSocket({ target, host, path, headers, handshakeTimeoutMs }, this)
    this.#backend.connect()
  }

  #setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused || this.#backend === null) return
    this.#isPaused = isPaused
    if (isPaused) this.#backend.pause()
    else this.#backend.resume()
  }

  /** After each write: uWebSockets.js has no way to make a client wait. */
  #checkBuffer(): void {
    if (this.bufferedBytes > this.context.settings.proxy.wsBufferMax) {
      this.session.handleBufferCap(this.nowMs())
      this.drive()
    } else this.accountBuffer()
  }

  #log(message: string): void {
    this.context.log.debug({ message, target: this.target.name, connectionId: this.connectionId }, 'backend WebSocket')
  }
}
