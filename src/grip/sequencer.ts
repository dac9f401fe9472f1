/**
 * Brings the items of a channel into the order that their prev-ids tell (reference: sequencer).
 *
 * An item whose prev-id is not the channel's last id is parked until the item it follows has been released, or until it
 * has waited long enough. What has no prev-id never waits.
 *
 * Only for items of channels that somebody holds: whoever gives up a channel says clear().
 */
import { NO_DEADLINE } from '../base/deadlines.js'
import { PARKED_BYTES_MAX, PARKED_PER_CHANNEL_MAX } from '../base/limits.js'
import type { PublishItem } from '../wire/publish-types.js'

/** Where the last ids of channels are kept: LastIds, or the channels of a shard. */
export interface LastIdTable {
  /** null: none is known. */
  get(channel: string): string | null
  set(channel: string, id: string): void
  delete(channel: string): void
}

export interface SequencerOptions {
  readonly lastIds: LastIdTable
  readonly waitMs: number
  /** Takes what may go on now, in order. It may call clear(). */
  release(item: PublishItem): void
}

interface Parked {
  readonly item: PublishItem
  readonly prevId: string
  readonly sinceMs: number
  readonly bytes: number
}

export class Sequencer {
  /** Dropped: another item waits for the same prev-id, or too many wait for this channel. */
  dropped = 0
  /** Released though what they follow has not come: their time was up, or too much was parked. */
  releasedLate = 0
  readonly #options: SequencerOptions
  readonly #byChannel = new Map<string, Map<string, Parked>>()
  /** Oldest first. */
  readonly #all = new Set<Parked>()
  #bytes = 0

  constructor(options: SequencerOptions) {
    this.#options = options
  }

  get parked(): number {
    return this.#all.size
  }

  /** When the item parked longest is to be released; NO_DEADLINE: none is parked. */
  get deadlineMs(): number {
    for (const { sinceMs } of this.#all) return sinceMs + this.#options.waitMs
    return NO_DEADLINE
  }

  /** `nowMs` must not go back. */
  take(item: PublishItem, nowMs: number): void {
    const { channel, prevId } = item
    if (prevId !== null) {
      const lastId = this.#options.lastIds.get(channel)
      if (lastId !== null && lastId !== prevId) return this.#park(item, prevId, nowMs)
    }
    this.#release(item)
  }

  /** Nobody holds the channel any more: what is parked for it goes. */
  clear(channel: string): void {
    const parked = this.#byChannel.get(channel)
    if (parked !== undefined) for (const entry of parked.values()) this.#unpark(entry)
  }

  /** Releases what has waited long enough, oldest first. */
  expire(nowMs: number): void {
    for (const entry of this.#all) {
      if (entry.sinceMs + this.#options.waitMs > nowMs) return
      this.#releaseLate(entry)
    }
  }

  #park(item: PublishItem, prevId: string, sinceMs: number): void {
    const parked = this.#byChannel.get(item.channel) ?? new Map<string, Parked>()
    if (parked.has(prevId) || parked.size >= PARKED_PER_CHANNEL_MAX) {
      this.dropped++
      return
    }
    const entry: Parked = { item, prevId, sinceMs, bytes: contentBytes(item) }
    parked.set(prevId, entry)
    this.#byChannel.set(item.channel, parked)
    this.#all.add(entry)
    this.#bytes += entry.bytes
    for (const oldest of this.#all) {
      if (this.#bytes <= PARKED_BYTES_MAX) return
      this.#releaseLate(oldest)
    }
  }

  #unpark(entry: Parked): void {
    const { channel } = entry.item
    const parked = this.#byChannel.get(channel) as Map<string, Parked>
    parked.delete(entry.prevId)
    if (parked.size === 0) this.#byChannel.delete(channel)
    this.#all.delete(entry)
    this.#bytes -= entry.bytes
  }

  #releaseLate(entry: Parked): void {
    this.releasedLate++
    this.#unpark(entry)
    this.#release(entry.item)
  }

  /** The item, then what was parked behind it. */
  #release(first: PublishItem): void {
    const { lastIds } = this.#options
    let item = first
    for (;;) {
      const { channel, id } = item
      if (id === null) lastIds.delete(channel)
      else lastIds.set(channel, id)
      this.#options.release(item)
      const next = id === null || this.#all.size === 0 ? undefined : this.#byChannel.get(channel)?.get(id)
      if (next === undefined) return
      this.#unpark(next)
      item = next.item
    }
  }
}

/** What an item keeps in memory beyond a fixed sum, about. */
function contentBytes({ httpStream, httpResponse, wsMessage }: PublishItem): number {
  const bytes = (httpStream?.content.length ?? 0) + (httpResponse?.body.length ?? 0) + (wsMessage?.content.length ?? 0)
  return bytes + 1_024
}
