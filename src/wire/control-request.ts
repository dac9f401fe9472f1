/**
 * HTTP requests as the control port reads them: exactly as Pushpin's own small server does, which is more forgiving than
 * a parser of HTTP and refuses other things (reference: HTTP control API). Bytes in, requests and faults out.
 *
 * A connection carries one request, and what follows it is not looked at. Ours: a client that asks to keep its
 * connection may send further ones, provided that nobody could read the borders of this one in another way.
 */
import { Buffer } from 'node:buffer'
import { unreachable } from '../base/assert.js'
import { parseInteger } from './header-params.js'
import { hasHeader, headerValue, headerValues } from './headers.js'

export interface ControlRequest {
  /** Byte string, as sent; so are the target and the headers (names and values in turn). */
  readonly method: string
  readonly target: string
  readonly headers: readonly string[]
  readonly body: Buffer
  readonly version: HttpVersion
  /** The client wants to keep its connection, and may. */
  readonly keepAlive: boolean
}

export type HttpVersion = '1.0' | '1.1'

export interface ControlFault {
  readonly code: 400 | 411
  readonly reason: string
  readonly text: string
}

export type Reading =
  /** Nothing to do before the next bytes. */
  | { readonly kind: 'more' }
  /** The client waits to be told that its body is wanted. */
  | { readonly kind: 'continue'; readonly version: HttpVersion }
  | { readonly kind: 'request'; readonly request: ControlRequest }
  /** Nothing behind it can be read. */
  | { readonly kind: 'fault'; readonly fault: ControlFault; readonly version: HttpVersion }

export interface ControlLimits {
  /** The head, up to and including the empty line. */
  readonly headersBytesMax: number
  readonly bodyBytesMax: number
}

const State = { Head: 'head', Body: 'body', Over: 'over' } as const
type State = (typeof State)[keyof typeof State]

const MORE: Reading = { kind: 'more' }
const LF = 0x0a
const CR = 0x0d
const EMPTY = Buffer.alloc(0)

type Head = Omit<ControlRequest, 'body'> & { readonly length: number | null }

export class ControlRequestReader {
  readonly #limits: ControlLimits
  #state: State = State.Head
  #chunks: Buffer[] = []
  #bytes = 0
  /** Of what waits in the state Head: looked through for its end. */
  #searched = 0
  #head: Head | null = null

  constructor(limits: ControlLimits) {
    this.#limits = limits
  }

  /** Some of a request has come, and not the whole. */
  get isWithin(): boolean {
    return this.#state === State.Body || (this.#state === State.Head && this.#bytes > 0)
  }

  push(chunk: Buffer): void {
    if (this.#state === State.Over) return
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
  }

  /** To be called until it says `more`. */
  next(): Reading {
    switch (this.#state) {
      case State.Head:
        return this.#readHead()
      case State.Body:
        return this.#readBody()
      case State.Over:
        return MORE
      default:
        return unreachable(this.#state)
    }
  }

  #readHead(): Reading {
    if (this.#bytes === 0) return MORE
    const { headersBytesMax } = this.#limits
    const waiting = this.#joined()
    const end = endOfHead(waiting, Math.max(this.#searched - 2, 0), headersBytesMax)
    if (end === null) {
      this.#searched = waiting.length
      return waiting.length < headersBytesMax ? MORE : this.#refused(badRequest('Request header too large.'), '1.1')
    }
    const head = parseHead(waiting.toString('latin1', 0, end))
    if (head === null) return this.#refused(badRequest('Failed to parse request header.'), '1.1')
    this.#keep(waiting.subarray(end))
    const fault = this.#faultOf(head)
    if (fault !== null) return this.#refused(fault, head.version)
    if (head.length === null) return this.#finished(head, EMPTY)
    this.#state = State.Body
    this.#head = head
    return headerValue(head.headers, 'expect') === '100-continue'
      ? { kind: 'continue', version: head.version }
      : this.#readBody()
  }

  #faultOf({ method, headers, length }: Head): ControlFault | null {
    if (length === null) {
      const needsLength = hasHeader(headers, 'transfer-encoding') || !BODILESS.has(method)
      return needsLength ? LENGTH_REQUIRED : null
    }
    if (Number.isNaN(length)) return badRequest('Bad Content-Length.')
    return length > this.#limits.bodyBytesMax ? badRequest('Request body too large.') : null
  }

  #readBody(): Reading {
    const head = this.#head as Head
    const length = head.length as number
    if (this.#bytes < length) return MORE
    if (this.#bytes > length && !head.keepAlive) {
      return this.#refused(badRequest('Request body exceeded Content-Length.'), head.version)
    }
    const waiting = this.#joined()
    this.#keep(waiting.subarray(length))
    return this.#finished(head, waiting.subarray(0, length))
  }

  #finished({ method, target, headers, version, keepAlive }: Head, body: Buffer): Reading {
    this.#head = null
    if (keepAlive) this.#state = State.Head
    else this.#end()
    return { kind: 'request', request: { method, target, headers, body, version, keepAlive } }
  }

  #refused(fault: ControlFault, version: HttpVersion): Reading {
    this.#end()
    return { kind: 'fault', fault, version }
  }

  #end(): void {
    this.#state = State.Over
    this.#keep(EMPTY)
  }

  #joined(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] as Buffer
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    this.#searched = 0
  }
}

const BODILESS: ReadonlySet<string> = new Set(['HEAD', 'GET', 'DELETE', 'OPTIONS'])
const LENGTH_REQUIRED = { code: 411, reason: 'Length Required', text: 'Request requires Content-Length.' } as const

function badRequest(text: string): ControlFault {
  return { code: 400, reason: 'Bad Request', text }
}

/** Behind the first empty line that ends within `max` bytes. Line feeds count, with or without a carriage return in front. */
function endOfHead(bytes: Buffer, from: number, max: number): number | null {
  let at = bytes.indexOf(LF, from)
  while (at !== -1 && at + 1 < Math.min(bytes.length, max)) {
    if (bytes[at + 1] === LF) return at + 2
    if (bytes[at + 1] === CR && bytes[at + 2] === LF && at + 3 <= max) return at + 3
    at = bytes.indexOf(LF, at + 1)
  }
  return null
}

/** With its empty line. Null: its first line has not three parts. `length` is NaN when it is no number. */
function parseHead(text: string): Head | null {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
  // The empty one, and what is behind its line feed.
  lines.splice(-2)
  const first = lines[0] ?? ''
  const space = first.indexOf(' ')
  const second = space < 1 ? -1 : first.indexOf(' ', space + 1)
  if (second === -1) return null
  const protocol = first.slice(second + 1)
  const headers: string[] = []
  let isPlain = (protocol === 'HTTP/1.1' || protocol === 'HTTP/1.0') && !UNEVEN.test(text)
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':')
    isPlain &&= PLAIN_NAME.test(line)
    if (colon === -1) continue
    const value = line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    headers.push(line.slice(0, colon), value)
  }
  const length = lengthOf(headers)
  isPlain &&= hasPlainBorders(headers)
  return {
    method: first.slice(0, space),
    target: first.slice(space + 1, second),
    headers,
    version: protocol === 'HTTP/1.0' ? '1.0' : '1.1',
    keepAlive: isPlain && wantsKeepAlive(headers),
    length,
  }
}

/** Half a line break, which is a whole one for some readers and a part of the text for others, or a zero byte. */
const UNEVEN = /(?<!\r)\n|\r(?!\n)|\0/
const PLAIN_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:/

function lengthOf(headers: readonly string[]): number | null {
  const text = headerValue(headers, 'content-length')
  return text === null ? null : (parseInteger(text) ?? Number.NaN)
}

/** Every reader of HTTP finds the same end of this request. */
function hasPlainBorders(headers: readonly string[]): boolean {
  const lengths = headerValues(headers, 'content-length')
  return !hasHeader(headers, 'transfer-encoding') && lengths.length <= 1 && lengths.every((text) => /^\d+$/.test(text))
}

function wantsKeepAlive(headers: readonly string[]): boolean {
  const tokens = headerValues(headers, 'connection')
    .flatMap((value) => value.toLowerCase().split(','))
    .map((token) => token.trim())
  return tokens.includes('keep-alive') && !tokens.includes('close')
}
