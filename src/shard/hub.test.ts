import { beforeEach, describe, expect, it } from 'vitest'
import { BARRIER_DEADLINE_MS, BARRIER_RETRY_MS, NOT_LIVE_ITEMS_MAX } from '../base/limits.js'
import { Deadlines } from '../base/deadlines.js'
import {
  type ChannelHub,
  ReceiverKind,
  type StreamReceiver,
  type WsReceiver,
  type ResponseReceiver,
} from '../grip/receiver.js'
import type { Channel, Subscription } from '../grip/subscriptions.js'
import { ChannelNote } from '../link/bus-item.js'
import { Counters } from '../link/counters.js'
import type { ChannelInstruct } from '../wire/instruct-types.js'
import type { PublishItem } from '../wire/publish-types.js'
import { Hub } from './hub.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const channel = (name: string, filters: string[] = []): ChannelInstruct => ({ name, prevId: null, filters })

class TestReceiver {
  readonly subscriptions: Subscription[] = []
  readonly live: boolean[] = []
  readonly topics = new Set<string>()
  readonly failures: unknown[] = []
  updates = 0
  onLive: () => void = () => undefined

  requestUpdate(): void {
    this.updates++
  }
  handleLive(ok: boolean): void {
    this.live.push(ok)
    this.onLive()
  }
  fail(error: unknown): void {
    this.failures.push(error)
  }
  joinTopic(name: string): void {
    this.topics.add(name)
  }
  leaveTopic(name: string): void {
    this.topics.delete(name)
  }
  get names(): string[] {
    return this.subscriptions.map((subscription) => subscription.channel.name).sort()
  }
}

class Stream extends TestReceiver implements StreamReceiver {
  readonly kind = ReceiverKind.Stream
  readonly statsRoute = ''
  readonly wantsItems = false
  deliverChunk(): void {}
  deliverItem(): void {}
}
class Ws extends TestReceiver implements WsReceiver {
  readonly kind = ReceiverKind.Ws
  readonly statsRoute = ''
  wantsItems = false
  checkBacklog(): void {}
  deliverWs(): void {}
}
class Poll extends TestReceiver implements ResponseReceiver {
  readonly kind = ReceiverKind.Response
  readonly statsRoute = ''
  deliverResponse(): void {}
}

describe('the hub', () => {
  let nowMs: number
  let calls: string[]
  let deadlines: Deadlines
  let counters: Counters
  let hub: Hub
  let delivered: string[]

  beforeEach(() => {
    nowMs = 0
    calls = []
    delivered = []
    deadlines = new Deadlines(0)
    counters = new Counters(Counters.allocate(1), 0)
    hub = new Hub({
      source: {
        subscribe: (name) => calls.push(`+${name}`),
        unsubscribe: (name) => calls.push(`-${name}`),
        sendBarrier: (number, asks) => calls.push(['barrier', String(number), ...asks].join(' ')),
        forgetLastId: (name, lastId) => calls.push(`forget ${name} ${String(lastId)}`),
      },
      deadlines,
      clock: { nowMs: () => nowMs },
      counters,
      lingerMs: 60_000,
      onChannels: () => undefined,
      flush: () => undefined,
      deliver: (_channel, item) => delivered.push(String(item.id)),
      onError: (receiver, error) => {
        receiver.fail(error)
      },
    })
  })

  const advance = (ms: number): void => {
    nowMs += ms
    deadlines.advance(nowMs)
  }

  it('lets a long poll linger that is answered as soon as its channel is live', async () => {
    const poll = new Poll()
    poll.onLive = () => {
      hub.leave(poll)
    }
    hub.subscribe(poll, [channel('p')])
    await turn()
    hub.handleBarrier(1)
    expect(calls.filter((call) => call === '-p')).toEqual([])
    for (let ms = 0; ms < 61_000; ms += 1000) advance(1000)
    expect([hub.size, calls.at(-1)]).toEqual([0, '-p'])
  })

  it('makes receivers wait for the barrier of their turn, one barrier for all of them', async () => {
    const [one, two] = [new Stream(), new Ws()]
    hub.subscribe(one, [channel('a'), channel('b')])
    hub.subscribe(two, [channel('b'), channel('c')])
    expect(calls).toEqual(['+a', '+b', '+c'])
    await turn()
    expect(calls.at(-1)).toBe('barrier 1')
    expect([one.live, two.live]).toEqual([[], []])
    expect(one.subscriptions).toEqual([])
    hub.handleBarrier(1)
    expect([one.live, two.live]).toEqual([[true], [true]])
    expect([one.names, two.names]).toEqual([
      ['a', 'b'],
      ['b', 'c'],
    ])
    expect([...two.topics].sort()).toEqual(['b', 'c'])
  })

  it('answers at once when every channel is live already', async () => {
    hub.subscribe(new Stream(), [channel('a')])
    await turn()
    hub.handleBarrier(1)
    const late = new Stream()
    hub.subscribe(late, [channel('a')])
    expect(late.live).toEqual([true])
    expect(calls).toEqual(['+a', 'barrier 1'])
  })

  it('waits for the newest barrier when channels of several are asked for', async () => {
    hub.subscribe(new Stream(), [channel('a')])
    await turn()
    const both = new Stream()
    hub.subscribe(both, [channel('a'), channel('b')])
    await turn()
    hub.handleBarrier(1)
    expect(both.live).toEqual([])
    hub.handleBarrier(2)
    expect(both.live).toEqual([true])
  })

  it('sends a barrier again when the answer is late, and takes the answer to either', async () => {
    const receiver = new Stream()
    hub.subscribe(receiver, [channel('a')])
    await turn()
    advance(BARRIER_RETRY_MS)
    expect(calls).toEqual(['+a', 'barrier 1', 'barrier 2'])
    expect(counters.get('barriers_resent')).toBe(1)
    hub.handleBarrier(2)
    expect(receiver.live).toEqual([true])
    expect(counters.get('barriers')).toBe(1)
  })

  it('fails what waits at the deadline and starts over for the next', async () => {
    const receiver = new Stream()
    hub.subscribe(receiver, [channel('a')])
    await turn()
    for (let ms = 0; ms <= BARRIER_DEADLINE_MS; ms += 100) advance(100)
    expect(receiver.live).toEqual([false])
    expect(receiver.subscriptions).toEqual([])
    expect(counters.get('barriers_failed')).toBe(1)
    expect(hub.size).toBe(0)
    expect(calls.at(-1)).toBe('-a')
    const next = new Stream()
    hub.subscribe(next, [channel('a')])
    await turn()
    hub.handleBarrier(1000)
    expect(next.live).toEqual([true])
  })

  it('forgets a receiver that leaves before its barrier, and its channel with it', async () => {
    const receiver = new Stream()
    hub.subscribe(receiver, [channel('a')])
    await turn()
    hub.leave(receiver)
    hub.handleBarrier(1)
    expect(receiver.live).toEqual([])
    expect(hub.size).toBe(0)
    expect(calls).toEqual(['+a', 'barrier 1', '-a'])
  })

  it('unsubscribes with the last stream or WebSocket at once, but lets a long poll linger', async () => {
    const [stream, poll] = [new Stream(), new Poll()]
    hub.subscribe(stream, [channel('s')])
    hub.subscribe(poll, [channel('p')])
    await turn()
    hub.handleBarrier(1)
    hub.leave(stream)
    hub.leave(poll)
    expect(calls.slice(3)).toEqual(['-s'])
    const repeated = new Poll()
    hub.subscribe(repeated, [channel('p')])
    expect(repeated.live).toEqual([true])
    hub.leave(repeated)
    for (let ms = 0; ms < 59_000; ms += 1000) advance(1000)
    expect(hub.size).toBe(1)
    advance(2000)
    expect(hub.size).toBe(0)
    expect(calls.at(-1)).toBe('-p')
  })

  it('takes WebSockets with filters, and streams of several channels, out of the common way', async () => {
    const [plain, filtered, single, several] = [new Ws(), new Ws(), new Stream(), new Stream()]
    hub.subscribe(plain, [channel('a')])
    hub.subscribe(filtered, [channel('a', ['skip-self'])])
    hub.subscribe(single, [channel('a')])
    hub.subscribe(several, [channel('a'), channel('b')])
    await turn()
    hub.handleBarrier(1)
    const a = hub.channel('a')
    expect([a?.ws.length, a?.wsByItem, a?.streams.length, a?.streamsByItem]).toEqual([2, 1, 2, 1])
    expect([plain.topics.has('a'), filtered.topics.has('a')]).toEqual([true, false])
    hub.subscribe(filtered, [channel('a')])
    expect([a?.wsByItem, filtered.topics.has('a')]).toEqual([0, true])
    hub.leave(several)
    hub.leave(filtered)
    expect([a?.ws.length, a?.wsByItem, a?.streams.length, a?.streamsByItem]).toEqual([1, 0, 1, 0])
  })

  it('keeps what is published while the first receiver waits, and delivers it behind its first bytes', async () => {
    const item = (id: string): PublishItem => ({
      ...{ channel: 'a', prevId: null, httpStream: null, httpResponse: null, wsMessage: null, meta: null },
      ...{ id, size: -1, noSeq: false },
    })
    expect(hub.handleItem('a', () => item('nobody'))).toBe(false)
    const receiver = new Stream()
    receiver.onLive = () => delivered.push('first byte')
    hub.subscribe(receiver, [channel('a')])
    await turn()
    expect(hub.handleItem('a', () => item('1'))).toBe(true)
    expect(hub.handleItem('a', () => item('2'))).toBe(true)
    expect(delivered).toEqual([])
    hub.handleBarrier(1)
    hub.handleItem('a', () => item('3'))
    expect(delivered).toEqual(['first byte', '1', '2', '3'])
    const leaver = new Stream()
    hub.subscribe(leaver, [channel('b')])
    await turn()
    for (let i = 0; i < NOT_LIVE_ITEMS_MAX + 5; i++) hub.handleItem('b', () => item('lost'))
    expect(counters.get('drop_not_live')).toBe(5)
    hub.leave(leaver)
    hub.handleBarrier(2)
    expect(hub.size).toBe(1)
  })

  describe('what is kept of several channels', () => {
    const publish = (name: string, id: string): boolean =>
      hub.handleItem(name, () => ({
        ...{ channel: name, prevId: null, httpStream: null, httpResponse: null, wsMessage: null, meta: null },
        ...{ id, size: -1, noSeq: false },
      }))

    it('is delivered in the order it was published', async () => {
      hub.subscribe(new Stream(), [channel('a'), channel('b')])
      await turn()
      publish('b', '1')
      publish('a', '2')
      publish('b', '3')
      hub.handleBarrier(1)
      expect(delivered).toEqual(['1', '2', '3'])
    })

    it('waits for a receiver whose other channel is not live yet, and newcomers wait with it', async () => {
      const [leaver, waiter, newcomer] = [new Stream(), new Stream(), new Stream()]
      waiter.onLive = () => delivered.push('waiter')
      newcomer.onLive = () => delivered.push('newcomer')
      hub.subscribe(leaver, [channel('a')])
      await turn()
      hub.subscribe(waiter, [channel('a'), channel('b')])
      await turn()
      publish('a', '1')
      publish('b', '2')
      hub.leave(leaver)
      hub.handleBarrier(1)
      publish('a', '3')
      hub.subscribe(newcomer, [channel('a')])
      expect(delivered).toEqual([])
      hub.handleBarrier(2)
      expect(delivered).toEqual(['waiter', 'newcomer', '1', '2', '3'])
      publish('a', '4')
      expect(delivered.at(-1)).toBe('4')
    })

    it('is let go of when nobody waits for it any more', async () => {
      const [leaver, stayer] = [new Stream(), new Stream()]
      hub.subscribe(leaver, [channel('a')])
      hub.subscribe(stayer, [channel('b')])
      await turn()
      publish('a', '1')
      publish('b', '2')
      hub.leave(leaver)
      hub.handleBarrier(1)
      expect([hub.size, hub.channel('b')?.lastId]).toEqual([1, '2'])
      hub.subscribe(new Stream(), [channel('a')])
      await turn()
      publish('a', '3')
      advance(BARRIER_DEADLINE_MS)
      advance(BARRIER_RETRY_MS)
      expect(counters.get('barriers_failed')).toBe(1)
      hub.subscribe(new Stream(), [channel('a')])
      await turn()
      for (let i = 0; i < NOT_LIVE_ITEMS_MAX; i++) publish('a', 'x')
      expect(counters.get('drop_not_live')).toBe(0)
    })
  })

  describe('last ids', () => {
    const item = (id: string | null, more: Partial<PublishItem> = {}): PublishItem => ({
      ...{ channel: 'a', prevId: null, httpStream: null, httpResponse: null, wsMessage: null, meta: null },
      ...{ id, size: -1, noSeq: false },
      ...more,
    })
    const after = (prevId: string): ChannelInstruct => ({ name: 'a', prevId, filters: [] })
    const lastId = (): string | null | undefined => hub.channel('a')?.lastId

    it('are asked for with the barrier when somebody with a prev-id needs them', async () => {
      hub.subscribe(new Poll(), [channel('b'), after('1')])
      await turn()
      expect(calls).toEqual(['+b', '+a', 'barrier 1 a'])
      hub.handleBarrier(1, ['5'])
      expect([lastId(), hub.channel('b')?.lastId]).toEqual(['5', undefined])
    })

    it('are asked for when the channel is live and nothing has passed by, and only then', async () => {
      hub.subscribe(new Stream(), [channel('a')])
      await turn()
      hub.handleBarrier(1)
      const [one, two] = [new Poll(), new Poll()]
      hub.subscribe(one, [after('1')])
      expect(one.live).toEqual([])
      await turn()
      hub.handleBarrier(2, [null])
      expect([one.live, lastId()]).toEqual([[true], null])
      hub.handleItem('a', () => item('2'))
      hub.subscribe(two, [after('2')])
      expect([two.live, lastId()]).toEqual([[true], '2'])
      expect(calls).toEqual(['+a', 'barrier 1', 'barrier 2 a'])
    })

    it('are asked for again when the barrier is late', async () => {
      hub.subscribe(new Poll(), [after('1')])
      await turn()
      advance(BARRIER_RETRY_MS)
      expect(calls.slice(-2)).toEqual(['barrier 1 a', 'barrier 2 a'])
      hub.handleBarrier(1, ['4'])
      hub.handleBarrier(2, ['5'])
      expect(lastId()).toBe('5')
    })

    it('follow the items, but not those that say no-seq', async () => {
      hub.subscribe(new Ws(), [channel('a')])
      await turn()
      hub.handleBarrier(1)
      hub.handleItem('a', () => item('1'))
      hub.handleItem('a', () => item('9', { noSeq: true }))
      expect(lastId()).toBe('1')
      hub.handleItem('a', () => item(null))
      expect(lastId()).toBe(null)
    })

    it('are unknown when something has passed by while the channel lingered', async () => {
      const poll = new Poll()
      hub.subscribe(poll, [after('1')])
      await turn()
      hub.handleBarrier(1, ['1'])
      hub.leave(poll)
      expect(lastId()).toBe('1')
      hub.handleItem('a', () => item('2'))
      const [next, plain] = [new Poll(), new Poll()]
      hub.subscribe(next, [after('1')])
      // It waits for the answer; what passes by meanwhile is in it.
      hub.handleItem('a', () => item('3'))
      hub.subscribe(plain, [channel('a')])
      expect([next.live, plain.live, delivered]).toEqual([[], [true], []])
      await turn()
      hub.handleBarrier(2, ['3'])
      expect([next.live, lastId()]).toEqual([[true], '3'])
    })

    it('are not those of kept items that nobody waits for any more', async () => {
      const [poll, waiter] = [new Poll(), new Stream()]
      poll.onLive = () => {
        hub.leave(poll)
      }
      hub.subscribe(poll, [channel('a')])
      await turn()
      hub.subscribe(waiter, [channel('a'), channel('b')])
      await turn()
      hub.handleItem('a', () => item('1'))
      hub.handleBarrier(1)
      hub.leave(waiter)
      // It lingers, and the second barrier is not answered yet.
      hub.handleItem('a', () => item('2'))
      hub.handleBarrier(2)
      expect([delivered, lastId()]).toEqual([[], undefined])
    })

    it('what waits for its first receivers is not yet the last that they have got', async () => {
      const poll = new Poll()
      let atLive: string | null | undefined
      poll.onLive = () => (atLive = lastId())
      hub.subscribe(poll, [after('1')])
      await turn()
      hub.handleItem('a', () => item('2', { prevId: '1' }))
      hub.handleBarrier(1, ['2'])
      expect([atLive, lastId(), delivered]).toEqual([undefined, '2', ['2']])
    })

    it('are forgotten here at once and told to main once', async () => {
      hub.subscribe(new Poll(), [after('1')])
      await turn()
      hub.handleBarrier(1, ['5'])
      const held = hub.channel('a') as Channel
      hub.forgetLastId(held)
      hub.forgetLastId(held)
      expect([held.lastId, calls.slice(2)]).toEqual([null, ['forget a 5']])
    })

    it('are forgotten when main says so', async () => {
      hub.subscribe(new Poll(), [after('1')])
      await turn()
      hub.handleBarrier(1, ['5'])
      hub.handleNote('a', ChannelNote.Forget)
      expect(lastId()).toBe(null)
      hub.handleItem('a', () => item('6'))
      hub.handleRecover()
      expect(lastId()).toBe(null)
      hub.handleNote('nobody', ChannelNote.Forget)
    })
  })

  it('hands on to HTTP sessions that they are to ask their backend again', async () => {
    const [poll, stream] = [new Poll(), new Stream()]
    hub.subscribe(poll, [channel('a')])
    hub.subscribe(stream, [channel('a'), channel('b')])
    hub.subscribe(new Ws(), [channel('a')])
    await turn()
    hub.handleBarrier(1)
    hub.handleNote('a', ChannelNote.Update)
    hub.handleNote('b', ChannelNote.Update)
    expect([poll.updates, stream.updates]).toEqual([1, 2])
  })

  it('ends only the receiver whose handler throws', async () => {
    const [bad, good] = [new Stream(), new Stream()]
    bad.onLive = () => {
      throw new Error('broken')
    }
    hub.subscribe(bad, [channel('a')])
    hub.subscribe(good, [channel('a')])
    await turn()
    hub.handleBarrier(1)
    expect(bad.failures.length).toBe(1)
    expect(good.live).toEqual([true])
  })

  it('lets a receiver leave from inside handleLive of another', async () => {
    const [one, two] = [new Stream(), new Stream()]
    const typed: ChannelHub = hub
    one.onLive = () => {
      typed.leave(two)
    }
    hub.subscribe(one, [channel('a')])
    hub.subscribe(two, [channel('a')])
    await turn()
    hub.handleBarrier(1)
    expect([one.live, two.live]).toEqual([[true], []])
    expect(hub.channel('a')?.streams.length).toBe(1)
  })
})
