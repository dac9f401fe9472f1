/**
 * The shell of one client WebSocket whose backend is spoken to over HTTP: uWebSockets.js on one side, backend requests
 * on the other, the session machine (grip/ws-session.ts) in between. It decides nothing; it performs effects.
 *
 * Life: upgrade request → OPEN to the backend → 101 (or a rejection) → messages → end. Until the verdict the client's
 * socket is not read, so what a hasty client sends waits in the kernel.
 */
import { randomUUID } from 'node:crypto'
import type uWS from 'uWebSockets.js'
import type { BackendExchange, BackendFailure, BackendHandler } from '../backend/types.js'
import { unreachable } from '../base/assert.js'
import { copyOfArrayBuffer } from '../base/bytes.js'
import { DeadlineEntry } from '../base/deadlines.js'
import { WS_RESPONSE_BYTES_MAX } from '../base/limits.js'
import { type ClientHead, type WebSocketHead, webSocketRequestHeaders } from '../grip/forwarding.js'
import { ReceiverKind, type WsReceiver } from '../grip/receiver.js'
import type { Subscription } from '../grip/subscriptions.js'
import { WsDropReason, type WsEffect } from '../grip/ws-effects.js'
import { WsSession } from '../grip/ws-session.js'
import { C } from '../link/counters.js'
import type { Route, Target } from '../routing/types.js'
import { PublishAction, type PublishItem, type WsMessageFormat, WsMessageType } from '../wire/publish-types.js'
import { countBackendFailure } from './backend-results.js'
import type { ShardContext } from './context.js'
import { nativeString, writeHeaders } from './native-headers.js'
import { WS_STALL_BYTES, type WsShared } from './ws-shared.js'

const DROP_COUNTERS = {
  [WsDropReason.Buffer]: 'ws_dropped_buffer',
  [WsDropReason.Answer]: 'ws_dropped_answer',
  [WsDropReason.Disconnect]: 'ws_dropped_disconnect',
  [WsDropReason.Unanswered]: 'ws_dropped_unanswered',
  [WsDropReason.Unreachable]: 'ws_dropped_unreachable',
  [WsDropReason.Barrier]: 'ws_dropped_barrier',
} as const

/** The client's upgrade request, while it waits for its verdict. */
export interface Upgrade {
  readonly res: uWS.HttpResponse
  readonly context: uWS.us_socket_context_t
  readonly key: string
  readonly head: ClientHead
  readonly startedMs: number
}

/** What uWebSockets.js keeps per socket: handed over wrapped, because it copies the object and loses its prototype. */
export interface WsUserData {
  readonly connection: WsConnection
}

export class WsConnection extends DeadlineEntry implements WsReceiver, BackendHandler {
  readonly kind = ReceiverKind.Ws
  readonly subscriptions: Subscription[] = []
  readonly #context: ShardContext
  readonly #shared: WsShared
  readonly #route: Route
  readonly #connectionId: string
  readonly #session: WsSession
  #target: Target
  #targetIndex = 0
  #head: WebSocketHead | null = null
  #upgrade: Upgrade | null
  #ws: uWS.WebSocket<WsUserData> | null = null
  #exchange: BackendExchange | null = null
  /** Taken from the machine and not yet performed. */
  #postponed: WsEffect | null = null
  #lastRequest: (WsEffect & { kind: 'request' }) | null = null
  #driving = false
  #ended = false
  #bufferedBytes = 0
  // The backend's answer while it comes in.
  #status = 0
  #reason = ''
  #headers: readonly string[] = []
  #body: Buffer[] = []
  #bodyBytes = 0

  constructor(context: ShardContext, shared: WsShared, upgrade: Upgrade, route: Route) {
    super()
    this.#context = context
    this.#shared = shared
    this.#upgrade = upgrade
    this.#route = route
    this.#target = route.targets[0] as Target
    this.#connectionId = randomUUID()
    // The head decides whether the client is trusted, and that whether GRIP is spoken with the backend.
    this.#makeHead()
    this.#session = new WsSession(shared.sessionConfig(route, this.#target, this.#head?.trusted ?? false))
  }

  /** Starts with OPEN to the first target. */
  open(): void {
    this.#shared.connections.add(this)
    if (this.#head === null) {
      this.#session.handleFailure({ kind: 'generic', bodySent: false }, this.#now())
    } else {
      this.#session.handleOpen(this.#now())
    }
    this.#drive()
  }

  /** The gateway ends: a polite close to the client, CLOSE to the backend. */
  drain(): void {
    if (this.#ended) return
    if (this.#ws === null) this.fail(new Error('the gateway is shutting down'))
    else {
      this.#session.handlePublishClose(1001, '', this.#now())
      this.#drive()
    }
  }

  /** A callback threw: this session ends, the shard lives. */
  fail(error: unknown): void {
    this.#context.counters.add('callback_errors')
    this.#context.log.error({ err: error, connectionId: this.#connectionId }, 'WebSocket session failed')
    this.#exchange?.abort()
    this.#exchange = null
    this.#dropClient()
    this.#finish()
  }

  // From uWebSockets.js. Each call is made inside a catching boundary (ws-listener.ts).

  handleOpened(ws: uWS.WebSocket<WsUserData>): void {
    this.#ws = ws
  }

  handleMessage(lent: ArrayBuffer, isBinary: boolean): void {
    const { counters } = this.#context
    counters.values[C.ws_messages_in] = (counters.values[C.ws_messages_in] as number) + 1
    this.#session.handleClientMessage(copyOfArrayBuffer(lent), isBinary, this.#now())
    this.#drive()
  }

  handlePing(lent: ArrayBuffer): void {
    this.#session.handleClientPing(copyOfArrayBuffer(lent), this.#now())
    this.#drive()
  }

  handlePong(lent: ArrayBuffer): void {
    this.#session.handleClientPong(copyOfArrayBuffer(lent), this.#now())
    this.#drive()
  }

  /** What waited for the socket has been written. */
  handleDrained(): void {
    this.#drive()
  }

  handleClosed(code: number, lent: ArrayBuffer): void {
    if (this.#ws === null) return
    this.#ws = null
    this.#clientGone()
    const nowMs = this.#now()
    if (code === 1006) this.#session.handleClientGone(nowMs)
    else this.#session.handleClientClose(code === 1005 ? null : code, Buffer.from(lent).toString('latin1'), nowMs)
    this.#drive()
  }

  handleAborted(): void {
    this.#upgrade = null
    this.#context.hub.leave(this)
    this.#session.handleClientGone(this.#now())
    this.#drive()
  }

  // From the hub and fan-out.

  handleLive(ok: boolean): void {
    this.#session.handleLive(ok, this.#now())
    this.#drive()
  }

  joinTopic(channel: string): void {
    this.#ws?.subscribe(channel)
  }

  leaveTopic(channel: string): void {
    this.#ws?.unsubscribe(channel)
  }

  deliverWs(_item: PublishItem, format: WsMessageFormat, _subscription: Subscription): void {
    switch (format.action) {
      case PublishAction.Send:
        if (this.#ws !== null) this.#write(format.type, format.content)
        if (this.#session.wantsWritten) this.#session.handleWritten(this.#now())
        break
      case PublishAction.Close:
        this.#session.handlePublishClose(format.code, format.reason, this.#now())
        break
      case PublishAction.Refresh:
        this.#session.handleRefresh(this.#now())
        break
      case PublishAction.Hint:
        return
      default:
        unreachable(format.action)
    }
    this.#drive()
  }

  override handleDeadline(nowMs: number): void {
    try {
      this.#session.handleDeadline(nowMs)
      this.#drive()
    } catch (error) {
      this.fail(error)
    }
  }

  // From the backend. undici's callbacks are native borders too.

  handleHead(status: number, reason: string, headers: string[]): void {
    this.#status = status
    this.#reason = reason
    this.#headers = headers
    this.#body = []
    this.#bodyBytes = 0
  }

  handleData(chunk: Buffer): boolean {
    this.#bodyBytes += chunk.length
    if (this.#bodyBytes <= WS_RESPONSE_BYTES_MAX) {
      this.#body.push(chunk)
      return true
    }
    try {
      this.#exchange?.abort()
      this.#exchange = null
      this.#context.counters.add('backend_failed')
      this.#session.handleResponseTooLarge(this.#now())
      this.#drive()
    } catch (error) {
      this.fail(error)
    }
    return true
  }

  handleEnd(): void {
    try {
      this.#exchange = null
      this.#lastRequest = null
      this.#context.counters.add('backend_ok')
      const body = this.#body.length === 1 ? (this.#body[0] as Buffer) : Buffer.concat(this.#body)
      const response = { status: this.#status, reason: this.#reason, headers: this.#headers, body }
      this.#body = []
      this.#headers = []
      this.#session.handleResponse(response, this.#now())
      this.#drive()
    } catch (error) {
      this.fail(error)
    }
  }

  handleFailure(failure: BackendFailure): void {
    try {
      this.#exchange = null
      countBackendFailure(this.#context.counters, failure)
      this.#context.log.debug(
        { failure, target: this.#target.name, connectionId: this.#connectionId },
        'request failed',
      )
      if (this.#ws === null && this.#upgrade !== null && this.#tryNextTarget(failure)) return
      const tried = this.#route.targets.slice(0, this.#targetIndex + 1).map((target) => target.name)
      this.#session.handleFailure(failure, this.#now(), tried)
      this.#drive()
    } catch (error) {
      this.fail(error)
    }
  }

  /** While opening: the next target of the route gets the same OPEN, if the failure is of the kind that allows it. */
  #tryNextTarget(failure: BackendFailure): boolean {
    const failsOver = failure.kind === 'connect' || failure.kind === 'connect-timeout' || failure.kind === 'tls'
    const next = this.#route.targets[this.#targetIndex + 1]
    const request = this.#lastRequest
    if (!failsOver || next === undefined || request === null) return false
    this.#targetIndex++
    this.#target = next
    if (!this.#makeHead()) return false
    this.#request(request)
    return true
  }

  #makeHead(): boolean {
    const upgrade = this.#upgrade as Upgrade
    this.#head = this.#context.forwarding.forwardWebSocketOverHttp(upgrade.head, this.#route, this.#target, {
      connectionId: this.#connectionId,
      nowEpochMs: this.#context.epochMs(),
    })
    return this.#head !== null
  }

  #now(): number {
    return this.#context.clock.nowMs()
  }

  /**
   * Performs what the machine asks for. Effects can call back (uWebSockets.js runs close handlers inside end(), a
   * hub answers at once when channels are live): the inner call returns, the outer loop picks up what it caused.
   */
  #drive(): void {
    if (this.#driving || this.#ended) return
    this.#driving = true
    try {
      for (;;) {
        const ws = this.#ws
        if (ws !== null) {
          const unread = ws.getBufferedAmount()
          this.#session.handleUnread(unread)
          // A frame of the backend is never dropped for a slow client: it waits in the machine until drain.
          if (unread > WS_STALL_BYTES) break
        }
        const effect = this.#postponed ?? this.#session.poll()
        this.#postponed = null
        if (effect === null) break
        this.#perform(effect)
        if (this.#isEnded()) return
      }
    } finally {
      this.#driving = false
    }
    this.#accountBuffer()
    this.#context.deadlines.set(this, this.#session.deadlineMs)
  }

  /** A method, so that the compiler does not believe that #ended cannot have changed. */
  #isEnded(): boolean {
    return this.#ended
  }

  #perform(effect: WsEffect): void {
    switch (effect.kind) {
      case 'request':
        this.#request(effect)
        break
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
        this.#context.counters.add(DROP_COUNTERS[effect.reason])
        this.#dropClient()
        break
      case 'subscribe':
        this.#context.hub.subscribe(this, effect.channels)
        break
      case 'unsubscribe':
        this.#context.hub.unsubscribe(this, effect.channel)
        break
      case 'ended':
        this.#finish()
        break
      default:
        unreachable(effect)
    }
  }

  #request(effect: WsEffect & { kind: 'request' }): void {
    const { backend, forwarding } = this.#context
    const head = this.#head as WebSocketHead
    if (effect.attempt > 0) this.#context.counters.add('ws_retries')
    this.#lastRequest = this.#upgrade === null ? null : effect
    this.#exchange = backend.request(
      {
        target: this.#target,
        method: 'POST',
        path: head.path,
        headers: webSocketRequestHeaders(head, {
          signature: forwarding.signature(this.#route, this.#context.epochMs()),
          contentLength: effect.bodyBytes,
          replayedBytes: effect.replayedBytes,
          meta: effect.meta,
        }),
        body: effect.body.length === 1 ? (effect.body[0] as Buffer) : effect.body,
        routePathBeg: this.#route.pathBeg,
      },
      this,
    )
  }

  #accept(effect: WsEffect & { kind: 'accept' }): void {
    const upgrade = this.#upgrade as Upgrade
    this.#upgrade = null
    const { res } = upgrade
    this.#shared.shield.around(() => {
      res.cork(() => {
        res.writeStatus('101 Switching Protocols')
        writeHeaders(res, effect.headers)
        res.resume()
        res.upgrade<WsUserData>({ connection: this }, upgrade.key, nativeString(effect.protocol), '', upgrade.context)
        this.#sendFirstFrames()
      })
    })
    this.#shared.opened()
    this.#access(upgrade, 101, 0, 'opened')
    const ws = this.#webSocket()
    if (ws !== null) for (const { byItem, channel } of this.subscriptions) if (!byItem) ws.subscribe(channel.name)
  }

  /**
   * Frames that leave in one segment with the 101.
   *
   * From upgrade() to the end of cork() nothing but sends: upgrade-shield.ts says why. Topics are joined afterwards.
   */
  #sendFirstFrames(): void {
    for (;;) {
      const effect = this.#session.poll()
      if (effect?.kind !== 'send') {
        this.#postponed = effect
        return
      }
      this.#send(effect)
    }
  }

  /** A method, so that the compiler does not believe that #ws cannot have changed. */
  #webSocket(): uWS.WebSocket<WsUserData> | null {
    return this.#ws
  }

  #reject(effect: WsEffect & { kind: 'reject' }): void {
    const upgrade = this.#upgrade
    if (upgrade === null) return
    this.#upgrade = null
    this.#shared.reject(upgrade.res, effect)
    this.#access(upgrade, effect.status, effect.body.length, effect.status === 502 ? 'error' : 'rejected')
  }

  #send(effect: WsEffect & { kind: 'send' }): void {
    if (this.#ws === null) return
    if (effect.droppable && this.#ws.getBufferedAmount() > 0) this.#context.counters.add('drop_ws_backpressure')
    else this.#write(effect.type, effect.content)
  }

  #write(type: WsMessageFormat['type'], content: Buffer): void {
    const ws = this.#ws as uWS.WebSocket<WsUserData>
    const { counters } = this.#context
    let result: number
    switch (type) {
      case WsMessageType.Text:
        result = ws.send(content, false)
        break
      case WsMessageType.Binary:
        result = ws.send(content, true)
        break
      case WsMessageType.Ping:
        result = ws.ping(content)
        break
      case WsMessageType.Pong:
        counters.add('drop_ws_pong')
        return
      default:
        unreachable(type)
    }
    // 2: dropped; the dropped handler of the listener counts it.
    if (result !== 2) counters.values[C.ws_messages_out] = (counters.values[C.ws_messages_out] as number) + 1
  }

  #closeClient(code: number, reason: string): void {
    const ws = this.#ws
    if (ws === null) return
    // Cleared first: uWebSockets.js calls the close handler inside end(), and this close is not the client's.
    this.#ws = null
    this.#clientGone()
    ws.end(code, nativeString(reason))
  }

  #dropClient(): void {
    const ws = this.#ws
    const upgrade = this.#upgrade
    this.#ws = null
    this.#upgrade = null
    if (ws !== null) {
      this.#clientGone()
      ws.close()
    } else if (upgrade !== null) {
      upgrade.res.close()
    }
  }

  /** What the session still has to say to its backend can take long; its channels are free now. */
  #clientGone(): void {
    this.#shared.closed()
    this.#context.hub.leave(this)
  }

  #finish(): void {
    if (this.#ended) return
    this.#ended = true
    this.#context.hub.leave(this)
    this.#context.deadlines.clear(this)
    this.#shared.connections.delete(this)
    this.#shared.accountBuffer(-this.#bufferedBytes)
    this.#bufferedBytes = 0
  }

  /** Keeps the shard's sum of what waits for backends; above the cap this session, which grew it, is the one to go. */
  #accountBuffer(): void {
    const bytes = this.#session.bufferedBytes
    const grown = bytes - this.#bufferedBytes
    if (grown === 0) return
    this.#bufferedBytes = bytes
    if (this.#shared.accountBuffer(grown) || grown < 0) return
    this.#session.handleBufferCap(this.#now())
    this.#drive()
  }

  #access(upgrade: Upgrade, status: number, bytes: number, outcome: string): void {
    this.#shared.access(upgrade, this.#route, this.#target, status, bytes, outcome)
  }
}
