/**
 * The client's side of a WebSocket session: uWebSockets.js, the session machine (grip/ws-client-half.ts) and its
 * effects for the client. It decides nothing. How the backend is spoken to is for the class that extends it:
 * ws-connection.ts (over HTTP) or ws-tunnel-connection.ts (over a WebSocket).
 *
 * Life: upgrade request → the backend is asked → 101 (or a rejection) → messages → end. Until the verdict the client's
 * socket is not read, so what a hasty client sends waits in the kernel.
 */
import type { BackendFailure } from '../backend/types.js'
import { unreachable } from '../base/assert.js'
import { DeadlineEntry, NO_DEADLINE } from '../base/deadlines.js'
import { WS_BACKPRESSURE_BYTES_MAX, WS_SLOW_BYTES } from '../base/limits.js'
import { clientHost } from '../grip/forwarding.js'
import { ReceiverKind, type WsReceiver } from '../grip/receiver.js'
import type { Subscription } from '../grip/subscriptions.js'
import { FilterQuestion, type Filtered } from '../grip/filters.js'
import { HttpFilterFailure } from '../grip/http-filter.js'
import { keptItem } from '../grip/kept-items.js'
import { Heartbeat, HEARTBEAT_CONTENT } from '../grip/heartbeat.js'
import type { WsClientHalf } from '../grip/ws-client-half.js'
import { type WsAnyEffect, type WsClientEffect, WsDropReason } from '../grip/ws-effects.js'
import { C } from '../link/counters.js'
import type { Route, Target } from '../routing/types.js'
import { PublishAction, type PublishItem, type WsMessageFormat, WsMessageType } from '../wire/publish-types.js'
import type { ShardContext } from './context.js'
import { FilteredItems, type FilteredReceiver, type LinkPlace } from './filtered-items.js'
import { filteredContent } from './filtered-content.js'
import { type ClientSocket, type SocketOwner, type Upgrade, addressOf } from './client-socket.js'
import { HeldFrames } from './held-frames.js'
import { linkOriginOf } from './link-request.js'
import { statsRouteOf } from './match-route.js'
import { nativeString } from './native-headers.js'
import type { Report } from './report.js'
import type { ConnectionFacts } from './reported-connections.js'
import type { RouteTraffic } from './route-traffic.js'
import type { WsShared } from './ws-shared.js'

const DROP_COUNTERS = {
  [WsDropReason.Buffer]: 'ws_dropped_buffer',
  [WsDropReason.Answer]: 'ws_dropped_answer',
  [WsDropReason.Disconnect]: 'ws_dropped_disconnect',
  [WsDropReason.Unanswered]: 'ws_dropped_unanswered',
  [WsDropReason.Unreachable]: 'ws_dropped_unreachable',
  [WsDropReason.Barrier]: 'ws_dropped_barrier',
} as const

const ACTIVITY_MS = 60_000

/** What only the half that speaks to the backend can do. */
export type WsBackendEffect = Exclude<WsAnyEffect, WsClientEffect | { kind: 'ended' }>

export abstract class WsClientSide extends DeadlineEntry implements WsReceiver, SocketOwner, FilteredReceiver {
  nextLinked: WsClientSide | null = null
  previousLinked: WsClientSide | null = null
  readonly kind = ReceiverKind.Ws
  subscriptions: Subscription[] = []
  protected readonly context: ShardContext
  protected readonly shared: WsShared
  protected readonly route: Route
  readonly connectionId: string
  protected readonly target: Target
  protected upgrade: Upgrade | null
  protected ws: ClientSocket | null = null
  protected ended = false
  /** For statistics; null: they are not wanted. */
  protected traffic: RouteTraffic | null = null
  /** Frames until a minute after this count as one activity. */
  #activeMs: number
  #heartbeat: Heartbeat | null = null
  /** What waits for the first_frame_delay of the target; null: nothing has to. */
  #heldFrames: HeldFrames | null = null
  readonly #targetIndex: number
  /** The client came by TLS, or says so where it may. */
  readonly #ssl: boolean
  // What it has asked for: filters may have URLs relative to it.
  readonly #host: string
  readonly #path: string
  /** Null until a filter asks the backend. */
  #filtered: FilteredItems | null = null
  /** Taken from the machine and not yet performed. */
  #postponed: WsAnyEffect | null = null
  #driving = false
  #wantedItems = false
  /** Reads too slowly for the topics: each item is weighed for it alone until all that waits is gone. */
  #isSlow = false
  #bufferedBytes = 0

  constructor(context: ShardContext, shared: WsShared, upgrade: Upgrade, route: Route, targetIndex: number) {
    super()
    this.context = context
    this.shared = shared
    this.upgrade = upgrade
    this.route = route
    this.connectionId = upgrade.connectionId
    this.#targetIndex = targetIndex
    this.#ssl = upgrade.head.ssl
    this.#host = context.forwarding.intern(clientHost(upgrade.head))
    this.#path = context.forwarding.intern(upgrade.head.path)
    this.#activeMs = Math.round(context.clock.nowMs())
    this.target = route.targets[targetIndex] as Target
    if (this.target.firstFrameDelayMs > 0) this.#heldFrames = new HeldFrames()
  }

  /** What waits for the backend, in bytes. */
  get waitingBytes(): number {
    return this.bufferedBytes
  }

  // For the half that knows the backend

  protected abstract readonly session: WsClientHalf
  /** What waits for the backend, in bytes. */
  protected abstract get bufferedBytes(): number
  /** Whether the client's head can be made one for the target. */
  protected abstract get hasHead(): boolean
  protected abstract performForBackend(effect: WsBackendEffect): void
  /** Gives up what is under way with the backend; nothing of it comes any more. */
  protected abstract abortBackend(): void

  /** Somebody begins to want statistics. */
  introduce(report: Report): void {
    if (this.ws === null && this.upgrade === null) return
    this.traffic = report.traffic(this.statsRoute)
    const address = this.upgrade?.head.peerAddress ?? addressOf(this.ws)
    report.found(this.connectionId, this.#facts(address))
  }

  // From the socket.

  abstract handleMessage(lent: ArrayBuffer, isBinary: boolean): void
  abstract handlePing(lent: ArrayBuffer): void
  abstract handlePong(lent: ArrayBuffer): void

  /** Asks the target. */
  open(): void {
    this.shared.connections.add(this)
    const { report } = this.context
    this.traffic = report.traffic(this.statsRoute)
    if (report.wantsRequests && this.#targetIndex === 0) this.#report()
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
  fail(error: unknown): void {
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

  /** A frame of the client: it lives. */
  handleSign(): void {
    this.#heartbeat?.handleSign(this.nowMs())
  }

  /** A pong that answers our own ping is not for the session. */
  isOwnPong(lent: ArrayBuffer): boolean {
    return this.#heartbeat !== null && HEARTBEAT_CONTENT.equals(new Uint8Array(lent))
  }

  /** What waited for the socket has been written. */
  handleDrained(): void {
    if (this.#isSlow && this.ws !== null && this.ws.getBufferedAmount() === 0) this.#isSlow = false
    this.drive()
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

  // From the hub and fan-out.

  handleLive(ok: boolean): void {
    this.session.handleLive(ok, this.nowMs())
    this.drive()
  }

  /** To statistics: a new client. */
  #report(): void {
    const { report, forwarding } = this.context
    const { head } = this.upgrade as Upgrade
    this.traffic?.clientRequest({ method: 'GET', path: head.path, headers: head.headers })
    report.began(this.connectionId, this.#facts(forwarding.clientAddress(head, this.context.epochMs()) ?? ''))
  }

  /** To statistics: a target is asked. Of the client's own head these (lower-case) names count as well, as in Pushpin. */
  protected noteServerRequest(path: string, headers: readonly string[], names: ReadonlySet<string>): void {
    const own = this.upgrade?.head.headers ?? []
    const counted = own.filter((_, index) => names.has((own[index - (index % 2)] as string).toLowerCase()))
    this.traffic?.serverRequest({ method: 'GET', path, headers: [...headers, ...counted] })
  }

  /** To statistics. `isForwarded`: its backend hears it, too. */
  protected noteClientFrame({ byteLength }: ArrayBuffer, isForwarded: boolean): void {
    this.traffic?.clientMessage(byteLength)
    if (isForwarded) this.traffic?.messageToServer(byteLength)
    this.noteFrame()
  }

  /** To statistics: the client, or its backend, has sent a frame. One a minute counts, as the route's own. */
  protected noteFrame(): void {
    const { report } = this.context
    if (!report.wantsActivity) return
    const minutes = Math.floor((this.nowMs() - this.#activeMs) / ACTIVITY_MS)
    if (minutes <= 0) return
    this.#activeMs += minutes * ACTIVITY_MS
    report.active(this.route.id)
  }

  #facts(peerAddress: string): ConnectionFacts {
    return { type: 'ws', route: this.statsRoute, peerAddress, ssl: this.#ssl }
  }

  get statsRoute(): string {
    return statsRouteOf(this.route)
  }

  checkBacklog(): void {
    if (this.#isSlow || this.ws === null || this.ws.getBufferedAmount() <= WS_SLOW_BYTES) return
    this.#isSlow = true
    this.#reclassify()
  }

  joinTopic(channel: string): void {
    this.ws?.subscribe(channel)
  }

  leaveTopic(channel: string): void {
    this.ws?.unsubscribe(channel)
  }

  deliverWs(item: PublishItem, format: WsMessageFormat, subscription: Subscription): void {
    if (this.#filtered?.takes(item) === true) return
    this.#process(item, format, subscription)
    this.drive()
  }

  #process(published: PublishItem, publishedFormat: WsMessageFormat, subscription: Subscription): void {
    // What filters ask about has to wait.
    const item = subscription.filters.asksBackend ? keptItem(published) : published
    const format = item.wsMessage ?? publishedFormat
    const filtered = this.session.filterItem(item, format, subscription, this.nowMs())
    if (filtered instanceof FilterQuestion) {
      this.#filtered ??= new FilteredItems(this.context, this)
      this.#filtered.ask(item, subscription, this.session, filtered)
    } else this.#pass(format, filtered)
  }

  #pass(format: WsMessageFormat, filtered: Filtered): void {
    if (filtered === null) this.context.counters.add('drop_filter')
    else this.#deliverFiltered(format, filteredContent(this.context, filtered))
  }

  linkPlace(): LinkPlace {
    const head = { method: 'GET', path: this.#path, headers: ['host', this.#host], peerAddress: '', ssl: this.#ssl }
    const origin = linkOriginOf(head, this.route, this.target)
    return { origin, uri: origin.uri }
  }

  handleFiltered(item: PublishItem, _subscription: Subscription, filtered: Filtered | HttpFilterFailure): void {
    if (filtered instanceof HttpFilterFailure) {
      this.context.counters.add('drop_filter_failed')
      this.session.handleFilterFailure(filtered.message, this.nowMs())
    } else this.#pass(item.wsMessage as WsMessageFormat, filtered)
    this.drive()
  }

  handleTurn(item: PublishItem, subscription: Subscription): void {
    this.#process(item, item.wsMessage as WsMessageFormat, subscription)
    this.drive()
  }

  handleIdle(): void {
    // It may be served by topic again.
    this.drive()
  }

  #deliverFiltered(format: WsMessageFormat, content: Buffer): void {
    switch (format.action) {
      case PublishAction.Send:
        if (this.#heldFrames !== null) return this.#hold(format.type, content, this.#heldFrames)
        if (this.ws !== null) this.#deliver(this.ws, format.type, content)
        if (this.session.wantsWritten) this.session.handleWritten(this.nowMs())
        break
      case PublishAction.Close:
        this.session.handlePublishClose(format.code, format.reason, this.nowMs())
        break
      case PublishAction.Refresh:
        this.session.handleRefresh(this.nowMs())
        break
      case PublishAction.Hint:
        break
      default:
        unreachable(format.action)
    }
  }

  override handleDeadline(nowMs: number): void {
    try {
      if (this.#heldFrames !== null && nowMs >= this.#heldFrames.untilMs) this.#release(this.#heldFrames)
      if (!this.#beat(nowMs)) return
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

  protected nowMs(): number {
    return this.context.clock.nowMs()
  }

  /**
   * Performs what the machine asks for. Effects can call back (uWebSockets.js runs close handlers inside end(), a
   * hub answers at once when channels are live): the inner call returns, the outer loop picks up what it caused.
   */
  protected drive(): void {
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
    this.#reclassify()
    this.context.deadlines.set(this, this.#deadlineMs())
  }

  /** What the client has not read; during a first_frame_delay it is said to take nothing at all. */
  #unreadBytes(ws: ClientSocket): number {
    return this.#heldFrames === null ? ws.getBufferedAmount() : Number.POSITIVE_INFINITY
  }

  #deadlineMs(): number {
    if (this.ws === null) return this.session.deadlineMs
    const beatMs = this.#heartbeat?.deadlineMs ?? NO_DEADLINE
    return Math.min(this.session.deadlineMs, beatMs, this.#heldFrames?.untilMs ?? NO_DEADLINE)
  }

  /** Items are looked at one by one while the client is slow, while they are held or wait, while they push back a keep-alive. */
  get wantsItems(): boolean {
    if (this.#isSlow || this.#heldFrames !== null || this.#filtered?.isAsking === true) return true
    return this.session.wantsWritten || this.ws?.isWrapped === true
  }

  #reclassify(): void {
    if (this.wantsItems === this.#wantedItems) return
    this.#wantedItems = this.wantsItems
    this.context.hub.reclassify(this)
  }

  /** Our own ping, or the end of a client that gives no sign of life. False: the client is gone. */
  #beat(nowMs: number): boolean {
    const { ws } = this
    if (ws === null) return true
    const verdict = this.#heartbeat?.advance(nowMs)
    if (verdict === 'ping') {
      ws.ping(HEARTBEAT_CONTENT)
      this.context.counters.add('ws_pings_out')
    } else if (verdict === 'gone') {
      this.context.counters.add('ws_dropped_heartbeat')
      // Its close handler tells the session that the client went without a close frame.
      ws.close()
      return false
    }
    return true
  }

  /** A published item, dropped and counted when too much waits for the client already. */
  #deliver(ws: ClientSocket, type: WsMessageType, content: Buffer): void {
    if (ws.getBufferedAmount() > WS_BACKPRESSURE_BYTES_MAX) this.context.counters.add('drop_ws_backpressure')
    else this.#write(type, content)
  }

  #hold(type: WsMessageType, content: Buffer, held: HeldFrames): void {
    if (!held.add(type, content)) this.context.counters.add('drop_ws_backpressure')
  }

  /** The first_frame_delay is over: what was published meanwhile, after what the backend said with its OPEN. */
  #release(held: HeldFrames): void {
    this.#heldFrames = null
    this.drive()
    for (const { type, content } of held.frames) if (this.#webSocket() !== null) this.#write(type, content)
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
        this.#subscribe(effect)
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

  #subscribe({ channels }: WsClientEffect & { kind: 'subscribe' }): void {
    const { holdLog, hub } = this.context
    if (holdLog !== null) {
      const url = `${this.#ssl ? 'wss' : 'ws'}://${this.#host}${this.#path}`
      holdLog.subscribed(
        url,
        channels.map(({ name }) => name),
        false,
      )
    }
    hub.subscribe(this, channels)
  }

  #accept(effect: WsClientEffect & { kind: 'accept' }): void {
    const upgrade = this.upgrade as Upgrade
    this.upgrade = null
    upgrade.accept(this, effect.headers, () => {
      if (this.#heldFrames === null) this.#sendFirstFrames()
    })
    this.shared.opened()
    // Its close handler has run inside: the flaw that the shield is for.
    if (this.#webSocket() === null) this.context.counters.add('ws_dropped_upgrade')
    this.#startClocks(upgrade.isPolled)
    this.#access(upgrade, 101, 0, 'opened')
    const ws = this.#webSocket()
    if (ws !== null) for (const { byItem, channel } of this.subscriptions) if (!byItem) ws.subscribe(channel.name)
  }

  #startClocks(isPolled: boolean): void {
    const nowMs = this.nowMs()
    const times = isPolled ? null : this.shared.heartbeatTimes(this.target)
    if (times !== null) this.#heartbeat = new Heartbeat(times, nowMs, this.context.random())
    if (this.#heldFrames !== null) this.#heldFrames.untilMs = nowMs + this.target.firstFrameDelayMs
  }

  /**
   * Frames that leave in one segment with the 101.
   *
   * From upgrade() to the end of cork() nothing but sends: upgrade-shield.ts says why. Topics are joined afterwards.
   */
  #sendFirstFrames(): void {
    for (;;) {
      const effect = this.session.poll()
      if (effect?.kind !== 'send') {
        this.#postponed = effect
        return
      }
      this.#send(effect)
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
    this.#access(upgrade, effect.status, effect.body.length, effect.status === 502 ? 'error' : 'rejected')
  }

  #send(effect: WsClientEffect & { kind: 'send' }): void {
    if (this.ws === null) return
    if (effect.droppable && this.ws.getBufferedAmount() > 0) this.context.counters.add('drop_ws_backpressure')
    else this.#write(effect.type, effect.content)
  }

  #write(type: WsMessageFormat['type'], content: Buffer): void {
    const ws = this.ws as ClientSocket
    const { counters } = this.context
    this.traffic?.messageToClient(content.length)
    let result: number
    switch (type) {
      case WsMessageType.Text:
        result = ws.send(content, false, content.length >= this.shared.compressedFromBytes)
        break
      case WsMessageType.Binary:
        result = ws.send(content, true, content.length >= this.shared.compressedFromBytes)
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
    // uWebSockets.js drops nothing by itself (ws-listener.ts).
    if (result !== 2) counters.values[C.ws_messages_out] = (counters.values[C.ws_messages_out] as number) + 1
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
    this.#filtered?.leave()
    this.context.hub.leave(this)
    this.#gone()
  }

  #finish(): void {
    if (this.ended) return
    this.#leave()
    this.#gone()
  }

  /** To statistics. What its backend is still told counts no more. */
  #gone(): void {
    const { report } = this.context
    if (report.wantsConnections) report.endedById(this.connectionId)
  }

  #leave(): void {
    this.ended = true
    this.#filtered?.leave()
    this.context.hub.leave(this)
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

  #access(upgrade: Upgrade, status: number, bytes: number, outcome: string): void {
    this.shared.access(upgrade, this.route, this.target, status, bytes, outcome)
  }
}
