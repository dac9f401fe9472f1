/**
 * JSON from a peer: bytes to a value, taking what Pushpin's parser (Qt) takes; and Qt's coercions of what is in it.
 *
 * Qt is more lenient than JSON.parse in four places, and publishers lean on them (a shell script puts a raw line
 * break into a string): control characters inside strings, `\x` for an unknown x, `1.` and `.5`. Text that
 * JSON.parse refuses is mended in these places and tried once more, so the lenience costs correct text nothing.
 */
import { Buffer, isUtf8 } from 'node:buffer'
import type { Json } from './publish-types.js'

/** Qt's limit on lists and objects inside each other. */
export const JSON_DEPTH_MAX = 1024

/**
 * The object or array that `bytes` hold; undefined when they are not UTF-8, not JSON, or only a scalar.
 * One byte order mark in front is skipped. Never throws.
 */
export function parseJsonBytes(bytes: Buffer): Json[] | { [key: string]: Json } | undefined {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  if (!isUtf8(bytes)) return undefined
  const text = bytes.toString('utf8', start)
  const value = tryParse(text, false) ?? tryParse(text, true)
  return typeof value === 'object' && value !== null ? value : undefined
}

/** Whether `value` nests deeper than `depthMax`: what is written out again later must not exhaust the stack. */
export function nestsDeeper(value: Json, depthMax: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (depthMax === 0) return true
  for (const child of Array.isArray(value) ? value : Object.values(value)) {
    if (nestsDeeper(child, depthMax - 1)) return true
  }
  return false
}

/** Base64 with Qt's lenience: chars outside of the standard alphabet are skipped, a last half group counts. */
export function bytesOfBase64(text: string): Buffer {
  return Buffer.from(BASE64.test(text) ? text : text.replace(/[^A-Za-z0-9+/]/g, ''), 'base64')
}
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * QVariant::toInt: numbers are rounded and cut to their low 32 bits (beyond 64 bits: 0), a text that is no integer is 0, bools are 0
 * and 1. undefined: null, lists and objects, which are no numbers.
 */
export function qtInteger(value: unknown): number | undefined {
  if (typeof value === 'number') {
    const rounded = Math.round(value)
    return Math.abs(rounded) < 2 ** 63 ? rounded | 0 : 0
  }
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value !== 'string') return undefined
  const digits = INTEGER.exec(value)?.[1]
  if (digits === undefined) return 0
  const number = BigInt(digits.replace('+', ''))
  return number === BigInt.asIntN(64, number) ? Number(BigInt.asIntN(32, number)) : 0
}
const INTEGER = /^[ \t\n\v\f\r]*([+-]?[0-9]{1,40})[ \t\n\v\f\r]*$/

function tryParse(text: string, mended: boolean): Json | undefined {
  try {
    return JSON.parse(mended ? mend(text) : text) as Json
  } catch {
    // Not JSON, or more than the regular expressions can hold: the caller's answer says so.
    return undefined
  }
}

// A string with its quotes (the closing one may be missing), or a run of what is outside of strings.
const PIECE = /"[^"\\]*(?:\\[^][^"\\]*)*(?:"|\\?$)|[^"]+/g
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const LENIENT_IN_STRING = /[\x00-\x1f]|\\([^"\\/bfnrtu])/g
const LENIENT_NUMBER = /(?<![\d.eE+])(\d*)\.(\d*)/g

function mend(text: string): string {
  return text.replace(PIECE, (piece) =>
    piece.startsWith('"')
      ? piece.replace(LENIENT_IN_STRING, (match, escaped?: string) => escapeControl(escaped ?? match))
      : piece.replace(LENIENT_NUMBER, (match, whole: string, fraction: string) =>
          whole === '' && fraction === '' ? match : `${whole || '0'}.${fraction || '0'}`,
        ),
  )
}

function escapeControl(char: string): string {
  const code = char.charCodeAt(0)
  return code < 0x20 ? `\\u${code.toString(16).padStart(4, '0')}` : char
}
