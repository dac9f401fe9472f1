/**
 * Messages in a row that wait for the backend of a WebSocket-over-HTTP session: one large message, or many small ones
 * that are encoded, one event behind the other, in one buffer.
 *
 * A backend that holds content back gets it again with every request. Small messages are therefore encoded once, when
 * they arrive, and offered thousands at a time as one slice: a buffer object and a head for each of them would cost ten
 * times the bytes they carry, and a cache miss each.
 */
import { Buffer } from 'node:buffer'
import { assert } from '../base/assert.js'
import { encodedEventBytes, encodeEventInto, type WsContentEventType, WsEventType } from '../wire/websocket-events.js'

/** A longer message is referred to and not copied: by its length a copy costs more than a slice. */
export const JOINED_CONTENT_BYTES_MAX = 1024
/**
 * Largest buffer of encoded events. Not above the size of Node's own pool: what is left of a run keeps no more alive
 * than any short Buffer does.
 */
const JOINED_BYTES_MAX = Buffer.poolSize

/** A tail shorter than this part of the buffer it is cut from is copied out. Makes all copies of one message cost O(its length). */
const PINNED_TIMES_MAX = 4

const SPACE = 0x20
const CR = 0x0d
const LETTER_B = 0x42
const LETTER_I = 0x49
const LETTER_T = 0x54

/** A message larger than a joined event; or what is left of one that was cut. */
export class LargeRun {
  readonly isJoined = false
  readonly count = 1
  readonly type: WsContentEventType
  next: WsReplayRun | null = null
  #content: Buffer

  constructor(type: WsContentEventType, content: Buffer) {
    this.type = type
    this.#content = content
  }

  get content(): Buffer {
    return this.#content
  }

  get contentBytes(): number {
    return this.#content.length
  }

  /** Forgets the first bytes. */
  cut(bytes: number): void {
    this.#content = tailOf(this.#content, bytes)
  }
}

/** One event of a joined run. Offsets into its buffer. */
interface EventSpan {
  readonly type: WsContentEventType
  readonly contentStart: number
  readonly contentBytes: number
  readonly end: number
}

export class JoinedRun {
  readonly isJoined = true
  next: WsReplayRun | null = null
  /** Messages and their content bytes. */
  count = 0
  contentBytes = 0
  readonly #bytes: Buffer
  #start = 0
  #end = 0

  private constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity)
  }

  /** With the first message in it. `last`: the run in front; buffers grow from the size of one message. */
  static of(type: WsContentEventType, content: Buffer, last: WsReplayRun | null): JoinedRun {
    const grown = last?.isJoined === true ? Math.min(last.#bytes.length * 2, JOINED_BYTES_MAX) : 0
    const run = new JoinedRun(Math.max(grown, encodedEventBytes(type, content.length)))
    const isAdded = run.add(type, content)
    assert(isAdded, 'a run has room for its first message')
    return run
  }

  /** False: there is no room. */
  add(type: WsContentEventType, content: Buffer): boolean {
    if (this.#end + encodedEventBytes(type, content.length) > this.#bytes.length) return false
    this.#end = encodeEventInto(this.#bytes, this.#end, type, content)
    this.count++
    this.contentBytes += content.length
    return true
  }

  /** Where the events begin; see contentBytesAt. */
  get start(): number {
    return this.#start
  }

  /** Content bytes of the event at this offset. */
  contentBytesAt(at: number): number {
    return this.#spanAt(at).contentBytes
  }

  /** Offset of the event behind the one at this offset. */
  nextOf(at: number): number {
    return this.#spanAt(at).end
  }

  /** The events up to an offset, or all. What is added later does not change them. */
  encoded(end = this.#end): Buffer {
    if (this.#start === 0 && end === this.#bytes.length) return this.#bytes
    return this.#bytes.subarray(this.#start, end)
  }

  /** Removes the first message. */
  shift(): void {
    const { contentBytes, end } = this.#spanAt(this.#start)
    this.#start = end
    this.count--
    this.contentBytes -= contentBytes
  }

  /** Removes the first message and returns what is left of it without its first bytes. */
  shiftCut(bytes: number): LargeRun {
    const { type, contentStart, contentBytes } = this.#spanAt(this.#start)
    this.shift()
    return new LargeRun(type, this.#bytes.subarray(contentStart + bytes, contentStart + contentBytes))
  }

  /** Reads what encodeEventInto has written. */
  #spanAt(start: number): EventSpan {
    const bytes = this.#bytes
    const type = typeAt(bytes, start)
    let at = start + type.length
    if (bytes[at] === CR) return { type, contentStart: at + 2, contentBytes: 0, end: at + 2 }
    assert(bytes[at] === SPACE, 'a run holds events as they were encoded')
    let contentBytes = 0
    for (at++; bytes[at] !== CR; at++) contentBytes = contentBytes * 16 + hexDigit(bytes[at] as number)
    return { type, contentStart: at + 2, contentBytes, end: at + 2 + contentBytes + 2 }
  }
}

export type WsReplayRun = LargeRun | JoinedRun

function typeAt(bytes: Buffer, at: number): WsContentEventType {
  switch (bytes[at]) {
    case LETTER_T:
      return WsEventType.Text
    case LETTER_B:
      return WsEventType.Binary
    default:
      return bytes[at + 1] === LETTER_I ? WsEventType.Ping : WsEventType.Pong
  }
}

/** Lower-case letters come behind the digits in ASCII: 0x30 and 0x61. */
function hexDigit(char: number): number {
  return char < 0x61 ? char - 0x30 : char - 0x57
}

function tailOf(content: Buffer, from: number): Buffer {
  const tail = content.subarray(from)
  const pinnedBytes = content.buffer.byteLength
  // Short buffers live in Node's shared pool: copying from it would land in it again.
  if (pinnedBytes <= Buffer.poolSize || tail.length * PINNED_TIMES_MAX >= pinnedBytes) return tail
  return Buffer.from(tail)
}
