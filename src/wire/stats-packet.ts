/**
 * Packets of the statistics socket (reference: stats PUB): one message part, `<type> T<tnetstring>` or `<type> J<json>`.
 * Texts are byte strings. Keys are sorted, as Pushpin sorts those of JSON; the order of its tnetstrings is random.
 */
import { Buffer } from 'node:buffer'
import { textOfByteString } from '../base/bytes.js'
import { encodeTnetstring, type TnInput } from './tnetstring.js'

export const StatsType = {
  Counts: 'counts',
  Message: 'message',
  Conn: 'conn',
  Sub: 'sub',
  Report: 'report',
  Activity: 'activity',
} as const
export type StatsType = (typeof StatsType)[keyof typeof StatsType]

export type StatsFormat = 'tnetstring' | 'json'

export interface CountsPacket {
  readonly type: typeof StatsType.Counts
  readonly requestsReceived: number
}

export interface MessagePacket {
  readonly type: typeof StatsType.Message
  readonly channel: string
  readonly itemId: string | null
  /** Receivers. */
  readonly count: number
  /** Of all receivers; -1: blocks are not counted. */
  readonly blocks: number
  readonly transport: 'http-response' | 'http-stream' | 'ws-message'
}

export interface ConnPacket {
  readonly type: typeof StatsType.Conn
  /** Empty: it is not written. Only routes with an id of their own are told apart. */
  readonly route: string
  readonly id: string
  /** null: it is gone. */
  readonly connection: {
    readonly type: 'http' | 'ws'
    readonly peerAddress: string
    readonly ssl: boolean
    /** Seconds. */
    readonly ttl: number
  } | null
}

export interface SubPacket {
  readonly type: typeof StatsType.Sub
  readonly mode: 'response' | 'stream' | 'ws'
  readonly channel: string
  /** null: nobody holds the channel any more. */
  readonly subscription: {
    /** Seconds. */
    readonly ttl: number
    readonly subscribers: number
  } | null
}

/** Fields of a report about bytes and messages, in the order of ReportPacket.traffic. */
export const TRAFFIC = ['client', 'server'].flatMap((side) =>
  ['header-bytes', 'content-bytes', 'messages'].flatMap((what) =>
    ['received', 'sent'].map((way) => `${side}-${what}-${way}`),
  ),
)

/** What a route had since its report before. */
export interface ReportPacket {
  readonly type: typeof StatsType.Report
  readonly route: string
  /** The most at a time. */
  readonly connections: number
  readonly minutes: number
  /** Items published: of the report without a route only. */
  readonly received: number
  /** To receivers. */
  readonly sent: number
  readonly httpResponseSent: number
  /** 0: they are not written. */
  readonly blocksReceived: number
  readonly blocksSent: number
  readonly durationMs: number
  readonly traffic: ArrayLike<number>
}

export interface ActivityPacket {
  readonly type: typeof StatsType.Activity
  readonly route: string
  readonly count: number
}

export type StatsPacket = CountsPacket | MessagePacket | ConnPacket | SubPacket | ReportPacket | ActivityPacket

/** `from` names the gateway. */
export function encodeStatsPacket(packet: StatsPacket, from: string, format: StatsFormat): Buffer {
  const fields = fieldsOf(packet)
  fields.push(['from', from])
  if ('route' in packet && packet.route !== '') fields.push(['route', packet.route])
  fields.sort(([one], [other]) => (one < other ? -1 : 1))
  if (format === 'json') {
    const object = Object.fromEntries(fields.map(([key, value]) => [key, jsonOf(value)]))
    return Buffer.from(`${packet.type} J${JSON.stringify(object)}`)
  }
  return Buffer.concat([Buffer.from(`${packet.type} T`), encodeTnetstring(new Map<string, TnInput>(fields))])
}

type Field = [key: string, value: string | number | boolean]

function jsonOf(value: string | number | boolean): string | number | boolean {
  return typeof value === 'string' ? textOfByteString(value) : value
}

function fieldsOf(packet: StatsPacket): Field[] {
  switch (packet.type) {
    case StatsType.Counts:
      return [['requests-received', packet.requestsReceived]]
    case StatsType.Message:
      return messageFields(packet)
    case StatsType.Conn:
      return connFields(packet)
    case StatsType.Sub:
      return subFields(packet)
    case StatsType.Report:
      return reportFields(packet)
    case StatsType.Activity:
      return [['count', packet.count]]
  }
}

function messageFields({ channel, itemId, count, blocks, transport }: MessagePacket): Field[] {
  const fields: Field[] = [
    ['channel', channel],
    ['count', count],
    ['transport', transport],
  ]
  if (itemId !== null) fields.push(['item-id', itemId])
  if (blocks >= 0) fields.push(['blocks', blocks])
  return fields
}

function connFields({ id, connection }: ConnPacket): Field[] {
  if (connection === null) {
    return [
      ['id', id],
      ['unavailable', true],
    ]
  }
  const fields: Field[] = [
    ['id', id],
    ['type', connection.type],
    ['ttl', connection.ttl],
  ]
  if (connection.peerAddress !== '') fields.push(['peer-address', connection.peerAddress])
  if (connection.ssl) fields.push(['ssl', true])
  return fields
}

function subFields({ mode, channel, subscription }: SubPacket): Field[] {
  const fields: Field[] = [
    ['mode', mode],
    ['channel', channel],
  ]
  if (subscription === null) fields.push(['unavailable', true])
  else fields.push(['ttl', subscription.ttl], ['subscribers', subscription.subscribers])
  return fields
}

function reportFields(packet: ReportPacket): Field[] {
  const { blocksReceived, blocksSent } = packet
  const fields: Field[] = [
    ['connections', packet.connections],
    ['minutes', packet.minutes],
    ['received', packet.received],
    ['sent', packet.sent],
    ['http-response-sent', packet.httpResponseSent],
    ['duration', packet.durationMs],
  ]
  for (const [index, name] of TRAFFIC.entries()) fields.push([name, packet.traffic[index] as number])
  if (blocksReceived > 0) fields.push(['blocks-received', blocksReceived])
  if (blocksSent > 0) fields.push(['blocks-sent', blocksSent])
  return fields
}
