/**
 * Header lists as they come from and go to HTTP: flat arrays name, value, name, value … of byte strings, duplicates
 * and order kept. Names are compared without regard to case; the names to compare with are given in lower case.
 */
import { assert } from '../base/assert.js'
import type { Header } from './publish-types.js'

/** The first value of a header, or null. */
export function headerValue(headers: readonly string[], lowerName: string): string | null {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (isNamed(headers[index] as string, lowerName)) return headers[index + 1] as string
  }
  return null
}

/** All values of a header, in order. */
export function headerValues(headers: readonly string[], lowerName: string): string[] {
  const values: string[] = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (isNamed(headers[index] as string, lowerName)) values.push(headers[index + 1] as string)
  }
  return values
}

export function hasHeader(headers: readonly string[], lowerName: string): boolean {
  return headerValue(headers, lowerName) !== null
}

/** A new list without the headers whose name in lower case `isDoomed` names. */
export function removeHeaders(headers: readonly string[], isDoomed: (lowerName: string) => boolean): string[] {
  assert(headers.length % 2 === 0, 'a flat header list has a value for every name')
  const kept: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string
    if (!isDoomed(name.toLowerCase())) kept.push(name, headers[index + 1] as string)
  }
  return kept
}

/** Without what concerns one connection only, and without Content-Encoding, which Pushpin drops along with it. */
export function withoutConnectionHeaders(headers: readonly string[]): string[] {
  return removeHeaders(headers, (name) => OF_THE_CONNECTION.has(name))
}
const OF_THE_CONNECTION = new Set(['connection', 'keep-alive', 'content-encoding', 'transfer-encoding'])

/** The same headers as name-value pairs. */
export function headerPairs(headers: readonly string[]): Header[] {
  assert(headers.length % 2 === 0, 'a flat header list has a value for every name')
  const pairs: Header[] = []
  for (let index = 0; index < headers.length; index += 2) {
    pairs.push([headers[index] as string, headers[index + 1] as string])
  }
  return pairs
}

/**
 * Without ASCII blanks at both ends. String.prototype.trim would also take U+00A0, which in a byte string is the
 * second half of a letter.
 */
export function trimBlanks(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return start === 0 && end === text.length ? text : text.slice(start, end)
}

function isNamed(name: string, lowerName: string): boolean {
  return name === lowerName || (name.length === lowerName.length && name.toLowerCase() === lowerName)
}

/** Space, or one of \t \n \v \f \r. */
function isBlank(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d)
}
