/**
 * Where every publish enters, whichever door it came in by: de-duplicate, then put on the bus.
 *
 * Ids are global to the gateway, which is why this lives in main and not in the shards. Sequencing by prev-id takes
 * its place between the two steps.
 */
import { RecentIds } from '../grip/recent-ids.js'
import type { BusMain } from '../link/bus.js'
import type { PublishItem } from '../wire/publish-types.js'

export const Door = { Http: 'http', Pull: 'pull', Sub: 'sub', Demo: 'demo' } as const
export type Door = (typeof Door)[keyof typeof Door]

/** How often the bus is looked at while publishers are held back. */
const PAUSED_CHECK_MS = 2

export interface IngestCounts {
  /** Items received, by door. */
  readonly received: Record<Door, number>
  duplicates: number
  /** Items whose channel nobody held. */
  unsubscribed: number
  put: number
  bad: Record<'pull' | 'sub', number>
  /** Times publishers were held back because a shard lagged. */
  pauses: number
}

export interface IngestOptions {
  readonly bus: Pick<BusMain, 'put' | 'isFull'>
  readonly idCacheTtlMs: number
  nowMs(): number
  /** Stops and restarts taking from the ZeroMQ sockets. */
  pause(): void
  resume(): void
}

export class Ingest {
  readonly counts: IngestCounts = {
    received: { http: 0, pull: 0, sub: 0, demo: 0 },
    duplicates: 0,
    unsubscribed: 0,
    put: 0,
    bad: { pull: 0, sub: 0 },
    pauses: 0,
  }
  readonly #options: IngestOptions
  readonly #recentIds: RecentIds
  #paused = false
  #waiters: (() => void)[] = []
  #timer: NodeJS.Timeout | null = null

  constructor(options: IngestOptions) {
    this.#options = options
    this.#recentIds = new RecentIds(options.idCacheTtlMs)
  }

  get paused(): boolean {
    return this.#paused
  }

  take(item: PublishItem, door: Door): void {
    const { counts } = this
    counts.received[door]++
    if (item.id !== null && this.#recentIds.isRepeat(item.channel, item.id, this.#options.nowMs())) {
      counts.duplicates++
      return
    }
    if (!this.#options.bus.put(item)) {
      counts.unsubscribed++
      return
    }
    counts.put++
    if (!this.#paused && this.#options.bus.isFull()) this.#hold()
  }

  /** Resolves when the bus has room: an HTTP publisher gets its answer then. Immediately, as a rule. */
  room(): Promise<void> | void {
    if (!this.#paused) return
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  #hold(): void {
    this.#paused = true
    this.counts.pauses++
    this.#options.pause()
    this.#timer = setInterval(() => {
      if (this.#options.bus.isFull()) return
      this.#release()
    }, PAUSED_CHECK_MS)
  }

  #release(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    this.#paused = false
    this.#options.resume()
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }

  close(): void {
    if (this.#paused) this.#release()
  }
}
