import { describe, expect, test } from 'vitest'
import { encodeStatsPacket, type StatsPacket, StatsType } from './stats-packet.js'
import { plainOfTnetstring } from '../testing/commander.js'

const HTTP = { type: 'http', peerAddress: '10.0.0.1', ssl: false, ttl: 120 } as const

const REPORT = {
  ...{ route: 'r', connections: 1, minutes: 2, received: 3, sent: 4, httpResponseSent: 5, durationMs: 7 },
  traffic: [11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 25, 26],
}
const TRAFFIC_TEXT = [1, 2].map((side) =>
  [`content-bytes-received":${side}3`, `content-bytes-sent":${side}4`, `header-bytes-received":${side}1`]
    .concat(`header-bytes-sent":${side}2`, `messages-received":${side}5`, `messages-sent":${side}6`)
    .map((text) => `"${side === 1 ? 'client' : 'server'}-${text}`)
    .join(),
)

const PACKETS: readonly [string, StatsPacket, string][] = [
  ['requests', { type: StatsType.Counts, requestsReceived: 7 }, 'counts J{"from":"gw","requests-received":7}'],
  [
    'an item without id, blocks not counted',
    { type: StatsType.Message, channel: 'c', itemId: null, count: 2, blocks: -1, transport: 'http-stream' },
    'message J{"channel":"c","count":2,"from":"gw","transport":"http-stream"}',
  ],
  [
    'an item with id and blocks',
    { type: StatsType.Message, channel: 'c', itemId: '1', count: 2, blocks: 4, transport: 'ws-message' },
    'message J{"blocks":4,"channel":"c","count":2,"from":"gw","item-id":"1","transport":"ws-message"}',
  ],
  [
    'a connection',
    { type: StatsType.Conn, id: 'x', route: '', connection: HTTP },
    'conn J{"from":"gw","id":"x","peer-address":"10.0.0.1","ttl":120,"type":"http"}',
  ],
  [
    'a connection with TLS, a route and no address',
    { type: StatsType.Conn, id: 'x', route: 'r', connection: { type: 'ws', peerAddress: '', ssl: true, ttl: 9 } },
    'conn J{"from":"gw","id":"x","route":"r","ssl":true,"ttl":9,"type":"ws"}',
  ],
  [
    'the end of a connection',
    { type: StatsType.Conn, id: 'x', route: 'r', connection: null },
    'conn J{"from":"gw","id":"x","route":"r","unavailable":true}',
  ],
  [
    'subscribers',
    { type: StatsType.Sub, mode: 'response', channel: 'c', subscription: { ttl: 60, subscribers: 3 } },
    'sub J{"channel":"c","from":"gw","mode":"response","subscribers":3,"ttl":60}',
  ],
  [
    'the end of a subscription',
    { type: StatsType.Sub, mode: 'ws', channel: 'c', subscription: null },
    'sub J{"channel":"c","from":"gw","mode":"ws","unavailable":true}',
  ],
  [
    'activity of a route',
    { type: StatsType.Activity, route: 'r', count: 3 },
    'activity J{"count":3,"from":"gw","route":"r"}',
  ],
  [
    'a report without blocks',
    { type: StatsType.Report, ...REPORT, blocksReceived: 0, blocksSent: 0 },
    `report J{${TRAFFIC_TEXT[0]},"connections":1,"duration":7,"from":"gw","http-response-sent":5,"minutes":2,` +
      `"received":3,"route":"r","sent":4,${TRAFFIC_TEXT[1]}}`,
  ],
  [
    'a report with blocks',
    { type: StatsType.Report, ...REPORT, blocksReceived: 8, blocksSent: 9 },
    `report J{"blocks-received":8,"blocks-sent":9,${TRAFFIC_TEXT[0]},"connections":1,"duration":7,"from":"gw",` +
      `"http-response-sent":5,"minutes":2,"received":3,"route":"r","sent":4,${TRAFFIC_TEXT[1]}}`,
  ],
]

describe('packets', () => {
  test.each(PACKETS)('JSON: %s', (_name, packet, text) => {
    expect(encodeStatsPacket(packet, 'gw', 'json').toString()).toBe(text)
  })

  test.each(PACKETS)('tnetstring with the same fields: %s', (_name, packet, text) => {
    const bytes = encodeStatsPacket(packet, 'gw', 'tnetstring')
    const [type = '', json = ''] = text.split(/ J(.*)/)
    expect(bytes.toString('latin1', 0, type.length + 2)).toBe(`${type} T`)
    expect(plainOfTnetstring(bytes.subarray(type.length + 2))).toEqual(JSON.parse(json))
  })

  test('names on the wire are byte strings: UTF-8 in JSON, the bytes themselves in a tnetstring', () => {
    const channel = Buffer.from('ä').toString('latin1')
    const packet: StatsPacket = { type: StatsType.Sub, mode: 'ws', channel, subscription: null }
    expect(encodeStatsPacket(packet, 'gw', 'json').toString()).toContain('"channel":"ä"')
    expect(encodeStatsPacket(packet, 'gw', 'tnetstring').toString()).toContain('7:channel,2:ä,')
  })
})
