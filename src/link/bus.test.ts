import { afterEach, describe, expect, it } from 'vitest'
import { PublishAction, type PublishItem, WsMessageType } from '../wire/publish-types.js'
import { BUS_BATCHED_MESSAGE_BYTES_MAX, BUS_BLOCK_BYTES, BUS_IN_FLIGHT_BLOCKS_MAX } from '../base/limits.js'
import { ChannelNote, decodeBusItem } from './bus-item.js'
import { BusMain, BusProgress, BusShard } from './bus.js'

let addresses = 0
const opened: { close(): void }[] = []
afterEach(() => {
  for (const socket of opened.splice(0).reverse()) socket.close()
})

function item(channel: string, content: string | Buffer): PublishItem {
  return {
    channel,
    id: null,
    prevId: null,
    httpStream: null,
    httpResponse: null,
    wsMessage: {
      action: PublishAction.Send,
      type: WsMessageType.Text,
      content: Buffer.from(content as string),
      code: -1,
      reason: '',
      contentFilters: null,
    },
    meta: null,
    size: -1,
    noSeq: false,
  }
}

/** A shard's end that records, and lets a test wait for what it records. */
class Probe {
  readonly bus: BusShard
  readonly received: string[] = []
  readonly barriers: number[] = []
  readonly lastIds: (readonly (string | null)[])[] = []
  #wake: () => void = () => undefined
  #number = 0

  constructor(address: string, shard: number, progress: BusProgress) {
    this.bus = new BusShard(address, shard, progress)
    opened.push(this.bus)
    void this.bus.run({
      onItem: (message, channel) => {
        const { wsMessage } = decodeBusItem(message, channel)
        this.received.push(`${channel}:${String(wsMessage?.content)}`)
        this.#wake()
      },
      onNote: (channel, note) => {
        this.received.push(`${channel}:(${note})`)
        this.#wake()
      },
      onBarrier: (number, lastIds) => {
        this.barriers.push(number)
        this.lastIds.push(lastIds)
        this.#wake()
      },
      onRecover: () => {
        this.received.push('(recover)')
        this.#wake()
      },
      onError: (error) => {
        throw error
      },
    })
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  /** Everything subscribed is live, and everything put before has arrived. */
  async barrier(): Promise<void> {
    const number = ++this.#number
    this.bus.sendBarrier(number)
    await this.until(() => this.barriers.includes(number))
  }
}

async function open(shards: number, lastIds: ReadonlyMap<string, string> = new Map()) {
  const address = `inproc://bus-test-${String(addresses++)}`
  const progress = new BusProgress(BusProgress.allocate(shards))
  const changes: string[] = []
  const main = await BusMain.open(address, shards, progress, {
    onChannel: (channel, subscribed) => changes.push(`${subscribed ? '+' : '-'}${channel}`),
    lastId: (channel) => lastIds.get(channel) ?? null,
    onError: (error) => {
      throw error
    },
  })
  opened.push(main)
  return { main, progress, changes, probes: Array.from({ length: shards }, (_, n) => new Probe(address, n, progress)) }
}

describe('the bus', () => {
  it('delivers an item to the shards that hold its channel and to no other', async () => {
    const { main, probes } = await open(2)
    const [one, two] = probes as [Probe, Probe]
    one.bus.subscribe('a')
    await one.barrier()
    await two.barrier()
    expect(main.put(item('a', 'x'))).toBe(true)
    expect(main.put(item('b', 'y'))).toBe(false)
    await one.barrier()
    await two.barrier()
    expect([one.received, two.received]).toEqual([['a:x'], []])
  })

  it('keeps channels apart whose names begin alike', async () => {
    const { main, probes } = await open(2)
    const [one, two] = probes as [Probe, Probe]
    one.bus.subscribe('test')
    two.bus.subscribe('testing')
    await one.barrier()
    await two.barrier()
    main.put(item('test', '1'))
    main.put(item('testing', '2'))
    await one.barrier()
    await two.barrier()
    expect([one.received, two.received]).toEqual([['test:1'], ['testing:2']])
  })

  it('delivers everything put after a barrier was answered, also for 10,000 channels subscribed in one turn', async () => {
    const { main, probes } = await open(1)
    const [probe] = probes as [Probe]
    const channels = Array.from({ length: 10_000 }, (_, n) => `channel-${String(n)}`)
    for (const channel of channels) probe.bus.subscribe(channel)
    await probe.barrier()
    expect(main.channels).toBe(10_000)
    for (const channel of channels) expect(main.put(item(channel, 'x'))).toBe(true)
    await probe.barrier()
    expect(probe.received.length).toBe(10_000)
    for (const channel of channels) probe.bus.unsubscribe(channel)
    await probe.barrier()
    expect(main.channels).toBe(0)
  })

  it('reports the first shard that comes and the last one that goes', async () => {
    const { probes, changes } = await open(2)
    const [one, two] = probes as [Probe, Probe]
    one.bus.subscribe('a')
    await one.barrier()
    two.bus.subscribe('a')
    await two.barrier()
    one.bus.unsubscribe('a')
    await one.barrier()
    expect(changes).toEqual(['+a'])
    two.bus.unsubscribe('a')
    await two.barrier()
    expect(changes).toEqual(['+a', '-a'])
  })

  it('tells those who hold a channel what main notes about it, in its place among the items', async () => {
    const { main, probes } = await open(2)
    const [one, two] = probes as [Probe, Probe]
    one.bus.subscribe('a')
    await one.barrier()
    main.put(item('a', '1'))
    main.note('a', ChannelNote.Forget)
    main.note('b', ChannelNote.Forget)
    main.put(item('a', '2'))
    main.note('a', ChannelNote.Update)
    await one.barrier()
    await two.barrier()
    expect([one.received, two.received]).toEqual([['a:1', 'a:(forget)', 'a:2', 'a:(update)'], []])
  })

  it('keeps the order of small and large items, of notes and of barriers, however they leave', async () => {
    const { main, probes } = await open(1)
    const [probe] = probes as [Probe]
    probe.bus.subscribe('a')
    await probe.barrier()
    const large = 'x'.repeat(BUS_BATCHED_MESSAGE_BYTES_MAX)
    const contents = Array.from({ length: 500 }, (_, n) => (n % 7 === 3 ? large : `${String(n)} ${'y'.repeat(n)}`))
    for (const content of contents) main.put(item('a', content))
    await probe.barrier()
    expect(probe.received).toEqual(contents.map((content) => `a:${content}`))
  })

  it('tells every shard to recover', async () => {
    const { main, probes } = await open(2)
    for (const probe of probes) await probe.barrier()
    main.recover()
    for (const probe of probes) await probe.until(() => probe.received.includes('(recover)'))
  })

  it.each(['the question comes first', 'the barrier comes first'])('answers with last ids: %s', async (order) => {
    const lastIds = new Map([['a', '1']])
    const { main, probes } = await open(1, lastIds)
    const [probe] = probes as [Probe]
    probe.bus.subscribe('a')
    await probe.barrier()
    const isFirst = order === 'the question comes first'
    if (isFirst) main.handleQuestion(0, 7, ['a', 'unknown', ''])
    probe.bus.sendBarrier(7, true)
    probe.bus.sendBarrier(8)
    if (!isFirst) {
      // Nothing tells that main has seen a barrier which it does not answer; a channel behind it does.
      probe.bus.subscribe('b')
      while (!main.isSubscribed('b')) await new Promise((resolve) => setImmediate(resolve))
      expect(probe.barriers).toEqual([1])
      main.put(item('a', 'x'))
      lastIds.set('a', '2')
      main.handleQuestion(0, 7, ['a', 'unknown', ''])
    }
    await probe.until(() => probe.barriers.includes(8))
    expect(probe.barriers).toEqual([1, 7, 8])
    expect(probe.lastIds).toEqual([[], [isFirst ? '1' : '2', null, null], []])
    expect(probe.received).toEqual(isFirst ? [] : ['a:x'])
  })

  it('is full when a shard with channels lags, and empty again when it has read', async () => {
    const { main, probes } = await open(2)
    const [one] = probes as [Probe]
    one.bus.subscribe('a')
    await one.barrier()
    const big = Buffer.alloc(100_000)
    let put = 0
    // The shard's loop is this thread's loop: it takes nothing while we put.
    while (!main.isFull(0)) {
      main.put(item('a', big))
      put++
    }
    expect(put).toBeGreaterThan(1)
    expect(put * 100_000).toBeLessThan((BUS_IN_FLIGHT_BLOCKS_MAX + 2_000) * BUS_BLOCK_BYTES)
    await one.until(() => one.received.length === put)
    await one.barrier()
    expect(main.isFull(0)).toBe(false)
    expect(main.lagBlocks()).toBe(0)
  })

  it('does not count as lagging a shard that nothing was for, nor what was put before its first item', async () => {
    const { main, probes } = await open(2)
    const [one, two] = probes as [Probe, Probe]
    one.bus.subscribe('a')
    two.bus.subscribe('b')
    await one.barrier()
    await two.barrier()
    for (let put = 0; put < 10; put++) main.put(item('a', Buffer.alloc(500_000)))
    await one.until(() => one.received.length === 10)
    await one.barrier()
    expect(main.lagBlocks()).toBe(0)
    main.put(item('b', 'x'))
    expect(main.lagBlocks()).toBeLessThan(5)
    await two.until(() => two.received.length === 1)
  })
})
