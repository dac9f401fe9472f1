/**
 * Bodies of type application/websocket-events: WebSocket frames as a backend over HTTP sees them
 * (WebSocket-over-HTTP protocol, event encoding).
 *
 *     TYPE SP size-in-hex CRLF content CRLF      with content
 *     TYPE CRLF                                  without
 */
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

export interface WsEvent {
  /** null: a type this gateway does not know. Receivers ignore it. */
  readonly type: WsEventType | null
  /** Empty when the event had none. A slice of the body. */
  readonly content: Buffer
}

export const WsEventsFault = {
  /** A type line without its CRLF. */
  Line: 'type line is not terminated',
  /** What follows the space is no hexadecimal number in 0..2^31-1. */
  Size: 'content size is not a hexadecimal number',
} as const
export type WsEventsFault = (typeof WsEventsFault)[keyof typeof WsEventsFault]

export type WsEventsResult =
  { readonly ok: true; readonly events: readonly WsEvent[] } | { readonly ok: false; readonly fault: WsEventsFault }

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

/** A body under construction: a list of slices; contents are referred to, never copied. */
export class WsEventsBody {
  readonly slices: Buffer[] = []
  bytes = 0

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

/** Content of a CLOSE event: code in two bytes, then the reason (byte string). */
export function encodeCloseContent(code: number, reason: string): Buffer {
  const content = Buffer.allocUnsafe(2 + reason.length)
  content.writeUInt16BE(code & 0xffff, 0)
  content.latin1Write(reason, 2)
  return content
}

/** Content shorter than two bytes has no code. The reason is a byte string. */
export function decodeCloseContent(content: Buffer): { readonly code: number | null; readonly reason: string } {
  if (content.length < 2) return { code: null, reason: '' }
  return { code: content.readUInt16BE(0), reason: content.toString('latin1', 2) }
}

/**
 * Reads a complete body, as leniently as Pushpin does: content that is shorter than announced is taken as it is, the
 * CRLF behind a content is skipped unread, blanks and `0x` around a size are allowed. Negative sizes are refused.
 */
export function decodeWsEvents(body: Buffer): WsEventsResult {
  const events: WsEvent[] = []
  let start = 0
  while (start < body.length) {
    const end = endOfLine(body, start)
    if (end < 0) return { ok: false, fault: WsEventsFault.Line }
    const space = spaceIn(body, start, end)
    let content = EMPTY_BYTES
    let next = end + 2
    if (space >= 0) {
      const size = parseSize(body.latin1Slice(space + 1, end))
      if (size < 0) return { ok: false, fault: WsEventsFault.Size }
      content = body.subarray(next, next + size)
      next += size + 2
    }
    events.push({ type: typeOf(body.latin1Slice(start, space >= 0 ? space : end)), content })
    start = next
  }
  return { ok: true, events }
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
