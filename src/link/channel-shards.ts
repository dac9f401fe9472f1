/**
 * Which shards hold which channel: bits in a number, one map for each 31 shards (a small integer takes no memory of its
 * own, and a gateway with more shards than that has the cores to look twice).
 */
const GROUP = 31

export class ChannelShards {
  readonly #groups: readonly Map<string, number>[]
  #size = 0

  constructor(shards: number) {
    this.#groups = Array.from({ length: Math.max(1, Math.ceil(shards / GROUP)) }, () => new Map<string, number>())
  }

  /** Channels that some shard holds. */
  get size(): number {
    return this.#size
  }

  has(channel: string): boolean {
    for (const group of this.#groups) if (group.has(channel)) return true
    return false
  }

  /** Returns whether it is the first shard of the channel. */
  add(channel: string, shard: number): boolean {
    const isFirst = !this.has(channel)
    const group = this.#group(shard)
    group.set(channel, (group.get(channel) ?? 0) | (1 << (shard % GROUP)))
    if (isFirst) this.#size++
    return isFirst
  }

  /** Returns whether it was the last shard of the channel. */
  remove(channel: string, shard: number): boolean {
    const group = this.#group(shard)
    const before = group.get(channel) ?? 0
    const after = before & ~(1 << (shard % GROUP))
    if (after !== 0) group.set(channel, after)
    else group.delete(channel)
    const isLast = before !== after && !this.has(channel)
    if (isLast) this.#size--
    return isLast
  }

  /** How many shards hold `channel`. */
  count(channel: string): number {
    let count = 0
    this.forEach(channel, () => count++)
    return count
  }

  /** Calls `take` for each shard that holds `channel`, in order. */
  forEach(channel: string, take: (shard: number) => void): void {
    for (let group = 0; group < this.#groups.length; group++) {
      let bits = (this.#groups[group] as Map<string, number>).get(channel) ?? 0
      while (bits !== 0) {
        const lowest = bits & -bits
        take(group * GROUP + 31 - Math.clz32(lowest))
        bits ^= lowest
      }
    }
  }

  #group(shard: number): Map<string, number> {
    return this.#groups[Math.floor(shard / GROUP)] as Map<string, number>
  }
}
