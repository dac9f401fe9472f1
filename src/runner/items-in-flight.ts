/**
 * Published items on their way through the shards, until each shard has told how many receivers it had: one `message`
 * packet for each transport that had some (reference: stats PUB, message), in the order of the items.
 */
import { STATS_ITEMS_MAX } from '../base/limits.js'
import { type StrayItem, TRANSPORTS } from '../link/statistics.js'
import { type MessagePacket, StatsType } from '../wire/stats-packet.js'

/** A shard that has not told by then never will: its subscription ended under way. */
const WAIT_MS = 500

export interface ItemInFlight {
  /** On the bus. */
  readonly position: number
  readonly channel: string
  readonly id: string | null
  /** By transport, in the order of TRANSPORTS. */
  readonly blocks: readonly number[]
  readonly shards: number
  readonly atMs: number
}

interface Entry {
  readonly item: ItemInFlight
  readonly receivers: [number, number, number]
  /** Shards that have not told. */
  left: number
}

export class ItemsInFlight {
  readonly #emit: (packet: MessagePacket) => void
  /** By position, oldest first. */
  readonly #entries = new Map<number, Entry>()

  constructor(emit: (packet: MessagePacket) => void) {
    this.#emit = emit
  }

  add(item: ItemInFlight): void {
    this.#entries.set(item.position, { item, receivers: [0, 0, 0], left: item.shards })
    if (this.#entries.size > STATS_ITEMS_MAX) this.#finishOldest()
  }

  /** From a shard: four numbers an item, see StatsBatch. */
  handleReceivers(numbers: readonly number[]): void {
    for (let at = 0; at + 3 < numbers.length; at += 4) {
      const entry = this.#entries.get(numbers[at] as number)
      if (entry === undefined) continue
      for (const index of [0, 1, 2] as const) entry.receivers[index] += numbers[at + 1 + index] as number
      entry.left--
    }
    this.#finishDue(Number.NEGATIVE_INFINITY)
  }

  handleStray({ channel, id, receivers, blocks }: StrayItem): void {
    this.#tell(channel, id, receivers, blocks)
  }

  handleTick(nowMs: number): void {
    this.#finishDue(nowMs - WAIT_MS)
  }

  /** Those at the head that are complete, or came before. */
  #finishDue(beforeMs: number): void {
    for (const { item, left } of this.#entries.values()) {
      if (left > 0 && item.atMs > beforeMs) return
      this.#finishOldest()
    }
  }

  #finishOldest(): void {
    for (const [position, { item, receivers }] of this.#entries) {
      this.#entries.delete(position)
      return this.#tell(item.channel, item.id, receivers, item.blocks)
    }
  }

  #tell(channel: string, itemId: string | null, receivers: readonly number[], blocks: readonly number[]): void {
    for (const [index, transport] of TRANSPORTS.entries()) {
      const count = receivers[index] as number
      if (count === 0) continue
      const each = blocks[index] as number
      this.#emit({ type: StatsType.Message, channel, itemId, count, blocks: each < 0 ? -1 : each * count, transport })
    }
  }
}
