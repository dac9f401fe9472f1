/**
 * What this shard tells of itself for the statistics socket and the Prometheus port: collected while somebody wants it,
 * sent to main once per tick when there is something (link/statistics.ts).
 *
 * The rest of the shard asks a `wants…` before it calls anything here, so that statistics which nobody
 * wants cost a comparison. Fan-out is counted per item and channel, not per receiver.
 */
import type { ReceiverKind } from '../grip/receiver.js'
import type { Channel, Subscription } from '../grip/subscriptions.js'
import {
  blocksByTransport,
  Collect,
  type ConnEvent,
  ROUTE_STATS,
  RouteStat,
  type StatsBatch,
  type StrayItem,
  type SubEvent,
} from '../link/statistics.js'
import type { PublishItem } from '../wire/publish-types.js'
import { type ConnectionFacts, type ReportedConnection, ReportedConnections } from './reported-connections.js'
import { ReportedSubscribers } from './reported-subscribers.js'
import { RouteTraffic } from './route-traffic.js'

export interface ReportOptions {
  readonly shard: number
  readonly connectionTtlMs: number
  /** `message_block_size`; not above 0: blocks are not counted. */
  readonly blockBytes: number
  nowMs(): number
  send(batch: StatsBatch): void
  /** What is open when somebody begins to want it: calls `found` for each connection. */
  walk(): void
  channels(): Iterable<Channel>
}

/** For these connections are followed. */
const FOLLOWED = Collect.Conn | Collect.Totals | Collect.Report
const FANOUT = Collect.Message | Collect.Totals | Collect.Report
const REQUESTS = FOLLOWED | Collect.Counts | Collect.Activity

const NO_NUMBERS: Float64Array = new Float64Array(ROUTE_STATS)

export class Report {
  /** Bits of Collect. */
  flags = 0
  /** Whether it is told of each item of the bus how many receivers it had. */
  wantsItems = false
  /** Whether deliveries are counted. */
  wantsFanout = false
  /** Whether it is told of requests; their connections are followed when wantsConnections. */
  wantsRequests = false
  wantsConnections = false
  /** Whether it is told of subscribers that come and go. */
  wantsSubscribers = false
  /** Whether bytes and messages are counted: see traffic(). */
  wantsTraffic = false
  wantsActivity = false
  /** Either of the two: what a WebSocket's frames count for. */
  wantsFrames = false
  readonly #options: ReportOptions
  readonly #connections: ReportedConnections
  readonly #subscribers: ReportedSubscribers
  #routes = new Map<string, Float64Array>()
  readonly #traffic = new Map<string, RouteTraffic>()
  #events: ConnEvent[] = []
  #changes: SubEvent[] = []
  #items: number[] = []
  #strays: StrayItem[] = []
  /** Of the bus item under way; -1: none is. */
  #position = -1
  readonly #receivers = [0, 0, 0]

  constructor(options: ReportOptions) {
    this.#options = options
    this.#connections = new ReportedConnections({
      ttlMs: options.connectionTtlMs,
      idPrefix: `tackboard:${String(options.shard)}-`,
      nowMs: () => options.nowMs(),
      onEvent: (event) => {
        if ((this.flags & Collect.Conn) !== 0) this.#events.push(event)
      },
      onCount: (route, change) => {
        this.#count(route, change)
      },
      onMinutes: (route, minutes) => {
        increase(this.#numbers(route), RouteStat.Minutes, minutes)
      },
    })
    this.#subscribers = new ReportedSubscribers((event) => {
      this.#changes.push(event)
    })
  }

  /** Main says what is wanted from now on. */
  collect(flags: number): void {
    const before = this.flags
    this.flags = flags
    this.wantsItems = (flags & Collect.Message) !== 0
    this.wantsFanout = (flags & FANOUT) !== 0
    this.wantsConnections = (flags & FOLLOWED) !== 0
    this.wantsRequests = (flags & REQUESTS) !== 0
    this.wantsSubscribers = (flags & Collect.Sub) !== 0
    this.wantsTraffic = (flags & Collect.Report) !== 0
    this.wantsActivity = (flags & Collect.Activity) !== 0
    this.wantsFrames = this.wantsTraffic || this.wantsActivity
    const wanted = (bits: number): boolean => (flags & bits) !== 0 && (before & bits) === 0
    const unwanted = (bits: number): boolean => (flags & bits) === 0 && (before & bits) !== 0
    if (wanted(Collect.Sub)) this.#subscribers.tellAll(this.#options.channels())
    if (unwanted(Collect.Sub)) this.#subscribers.clear()
    // Those that are followed already are asked, too, when their bytes begin to count.
    if (wanted(FOLLOWED) || wanted(Collect.Report)) this.#options.walk()
    if (!wanted(FOLLOWED) && wanted(Collect.Conn)) this.#connections.tellAll()
    if (unwanted(FOLLOWED)) this.#connections.clear()
  }

  /** Once per tick. */
  flush(): void {
    if (this.flags !== 0) {
      this.#subscribers.handleTick()
      this.#connections.handleTick(this.#options.nowMs())
    }
    const isEmpty =
      this.#routes.size + this.#events.length + this.#changes.length + this.#items.length + this.#strays.length === 0
    if (isEmpty) return
    this.#options.send({
      routes: this.#routes,
      connections: this.#events,
      subscriptions: this.#changes,
      items: this.#items,
      strays: this.#strays,
    })
    this.#routes = new Map()
    this.#events = []
    this.#changes = []
    this.#items = []
    this.#strays = []
  }

  // Connections.

  /** A client's request that has a route. `id` null: one is made. null: connections are not followed. */
  began(id: string | null, facts: ConnectionFacts): ReportedConnection | null {
    if ((this.flags & (Collect.Counts | Collect.Totals)) !== 0) increase(this.#numbers(''), RouteStat.Requests, 1)
    this.active(facts.route)
    return this.wantsConnections ? this.#connections.add(id, facts, true) : null
  }

  /** A connection that was there before anybody wanted to know. */
  found(id: string | null, facts: ConnectionFacts): ReportedConnection {
    const known = id === null ? undefined : this.#connections.get(id)
    return known ?? this.#connections.add(id, facts, false)
  }

  /** A connection that was told of under this id, whoever listens now, is open. */
  knows(id: string): boolean {
    return this.#connections.isOpen(id)
  }

  endedById(id: string): void {
    this.#connections.get(id)?.end()
  }

  /** A request, or a sign of life that was sent. */
  active(route: string): void {
    if (this.wantsActivity) increase(this.#numbers(route), RouteStat.Activity, 1)
  }

  /** To count the traffic of a route by; null: nobody wants to know it. */
  traffic(route: string): RouteTraffic | null {
    if (!this.wantsTraffic) return null
    let traffic = this.#traffic.get(route)
    if (traffic === undefined) {
      traffic = new RouteTraffic((stat, count) => {
        if (this.wantsTraffic) increase(this.#numbers(route), stat, count)
      })
      this.#traffic.set(route, traffic)
    }
    return traffic
  }

  // Channels.

  subscribersChanged(channel: Channel, kind: ReceiverKind): void {
    this.#subscribers.handleChange(channel, kind)
  }

  // Deliveries.

  /** A bus item comes in; what is delivered until endItem() is this item. */
  beginItem(position: number): void {
    this.#position = position
    this.#receivers.fill(0)
  }

  endItem(): void {
    this.#items.push(this.#position, ...this.#receivers)
    this.#position = -1
  }

  /** Before an item is fanned out: answered long polls leave their channel. */
  delivering(channel: Channel, item: PublishItem): void {
    const responses = item.httpResponse === null ? 0 : channel.responses.length
    const streams = item.httpStream === null ? 0 : channel.streams.length
    const ws = item.wsMessage === null ? 0 : channel.ws.length
    if (this.#position >= 0) {
      this.#receivers[0] = responses
      this.#receivers[1] = streams
      this.#receivers[2] = ws
    } else if ((this.flags & Collect.Message) !== 0) {
      const blocks = blocksByTransport(item, this.#options.blockBytes)
      this.#strays.push({ channel: channel.name, id: item.id, receivers: [responses, streams, ws], blocks })
    }
    if (this.wantsTraffic) this.#countSent(channel, item)
    else if ((this.flags & Collect.Totals) !== 0) {
      increase(this.#numbers(''), RouteStat.Sent, responses + streams + ws)
    }
  }

  /** A WebSocket message has gone to all plain subscribers of a channel. */
  wroteToTopic(channel: Channel, bytes: number): void {
    this.#eachReceiver(channel.ws, (numbers, { byItem }) => {
      if (byItem) return
      increase(numbers, RouteStat.ClientMessagesSent, 1)
      increase(numbers, RouteStat.ClientContentBytesSent, bytes)
    })
  }

  #countSent(channel: Channel, item: PublishItem): void {
    const [response, stream, ws] = blocksByTransport(item, this.#options.blockBytes)
    if (item.httpResponse !== null) this.#countReceivers(channel.responses, response, RouteStat.HttpResponseSent)
    if (item.httpStream !== null) this.#countReceivers(channel.streams, stream, null)
    if (item.wsMessage !== null) this.#countReceivers(channel.ws, ws, null)
  }

  #countReceivers(subscriptions: readonly Subscription[], blocks: number, also: number | null): void {
    this.#eachReceiver(subscriptions, (numbers) => {
      increase(numbers, RouteStat.Sent, 1)
      if (also !== null) increase(numbers, also, 1)
      if (blocks > 0) increase(numbers, RouteStat.BlocksSent, blocks)
    })
  }

  /** With the numbers of its route. Receivers of a channel are seldom of many: so a run of the same is looked up once. */
  #eachReceiver(
    subscriptions: readonly Subscription[],
    count: (numbers: Float64Array, subscription: Subscription) => void,
  ): void {
    let route: string | null = null
    let numbers: Float64Array = NO_NUMBERS
    for (const subscription of subscriptions) {
      const { statsRoute } = subscription.receiver
      if (statsRoute !== route) {
        route = statsRoute
        numbers = this.#numbers(route)
      }
      count(numbers, subscription)
    }
  }

  #count(route: string, change: 1 | -1): void {
    const numbers = this.#numbers(route)
    const current = (numbers[RouteStat.Connections] as number) + change
    numbers[RouteStat.Connections] = current
    const isFirst = numbers[RouteStat.ConnectionChanges] === 0
    increase(numbers, RouteStat.ConnectionChanges, 1)
    if (isFirst || current > (numbers[RouteStat.ConnectionsPeak] as number)) {
      numbers[RouteStat.ConnectionsPeak] = current
    }
  }

  #numbers(route: string): Float64Array {
    let numbers = this.#routes.get(route)
    if (numbers === undefined) {
      numbers = new Float64Array(ROUTE_STATS)
      this.#routes.set(route, numbers)
    }
    return numbers
  }
}

function increase(numbers: Float64Array, stat: number, count: number): void {
  numbers[stat] = (numbers[stat] as number) + count
}
