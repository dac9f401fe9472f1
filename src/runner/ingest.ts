/**
 * Where every publish enters, whichever door it came in by: de-duplicate, bring into order, put on the bus.
 *
 * Ids are global to the gateway, which is why this lives in main and not in the shards. Items of channels that nobody
 * holds are neither put into order nor remembered as the last: when somebody comes, what went before is not his.
 */
import { DeadlineEntry, type Deadlines } from '../base/deadlines.js'
import { LastIds } from '../grip/last-ids.js'
import { RecentIds } from '../grip/recent-ids.js'
import { Sequencer } from '../grip/sequencer.js'
import { ChannelNote } from '../link/bus-item.js'
import type { BusMain } from '../link/bus.js'
import type { PublishItem } from '../wire/publish-types.js'

export const Door = { Http: 'http', Pull: 'pull', Sub: 'sub', Demo: 'demo', Command: 'command' } as const
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
  readonly bus: Pick<BusMain, 'put' | 'note' | 'recover' | 'isFull' | 'isSubscribed'>
  readonly deadlines: Deadlines
  readonly idCacheTtlMs: number
  /** How long an item may wait for the one it follows. */
  readonly messageWaitMs: number
  nowMs(): number
  /** An item has gone its way: it is what was put on the bus last, or nobody holds its channel. */
  onItem(item: PublishItem): void
  /** Stops and restarts taking from the ZeroMQ sockets. */
  pause(): void
  resume(): void
}

/** When the item parked longest has waited long enough. */
class ParkedDeadline extends DeadlineEntry {
  readonly #ingest: Ingest

  constructor(ingest: Ingest) {
    super()
    this.#ingest = ingest
  }

  override handleDeadline(nowMs: number): void {
    this.#ingest.releaseParked(nowMs)
  }
}

export class Ingest {
  readonly sequencer: Sequencer
  readonly lastIds = new LastIds()
  readonly counts: IngestCounts = {
    received: { http: 0, pull: 0, sub: 0, demo: 0, command: 0 },
    duplicates: 0,
    unsubscribed: 0,
    put: 0,
    bad: { pull: 0, sub: 0 },
    pauses: 0,
  }
  readonly #options: IngestOptions
  readonly #recentIds: RecentIds
  readonly #parkedDeadline = new ParkedDeadline(this)
  #paused = false
  #waiters: (() => void)[] = []
  #timer: NodeJS.Timeout | null = null

  constructor(options: IngestOptions) {
    this.#options = options
    this.#recentIds = new RecentIds(options.idCacheTtlMs)
    this.sequencer = new Sequencer({
      lastIds: this.lastIds,
      waitMs: options.messageWaitMs,
      release: (item) => {
        this.#put(item)
      },
    })
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
    if (!this.#options.bus.isSubscribed(item.channel)) {
      counts.unsubscribed++
      this.#options.onItem(item)
    } else if (item.noSeq) this.#put(item)
    else {
      this.sequencer.take(item, this.#options.nowMs())
      if (this.sequencer.parked > 0) this.#awaitParked()
    }
  }

  /** @internal */
  releaseParked(nowMs: number): void {
    this.sequencer.expire(nowMs)
    this.#awaitParked()
  }

  /** The last shard left `channel`. */
  handleUnsubscribed(channel: string): void {
    this.sequencer.clear(channel)
    this.lastIds.delete(channel)
  }

  /**
   * A session found that it has missed something of `channel`: the last id is forgotten, unless another than `lastId`
   * has taken its place meanwhile. `lastId` null: whatever it is.
   */
  forget(channel: string, lastId: string | null): void {
    const known = this.lastIds.get(channel)
    if (known === null || (lastId !== null && lastId !== known)) return
    this.lastIds.delete(channel)
    this.#options.bus.note(channel, ChannelNote.Forget)
  }

  /** Every HTTP session is to ask its backend for what it may have missed; ids published so far count no more. */
  recover(): void {
    this.lastIds.clear()
    this.#options.bus.recover()
  }

  #awaitParked(): void {
    this.#options.deadlines.set(this.#parkedDeadline, this.sequencer.deadlineMs)
  }

  #put(item: PublishItem): void {
    this.#options.bus.put(item)
    this.counts.put++
    this.#options.onItem(item)
    if (!this.#paused && this.#options.bus.isFull(this.#options.nowMs())) this.#hold()
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
      if (this.#options.bus.isFull(this.#options.nowMs())) return
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
