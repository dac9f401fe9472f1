/**
 * Bodies of type application/websocket-events: WebSocket frames as a backend over HTTP sees them
 * (WebSocket-over-HTTP protocol, event encoding).
 *
 *     TYPE SP size-in-hex CRLF content CRLF      with content
 *     TYPE CRLF                                  without
 */
import { WS_CONTROL_FRAME_BYTES_MAX } from '../base/limits.js'
import { Buffer } from 'node:buffer'
import { EMPTY_BYTES } from '../base/bytes.js'

export const WsEventType = {
  Open: 'OPEN',
  Text: 'TEXT',
  Binary: 'BINARY',
  Ping: 'PING',
  Pong: 'PONG',
  Close: 'CLOSE',
  Disconnect: 'DISCONNECT',
} as const
export type WsEventType = (typeof WsEventType)[keyof typeof WsEventType]

/** Events that carry what an endpoint sent, in the order it sent them. */
export type WsContentEventType = 'TEXT' | 'BINARY' | 'PING' | 'PONG'

export interface WebSocketEvent {
  /** null: a type this gateway does not know. Receivers ignore it. */
  readonly type: WsEventType | null
  /** Empty when the event had none. A slice of the body. */
  readonly content: Buffer
}

const CRLF = Buffer.from('\r\n', 'latin1')
const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const SIZE_MAX = 0x7fffffff

/** Heads of short messages are made once. */
const CACHED_SIZES = 256
const cachedHeads: Record<string, Buffer[]> = {}
const bareHeads: Record<string, Buffer> = {}

function headOf(type: WsEventType, size: number): Buffer {
  if (size === 0) return (bareHeads[type] ??= Buffer.from(`${type}\r\n`, 'latin1'))
  if (size >= CACHED_SIZES) return Buffer.from(`${type} ${size.toString(16)}\r\n`, 'latin1')
  const heads = (cachedHeads[type] ??= [])
  return (heads[size] ??= Buffer.from(`${type} ${size.toString(16)}\r\n`, 'latin1'))
}

/** Bytes of one event on the wire. */
export function encodedEventBytes(type: WsEventType, contentBytes: number): number {
  const headBytes = headOf(type, contentBytes).length
  return contentBytes === 0 ? headBytes : headBytes + contentBytes + CRLF.length
}

/** Writes one event into `target`, which has room for it, and returns where it ends. */
export function encodeEventInto(target: Buffer, start: number, type: WsEventType, content: Buffer): number {
  const head = headOf(type, content.length)
  let at = start
  // Heads have 6 to 15 bytes: a loop is faster than a call into the engine.
  for (let index = 0; index < head.length; index++) target[at++] = head[index] as number
  if (content.length === 0) return at
  target.set(content, at)
  at += content.length
  target[at++] = CR
  target[at++] = LF
  return at
}

/** A body under construction: a list of slices; contents are referred to, never copied. */
export class WebSocketEventsBody {
  readonly slices: Buffer[] = []
  bytes = 0

  /** Events that are encoded already. */
  addEncoded(events: Buffer): void {
    this.slices.push(events)
    this.bytes += events.length
  }

  /** Empty content gives the bare form, as Pushpin writes it. */
  add(type: WsEventType, content: Buffer): void {
    const head = headOf(type, content.length)
    this.slices.push(head)
    this.bytes += head.length
    if (content.length === 0) return
    this.slices.push(content, CRLF)
    this.bytes += content.length + 2
  }
}

const CLOSE_REASON_BYTES_MAX = WS_CONTROL_FRAME_BYTES_MAX - 2

/** As much of a reason (byte string) as a close frame holds, without cutting a UTF-8 character in two. */
export function cutCloseReason(reason: string): string {
  if (reason.length <= CLOSE_REASON_BYTES_MAX) return reason
  let end = CLOSE_REASON_BYTES_MAX
  while (end > 0 && (reason.charCodeAt(end) & 0xc0) === 0x80) end--
  return reason.slice(0, end)
}

/** Content of a CLOSE event: code in two bytes, then the reason (byte string). */
export function encodeCloseContent(code: number, reason: string): Buffer {
  const content = Buffer.allocUnsafe(2 + reason.length)
  content.writeUInt16BE(code & 0xffff, 0)
  content.write(reason, 2, 'latin1')
  return content
}

/** Content shorter than two bytes has no code. The reason is a byte string. */
export function decodeCloseContent(content: Buffer): { readonly code: number | null; readonly reason: string } {
  if (content.length < 2) return { code: null, reason: '' }
  return { code: content.readUInt16BE(0), reason: content.toString('latin1', 2) }
}

/** The events as one buffer. Those of unknown type are left out. */
export function encodeWebSocketEvents(events: readonly WebSocketEvent[]): Buffer {
  const body = new WebSocketEventsBody()
  for (const { type, content } of events) if (type !== null) body.add(type, content)
  return Buffer.concat(body.slices, body.bytes)
}

/**
 * Reads a complete body, as leniently as Pushpin does: content that is shorter than announced is taken as it is, the
 * CRLF behind a content is skipped unread, blanks and `0x` around a size are allowed. Negative sizes are refused.
 * Returns null when a type line has no end or a size is no hexadecimal number in 0..2^31-1.
 */
export function decodeWebSocketEvents(body: Buffer): WebSocketEvent[] | null {
  const events: WebSocketEvent[] = []
  let start = 0
  while (start < body.length) {
    const end = endOfLine(body, start)
    if (end < 0) return null
    const space = spaceIn(body, start, end)
    let content = EMPTY_BYTES
    let next = end + 2
    if (space >= 0) {
      const size = parseSize(body.toString('latin1', space + 1, end))
      if (size < 0) return null
      content = body.subarray(next, next + size)
      next += size + 2
    }
    events.push({ type: typeOf(body.toString('latin1', start, space >= 0 ? space : end)), content })
    start = next
  }
  return events
}

function endOfLine(body: Buffer, start: number): number {
  let at = body.indexOf(CR, start)
  while (at >= 0 && body[at + 1] !== LF) at = body.indexOf(CR, at + 1)
  return at
}

function spaceIn(body: Buffer, start: number, end: number): number {
  for (let at = start; at < end; at++) if (body[at] === SPACE) return at
  return -1
}

const SIZE = /^[ \t\n\v\f\r]*\+?(?:0[xX])?([0-9a-fA-F]+)[ \t\n\v\f\r]*$/

/** -1: not a size. */
function parseSize(text: string): number {
  const digits = SIZE.exec(text)?.[1]
  if (digits === undefined) return -1
  const size = Number.parseInt(digits, 16)
  return size <= SIZE_MAX ? size : -1
}

function typeOf(name: string): WsEventType | null {
  switch (name) {
    case WsEventType.Open:
    case WsEventType.Text:
    case WsEventType.Binary:
    case WsEventType.Ping:
    case WsEventType.Pong:
    case WsEventType.Close:
    case WsEventType.Disconnect:
      return name
    default:
      return null
  }
}
