/**
 * Statistics of the whole gateway from what the shards tell: packets for those who listen, and the numbers of the
 * Prometheus port (reference: observability). It decides when each is due; stats-publisher.ts sends.
 */
import { blocksByTransport, RouteStat, type StatsBatch } from '../link/statistics.js'
import type { PublishItem } from '../wire/publish-types.js'
import { type StatsPacket, StatsType } from '../wire/stats-packet.js'
import { ItemsInFlight } from './items-in-flight.js'
import { ReportBook } from './report-book.js'
import { SubscriberBook } from './subscriber-book.js'

export interface StatsBookOptions {
  /** Seconds. */
  readonly connectionTtl: number
  readonly subscriptionTtl: number
  readonly subscriptionLinger: number
  /** Milliseconds; 0: there are no intervals, and only requests are counted. */
  readonly reportIntervalMs: number
  /** `message_block_size`; not above 0: blocks are not counted. */
  readonly blockBytes: number
  /** Whether somebody listens to packets of this type. */
  isWanted(type: StatsType): boolean
  emit(packet: StatsPacket): void
}

/** Activity and counts are told so long after the first of them. */
const ACTIVITY_MS = 100
/** Subscriptions whose count has changed are told at the next full second. */
const REFRESH_MS = 1000

export class StatsBook {
  readonly #options: StatsBookOptions
  readonly reports: ReportBook
  readonly #subscribers: SubscriberBook
  readonly #items: ItemsInFlight
  #requests = 0
  /** By route. */
  readonly #activity = new Map<string, number>()
  /** When they are due; Infinity: there are none. */
  #activityDueMs = Number.POSITIVE_INFINITY
  #refreshDueMs = 0
  #intervalEndMs = 0

  constructor(options: StatsBookOptions) {
    this.#options = options
    const emit = (packet: StatsPacket): void => {
      options.emit(packet)
    }
    this.reports = new ReportBook(options.reportIntervalMs > 0)
    this.#subscribers = new SubscriberBook(options.subscriptionTtl, options.subscriptionLinger, emit)
    this.#items = new ItemsInFlight(emit)
  }

  /** From a shard's batch, in the order in which things happened there. */
  handleBatch(batch: StatsBatch, nowMs: number): void {
    for (const { id, route, here } of batch.connections) {
      const connection = here === null ? null : { ...here, ttl: this.#options.connectionTtl }
      this.#options.emit({ type: StatsType.Conn, route, id, connection })
    }
    for (const { mode, channel, change } of batch.subscriptions) {
      this.#subscribers.handleChange(mode, channel, change, nowMs)
    }
    this.#items.handleReceivers(batch.items)
    for (const stray of batch.strays) this.#items.handleStray(stray)
    for (const [route, numbers] of batch.routes) this.#handleNumbers(route, numbers, nowMs)
  }

  /**
   * An item has gone its way: to so many shards, as what stands at this position of the bus. No shard: nobody holds its
   * channel.
   */
  handleItem(item: PublishItem, position: number, shards: number, nowMs: number): void {
    const blocks = blocksByTransport(item, this.#options.blockBytes)
    this.reports.addReceived(Math.max(...blocks), nowMs)
    if (shards > 0 && this.#options.isWanted(StatsType.Message)) {
      this.#items.add({ position, channel: item.channel, id: item.id, blocks, shards, atMs: nowMs })
    }
  }

  /** Ticks begin: somebody listens. */
  handleStart(nowMs: number): void {
    this.#intervalEndMs = nowMs + this.#options.reportIntervalMs
    this.reports.handleStart(nowMs)
  }

  handleTick(nowMs: number): void {
    this.#items.handleTick(nowMs)
    if (nowMs >= this.#activityDueMs) this.#tellActivity()
    if (nowMs >= this.#refreshDueMs) {
      this.#refreshDueMs = nowMs + REFRESH_MS
      this.#subscribers.handleSecond(nowMs)
    }
    const { reportIntervalMs } = this.#options
    if (reportIntervalMs > 0 && nowMs >= this.#intervalEndMs) {
      this.#intervalEndMs = nowMs + reportIntervalMs
      this.reports.handleInterval(nowMs, (packet) => {
        this.#options.emit(packet)
      })
    }
  }

  #handleNumbers(route: string, numbers: Float64Array, nowMs: number): void {
    this.reports.add(route, numbers, nowMs)
    const requests = numbers[RouteStat.Requests] as number
    const activity = numbers[RouteStat.Activity] as number
    if (requests === 0 && activity === 0) return
    this.#requests += requests
    if (activity > 0) this.#activity.set(route, (this.#activity.get(route) ?? 0) + activity)
    if (this.#activityDueMs === Number.POSITIVE_INFINITY) this.#activityDueMs = nowMs + ACTIVITY_MS
  }

  #tellActivity(): void {
    this.#activityDueMs = Number.POSITIVE_INFINITY
    for (const [route, count] of this.#activity) this.#options.emit({ type: StatsType.Activity, route, count })
    this.#activity.clear()
    if (this.#requests > 0) this.#options.emit({ type: StatsType.Counts, requestsReceived: this.#requests })
    this.#requests = 0
  }
}
