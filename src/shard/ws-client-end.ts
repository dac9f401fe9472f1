/**
 * The client's end of a WebSocket session: an upgrade request until the verdict, then a socket, then nothing.
 *
 * Here is what needs no more than that: messages are written to it, its signs of life are watched, and who wants to know
 * of the client (statistics, the access log) is told. It knows neither channels (ws-subscriber.ts) nor the session
 * machine (ws-client-side.ts).
 *
 * Methods are `private` rather than #: each class with # methods in a chain costs each of its objects a pointer.
 */
import { unreachable } from '../base/assert.js'
import { DeadlineEntry, NO_DEADLINE } from '../base/deadlines.js'
import { Heartbeat, HEARTBEAT_CONTENT } from '../grip/heartbeat.js'
import { C } from '../link/counters.js'
import type { Route, Target } from '../routing/types.js'
import { removeHeaders } from '../wire/headers.js'
import { WsMessageType } from '../wire/publish-types.js'
import { type ClientSocket, type Upgrade, addressOf } from './client-socket.js'
import type { ShardContext } from './context.js'
import { statsRouteOf } from './match-route.js'
import type { Report } from './report.js'
import type { ConnectionFacts } from './reported-connections.js'
import type { RouteTraffic } from './route-traffic.js'
import type { WsShared } from './ws-shared.js'

const ACTIVITY_MS = 60_000

export abstract class WsClientEnd extends DeadlineEntry {
  readonly connectionId: string
  protected readonly context: ShardContext
  protected readonly shared: WsShared
  protected readonly route: Route
  protected readonly target: Target
  /** The client came by TLS, or says so where it may. */
  protected readonly ssl: boolean
  protected upgrade: Upgrade | null
  protected ws: ClientSocket | null = null
  /** For statistics; null: they are not wanted. */
  protected traffic: RouteTraffic | null = null
  /** Frames until a minute after this count as one activity. */
  #activeMs: number
  #heartbeat: Heartbeat | null = null

  constructor(context: ShardContext, shared: WsShared, upgrade: Upgrade, route: Route, target: Target) {
    super()
    this.context = context
    this.shared = shared
    this.upgrade = upgrade
    this.route = route
    this.target = target
    this.connectionId = upgrade.connectionId
    this.ssl = upgrade.head.ssl
    this.#activeMs = Math.round(context.clock.nowMs())
  }

  protected nowMs(): number {
    return this.context.clock.nowMs()
  }

  protected write(type: WsMessageType, content: Buffer): void {
    const ws = this.ws as ClientSocket
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
        this.notePong(content)
        return
      default:
        unreachable(type)
    }
    // uWebSockets.js drops nothing by itself (ws-listener.ts).
    if (result !== 2) this.noteWritten(content)
  }

  protected noteWritten(content: Buffer): void {
    const { counters } = this.context
    this.traffic?.messageToClient(content.length)
    counters.values[C.ws_messages_out] = (counters.values[C.ws_messages_out] as number) + 1
  }

  /** uWebSockets.js has no call that sends one; for statistics it counts all the same. */
  protected notePong(content: Buffer): void {
    this.traffic?.messageToClient(content.length)
    this.context.counters.add('drop_ws_pong')
  }

  // Signs of life

  /** A frame of the client: it lives. */
  handleSign(): void {
    this.#heartbeat?.handleSign(this.nowMs())
  }

  /** A pong that answers our own ping is not for the session. */
  isOwnPong(lent: ArrayBuffer): boolean {
    return this.#heartbeat !== null && HEARTBEAT_CONTENT.equals(new Uint8Array(lent))
  }

  /** The socket is open. A client that polls shows by its polls that it lives. */
  protected startHeartbeat(isPolled: boolean, nowMs: number): void {
    const times = isPolled ? null : this.shared.heartbeatTimes(this.target)
    if (times !== null) this.#heartbeat = new Heartbeat(times, nowMs, this.context.random())
  }

  /** When beat() is due. */
  protected get beatMs(): number {
    return this.#heartbeat?.deadlineMs ?? NO_DEADLINE
  }

  /** Our own ping, or the end of a client that gives no sign of life. False: the client is gone. */
  protected beat(nowMs: number): boolean {
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

  // Statistics

  get statsRoute(): string {
    return statsRouteOf(this.route)
  }

  /** Somebody begins to want statistics. */
  introduce(report: Report): void {
    if (this.ws === null && this.upgrade === null) return
    this.traffic = report.traffic(this.statsRoute)
    report.found(this.connectionId, this.facts(addressOf(this.ws ?? this.upgrade)))
  }

  /** `isNew`: no other target has been asked for this client. */
  protected noteOpen(isNew: boolean): void {
    const { report } = this.context
    this.traffic = report.traffic(this.statsRoute)
    if (report.wantsRequests && isNew) this.noteClient(this.upgrade as Upgrade)
  }

  private noteClient({ head }: Upgrade): void {
    const { report, forwarding } = this.context
    this.traffic?.clientRequest({ method: 'GET', path: head.path, headers: head.headers })
    report.began(this.connectionId, this.facts(forwarding.clientAddress(head, this.context.epochMs()) ?? ''))
  }

  private facts(peerAddress: string): ConnectionFacts {
    return { type: 'ws', route: this.statsRoute, peerAddress, ssl: this.ssl }
  }

  /** A target is asked. Of the client's own head these (lower-case) names count as well, as in Pushpin. */
  protected noteServerRequest(path: string, headers: readonly string[], names: ReadonlySet<string>): void {
    const own = this.upgrade?.head.headers ?? []
    const counted = removeHeaders(own, (name) => !names.has(name))
    this.traffic?.serverRequest({ method: 'GET', path, headers: [...headers, ...counted] })
  }

  /** `isForwarded`: its backend hears it, too. */
  protected noteClientFrame({ byteLength }: ArrayBuffer, isForwarded: boolean): void {
    this.traffic?.clientMessage(byteLength)
    if (isForwarded) this.traffic?.messageToServer(byteLength)
    this.noteFrame()
  }

  /** The client, or its backend, has sent a frame. One a minute counts, as the route's own. */
  protected noteFrame(): void {
    const { report } = this.context
    if (!report.wantsActivity) return
    const minutes = Math.floor((this.nowMs() - this.#activeMs) / ACTIVITY_MS)
    if (minutes <= 0) return
    this.#activeMs += minutes * ACTIVITY_MS
    report.active(this.route.id)
  }

  /** The client is gone. What its backend is still told counts no more. */
  protected noteGone(): void {
    const { report } = this.context
    if (report.wantsConnections) report.endedById(this.connectionId)
  }

  /** The upgrade request has been answered: one line of the access log. */
  protected access(upgrade: Upgrade, status: number, bytes: number, outcome: string): void {
    this.shared.access(upgrade, this.route, this.target, status, bytes, outcome)
  }
}
