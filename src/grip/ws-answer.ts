/**
 * What the answers of a WebSocket-over-HTTP backend say in their status and headers: the part of the session that
 * needs no state.
 */
import { Buffer } from 'node:buffer'
import { WS_REJECT_BYTES_MAX } from '../base/limits.js'
import { gripExtensionEntry, parseGripExtension, parseInteger } from '../wire/header-params.js'
import { removeHeaders } from '../wire/headers.js'
import type { Header } from '../wire/publish-types.js'
import type { WsClientEffect } from './ws-effects.js'

/** A complete backend answer. `headers`: name, value, name, value … as received (byte strings). */
export interface WsResponse {
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
  readonly body: Buffer
}

export type WsReject = Extract<WsClientEffect, { kind: 'reject' }>

/** The headers a session acts on; null: absent. The first of several counts. */
export interface AnswerHead {
  contentType: string | null
  keepAliveInterval: string | null
  contentBytesAccepted: string | null
  hasSetMeta: boolean
}

const SET_META = 'set-meta-'

export function readAnswerHead(headers: readonly string[]): AnswerHead {
  const head: AnswerHead = {
    contentType: null,
    keepAliveInterval: null,
    contentBytesAccepted: null,
    hasSetMeta: false,
  }
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = (headers[index] as string).toLowerCase()
    const value = headers[index + 1] as string
    if (name === 'content-type') head.contentType ??= value
    else if (name === 'keep-alive-interval') head.keepAliveInterval ??= value
    else if (name === 'content-bytes-accepted') head.contentBytesAccepted ??= value
    else if (isSetMeta(name)) head.hasSetMeta = true
  }
  return head
}

/** Whether the answer carries WebSocket events at all. Byte for byte: no parameters, no other case. */
export function isWsEvents(response: WsResponse, head: AnswerHead): boolean {
  return response.status === 200 && head.contentType === 'application/websocket-events'
}

const KEEP_ALIVE_INTERVAL_MIN_MS = 20_000

/** Keep-Alive-Interval in milliseconds; 0: off. */
export function keepAliveIntervalMs(value: string): number {
  const seconds = parseInteger(value)
  return seconds !== null && seconds > 0 ? Math.max(seconds * 1000, KEEP_ALIVE_INTERVAL_MIN_MS) : 0
}

/** Content-Bytes-Accepted, or `offeredBytes` when it is absent or makes no sense. May exceed what was offered. */
export function acceptedBytes(value: string | null, offeredBytes: number): number {
  if (value === null) return offeredBytes
  const bytes = parseInteger(value)
  return bytes !== null && bytes >= 0 ? bytes : offeredBytes
}

function isSetMeta(lowerCaseName: string): boolean {
  return lowerCaseName.length > SET_META.length && lowerCaseName.startsWith(SET_META)
}

/** Applies Set-Meta-<name>: a replaced value moves to the end, an empty one deletes. null: no meta. */
export function applySetMeta(meta: readonly Header[] | null, headers: readonly string[]): readonly Header[] | null {
  let next = meta === null ? [] : [...meta]
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] as string
    if (!isSetMeta(name.toLowerCase())) continue
    const metaName = name.slice(SET_META.length)
    const key = metaName.toLowerCase()
    const value = headers[index + 1] as string
    next = next.filter(([held]) => held.toLowerCase() !== key)
    if (value !== '') next.push([metaName, value])
  }
  return next.length > 0 ? next : null
}

/** Headers of the answer that concern its framing or the WebSocket handshake: the gateway or uWebSockets.js makes them. */
const HANDSHAKE = new Set([
  'connection',
  'content-length',
  'date',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'transfer-encoding',
  'upgrade',
])
/** Headers that speak to the gateway. Content-Bytes-Accepted is not among them: Pushpin lets it through. */
const PRIVATE = new Set(['content-type', 'keep-alive-interval'])

/** The 101, from the answer to OPEN. */
export function acceptEffect(response: WsResponse): WsClientEffect {
  return accept(response.headers, (key) => HANDSHAKE.has(key) || PRIVATE.has(key) || isSetMeta(key))
}

/** Headers of the answer to OPEN as those of a 101, for statistics: without what speaks to the gateway. Flat. */
export function openedHeaders(headers: readonly string[]): string[] {
  return removeHeaders(headers, (key) => key === 'content-length' || PRIVATE.has(key) || isSetMeta(key))
}

/** The 101, from the backend's own. */
export function relayedAccept(headers: readonly string[]): WsClientEffect {
  return accept(headers, (key) => HANDSHAKE.has(key))
}

/** The 101 for a gateway that is to act on the grip extension, which the backend has asked for with `answered`. */
export function withGripExtension(effect: WsClientEffect, answered: readonly string[]): WsClientEffect {
  const entry = gripExtensionEntry(answered)
  if (effect.kind !== 'accept' || entry === null || parseGripExtension(answered) === null) return effect
  return { kind: 'accept', headers: [...effect.headers, ['Sec-WebSocket-Extensions', entry]] }
}

function accept(answered: readonly string[], isLeftOut: (lowerCaseName: string) => boolean): WsClientEffect {
  const headers: Header[] = []
  for (let index = 0; index + 1 < answered.length; index += 2) {
    const name = answered[index] as string
    if (!isLeftOut(name.toLowerCase())) headers.push([name, answered[index + 1] as string])
  }
  return { kind: 'accept', headers }
}

/** The backend's own refusal, relayed. A body over `bodyBytesMax` (Pushpin: client_buffer_size) cannot be. */
export function relayedRejection(response: WsResponse, bodyBytesMax: number): WsReject {
  const body =
    response.body.length > WS_REJECT_BYTES_MAX ? response.body.subarray(0, WS_REJECT_BYTES_MAX) : response.body
  if (body.length > bodyBytesMax) {
    return rejection(
      500,
      'Internal Server Error',
      `Non-101 response body size exceeded limit of ${bodyBytesMax} bytes.\n`,
      [['Content-Type', 'text/plain']],
    )
  }
  const headers: Header[] = []
  for (let index = 0; index + 1 < response.headers.length; index += 2) {
    const name = response.headers[index] as string
    if (!HANDSHAKE.has(name.toLowerCase())) headers.push([name, response.headers[index + 1] as string])
  }
  return { kind: 'reject', status: response.status, reason: response.reason, headers, body }
}

function rejection(status: number, reason: string, text: string, headers: readonly Header[]): WsReject {
  return { kind: 'reject', status, reason, headers, body: Buffer.from(text, 'latin1') }
}

/** The backend could not be asked. Without Content-Type, as Pushpin sends it. */
export function proxyErrorRejection(tried: readonly string[] | null): WsReject {
  const text =
    tried === null
      ? 'Error while proxying to origin.\n'
      : `Unable to connect to any targets. Tried: ${tried.join(', ')}\n`
  return rejection(502, 'Bad Gateway', text, [])
}

/** The session's channels did not become live in time. */
export function notLiveRejection(): WsReject {
  return rejection(500, 'Internal Server Error', 'Accept service unavailable.\n', [])
}
