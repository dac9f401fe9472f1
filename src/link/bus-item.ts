/**
 * The compact form of a published item on the bus between main and the shards.
 *
 * One ZeroMQ frame: topic, put position, item. Main validates and encodes once; a shard only slices.
 *
 *   topic     u16 length of the channel, the channel. A SUB matches by prefix; with the length in front a
 *             subscription matches its own channel and no other, whatever bytes channels are made of.
 *             Lengths of 0xffff mark private topics (bus.ts): no channel is that long (base/limits.ts).
 *   position  u32, what main had put on the bus with this message, in blocks (wraps); for back-pressure.
 *   item      u16 fields present and actions, then the fields in the order written below.
 *             Strings and bytes are u32 length and bytes; big-endian throughout.
 *
 * Two bits of that u16 make a message a note about its channel, without an item (ChannelNote).
 */
import {
  type Header,
  type HttpResponseFormat,
  type HttpStreamFormat,
  type Json,
  PublishAction,
  type PublishItem,
  WsMessageType,
  type WsMessageFormat,
} from '../wire/publish-types.js'

const HAS_ID = 1
const HAS_PREV_ID = 2
const HAS_STREAM = 4
const HAS_RESPONSE = 8
const HAS_WS = 16
const HAS_META = 32
const HAS_SIZE = 64
const NO_SEQ = 128
const NOTE_FORGET = 0x4000
const NOTE_UPDATE = 0x8000

const ACTIONS = [PublishAction.Send, PublishAction.Hint, PublishAction.Close, PublishAction.Refresh] as const
const TYPES = [WsMessageType.Text, WsMessageType.Binary, WsMessageType.Ping, WsMessageType.Pong] as const
const NO_FILTERS = 0xffffffff
const NOTHING = Buffer.alloc(0)

/** What main tells those who hold a channel, in its place among the channel's items. */
export const ChannelNote = {
  /** The channel has no last id any more. */
  Forget: 'forget',
  /** HTTP sessions are to ask their backend again: the channel had its first subscriber a second ago. */
  Update: 'update',
} as const
export type ChannelNote = (typeof ChannelNote)[keyof typeof ChannelNote]

/** The topic of a channel: what a shard subscribes to. */
export function topicOfChannel(channel: string): Buffer {
  const topic = Buffer.allocUnsafe(2 + channel.length)
  topic.writeUInt16BE(channel.length, 0)
  topic.write(channel, 2, 'latin1')
  return topic
}

/** The channel of a topic or of a whole bus message. */
export function channelOfTopic(message: Buffer): string {
  return message.toString('latin1', 2, 2 + message.readUInt16BE(0))
}

/** Where the put position of a message to `channel` stands. */
export function positionOffset(channel: string): number {
  return 2 + channel.length
}

/** Whether a message or subscription is a private one. */
export function isPrivateTopic(message: Buffer): boolean {
  return message.length >= 2 && message[0] === 0xff && message[1] === 0xff
}

/** Encodes a note; the put position is left for the bus to fill in. */
export function encodeChannelNote(channel: string, note: ChannelNote): Buffer {
  const offset = positionOffset(channel)
  const message = Buffer.alloc(offset + 6)
  message.set(topicOfChannel(channel))
  message.writeUInt16BE(note === ChannelNote.Forget ? NOTE_FORGET : NOTE_UPDATE, offset + 4)
  return message
}

/** null: the message is an item. */
export function channelNoteOf(message: Buffer, channel: string): ChannelNote | null {
  const flags = message.readUInt16BE(positionOffset(channel) + 4)
  if (flags < NOTE_FORGET) return null
  return flags === NOTE_FORGET ? ChannelNote.Forget : ChannelNote.Update
}

// Encoding: one pass for the size, one to write. The cursor lives in the module: nothing here can be interrupted.

let out: Buffer = NOTHING
let at = 0

function filtersSize(filters: readonly string[] | null): number {
  let size = 4
  if (filters !== null) for (const filter of filters) size += 4 + filter.length
  return size
}

function itemSize(item: PublishItem): number {
  let size = 2 + item.channel.length + 4 + 2
  if (item.id !== null) size += 4 + item.id.length
  if (item.prevId !== null) size += 4 + item.prevId.length
  if (item.size >= 0) size += 8
  if (item.meta !== null) size += 4 + metaText(item.meta).length
  const stream = item.httpStream
  if (stream !== null) size += filtersSize(stream.contentFilters) + 4 + stream.content.length
  const response = item.httpResponse
  if (response !== null) {
    size += filtersSize(response.contentFilters) + 2 + 4 + response.reason.length + 4
    for (const [name, value] of response.headers) size += 8 + name.length + value.length
    size +=
      5 + (response.bodyPatch === null ? response.body.length : Buffer.byteLength(JSON.stringify(response.bodyPatch)))
  }
  const ws = item.wsMessage
  if (ws !== null) size += filtersSize(ws.contentFilters) + 1 + 4 + 4 + ws.reason.length + 4 + ws.content.length
  return size
}

/** Meta is rare and small: pairs as JSON of byte strings keep every byte. */
function metaText(meta: Readonly<Record<string, string>>): string {
  return JSON.stringify(meta).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function putString(text: string): void {
  at = out.writeUInt32BE(text.length, at)
  at += out.write(text, at, 'latin1')
}

function putBytes(bytes: Buffer): void {
  at = out.writeUInt32BE(bytes.length, at)
  out.set(bytes, at)
  at += bytes.length
}

function putFilters(filters: readonly string[] | null): void {
  at = out.writeUInt32BE(filters === null ? NO_FILTERS : filters.length, at)
  if (filters !== null) for (const filter of filters) putString(filter)
}

/** Encodes `item`; the put position is left for the bus to fill in (positionOffset). */
export function encodeBusItem(item: PublishItem): Buffer {
  out = Buffer.allocUnsafe(itemSize(item))
  at = out.writeUInt16BE(item.channel.length, 0)
  at += out.write(item.channel, at, 'latin1')
  at = out.writeUInt32BE(0, at)
  const { httpStream: stream, httpResponse: response, wsMessage: ws } = item
  let flags = 0
  if (item.id !== null) flags |= HAS_ID
  if (item.prevId !== null) flags |= HAS_PREV_ID
  if (stream !== null) flags |= HAS_STREAM | (ACTIONS.indexOf(stream.action) << 8)
  if (response !== null) flags |= HAS_RESPONSE | (ACTIONS.indexOf(response.action) << 10)
  if (ws !== null) flags |= HAS_WS | (ACTIONS.indexOf(ws.action) << 12)
  if (item.meta !== null) flags |= HAS_META
  if (item.size >= 0) flags |= HAS_SIZE
  if (item.noSeq) flags |= NO_SEQ
  at = out.writeUInt16BE(flags, at)
  if (item.id !== null) putString(item.id)
  if (item.prevId !== null) putString(item.prevId)
  if (item.size >= 0) at = out.writeDoubleBE(item.size, at)
  if (item.meta !== null) putString(metaText(item.meta))
  if (stream !== null) {
    putFilters(stream.contentFilters)
    putBytes(stream.content)
  }
  if (response !== null) putResponse(response)
  if (ws !== null) {
    putFilters(ws.contentFilters)
    at = out.writeUInt8(TYPES.indexOf(ws.type), at)
    at = out.writeInt32BE(ws.code, at)
    putString(ws.reason)
    putBytes(ws.content)
  }
  const message = out
  out = NOTHING
  return message
}

function putResponse(response: HttpResponseFormat): void {
  putFilters(response.contentFilters)
  at = out.writeUInt16BE(response.code, at)
  putString(response.reason)
  at = out.writeUInt32BE(response.headers.length, at)
  for (const [name, value] of response.headers) {
    putString(name)
    putString(value)
  }
  at = out.writeUInt8(response.bodyPatch === null ? 0 : 1, at)
  putBytes(response.bodyPatch === null ? response.body : Buffer.from(JSON.stringify(response.bodyPatch)))
}

function takeString(): string {
  const end = at + 4 + out.readUInt32BE(at)
  const text = out.toString('latin1', at + 4, end)
  at = end
  return text
}

function takeBytes(): Buffer {
  const end = at + 4 + out.readUInt32BE(at)
  const bytes = out.subarray(at + 4, end)
  at = end
  return bytes
}

function takeFilters(): readonly string[] | null {
  const count = out.readUInt32BE(at)
  at += 4
  if (count === NO_FILTERS) return null
  const filters: string[] = []
  for (let i = 0; i < count; i++) filters.push(takeString())
  return filters
}

/**
 * Decodes a message of encodeBusItem. Contents are slices of `message`, not copies.
 * Only main writes these messages, so a bad one is a bug: it throws (RangeError), and the feed counts it.
 */
export function decodeBusItem(message: Buffer, channel: string): PublishItem {
  out = message
  at = positionOffset(channel) + 4
  const flags = out.readUInt16BE(at)
  at += 2
  const id = flags & HAS_ID ? takeString() : null
  const prevId = flags & HAS_PREV_ID ? takeString() : null
  let size = -1
  if (flags & HAS_SIZE) {
    size = out.readDoubleBE(at)
    at += 8
  }
  const meta = flags & HAS_META ? (JSON.parse(takeString()) as Record<string, string>) : null
  const httpStream = flags & HAS_STREAM ? takeStream((flags >> 8) & 3) : null
  const httpResponse = flags & HAS_RESPONSE ? takeResponse((flags >> 10) & 3) : null
  const wsMessage = flags & HAS_WS ? takeWs((flags >> 12) & 3) : null
  out = NOTHING
  return { channel, id, prevId, httpStream, httpResponse, wsMessage, meta, size, noSeq: (flags & NO_SEQ) !== 0 }
}

function takeStream(action: number): HttpStreamFormat {
  const contentFilters = takeFilters()
  return { action: ACTIONS[action] as PublishAction, contentFilters, content: takeBytes() }
}

function takeResponse(action: number): HttpResponseFormat {
  const contentFilters = takeFilters()
  const code = out.readUInt16BE(at)
  at += 2
  const reason = takeString()
  const count = out.readUInt32BE(at)
  at += 4
  const headers: Header[] = []
  for (let i = 0; i < count; i++) headers.push([takeString(), takeString()])
  const patched = out.readUInt8(at++) === 1
  const body = takeBytes()
  return {
    action: ACTIONS[action] as PublishAction,
    contentFilters,
    code,
    reason,
    headers,
    body: patched ? NOTHING : body,
    bodyPatch: patched ? (JSON.parse(body.toString('utf8')) as Json[]) : null,
  }
}

function takeWs(action: number): WsMessageFormat {
  const contentFilters = takeFilters()
  const type = TYPES[out.readUInt8(at++)] as WsMessageType
  const code = out.readInt32BE(at)
  at += 4
  const reason = takeString()
  return { action: ACTIONS[action] as PublishAction, contentFilters, type, code, reason, content: takeBytes() }
}
