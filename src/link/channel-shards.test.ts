import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChannelShards } from './channel-shards.js'

function shardsOf(channels: ChannelShards, channel: string): number[] {
  const shards: number[] = []
  channels.forEach(channel, (shard) => shards.push(shard))
  return shards
}

describe('who holds a channel', () => {
  it('knows every shard of a gateway with very many', () => {
    const channels = new ChannelShards(70)
    for (const shard of [0, 30, 31, 61, 62, 69]) channels.add('a', shard)
    expect(shardsOf(channels, 'a')).toEqual([0, 30, 31, 61, 62, 69])
    channels.remove('a', 31)
    expect(shardsOf(channels, 'a')).toEqual([0, 30, 61, 62, 69])
  })

  it('says who was the first and who the last, over all groups', () => {
    const channels = new ChannelShards(40)
    expect([channels.add('a', 35), channels.add('a', 2), channels.size]).toEqual([true, false, 1])
    expect([channels.remove('a', 35), channels.has('a'), channels.remove('a', 2), channels.has('a')]).toEqual([
      false,
      true,
      true,
      false,
    ])
  })

  it('agrees with a plain list of sets', () => {
    const step = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(66), fc.boolean())
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const channels = new ChannelShards(67)
        const model = new Map<string, Set<number>>()
        for (const [channel, shard, isAdded] of steps) {
          const set = model.get(channel) ?? new Set()
          const before = set.size
          if (isAdded) set.add(shard)
          else set.delete(shard)
          model.set(channel, set)
          const isTurn = isAdded ? channels.add(channel, shard) : channels.remove(channel, shard)
          expect(isTurn).toBe(isAdded ? before === 0 : before === 1 && set.size === 0)
          expect(shardsOf(channels, channel)).toEqual([...set].sort((a, b) => a - b))
        }
        expect(channels.size).toBe([...model.values()].filter((set) => set.size > 0).length)
      }),
    )
  })
})
