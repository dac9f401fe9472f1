/**
 * The shell of one client WebSocket whose backend is spoken to over HTTP: ws-client-side.ts towards the client, and
 * here backend requests, with the session machine (grip/ws-session.ts) in between.
 */
import type { BackendExchange, BackendFailure, BackendHandler } from '../backend/types.js'
import { assert } from '../base/assert.js'
import { copyOfArrayBuffer } from '../base/bytes.js'
import { WS_RESPONSE_BYTES_MAX } from '../base/limits.js'
import { type WebSocketHead, webSocketRequestHeaders } from '../grip/forwarding.js'
import type { WsEffect } from '../grip/ws-effects.js'
import { WsSession } from '../grip/ws-session.js'
import { isWsEvents, openedHeaders, readAnswerHead, type WsResponse } from '../grip/ws-answer.js'
import { C } from '../link/counters.js'
import type { Route } from '../routing/types.js'
import { decodeWebSocketEvents } from '../wire/websocket-events.js'
import { countBackendFailure } from './backend-results.js'
import type { Upgrade } from './client-socket.js'
import type { ShardContext } from './context.js'
import { type WsBackendEffect, WsClientSide } from './ws-client-side.js'
import type { WsShared } from './ws-shared.js'

const UPGRADE = new Set(['upgrade'])

type RequestEffect = WsEffect & { kind: 'request' }

/** The backend's answer while it comes in. */
interface Incoming {
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
  readonly body: Buffer[]
  bodyBytes: number
}

export class WsConnection extends WsClientSide implements BackendHandler {
  protected override readonly session: WsSession
  readonly #head: WebSocketHead | null
  #exchange: BackendExchange | null = null
  /** null: none is coming in. Most sessions idle. */
  #incoming: Incoming | null = null

  constructor(context: ShardContext, shared: WsShared, upgrade: Upgrade, route: Route, targetIndex: number) {
    super(context, shared, upgrade, route, targetIndex)
    // The head decides whether the client is trusted, and that whether GRIP is spoken with the backend.
    this.#head = context.forwarding.forwardWebSocketOverHttp(upgrade.head, route, this.target, {
      connectionId: this.connectionId,
      nowEpochMs: context.epochMs(),
    })
    this.session = new WsSession(
      shared.sessionConfig(route, this.target, this.#head?.trusted ?? false, upgrade.isPolled),
    )
  }

  override handleMessage(lent: ArrayBuffer, isBinary: boolean): void {
    const { counters } = this.context
    counters.values[C.ws_messages_in] = (counters.values[C.ws_messages_in] as number) + 1
    if (this.context.report.wantsFrames) this.noteClientFrame(lent, this.session.isForwarding)
    this.session.handleClientMessage(copyOfArrayBuffer(lent), isBinary, this.nowMs())
    this.drive()
  }

  override handlePing(lent: ArrayBuffer): void {
    if (this.context.report.wantsFrames) this.noteClientFrame(lent, this.session.isForwarding)
    this.session.handleClientPing(copyOfArrayBuffer(lent), this.nowMs())
    this.drive()
  }

  override handlePong(lent: ArrayBuffer): void {
    if (this.context.report.wantsFrames) this.noteClientFrame(lent, this.session.isForwarding)
    this.session.handleClientPong(copyOfArrayBuffer(lent), this.nowMs())
    this.drive()
  }

  // From the backend. undici's callbacks are native borders too.

  handleHead(status: number, reason: string, headers: string[]): void {
    this.#incoming = { status, reason, headers, body: [], bodyBytes: 0 }
  }

  handleData(chunk: Buffer): boolean {
    const incoming = this.#incoming as Incoming
    incoming.bodyBytes += chunk.length
    if (incoming.bodyBytes <= WS_RESPONSE_BYTES_MAX) {
      incoming.body.push(chunk)
      return true
    }
    try {
      this.#incoming = null
      this.#exchange?.abort()
      this.#exchange = null
      this.context.counters.add('backend_failed')
      this.session.handleResponseTooLarge(this.nowMs())
      this.drive()
    } catch (error) {
      this.fail(error)
    }
    return true
  }

  handleEnd(): void {
    try {
      const { status, reason, headers, body } = this.#incoming as Incoming
      this.#incoming = null
      this.#exchange = null
      this.context.counters.add('backend_ok')
      const whole = body.length === 1 ? (body[0] as Buffer) : Buffer.concat(body)
      const response = { status, reason, headers, body: whole }
      if (this.context.report.wantsFrames) this.#noteResponse(response)
      this.session.handleResponse(response, this.nowMs())
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleFailure(failure: BackendFailure): void {
    try {
      this.#incoming = null
      this.#exchange = null
      countBackendFailure(this.context.counters, failure)
      this.context.log.debug({ failure, target: this.target.name, connectionId: this.connectionId }, 'request failed')
      if (this.handOver(failure)) return
      this.session.handleFailure(failure, this.nowMs(), this.tried)
      this.drive()
    } catch (error) {
      this.fail(error)
    }
  }

  protected override get bufferedBytes(): number {
    return this.session.bufferedBytes
  }

  protected override get hasHead(): boolean {
    return this.#head !== null
  }

  protected override abortBackend(): void {
    this.#exchange?.abort()
    this.#exchange = null
  }

  protected override performForBackend(effect: WsBackendEffect): void {
    assert(effect.kind === 'request', 'over HTTP a session makes requests')
    this.#request(effect)
  }

  /** To statistics: the events of an answer, and the answer to OPEN as that of a WebSocket. */
  #noteResponse(response: WsResponse): void {
    const { traffic } = this
    // Nobody is left to hear it.
    if (this.ws === null && this.upgrade === null) return
    if (!isWsEvents(response, readAnswerHead(response.headers))) return
    if (this.upgrade !== null) traffic?.webSocketAnswer(openedHeaders(response.headers))
    for (const { type, content } of decodeWebSocketEvents(response.body) ?? []) {
      if (type !== 'TEXT' && type !== 'BINARY' && type !== 'PING' && type !== 'PONG') continue
      traffic?.serverMessage(content.length)
      this.noteFrame()
    }
  }

  /** To statistics: what is asked for counts as the upgrade of a WebSocket, whatever is POSTed for it. */
  #noteOpening({ path, clientHeaders, isGripOffered }: WebSocketHead, signature: string | null): void {
    const headers = [
      ...clientHeaders,
      ...(isGripOffered ? ['Sec-WebSocket-Extensions', 'grip'] : []),
      ...(signature === null ? [] : ['Grip-Sig', signature]),
    ]
    this.noteServerRequest(path, headers, UPGRADE)
  }

  #request(effect: RequestEffect): void {
    const { backend, forwarding } = this.context
    const head = this.#head as WebSocketHead
    const signature = forwarding.signature(this.route, this.context.epochMs())
    if (effect.attempt > 0) this.context.counters.add('ws_retries')
    else if (this.traffic !== null && this.upgrade !== null) this.#noteOpening(head, signature)
    this.#exchange = backend.request(
      {
        target: this.target,
        method: 'POST',
        path: head.path,
        headers: webSocketRequestHeaders(head, {
          signature,
          contentLength: effect.bodyBytes,
          replayedBytes: effect.replayedBytes,
          meta: effect.meta,
        }),
        body: effect.body.length === 1 ? (effect.body[0] as Buffer) : effect.body,
        routePathBeg: this.route.pathBeg,
        bodyOnceAcknowledged: true,
      },
      this,
    )
  }
}
