import { beforeEach, describe, expect, it } from 'vitest'
import { NO_FILTERS } from '../grip/filters.js'
import { ReceiverKind, type ResponseReceiver, type StreamReceiver, type WsReceiver } from '../grip/receiver.js'
import { Channel, Subscription } from '../grip/subscriptions.js'
import { Counters } from '../link/counters.js'
import { idleReport } from '../testing/idle-report.js'
import { PublishAction, type PublishItem, WsMessageType } from '../wire/publish-types.js'
import { Fanout } from './fanout.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

class PlainChannel extends Channel {
  override handleDeadline(): void {}
}

const EMPTY: PublishItem = {
  channel: 'a',
  id: null,
  prevId: null,
  httpStream: null,
  httpResponse: null,
  wsMessage: null,
  meta: null,
  size: -1,
  noSeq: false,
}

function stream(content: string, action: PublishAction = PublishAction.Send, contentFilters: string[] | null = null) {
  return { ...EMPTY, httpStream: { action, content: Buffer.from(content), contentFilters } }
}

function ws(content: string, overrides: object = {}): PublishItem {
  const format = { action: PublishAction.Send, type: WsMessageType.Text, code: -1, reason: '', contentFilters: null }
  return { ...EMPTY, wsMessage: { ...format, content: Buffer.from(content), ...overrides } }
}

class Stream implements StreamReceiver {
  readonly kind = ReceiverKind.Stream
  readonly statsRoute = ''
  readonly wantsItems = false
  readonly subscriptions: Subscription[] = []
  readonly seen: string[] = []
  throws = false
  handleLive(): void {}
  requestUpdate(): void {}
  fail(error: unknown): void {
    this.seen.push(`failed: ${(error as Error).message}`)
  }
  deliverChunk(chunk: Buffer, items: number): void {
    if (this.throws) throw new Error('broken')
    this.seen.push(`${chunk.toString()}/${String(items)}`)
  }
  deliverItem(_item: PublishItem, { action, content }: { action: string; content: Buffer }): void {
    this.seen.push(action === 'send' ? `item ${content.toString()}` : action)
  }
}

class Ws implements WsReceiver {
  readonly kind = ReceiverKind.Ws
  readonly statsRoute = ''
  readonly wantsItems = false
  looks = 0
  checkBacklog(): void {
    this.looks++
  }
  readonly subscriptions: Subscription[] = []
  readonly seen: string[] = []
  handleLive(): void {}
  fail(): void {}
  joinTopic(): void {}
  leaveTopic(): void {}
  deliverWs(_item: PublishItem, format: { action: string; content: Buffer }): void {
    this.seen.push(`${format.action} ${format.content.toString()}`)
  }
}

class Poll implements ResponseReceiver {
  readonly kind = ReceiverKind.Response
  readonly statsRoute = ''
  readonly subscriptions: Subscription[] = []
  answers = 0
  handleLive(): void {}
  requestUpdate(): void {}
  fail(): void {}
  deliverResponse(_item: PublishItem, _format: object, subscription: Subscription): void {
    this.answers++
    subscription.channel.remove(subscription)
  }
}

describe('fan-out', () => {
  let published: string[]
  let counters: Counters
  let fanout: Fanout
  let channel: PlainChannel

  beforeEach(() => {
    published = []
    counters = new Counters(Counters.allocate(1), 0)
    channel = new PlainChannel('a')
    fanout = new Fanout({
      topics: {
        publish: (topic, message, isBinary, compress) => {
          const text = Buffer.from(message).toString()
          published.push(`${topic} ${text} ${String(isBinary)}${compress ? ' compressed' : ''}`)
          return true
        },
      },
      counters,
      report: idleReport(),
      compressedFromBytes: 8,
      onError: (receiver, error) => {
        receiver.fail(error)
      },
    })
  })

  function hold<T extends Stream | Ws | Poll>(receiver: T, byItem = false): T {
    const subscription = new Subscription(channel, receiver, null, NO_FILTERS)
    channel.add(subscription)
    subscription.byItem = byItem
    if (byItem && receiver.kind === ReceiverKind.Ws) channel.wsByItem++
    if (byItem && receiver.kind === ReceiverKind.Stream) channel.streamsByItem++
    return receiver
  }

  it('joins the items of one turn into one chunk for each stream', async () => {
    const [one, two] = [hold(new Stream()), hold(new Stream())]
    for (const content of ['x', 'y', 'z']) fanout.deliver(channel, stream(content))
    expect(one.seen).toEqual([])
    await turn()
    fanout.deliver(channel, stream('w'))
    await turn()
    expect([one.seen, two.seen]).toEqual([
      ['xyz/3', 'w/1'],
      ['xyz/3', 'w/1'],
    ])
  })

  it('writes what came before a close before it', async () => {
    const one = hold(new Stream())
    fanout.deliver(channel, stream('x'))
    fanout.deliver(channel, stream('', PublishAction.Close))
    await turn()
    expect(one.seen).toEqual(['x/1', 'close'])
  })

  it('shows each item to subscriptions that want a look, and only to them', async () => {
    const [plain, looked] = [hold(new Stream()), hold(new Stream(), true)]
    fanout.deliver(channel, stream('x'))
    fanout.deliver(channel, stream('y'))
    await turn()
    expect([plain.seen, looked.seen]).toEqual([['xy/2'], ['item x', 'item y']])
  })

  it('publishes a WebSocket message once for all plain subscribers', () => {
    const sockets = [hold(new Ws()), hold(new Ws()), hold(new Ws(), true)]
    fanout.deliver(channel, ws('m'))
    fanout.deliver(channel, ws('b', { type: WsMessageType.Binary }))
    expect(published).toEqual(['a m false', 'a b true'])
    expect(sockets.map(({ seen }) => seen)).toEqual([[], [], ['send m', 'send b']])
    expect(counters.get('ws_messages_out')).toBe(4)
  })

  it('has messages of the length compressed, and no shorter ones', () => {
    hold(new Ws())
    fanout.deliver(channel, ws('1234567'))
    fanout.deliver(channel, ws('12345678'))
    expect(published).toEqual(['a 1234567 false', 'a 12345678 false compressed'])
  })

  it('looks at the sockets of channels that were published to, once a tick, sooner when it was very much', () => {
    const [plain, looked] = [hold(new Ws()), hold(new Ws(), true)]
    fanout.handleTick()
    fanout.deliver(channel, ws('x'))
    fanout.deliver(channel, ws(''))
    expect(plain.looks).toBe(0)
    fanout.handleTick()
    fanout.handleTick()
    expect([plain.looks, looked.looks]).toEqual([1, 0])
    for (let i = 0; i < 30; i++) fanout.deliver(channel, ws('x'.repeat(100_000)))
    expect(plain.looks).toBeGreaterThanOrEqual(10)
  })

  it('hands an item over once to a socket that is found slow by it', () => {
    const slow = hold(new Ws())
    slow.checkBacklog = () => {
      const [subscription] = channel.ws as [Subscription]
      if (!subscription.byItem) channel.wsByItem++
      subscription.byItem = true
    }
    for (let i = 0; i < 5; i++) fanout.deliver(channel, ws('x'.repeat(100_000)))
    expect(published.length + slow.seen.length).toBe(5)
    expect(slow.seen.length).toBeGreaterThan(0)
  })

  it('hands pings, closes and refreshes to every WebSocket', () => {
    const sockets = [hold(new Ws()), hold(new Ws(), true)]
    fanout.deliver(channel, ws('p', { type: WsMessageType.Ping }))
    fanout.deliver(channel, ws('', { action: PublishAction.Close }))
    expect(published).toEqual([])
    expect(sockets.map(({ seen }) => seen)).toEqual([
      ['send p', 'close '],
      ['send p', 'close '],
    ])
  })

  it('shows what demands content filters to every subscription, in its place among the others', async () => {
    const [one, two] = [hold(new Stream()), hold(new Stream(), true)]
    const sockets = [hold(new Ws()), hold(new Ws(), true)]
    fanout.deliver(channel, stream('w'))
    fanout.deliver(channel, stream('x', PublishAction.Send, ['var-subst']))
    fanout.deliver(channel, stream('y', PublishAction.Send, []))
    fanout.deliver(channel, ws('m', { contentFilters: ['var-subst'] }))
    fanout.deliver(channel, ws('n', { contentFilters: [] }))
    await turn()
    expect(one.seen).toEqual(['w/1', 'item x', 'y/1'])
    expect(two.seen).toEqual(['item w', 'item x', 'item y'])
    expect(published).toEqual(['a n false'])
    expect(sockets.map(({ seen }) => seen)).toEqual([['send m'], ['send m', 'send n']])
  })

  it('answers every long poll once though each leaves while the list is walked', () => {
    const polls = Array.from({ length: 5 }, () => hold(new Poll()))
    const item = {
      ...EMPTY,
      httpResponse: {
        action: PublishAction.Send,
        code: 200,
        reason: 'OK',
        headers: [],
        body: Buffer.from('x'),
        bodyPatch: null,
        contentFilters: null,
      },
    }
    fanout.deliver(channel, item)
    fanout.deliver(channel, item)
    expect(polls.map(({ answers }) => answers)).toEqual([1, 1, 1, 1, 1])
  })

  it('ends the receiver that throws and goes on with the others', async () => {
    const [bad, good] = [hold(new Stream()), hold(new Stream())]
    bad.throws = true
    fanout.deliver(channel, stream('x'))
    await turn()
    expect(bad.seen).toEqual(['failed: broken'])
    expect(good.seen).toEqual(['x/1'])
  })

  it('writes before the turn ends when a turn brings very much', () => {
    const one = hold(new Stream())
    for (let i = 0; i < 10; i++) fanout.deliver(channel, stream('x'.repeat(100_000)))
    expect(one.seen.length).toBeGreaterThanOrEqual(3)
  })
})
