/**
 * The form in which paths are matched and sent on, byte for byte that of Pushpin 1.41 (measured on the running one).
 *
 * Two steps, because routes are matched and rewritten between them: encodePath settles percent-encoding, and
 * removeDotSegments takes `.` and `..` away. So `/foo/../x` is a path below `/foo` to a route, and `/x` to a backend.
 *
 * Encoding, separately for path, query and fragment:
 *   - letters, digits and `-._~` are never encoded: `%41` becomes `A`, `%7E` becomes `~`;
 *   - what stays encoded has upper-case digits: `%2f` becomes `%2F`;
 *   - `"<>\^`{|}`, space and bytes outside ASCII are always encoded, in a query `'` too;
 *   - a `%` that two hexadecimal digits do not follow makes every `%` of its part literal: `%zz%41` becomes `%25zz%2541`.
 */

import { pathLength } from '../base/path-length.js'

/** A path for which both steps are the identity: by far the most. No `%`, `#`, `'`, no dot behind a slash. */
const CLEAN = /^(?:\/(?!\.)[A-Za-z0-9\-._~!$&()*+,:;=@[\]]*)+(?:\?[A-Za-z0-9\-._~!$&()*+,:;=@[\]/?]*)?$/

const CLEAN_PART = /^[A-Za-z0-9\-._~!$&()*+,:;=@[\]/?]*$/
const BROKEN_ESCAPE = /%(?![0-9A-Fa-f]{2})/
const HAS_DOT_SEGMENT = /\/\.\.?(?:\/|$)/
const UNRESERVED = /[A-Za-z0-9\-._~]/

/** Both steps: what a backend sees when no route option rewrites the path. */
export function normalizePath(pathAndQuery: string): string {
  if (CLEAN.test(pathAndQuery)) return pathAndQuery
  return removeDotSegments(encodePath(pathAndQuery))
}

/** Step one. Takes a byte string as received: path, query, and a fragment if somebody sent one. */
export function encodePath(pathAndQuery: string): string {
  if (CLEAN.test(pathAndQuery)) return pathAndQuery
  const hash = pathAndQuery.indexOf('#')
  const beforeHash = hash === -1 ? pathAndQuery : pathAndQuery.slice(0, hash)
  const question = beforeHash.indexOf('?')
  const path = question === -1 ? beforeHash : beforeHash.slice(0, question)
  let encoded = encodePart(path, false)
  if (path === '') encoded = '/'
  if (question !== -1) encoded += '?' + encodePart(beforeHash.slice(question + 1), true)
  if (hash !== -1) encoded += '#' + encodePart(pathAndQuery.slice(hash + 1), false)
  return encoded
}

/** Path, query or fragment alone: `?` and `/` stay as they are, `#` is encoded. */
export function encodePart(part: string, isQuery: boolean): string {
  if (CLEAN_PART.test(part)) return part
  const escapesAreLiteral = BROKEN_ESCAPE.test(part)
  let encoded = ''
  for (let at = 0; at < part.length; at++) {
    const char = part[at] as string
    if (char === '%' && !escapesAreLiteral) {
      encoded += settledEscape(part.slice(at + 1, at + 3))
      at += 2
    } else if (char === "'" ? isQuery : !CLEAN_PART.test(char)) encoded += escapeOf(char.charCodeAt(0))
    else encoded += char
  }
  return encoded
}

function settledEscape(digits: string): string {
  const char = String.fromCharCode(Number.parseInt(digits, 16))
  return UNRESERVED.test(char) ? char : `%${digits.toUpperCase()}`
}

function escapeOf(byte: number): string {
  return '%' + byte.toString(16).toUpperCase().padStart(2, '0')
}

/** Step two (RFC 3986 §5.2.4), on the path of an encoded path and query. */
export function removeDotSegments(pathAndQuery: string): string {
  if (!pathAndQuery.includes('/.')) return pathAndQuery
  const end = pathLength(pathAndQuery)
  const path = pathAndQuery.slice(0, end)
  if (!HAS_DOT_SEGMENT.test(path)) return pathAndQuery
  const kept: string[] = []
  const segments = path.split('/')
  const last = segments.length - 1
  for (let at = 1; at <= last; at++) {
    const segment = segments[at] as string
    const isDot = segment === '.' || segment === '..'
    if (segment === '..') kept.pop()
    if (!isDot) kept.push(segment)
    // A path that ends in a dot segment names a directory.
    else if (at === last) kept.push('')
  }
  return '/' + kept.join('/') + pathAndQuery.slice(end)
}
