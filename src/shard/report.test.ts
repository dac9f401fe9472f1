import { beforeEach, expect, test } from 'vitest'
import { ReceiverKind } from '../grip/receiver.js'
import { Channel } from '../grip/subscriptions.js'
import { Collect, RouteStat, type StatsBatch } from '../link/statistics.js'
import type { PublishItem } from '../wire/publish-types.js'
import { Report } from './report.js'

class PlainChannel extends Channel {
  override handleDeadline(): void {}
}

const HTTP = { type: 'http', route: '', peerAddress: '10.0.0.1', ssl: false } as const
const ITEM: PublishItem = {
  channel: 'c',
  id: '1',
  prevId: null,
  httpStream: { action: 'send', content: Buffer.from('x'), contentFilters: null },
  httpResponse: null,
  wsMessage: null,
  meta: null,
  size: -1,
  noSeq: false,
}

let nowMs: number
let sent: StatsBatch[]
let channel: PlainChannel
let report: Report
let walks: number

beforeEach(() => {
  nowMs = 0
  sent = []
  walks = 0
  channel = new PlainChannel('c')
  report = new Report({
    shard: 3,
    connectionTtlMs: 8_000,
    blockBytes: -1,
    nowMs: () => nowMs,
    send: (batch) => sent.push(batch),
    walk: () => walks++,
    channels: () => [channel],
  })
})

/** So many streams hold the channel. */
function hold(count: number): void {
  ;(channel.streams as unknown[]).push(...Array.from({ length: count }, () => ({})))
}

function flush(): StatsBatch | undefined {
  report.flush()
  return sent.pop()
}

test('while nobody wants anything it says so and sends nothing', () => {
  const { wantsItems, wantsFanout, wantsRequests, wantsConnections, wantsSubscribers } = report
  expect([wantsItems, wantsFanout, wantsRequests, wantsConnections, wantsSubscribers]).toEqual(Array(5).fill(false))
  const { wantsTraffic, wantsActivity, wantsFrames } = report
  expect([wantsTraffic, wantsActivity, wantsFrames, report.traffic('a')]).toEqual([false, false, false, null])
  report.flush()
  expect(sent).toEqual([])
})

test('a connection is told when it comes, again within three quarters of its time to live, and when it goes', () => {
  report.collect(Collect.Conn)
  report.flush()
  const connection = report.began(null, HTTP)
  const here = { type: 'http', peerAddress: '10.0.0.1', ssl: false }
  expect(flush()?.connections).toEqual([{ id: 'tackboard:3-0', route: '', here }])
  let again = 0
  for (; nowMs <= 6_000; nowMs += 50) again += flush()?.connections.length ?? 0
  expect(again).toBe(1)
  connection?.end()
  connection?.end()
  expect(flush()?.connections).toEqual([{ id: 'tackboard:3-0', route: '', here: null }])
})

test('minutes count from the first moment on', () => {
  report.collect(Collect.Totals)
  report.began('ws', HTTP)
  report.began('short', HTTP)
  nowMs = 61_000
  report.endedById('ws')
  report.endedById('short')
  const numbers = flush()?.routes.get('') as Float64Array
  expect(numbers[RouteStat.Minutes]).toBe(4)
  expect(numbers[RouteStat.Requests]).toBe(2)
  expect(numbers[RouteStat.ConnectionsPeak]).toBe(2)
  expect(numbers[RouteStat.Connections]).toBe(0)
})

test('connections that were there before are asked for once, and count no minute at once', () => {
  report.collect(Collect.Conn | Collect.Totals)
  expect(walks).toBe(1)
  report.flush()
  report.found('ws', HTTP)
  report.found('ws', HTTP)
  const batch = flush()
  expect(batch?.connections).toHaveLength(1)
  expect(batch?.routes.get('')?.[RouteStat.Minutes]).toBe(0)
  report.collect(Collect.Totals)
  report.collect(Collect.Conn | Collect.Totals)
  expect(walks).toBe(1)
  expect(flush()?.connections).toHaveLength(1)
})

test('an HTTP connection keeps its id when nobody listens for a while, and is known as long as it is open', () => {
  report.collect(Collect.Conn)
  const held = report.began(null, HTTP)
  const left = report.began(null, HTTP)
  report.collect(0)
  expect(['tackboard:3-0', 'tackboard:3-1', 'tackboard:3-2'].map((id) => report.knows(id))).toEqual([true, true, false])
  left?.end()
  expect(report.knows('tackboard:3-1')).toBe(false)
  report.collect(Collect.Conn)
  const again = report.found(held?.id ?? null, HTTP)
  expect(again.id).toBe('tackboard:3-0')
  again.end()
  expect(report.knows('tackboard:3-0')).toBe(false)
})

test('subscribers: first and last at once, in between once per tick', () => {
  hold(2)
  report.collect(Collect.Sub)
  const about = { mode: 'stream', channel: 'c' }
  expect(flush()?.subscriptions).toEqual([{ ...about, change: 2 }])
  for (let more = 0; more < 3; more++) {
    hold(1)
    report.subscribersChanged(channel, ReceiverKind.Stream)
  }
  expect(flush()?.subscriptions).toEqual([{ ...about, change: 3 }])
  channel.streams.length = 0
  report.subscribersChanged(channel, ReceiverKind.Stream)
  expect(flush()?.subscriptions).toEqual([{ ...about, change: -5 }])
})

test('receivers of an item of the bus are told by its position, of any other with its name', () => {
  hold(2)
  report.collect(Collect.Message | Collect.Totals)
  report.beginItem(7)
  report.delivering(channel, ITEM)
  report.endItem()
  report.delivering(channel, ITEM)
  const batch = flush()
  expect(batch?.items).toEqual([7, 0, 2, 0])
  expect(batch?.strays).toEqual([{ channel: 'c', id: '1', receivers: [0, 2, 0], blocks: [-1, -1, -1] }])
  expect(batch?.routes.get('')?.[RouteStat.Sent]).toBe(4)
})

/** So many receivers on routes of these names. */
function holdFor(list: unknown, ...routes: string[]): void {
  ;(list as unknown[]).push(...routes.map((statsRoute) => ({ byItem: false, receiver: { statsRoute } })))
}

test('for reports deliveries count by the route of each receiver', () => {
  holdFor(channel.streams, 'a', 'a', '', 'a')
  holdFor(channel.responses, 'a')
  report.collect(Collect.Report)
  const httpResponse = { body: Buffer.from('x') } as PublishItem['httpResponse']
  report.delivering(channel, { ...ITEM, httpResponse })
  const routes = flush()?.routes
  expect(routes?.get('a')?.[RouteStat.Sent]).toBe(4)
  expect(routes?.get('a')?.[RouteStat.HttpResponseSent]).toBe(1)
  expect(routes?.get('')?.[RouteStat.Sent]).toBe(1)
})

test('a message written to a topic counts for each plain subscriber', () => {
  holdFor(channel.ws, 'a', 'b', 'a')
  ;(channel.ws[2] as { byItem: boolean }).byItem = true
  report.collect(Collect.Report)
  report.wroteToTopic(channel, 10)
  const routes = flush()?.routes
  for (const route of ['a', 'b']) {
    expect(routes?.get(route)?.[RouteStat.ClientMessagesSent]).toBe(1)
    expect(routes?.get(route)?.[RouteStat.ClientContentBytesSent]).toBe(10)
  }
})

test('bytes count from the moment somebody listens to reports, and no longer', () => {
  report.collect(Collect.Conn)
  expect(walks).toBe(1)
  report.collect(Collect.Conn | Collect.Report)
  expect(walks).toBe(2)
  const traffic = report.traffic('a')
  traffic?.clientRequest({ method: 'GET', path: '/a?b', headers: ['host', 'x'] })
  traffic?.clientAnswer({ status: 200, reason: 'OK', headers: ['A', 'bc', 'Connection', 'close'] })
  const numbers = flush()?.routes.get('a')
  expect(numbers?.[RouteStat.ClientHeaderBytesReceived]).toBe(12)
  expect(numbers?.[RouteStat.ClientHeaderBytesSent]).toBe(8)
  report.collect(Collect.Conn)
  traffic?.clientSent(5)
  expect(flush()).toBeUndefined()
})

test('activity counts only while somebody listens to it', () => {
  report.began(null, HTTP)
  report.collect(Collect.Activity)
  report.began(null, { ...HTTP, route: 'a' })
  report.active('a')
  const numbers = flush()?.routes.get('a')
  expect(numbers?.[RouteStat.Activity]).toBe(2)
  expect(numbers?.[RouteStat.Connections]).toBe(0)
})

test('when nobody wants them any more, subscribers and connections are taken back', () => {
  hold(1)
  report.collect(Collect.Sub | Collect.Totals)
  report.began(null, HTTP)
  flush()
  report.collect(0)
  const batch = flush()
  expect(batch?.subscriptions).toEqual([{ mode: 'stream', channel: 'c', change: -1 }])
  expect(batch?.routes.get('')?.[RouteStat.Connections]).toBe(-1)
})
