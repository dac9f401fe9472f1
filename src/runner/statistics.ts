/**
 * Statistics: the socket for listeners, the Prometheus ports, and what the shards are asked to collect for them.
 *
 * Nothing is collected, and no timer runs, while nobody listens and no Prometheus port is configured.
 */
import type { Clock } from '../base/clock.js'
import { TICK_MS } from '../base/deadlines.js'
import { STATS_LINGER_MS } from '../base/limits.js'
import type { Log } from '../base/log.js'
import type { Settings } from '../config/types.js'
import type { BusMain } from '../link/bus.js'
import { Collect, type StatsBatch } from '../link/statistics.js'
import type { PublishItem } from '../wire/publish-types.js'
import { StatsType } from '../wire/stats-packet.js'
import { openPrometheusPort, type PrometheusPort } from './prometheus-port.js'
import { StatsBook } from './stats-book.js'
import { StatsPublisher } from './stats-publisher.js'

export interface StatisticsOptions {
  readonly settings: Settings
  readonly clock: Clock
  readonly log: Log
  /** Name of this gateway in the packets. */
  readonly from: string
  /** What the shards are to collect: bits of Collect. */
  tellShards(flags: number): void
}

const COLLECTED_FOR: Readonly<Record<StatsType, number>> = {
  [StatsType.Counts]: Collect.Counts,
  [StatsType.Message]: Collect.Message,
  [StatsType.Conn]: Collect.Conn,
  [StatsType.Sub]: Collect.Sub,
  [StatsType.Report]: Collect.Report,
  [StatsType.Activity]: Collect.Activity,
}
/** Statistics that need to know of each item published. */
const ITEMS = Collect.Message | Collect.Totals | Collect.Report

export class Statistics {
  readonly #options: StatisticsOptions
  readonly #book: StatsBook
  #publisher: StatsPublisher | null = null
  readonly #ports: PrometheusPort[] = []
  #wanted = 0
  /** What the shards have been told. */
  #told = 0
  #isStarted = false
  #ticks: NodeJS.Timeout | null = null
  #linger: NodeJS.Timeout | null = null

  private constructor(options: StatisticsOptions) {
    this.#options = options
    const { handler, global } = options.settings
    this.#book = new StatsBook({
      connectionTtl: global.statsConnectionTtl,
      subscriptionTtl: handler.statsSubscriptionTtl,
      subscriptionLinger: handler.subscriptionLinger,
      reportIntervalMs: handler.statsReportInterval * 1000,
      blockBytes: handler.messageBlockSize,
      isWanted: (type) => this.#publisher?.isWanted(type) ?? false,
      emit: (packet) => this.#publisher?.publish(packet),
    })
  }

  /** Rejects with an error that names the setting and the address that cannot be had. */
  static async open(options: StatisticsOptions): Promise<Statistics> {
    const statistics = new Statistics(options)
    try {
      await statistics.#openSocket()
      await statistics.#openPorts()
    } catch (error) {
      await statistics.close()
      throw error
    }
    return statistics
  }

  /** The shards can be told now. */
  start(): void {
    this.#isStarted = true
    this.#want(this.#wanted)
  }

  get packetsSent(): number {
    return this.#publisher?.sent ?? 0
  }

  /** Packets lost because too many waited to be sent. */
  get packetsLost(): number {
    return this.#publisher?.lost ?? 0
  }

  /** Times a listener was found to read too slowly; it loses packets. */
  get slowListeners(): number {
    return this.#publisher?.slow ?? 0
  }

  handleBatch(batch: StatsBatch): void {
    this.#book.handleBatch(batch, this.#options.clock.nowMs())
  }

  /** An item has gone its way: what is put last on the bus, unless nobody holds its channel. */
  handleItem(item: PublishItem, bus: Pick<BusMain, 'position' | 'shardsOf'>): void {
    if ((this.#told & ITEMS) === 0) return
    this.#book.handleItem(item, bus.position, bus.shardsOf(item.channel), this.#options.clock.nowMs())
  }

  async close(): Promise<void> {
    if (this.#ticks !== null) clearInterval(this.#ticks)
    if (this.#linger !== null) clearTimeout(this.#linger)
    await this.#publisher?.close()
    await Promise.all(this.#ports.map((port) => port.close()))
  }

  async #openSocket(): Promise<void> {
    const { settings, from, log } = this.#options
    const { statsSpec, ipcFileMode, statsFormat } = settings.handler
    if (statsSpec === '') return
    this.#publisher = await StatsPublisher.open({
      spec: statsSpec,
      ipcFileMode,
      format: statsFormat,
      from,
      log,
      onWanted: (types) => {
        const base = this.#ports.length > 0 ? Collect.Totals : 0
        this.#want([...types].reduce((flags, type) => flags | this.#collectedFor(type), base))
      },
    })
  }

  #collectedFor(type: StatsType): number {
    const { global, handler } = this.#options.settings
    const isOff =
      (type === StatsType.Conn && !global.statsConnectionSend) ||
      (type === StatsType.Report && handler.statsReportInterval <= 0)
    return isOff ? 0 : COLLECTED_FOR[type]
  }

  async #openPorts(): Promise<void> {
    const { handler, proxy } = this.#options.settings
    const ports = [
      ['prometheus_port', handler.prometheusPort, handler.prometheusPrefix],
      ['proxy.prometheus_port', proxy.prometheusPort, proxy.prometheusPrefix],
    ] as const
    for (const [setting, address, prefix] of ports) {
      if (address === '') continue
      const { totals } = this.#book.reports
      this.#ports.push(await openPrometheusPort({ address, setting, prefix, totals }))
      this.#wanted |= Collect.Totals
    }
  }

  /** More is collected at once; less only when nobody has come back for a while, so that ids of connections stay. */
  #want(flags: number): void {
    this.#wanted = flags
    if (!this.#isStarted) return
    if (this.#linger !== null) clearTimeout(this.#linger)
    this.#linger = null
    if ((flags & ~this.#told) !== 0) this.#tell(this.#told | flags)
    if (flags === this.#told) return
    this.#linger = setTimeout(() => {
      this.#tell(this.#wanted)
    }, STATS_LINGER_MS)
    this.#linger.unref()
  }

  #tell(flags: number): void {
    this.#told = flags
    this.#options.tellShards(flags)
    if (flags !== 0 && this.#ticks === null) {
      const { clock } = this.#options
      this.#book.handleStart(clock.nowMs())
      this.#ticks = setInterval(() => {
        this.#book.handleTick(clock.nowMs())
      }, TICK_MS)
      this.#ticks.unref()
    } else if (flags === 0 && this.#ticks !== null) {
      clearInterval(this.#ticks)
      this.#ticks = null
    }
  }
}
