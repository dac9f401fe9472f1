/**
 * Tnetstrings: `length:payload` and a type byte. `,` bytes, `#` integer, `^` float, `!` bool, `~` null, `]` list,
 * `}` dictionary with `,` keys. Publish items over ZeroMQ, ZHTTP, ZRPC and stats packets are made of them.
 *
 * Decoding takes what Pushpin takes (blanks and a sign around numbers, any payload of a null, the last of two equal
 * keys), except that a child must end inside its parent, that numbers must be exact in a double, and that nesting
 * has an end.
 */
import { Buffer } from 'node:buffer'
import { assert, unreachable } from '../base/assert.js'

/** Lists and dictionaries inside each other. No message of ours nests deeper than 10; recursion must end somewhere. */
export const TN_DEPTH_MAX = 128
/** Digits of a length: enough for any Buffer that can come in one piece. */
const LENGTH_DIGITS_MAX = 10

/** What decoding gives. Dictionary keys are byte strings. Integers and floats are both numbers. */
export type TnValue = Buffer | number | boolean | null | TnValue[] | Map<string, TnValue>

/** What encoding takes: also byte strings (written as `,`) and TnFloat. Whole numbers are written as `#`. */
export type TnInput = Uint8Array | string | TnFloat | number | boolean | null | readonly TnInput[] | TnInputMap
export type TnInputMap = ReadonlyMap<string, TnInput>

/** A number to be written as `^` even when it is whole. */
export class TnFloat {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

/** Why bytes are not a tnetstring. */
export const TnFault = {
  /** The bytes end inside a value. At the top level only; more bytes might mend it. */
  Truncated: 'truncated',
  /** Not `digits:`. */
  Length: 'length',
  /** A child is longer than the list or dictionary around it. */
  Overrun: 'overrun',
  /** Unknown type byte. */
  Type: 'type',
  /** A `#` that is no integer, or one beyond ±(2^53 - 1). */
  Integer: 'integer',
  /** A `^` that is no finite number. */
  Float: 'float',
  /** A `!` other than `true` and `false`. */
  Bool: 'bool',
  /** A dictionary key that is not `,`. */
  Key: 'key',
  /** A dictionary key without a value. */
  KeyAlone: 'key-alone',
  /** More than TN_DEPTH_MAX levels. */
  Depth: 'depth',
} as const
export type TnFault = (typeof TnFault)[keyof typeof TnFault]

/** `end`: offset behind the value; what follows is the caller's business. `at`: offset of the byte that is wrong. */
export type TnDecoded =
  | { readonly ok: true; readonly value: TnValue; readonly end: number }
  | { readonly ok: false; readonly fault: TnFault; readonly at: number }

/** Decodes the value that starts at `offset`. Buffers in it are views of `bytes`. Never throws. */
export function decodeTnetstring(bytes: Buffer, offset = 0): TnDecoded {
  assert(offset >= 0 && offset <= bytes.length, 'a tnetstring starts inside its bytes')
  const reader = new Reader(bytes)
  const value = reader.read(offset, bytes.length, 0)
  if (value === undefined) return { ok: false, fault: reader.fault, at: reader.at }
  return { ok: true, value, end: reader.at }
}

/** Encodes a value. Floats keep 6 significant digits, as Pushpin writes them. Non-finite numbers are asserted away. */
export function encodeTnetstring(value: TnInput): Buffer {
  const parts: Buffer[] = []
  appendValue(parts, value, 0)
  return Buffer.concat(parts)
}

class Reader {
  /** Valid after read() gave undefined. */
  fault: TnFault = TnFault.Truncated
  /** After read(): the end of the value, or the byte at fault. */
  at = 0
  /** Type byte and payload of the last head read. */
  #type = 0
  #start = 0
  #stop = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** The value at `offset`, which must end at or before `limit`; undefined after a fault. */
  read(offset: number, limit: number, depth: number): TnValue | undefined {
    if (!this.#readHead(offset, limit)) return undefined
    return this.#readPayload(this.#type, this.#start, this.#stop, depth)
  }

  #fail(fault: TnFault, at: number): undefined {
    this.fault = fault
    this.at = at
  }

  /** A value that would run over `limit`: the end of the bytes, or of the parent. */
  #failEnd(limit: number): false {
    this.#fail(limit === this.#bytes.length ? TnFault.Truncated : TnFault.Overrun, limit)
    return false
  }

  #readHead(offset: number, limit: number): boolean {
    const bytes = this.#bytes
    let at = offset
    let length = 0
    for (; ; at++) {
      if (at >= limit) return this.#failEnd(limit)
      const byte = bytes[at] as number
      if (byte === COLON && at > offset) break
      if (byte < ZERO || byte > NINE || at - offset >= LENGTH_DIGITS_MAX) {
        this.#fail(TnFault.Length, at)
        return false
      }
      length = length * 10 + (byte - ZERO)
    }
    this.#start = at + 1
    this.#stop = this.#start + length
    if (this.#stop >= limit) return this.#failEnd(limit)
    this.#type = bytes[this.#stop] as number
    return true
  }

  #readPayload(type: number, start: number, stop: number, depth: number): TnValue | undefined {
    this.at = stop + 1
    switch (type) {
      case TypeByte.Bytes:
        return this.#bytes.subarray(start, stop)
      case TypeByte.Integer:
        return this.#readInteger(start, stop)
      case TypeByte.Float:
        return this.#readFloat(start, stop)
      case TypeByte.Bool:
        return this.#readBool(start, stop)
      case TypeByte.Null:
        return null
      case TypeByte.List:
        return this.#readList(start, stop, depth + 1)
      case TypeByte.Dictionary:
        return this.#readDictionary(start, stop, depth + 1)
      default:
        return this.#fail(TnFault.Type, stop)
    }
  }

  #readInteger(start: number, stop: number): number | undefined {
    const value = stop - start > NUMBER_BYTES_MAX ? NaN : integerOf(this.#bytes.toString('latin1', start, stop))
    // Adding zero turns -0 into 0: an integer has no such value.
    return Number.isSafeInteger(value) ? value + 0 : this.#fail(TnFault.Integer, start)
  }

  #readFloat(start: number, stop: number): number | undefined {
    const value = stop - start > NUMBER_BYTES_MAX ? NaN : floatOf(this.#bytes.toString('latin1', start, stop))
    return Number.isFinite(value) ? value : this.#fail(TnFault.Float, start)
  }

  #readBool(start: number, stop: number): boolean | undefined {
    const length = stop - start
    const text = length === 4 || length === 5 ? this.#bytes.toString('latin1', start, stop) : ''
    if (text === 'true') return true
    if (text === 'false') return false
    return this.#fail(TnFault.Bool, start)
  }

  #readList(start: number, stop: number, depth: number): TnValue[] | undefined {
    if (depth > TN_DEPTH_MAX) return this.#fail(TnFault.Depth, start)
    const list: TnValue[] = []
    let at = start
    while (at < stop) {
      const value = this.read(at, stop, depth)
      if (value === undefined) return undefined
      list.push(value)
      at = this.at
    }
    this.at = stop + 1
    return list
  }

  #readDictionary(start: number, stop: number, depth: number): Map<string, TnValue> | undefined {
    if (depth > TN_DEPTH_MAX) return this.#fail(TnFault.Depth, start)
    const map = new Map<string, TnValue>()
    let at = start
    while (at < stop) {
      if (!this.#readHead(at, stop)) return undefined
      if (this.#type !== TypeByte.Bytes) return this.#fail(TnFault.Key, this.#stop)
      const key = this.#bytes.toString('latin1', this.#start, this.#stop)
      at = this.#stop + 1
      if (at === stop) return this.#fail(TnFault.KeyAlone, stop)
      const value = this.read(at, stop, depth)
      if (value === undefined) return undefined
      map.set(key, value)
      at = this.at
    }
    this.at = stop + 1
    return map
  }
}

const TypeByte = {
  Bytes: 0x2c,
  Integer: 0x23,
  Float: 0x5e,
  Bool: 0x21,
  Null: 0x7e,
  List: 0x5d,
  Dictionary: 0x7d,
} as const
type TypeByte = (typeof TypeByte)[keyof typeof TypeByte]

const COLON = 0x3a
const ZERO = 0x30
const NINE = 0x39

/** No number worth having is longer; stops a megabyte of digits from being parsed. */
const NUMBER_BYTES_MAX = 400
const INTEGER = /^[ \t\r\n\v\f]*[+-]?[0-9]+[ \t\r\n\v\f]*$/
const FLOAT = /^[ \t\r\n\v\f]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\r\n\v\f]*$/

function integerOf(text: string): number {
  return INTEGER.test(text) ? Number(text) : NaN
}

function floatOf(text: string): number {
  return FLOAT.test(text) ? Number(text) : NaN
}

/** Appends the pieces of `value` and returns how many bytes they are. */
function appendValue(parts: Buffer[], value: TnInput, depth: number): number {
  assert(depth <= TN_DEPTH_MAX, 'our own messages do not nest without end')
  if (typeof value === 'string') return appendPayload(parts, Buffer.from(value, 'latin1'), TypeByte.Bytes)
  if (typeof value === 'number') return appendNumber(parts, value)
  if (typeof value === 'boolean') return appendPayload(parts, Buffer.from(String(value)), TypeByte.Bool)
  if (value === null) return appendPayload(parts, Buffer.alloc(0), TypeByte.Null)
  if (value instanceof Uint8Array) return appendPayload(parts, asBuffer(value), TypeByte.Bytes)
  if (value instanceof TnFloat) return appendFloat(parts, value.value)
  if (value instanceof Map) return appendContainer(parts, TypeByte.Dictionary, depth, pairsOf(value as TnInputMap))
  if (Array.isArray(value)) return appendContainer(parts, TypeByte.List, depth, value as readonly TnInput[])
  return unreachable(value as never)
}

function appendContainer(parts: Buffer[], type: TypeByte, depth: number, children: Iterable<TnInput>): number {
  const head = parts.length
  // The head is filled in when the length of the children is known.
  parts.push(Buffer.alloc(0))
  let length = 0
  for (const child of children) length += appendValue(parts, child, depth + 1)
  const headBytes = Buffer.from(`${length}:`, 'latin1')
  parts[head] = headBytes
  parts.push(TYPE_BYTES[type])
  return headBytes.length + length + 1
}

function* pairsOf(map: TnInputMap): Iterable<TnInput> {
  for (const [key, value] of map) {
    yield key
    yield value
  }
}

function appendNumber(parts: Buffer[], value: number): number {
  if (!Number.isSafeInteger(value)) return appendFloat(parts, value)
  return appendPayload(parts, Buffer.from(String(value), 'latin1'), TypeByte.Integer)
}

function appendFloat(parts: Buffer[], value: number): number {
  assert(Number.isFinite(value), 'a float of ours is finite')
  return appendPayload(parts, Buffer.from(floatText(value), 'latin1'), TypeByte.Float)
}

function appendPayload(parts: Buffer[], payload: Buffer, type: TypeByte): number {
  const head = Buffer.from(`${payload.length}:`, 'latin1')
  parts.push(head, payload, TYPE_BYTES[type])
  return head.length + payload.length + 1
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

const TYPE_BYTES: Readonly<Record<TypeByte, Buffer>> = {
  [TypeByte.Bytes]: Buffer.of(TypeByte.Bytes),
  [TypeByte.Integer]: Buffer.of(TypeByte.Integer),
  [TypeByte.Float]: Buffer.of(TypeByte.Float),
  [TypeByte.Bool]: Buffer.of(TypeByte.Bool),
  [TypeByte.Null]: Buffer.of(TypeByte.Null),
  [TypeByte.List]: Buffer.of(TypeByte.List),
  [TypeByte.Dictionary]: Buffer.of(TypeByte.Dictionary),
}

/** C's `%g`: 6 significant digits, no trailing zeros, an exponent of at least two digits when it is < -4 or >= 6. */
function floatText(value: number): string {
  const [digits, exponentText] = value.toExponential(5).split('e') as [string, string]
  const exponent = Number(exponentText)
  if (exponent >= -4 && exponent < 6) return withoutTrailingZeros(value.toFixed(5 - exponent))
  const size = String(Math.abs(exponent)).padStart(2, '0')
  return `${withoutTrailingZeros(digits)}e${exponent < 0 ? '-' : '+'}${size}`
}

function withoutTrailingZeros(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits
}
