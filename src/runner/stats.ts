/**
 * GET /metrics: prom-client over the shards' shared counters and main's own counts, read when somebody asks.
 */
import { Counter, Gauge, Registry } from 'prom-client'
import { COUNTERS, Counters } from '../link/counters.js'
import type { BusMain } from '../link/bus.js'
import type { Ingest } from './ingest.js'
import type { Statistics } from './statistics.js'
import type { ZhttpRelay } from './zhttp-relay.js'

export interface StatsOptions {
  readonly shards: number
  readonly counters: SharedArrayBuffer
  readonly ingest: Ingest
  readonly bus: BusMain
  readonly zhttp: Pick<ZhttpRelay, 'counts'>
  readonly statistics: Pick<Statistics, 'packetsSent' | 'packetsLost' | 'slowListeners'>
  readonly version: string
  connections(): number
  /** Worst lateness of main's loop in the last second. */
  loopLagMs(): number
}

const PREFIX = 'tackboard_'
/** Counters that share a beginning are one metric with a label for the rest. */
const GROUPS = [
  { prefix: 'drop_', name: 'drops_total', help: 'what was not delivered, by reason' },
  {
    prefix: 'ws_dropped_',
    name: 'ws_dropped_total',
    help: 'WebSocket connections ended without a close frame, by reason',
  },
] as const

export class Stats {
  readonly #registry = new Registry()

  constructor(options: StatsOptions) {
    this.#registerShards(options)
    this.#registerMain(options)
  }

  async render(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  #registerShards(options: StatsOptions): void {
    const rows = Array.from({ length: options.shards }, (_, shard) => new Counters(options.counters, shard))
    for (const [name, kind, help] of COUNTERS) {
      if (GROUPS.some(({ prefix }) => name.startsWith(prefix))) continue
      const full = PREFIX + (kind === 'counter' ? `${name}_total` : name)
      this.#collect(kind, full, help, ['shard'], (set) => {
        for (const [shard, row] of rows.entries()) set({ shard: String(shard) }, row.get(name))
      })
    }
    for (const { prefix, name: grouped, help } of GROUPS) {
      this.#collect('counter', PREFIX + grouped, help, ['shard', 'reason'], (set) => {
        for (const [shard, row] of rows.entries()) {
          for (const [name] of COUNTERS) {
            if (name.startsWith(prefix)) set({ shard: String(shard), reason: name.slice(prefix.length) }, row.get(name))
          }
        }
      })
    }
  }

  #registerMain(options: StatsOptions): void {
    const { ingest, bus, version } = options
    const { counts, sequencer } = ingest
    this.#collect('counter', `${PREFIX}publish_items_total`, 'items published, by door', ['door'], (set) => {
      for (const [door, count] of Object.entries(counts.received)) set({ door }, count)
    })
    this.#collect('counter', `${PREFIX}publish_bad_total`, 'messages refused at a ZeroMQ door', ['door'], (set) => {
      for (const [door, count] of Object.entries(counts.bad)) set({ door }, count)
    })
    this.#collect('counter', `${PREFIX}publish_duplicates_total`, 'items whose id was published before', [], (set) => {
      set({}, counts.duplicates)
    })
    this.#collect('counter', `${PREFIX}publish_unsubscribed_total`, 'items for channels nobody held', [], (set) => {
      set({}, counts.unsubscribed)
    })
    this.#collect('counter', `${PREFIX}bus_put_total`, 'items put on the bus', [], (set) => {
      set({}, counts.put)
    })
    this.#collect('gauge', `${PREFIX}publish_parked`, 'items that wait for the one they follow', [], (set) => {
      set({}, sequencer.parked)
    })
    const parkedDropped = 'items dropped: too many wait, or one for the same prev-id'
    this.#collect('counter', `${PREFIX}publish_parked_dropped_total`, parkedDropped, [], (set) => {
      set({}, sequencer.dropped)
    })
    const late = 'items that went on without the one they follow'
    this.#collect('counter', `${PREFIX}publish_parked_late_total`, late, [], (set) => {
      set({}, sequencer.releasedLate)
    })
    this.#collect('gauge', `${PREFIX}last_ids`, 'channels whose last id is known', [], (set) => {
      set({}, ingest.lastIds.size)
    })
    this.#collect('counter', `${PREFIX}publish_pauses_total`, 'times publishers were held back', [], (set) => {
      set({}, counts.pauses)
    })
    this.#collect('gauge', `${PREFIX}bus_lag_blocks`, 'what the slowest shard has still to take', [], (set) => {
      set({}, bus.lagBlocks())
    })
    this.#collect('gauge', `${PREFIX}subscribed_channels`, 'channels with a subscriber on any shard', [], (set) => {
      set({}, bus.channels)
    })
    this.#registerZhttp(options.zhttp)
    this.#collect('gauge', `${PREFIX}connections`, 'client connections over all shards', [], (set) => {
      set({}, options.connections())
    })
    this.#collect('gauge', `${PREFIX}main_loop_lag_ms`, 'event loop lag of the main thread', [], (set) => {
      set({}, options.loopLagMs())
    })
    const { statistics } = options
    this.#collect('counter', `${PREFIX}stats_packets_total`, 'packets of statistics sent', [], (set) => {
      set({}, statistics.packetsSent)
    })
    this.#collect('counter', `${PREFIX}stats_packets_lost_total`, 'packets lost: too many waited', [], (set) => {
      set({}, statistics.packetsLost)
    })
    this.#collect('counter', `${PREFIX}stats_slow_listeners_total`, 'listeners that lose packets', [], (set) => {
      set({}, statistics.slowListeners)
    })
    this.#collect('gauge', `${PREFIX}build_info`, 'version', ['version'], (set) => {
      set({ version }, 1)
    })
  }

  #registerZhttp({ counts }: StatsOptions['zhttp']): void {
    const packets = 'packets from and to the workers of zhttp targets'
    this.#collect('counter', `${PREFIX}zhttp_packets_total`, packets, ['direction'], (set) => {
      set({ direction: 'in' }, counts.packetsIn)
      set({ direction: 'out' }, counts.packetsOut)
    })
    const dropped = 'packets from and to the workers of zhttp targets that came to nothing, by reason'
    this.#collect('counter', `${PREFIX}zhttp_dropped_total`, dropped, ['reason'], (set) => {
      for (const reason of ['bad', 'unknown', 'unroutable', 'unsent'] as const) set({ reason }, counts[reason])
    })
  }

  /** A metric whose values are read at the moment of the request. */
  #collect(
    kind: 'gauge' | 'counter',
    name: string,
    help: string,
    labelNames: string[],
    read: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): void {
    const registers = [this.#registry]
    if (kind === 'gauge') {
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          read((labels, value) => {
            this.set(labels, value)
          })
        },
      })
      return
    }
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        // Our counts are totals already: start from nothing and add them whole.
        this.reset()
        read((labels, value) => {
          this.inc(labels, value)
        })
      },
    })
  }
}
