import { beforeEach, describe, expect, test } from 'vitest'
import { RouteStat, ROUTE_STATS, type StatsBatch } from '../link/statistics.js'
import { decodePublishItem, isPublishFault } from '../wire/publish-item.js'
import type { PublishItem } from '../wire/publish-types.js'
import type { ReportPacket, StatsPacket } from '../wire/stats-packet.js'
import { StatsBook } from './stats-book.js'

/** As publishers write it. */
function publishItem(item: {
  channel: string
  id?: string
  formats: Record<string, Record<string, string>>
}): PublishItem {
  const decoded = decodePublishItem(item)
  if (isPublishFault(decoded)) throw new Error('not an item')
  return decoded
}

const NOTHING: StatsBatch = { routes: new Map(), connections: [], subscriptions: [], items: [], strays: [] }

let book: StatsBook
let packets: StatsPacket[]
let nowMs: number

beforeEach(() => {
  packets = []
  nowMs = 0
  book = new StatsBook({
    connectionTtl: 120,
    subscriptionTtl: 4,
    subscriptionLinger: 10,
    reportIntervalMs: 10_000,
    blockBytes: 10,
    isWanted: () => true,
    emit: (packet) => packets.push(packet),
  })
  book.handleStart(0)
})

function batch(parts: Partial<StatsBatch>): void {
  book.handleBatch({ ...NOTHING, ...parts }, nowMs)
}

function advance(ms: number): void {
  for (const untilMs = nowMs + ms; nowMs < untilMs;) {
    nowMs += 50
    book.handleTick(nowMs)
  }
}

function numbers(values: Partial<Record<keyof typeof RouteStat, number>>): Float64Array {
  const all = new Float64Array(ROUTE_STATS)
  for (const [name, value] of Object.entries(values)) all[RouteStat[name as keyof typeof RouteStat]] = value
  return all
}

function taken(): StatsPacket[] {
  return packets.splice(0)
}

describe('items', () => {
  const item = publishItem({ channel: 'c', id: '1', formats: { 'http-stream': { content: 'x'.repeat(11) } } })
  const told = { type: 'message', channel: 'c', itemId: '1', transport: 'http-stream' }

  test('are told when each shard that holds the channel has told its receivers', () => {
    book.handleItem(item, 5, 2, nowMs)
    batch({ items: [5, 0, 3, 0] })
    expect(taken()).toEqual([])
    batch({ items: [5, 0, 4, 0] })
    expect(taken()).toEqual([{ ...told, count: 7, blocks: 14 }])
  })

  test('are told in their order', () => {
    book.handleItem(item, 5, 1, nowMs)
    book.handleItem(publishItem({ channel: 'd', formats: { 'ws-message': { content: 'y' } } }), 6, 1, nowMs)
    batch({ items: [6, 0, 0, 1] })
    expect(taken()).toEqual([])
    batch({ items: [5, 0, 1, 0] })
    expect(taken()).toMatchObject([{ channel: 'c' }, { channel: 'd', transport: 'ws-message', count: 1, blocks: 1 }])
  })

  test('are told without a shard that never answers', () => {
    book.handleItem(item, 5, 2, nowMs)
    batch({ items: [5, 0, 3, 0] })
    advance(500)
    expect(taken()).toMatchObject([{ count: 3 }])
  })

  test('without receivers are not told', () => {
    book.handleItem(item, 5, 0, nowMs)
    book.handleItem(item, 6, 1, nowMs)
    batch({ items: [6, 0, 0, 0] })
    advance(1000)
    expect(taken()).toEqual([])
  })
})

describe('subscribers', () => {
  const c = { mode: 'stream', channel: 'c' } as const

  test('the first is told at once, later ones at the next second, the end with the last', () => {
    advance(1000)
    batch({ subscriptions: [{ ...c, change: 1 }] })
    expect(taken()).toEqual([{ type: 'sub', ...c, subscription: { ttl: 4, subscribers: 1 } }])
    batch({ subscriptions: [{ ...c, change: 2 }] })
    expect(taken()).toEqual([])
    advance(1000)
    expect(taken()).toEqual([{ type: 'sub', ...c, subscription: { ttl: 4, subscribers: 3 } }])
    batch({ subscriptions: [{ ...c, change: -3 }] })
    expect(taken()).toEqual([{ type: 'sub', ...c, subscription: null }])
  })

  test('one shard loses its last while another has some', () => {
    batch({ subscriptions: [{ ...c, change: 1 }] })
    batch({ subscriptions: [{ ...c, change: 1 }] })
    taken()
    batch({ subscriptions: [{ ...c, change: -1 }] })
    advance(1000)
    expect(taken()).toEqual([{ type: 'sub', ...c, subscription: { ttl: 4, subscribers: 1 } }])
  })

  test('are told again within three quarters of their time to live', () => {
    batch({ subscriptions: [{ ...c, change: 1 }] })
    taken()
    advance(3000)
    expect(taken()).toEqual([{ type: 'sub', ...c, subscription: { ttl: 4, subscribers: 1 } }])
  })

  test('a channel of long polls lingers', () => {
    const poll = { mode: 'response', channel: 'c' } as const
    batch({ subscriptions: [{ ...poll, change: 1 }] })
    batch({ subscriptions: [{ ...poll, change: -1 }] })
    taken()
    advance(9_000)
    expect(taken()).toEqual([])
    advance(2_000)
    expect(taken()).toEqual([{ type: 'sub', ...poll, subscription: null }])
  })
})

describe('numbers', () => {
  test('requests are told a tenth of a second after the first', () => {
    batch({ routes: new Map([['', numbers({ Requests: 2 })]]) })
    batch({ routes: new Map([['', numbers({ Requests: 1 })]]) })
    advance(50)
    expect(taken()).toEqual([])
    advance(50)
    expect(taken()).toEqual([{ type: 'counts', requestsReceived: 3 }])
  })

  test('activity is told by route, before the requests', () => {
    batch({ routes: new Map([['a', numbers({ Activity: 2 })]]) })
    batch({ routes: new Map([['', numbers({ Requests: 1, Activity: 1 })]]) })
    batch({ routes: new Map([['a', numbers({ Activity: 1 })]]) })
    advance(100)
    expect(taken()).toEqual([
      { type: 'activity', route: 'a', count: 3 },
      { type: 'activity', route: '', count: 1 },
      { type: 'counts', requestsReceived: 1 },
    ])
  })

  test('what is published counts, whether somebody holds its channel or not', () => {
    book.handleItem(publishItem({ channel: 'c', formats: { 'ws-message': { content: 'y' } } }), 0, 0, nowMs)
    expect(book.reports.totals.received).toBe(1)
  })
})

describe('reports', () => {
  const one = { Connections: 1, ConnectionChanges: 1, ConnectionsPeak: 1 }

  test('of each route what it had since its last one, from all shards', () => {
    batch({ routes: new Map([['a', numbers({ ...one, Minutes: 1, Sent: 2, HttpResponseSent: 1, BlocksSent: 3 })]]) })
    nowMs += 50
    batch({ routes: new Map([['a', numbers({ Sent: 3, ClientHeaderBytesReceived: 5, ServerMessagesSent: 7 })]]) })
    advance(9_950)
    const [report] = taken()
    expect(report).toMatchObject({
      ...{ type: 'report', route: 'a', connections: 1, minutes: 1, received: 0, sent: 5, httpResponseSent: 1 },
      ...{ blocksReceived: 0, blocksSent: 3, durationMs: 10_000 },
    })
    expect(Array.from((report as ReportPacket).traffic)).toEqual([5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7])
    nowMs += 50
    advance(9_950)
    expect(taken()).toMatchObject([{ route: 'a', connections: 1, minutes: 0, sent: 0, durationMs: 10_000 }])
  })

  test('end with one that says that there is no connection any more', () => {
    batch({ routes: new Map([['a', numbers({ Connections: 0, ConnectionChanges: 2, ConnectionsPeak: 1 })]]) })
    advance(10_000)
    expect(taken()).toMatchObject([{ route: 'a', connections: 1 }])
    advance(10_000)
    expect(taken()).toMatchObject([{ route: 'a', connections: 0 }])
    advance(10_000)
    expect(taken()).toEqual([])
  })

  test('say nothing of the time in which nobody listened', () => {
    batch({ routes: new Map([['a', numbers({ ...one, Connections: 3, ConnectionsPeak: 3, Minutes: 3 })]]) })
    batch({ routes: new Map([['a', numbers({ Connections: -3, ConnectionChanges: 3, ConnectionsPeak: -1 })]]) })
    nowMs += 3_600_000
    book.handleStart(nowMs)
    batch({ routes: new Map([['a', numbers(one)]]) })
    advance(10_000)
    expect(taken()).toMatchObject([{ route: 'a', connections: 1, minutes: 0, durationMs: 10_000 }])
    expect(book.reports.totals.connections).toBe(1)
  })

  test('items published stand in that without a route, with the blocks of their largest format', () => {
    const formats = { 'ws-message': { content: 'y' }, 'http-stream': { content: 'x'.repeat(21) } }
    book.handleItem(publishItem({ channel: 'c', formats }), 0, 0, nowMs)
    advance(10_000)
    expect(taken()).toMatchObject([{ route: '', received: 1, blocksReceived: 3, sent: 0 }])
  })

  test('connections are the most at a time; those open before count again when one comes or goes, or at the end', () => {
    batch({ routes: new Map([['a', numbers({ Connections: 3, ConnectionChanges: 3, ConnectionsPeak: 3 })]]) })
    batch({
      routes: new Map([['b', numbers({ Connections: 2, ConnectionChanges: 2, ConnectionsPeak: 2, Minutes: 2 })]]),
    })
    expect(book.reports.totals).toMatchObject({ connections: 5, minutes: 2 })
    advance(10_000)
    expect(book.reports.totals.connections).toBe(5)
    batch({ routes: new Map([['a', numbers({ Connections: -1, ConnectionChanges: 1, ConnectionsPeak: -1 })]]) })
    expect(book.reports.totals.connections).toBe(4)
    taken()
    advance(10_000)
    expect(taken()).toMatchObject([
      { route: 'a', connections: 2 },
      { route: 'b', connections: 2 },
    ])
  })
})
