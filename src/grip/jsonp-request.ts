/**
 * JSON-P: a GET by a script element whose query says which request is meant (reference: JSON-P). The parameters are
 * taken out of the query, and the backend sees the request that they make.
 *
 * Paths here have been settled by encodePath (routing/path.ts), so a `%` begins an escape.
 */
import { Buffer } from 'node:buffer'
import { byteStringOfText, EMPTY_BYTES } from '../base/bytes.js'
import type { Route } from '../routing/types.js'
import { headerValue, removeHeaders } from '../wire/headers.js'
import { parseJsonBytes } from '../wire/json-text.js'
import type { ClientHead } from './forwarding.js'

/** The options of a route that say how. */
export type JsonpRules = Pick<
  Route,
  'jsonpMode' | 'jsonpCallback' | 'jsonpBody' | 'jsonpDefaultCallback' | 'jsonpDefaultMethod'
>

/** How the answer is wrapped. */
export interface JsonpCall {
  /** A byte string, as the client wrote it. */
  readonly callback: string
  /** With status and headers; otherwise the bare body. */
  readonly isExtended: boolean
}

export type JsonpRequest =
  /** `head` and `body` (empty: none) go to the backend. */
  | { readonly kind: 'call'; readonly call: JsonpCall; readonly head: ClientHead; readonly body: Buffer }
  /** 400 with this text. */
  | { readonly kind: 'fault'; readonly message: string }

/** Null: an ordinary request. `path`: that of `head`, settled. */
export function readJsonp(head: ClientHead, path: string, rules: JsonpRules): JsonpRequest | null {
  if (head.method !== 'GET') return null
  const { before, items, after } = splitQuery(path)
  const callbackName = rules.jsonpCallback || 'callback'
  // A body parameter of the route's own also says that it is JSON.
  const isOwnBody = rules.jsonpBody !== null && rules.jsonpBody !== ''
  const bodyName = isOwnBody ? rules.jsonpBody : '_body'
  const given = find(items, callbackName)
  const byDefault = rules.jsonpDefaultCallback || null
  if (given === undefined && (byDefault === null || !isOwnBody || find(items, bodyName) === undefined)) return null

  const callback = given === undefined ? (byDefault as string) : decode(given)
  if (callback === '') return fault('callback')
  const methodItem = find(items, '_method')
  const method = methodItem === undefined ? defaultMethod(rules) : decode(methodItem)
  if (!TOKEN.test(method)) return fault('_method')
  const headersItem = find(items, '_headers')
  const headers = headersItem === undefined ? [] : headersOf(decode(headersItem))
  if (headers === null) return fault('_headers')
  const bodyItem = find(items, bodyName)
  const body = bodyItem === undefined ? EMPTY_BYTES : Buffer.from(decode(bodyItem), 'latin1')
  if (bodyItem !== undefined && body.length === 0) return fault(isOwnBody ? 'body' : '_body')

  const isJson = isOwnBody && bodyItem !== undefined
  const taken = new Set([callbackName, '_method', '_headers', bodyName])
  const left = items.filter((item) => !taken.has(nameOf(item)))
  return {
    kind: 'call',
    call: { callback, isExtended: rules.jsonpMode === 'extended' },
    head: {
      ...head,
      method,
      path: before + joined(left) + after,
      headers: requestHeaders(head.headers, isJson ? asJson(headers) : headers, body.length),
    },
    body,
  }
}

function fault(parameter: string): JsonpRequest {
  return { kind: 'fault', message: `Invalid ${parameter} parameter.` }
}

/** Method and header names (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// eslint-disable-next-line no-control-regex -- what a header value must not contain
const NOT_IN_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/

function defaultMethod({ jsonpDefaultMethod, jsonpMode }: JsonpRules): string {
  return jsonpDefaultMethod || (jsonpMode === 'basic' ? 'POST' : 'GET')
}

interface SplitPath {
  readonly before: string
  /** `name` or `name=value`, as they stand. */
  readonly items: readonly string[]
  /** The fragment. */
  readonly after: string
}

function splitQuery(path: string): SplitPath {
  const hash = path.indexOf('#')
  const end = hash === -1 ? path.length : hash
  const question = path.slice(0, end).indexOf('?')
  if (question === -1) return { before: path.slice(0, end), items: [], after: path.slice(end) }
  const items = path.slice(question + 1, end).split('&')
  // A last `&` has nothing behind it.
  if (items.at(-1) === '') items.pop()
  return { before: path.slice(0, question), items: items.map(encodeEqualSigns), after: path.slice(end) }
}

/** The query with its question mark. Empty items stay, but for those in front: so Qt does it. */
function joined(items: readonly string[]): string {
  return items.length === 0 ? '' : `?${items.join('&').replace(/^&+/, '')}`
}

/** Those in a value are escaped, as Qt does when it puts a query together. */
function encodeEqualSigns(item: string): string {
  const equal = item.indexOf('=')
  return equal === -1 ? item : item.slice(0, equal + 1) + item.slice(equal + 1).replaceAll('=', '%3D')
}

function nameOf(item: string): string {
  const equal = item.indexOf('=')
  return decode(equal === -1 ? item : item.slice(0, equal))
}

/** The value of the first item of that name, not decoded; empty when it has none. */
function find(items: readonly string[], name: string): string | undefined {
  const item = items.find((candidate) => nameOf(candidate) === name)
  if (item === undefined) return undefined
  const equal = item.indexOf('=')
  return equal === -1 ? '' : item.slice(equal + 1)
}

/** Only `%`: a `+` is a `+`. */
function decode(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}

/** Made anew, or the client's own to say: a Grip-Sig would decide whether it is trusted. */
const NOT_FROM_QUERY = new Set(['host', 'accept', 'content-length', 'transfer-encoding', 'grip-sig'])

/** A JSON object of strings, as a flat list sorted by name. Null: it is none, or says what no header can. */
function headersOf(json: string): string[] | null {
  const object = parseJsonBytes(Buffer.from(json, 'latin1'))
  if (object === undefined || Array.isArray(object)) return null
  const headers: string[] = []
  for (const key of Object.keys(object).sort()) {
    const value = object[key]
    if (typeof value !== 'string' || !TOKEN.test(key)) return null
    const bytes = byteStringOfText(value)
    if (NOT_IN_VALUE.test(bytes)) return null
    const name = key.toLowerCase()
    if (!NOT_FROM_QUERY.has(name)) headers.push(name, bytes)
  }
  return headers
}

function asJson(headers: readonly string[]): string[] {
  return [...removeHeaders(headers, (name) => name === 'content-type'), 'content-type', 'application/json']
}

/** Those of the query, what the gateway sets, the client's own. */
function requestHeaders(own: readonly string[], extracted: readonly string[], bodyBytes: number): string[] {
  const host = headerValue(own, 'host')
  const hasBody = bodyBytes > 0
  const kept = removeHeaders(own, (name) => name === 'host' || name === 'accept' || (hasBody && FRAMING.has(name)))
  return [
    ...extracted,
    ...(host === null ? [] : ['host', host]),
    ...['accept', '*/*'],
    ...kept,
    ...(hasBody ? ['content-length', String(bodyBytes)] : []),
  ]
}

const FRAMING = new Set(['content-length', 'transfer-encoding'])
