/**
 * Published items: JSON or tnetstring to PublishItem, with Pushpin's rules, order of checks and error texts
 * (reference: GRIP publishing, item schema and HTTP control API).
 *
 * One walk serves both encodings. They differ in the type of a dictionary (object or Map) and of a text (string or
 * Buffer), and in three rules: `body-bin` of http-response and `content-bin` of http-stream exist in JSON only;
 * `content-bin` of ws-message is base64 in JSON and raw bytes in tnetstring; an optional field that is null counts
 * as absent in tnetstring and as a wrong type in JSON.
 *
 * Bytes of a tnetstring are views of the message, not copies.
 */
import { Buffer } from 'node:buffer'
import { byteStringOfText, EMPTY_BYTES, textOfByteString } from '../base/bytes.js'
import { CHANNEL_BYTES_MAX } from '../base/limits.js'
import { bytesOfBase64, JSON_DEPTH_MAX, nestsDeeper, parseJsonBytes, qtInteger } from './json-text.js'
import {
  type Header,
  type HttpResponseFormat,
  type HttpStreamFormat,
  type Json,
  PublishAction,
  type PublishItem,
  type WsMessageFormat,
  WsMessageType,
} from './publish-types.js'
import { statusReason } from './status-reasons.js'
import { decodeTnetstring, type TnValue } from './tnetstring.js'

/** Why something was refused: UTF-8 text, Pushpin's words. The detail of an unknown action is empty, as there. */
export interface PublishFault {
  readonly error: string
}

export function isPublishFault(value: PublishItem | readonly PublishItem[] | PublishFault): value is PublishFault {
  return 'error' in value
}

/** The body of POST /publish: every item, or the answer's text (without line end) when one of them is wrong. */
export function decodePublishBody(body: Buffer): PublishItem[] | PublishFault {
  const root = parseJsonBytes(body)
  if (root === undefined) return { error: 'Body is not valid JSON.' }
  return Array.isArray(root) ? { error: 'Invalid format.' } : decodePublishItems(root)
}

/** The same for what a publish command carries: a dictionary, of JSON or of tnetstring, with `items`. */
export function decodePublishItems(root: Dictionary): PublishItem[] | PublishFault {
  const values = field(root, 'items')
  if (values === undefined) return { error: "Invalid format: object does not contain 'items'" }
  if (!Array.isArray(values)) return { error: "Invalid format: object contains 'items' with wrong type" }
  const fault: Fault = { detail: '' }
  const items: PublishItem[] = []
  for (const value of values) {
    const item = readItem(value, '', fault)
    if (item === WRONG) return { error: `Invalid format: ${fault.detail}` }
    items.push(item)
  }
  return items
}

/**
 * One message part from a ZeroMQ door: `J` and JSON, `T` and tnetstring, or a bare tnetstring. What follows a
 * tnetstring is ignored. `topic`: the first part of a SUB message, which replaces the item's channel unless empty.
 * The error is what Pushpin logs, without the door in front and `, skipping` behind.
 */
export function decodeZmqItem(part: Buffer, topic = ''): PublishItem | PublishFault {
  let value: Dictionary | TnValue
  if (part[0] === LETTER_J) {
    const root = parseJsonBytes(part.subarray(1))
    if (root === undefined) return { error: 'received message with invalid format (json parse failed)' }
    if (Array.isArray(root)) return { error: 'received message with invalid format (not a valid json object)' }
    value = root
  } else {
    const decoded = decodeTnetstring(part, part[0] === LETTER_T ? 1 : 0)
    if (!decoded.ok) return { error: 'received message with invalid format (tnetstring parse failed)' }
    value = decoded.value
  }
  const item = decodePublishItem(value, topic)
  return isPublishFault(item) ? { error: `received message with invalid format: ${item.error}` } : item
}

/** One item, as JSON.parse or decodeTnetstring hands it out. The error is the bare detail. */
export function decodePublishItem(value: Json | TnValue, topic = ''): PublishItem | PublishFault {
  const fault: Fault = { detail: '' }
  const item = readItem(value, topic, fault)
  return item === WRONG ? { error: fault.detail } : item
}

type JsonObject = { [key: string]: Json }
/** What both encodings call an object. */
export type Dictionary = JsonObject | Map<string, TnValue>
type Value = Json | TnValue

/** Says that something was wrong; `Fault.detail` says what. */
const WRONG = Symbol('wrong')
type Wrong = typeof WRONG
interface Fault {
  detail: string
}

const LETTER_J = 0x4a
const LETTER_T = 0x54
const ITEM = 'publish item object'

function refuse(fault: Fault, detail: string): Wrong {
  fault.detail = detail
  return WRONG
}

function readItem(value: Value, topic: string, fault: Fault): PublishItem | Wrong {
  if (!isDictionary(value)) return refuse(fault, `${ITEM} is not an object`)
  const channel = topic !== '' ? topic : readChannel(value, fault)
  if (channel === WRONG) return WRONG
  if (channel.length > CHANNEL_BYTES_MAX) {
    return refuse(fault, `${ITEM} contains 'channel' longer than ${CHANNEL_BYTES_MAX} bytes`)
  }
  const id = readText(value, ITEM, 'id', fault)
  if (id === WRONG) return WRONG
  const prevId = readText(value, ITEM, 'prev-id', fault)
  if (prevId === WRONG) return WRONG
  const formats = readFormats(value, fault)
  if (formats === WRONG) return WRONG
  const meta = readMeta(value, fault)
  if (meta === WRONG) return WRONG
  const size = readNumber(value, ITEM, 'size', -1, SIZE_MAX, fault)
  if (size === WRONG) return WRONG
  const noSeq = field(value, 'no-seq')
  if (noSeq !== undefined && typeof noSeq !== 'boolean') {
    return refuse(fault, `${ITEM} contains 'no-seq' with wrong type`)
  }
  return {
    channel,
    id: id ?? null,
    prevId: prevId ?? null,
    httpStream: formats.httpStream,
    httpResponse: formats.httpResponse,
    wsMessage: formats.wsMessage,
    meta,
    size,
    noSeq: noSeq === true,
  }
}

function readChannel(item: Dictionary, fault: Fault): string | Wrong {
  const value = field(item, 'channel')
  if (value === undefined) return refuse(fault, `${ITEM} does not contain 'channel'`)
  return byteString(value) ?? refuse(fault, `${ITEM} contains 'channel' with wrong type`)
}

interface Formats {
  httpResponse: HttpResponseFormat | null
  httpStream: HttpStreamFormat | null
  wsMessage: WsMessageFormat | null
}

function readFormats(item: Dictionary, fault: Fault): Formats | Wrong {
  const given = optionalField(item, 'formats')
  if (given !== undefined && !isDictionary(given)) return refuse(fault, `${ITEM} contains 'formats' with wrong type`)
  // Without `formats` the three keys are looked up in the item itself; there, null is absent in a tnetstring.
  const find = given === undefined ? optionalField : field
  const source = given ?? item
  const response = find(source, 'http-response')
  const stream = find(source, 'http-stream')
  const message = find(source, 'ws-message')
  if (response === undefined && stream === undefined && message === undefined) {
    if (given === undefined || isEmpty(given)) return refuse(fault, 'no formats specified')
  }
  const httpResponse = response === undefined ? null : readHttpResponse(response, fault)
  if (httpResponse === WRONG) return WRONG
  const httpStream = stream === undefined ? null : readHttpStream(stream, fault)
  if (httpStream === WRONG) return WRONG
  const wsMessage = message === undefined ? null : readWsMessage(message, fault)
  if (wsMessage === WRONG) return WRONG
  return { httpResponse, httpStream, wsMessage }
}

const HTTP_RESPONSE = "'http-response'"

function readHttpResponse(value: Value, fault: Fault): HttpResponseFormat | Wrong {
  if (!isDictionary(value)) return refuse(fault, `${HTTP_RESPONSE} is not an object`)
  const action = readAction(value, HTTP_RESPONSE, fault)
  if (action === WRONG) return WRONG
  if (action !== PublishAction.Send) return BARE_RESPONSE[action]
  const code = readNumber(value, HTTP_RESPONSE, 'code', 200, 999, fault)
  if (code === WRONG) return WRONG
  const givenReason = readText(value, HTTP_RESPONSE, 'reason', fault)
  if (givenReason === WRONG) return WRONG
  const reason = givenReason !== undefined && givenReason !== '' ? givenReason : statusReason(code)
  const headers = readHeaders(value, fault)
  if (headers === WRONG) return WRONG
  const contentFilters = readContentFilters(value, HTTP_RESPONSE, fault)
  if (contentFilters === WRONG) return WRONG
  const body = readContent(value, HTTP_RESPONSE, 'body', fault)
  if (body === WRONG) return WRONG
  const bodyPatch = body === undefined ? readBodyPatch(value, fault) : null
  if (bodyPatch === WRONG) return WRONG
  // Pushpin writes a line break out as it is, so a value could forge headers or a second response. Checked last, so
  // that what Pushpin refuses too is refused in its words.
  if (breaksLine(reason)) return refuse(fault, `${HTTP_RESPONSE} contains 'reason' with invalid value`)
  if (headers.some(([name, text]) => breaksLine(name) || breaksLine(text))) {
    return refuse(fault, `${HTTP_RESPONSE} contains 'headers' with invalid value`)
  }
  return { action, code, reason, headers, body: body ?? EMPTY_BYTES, bodyPatch, contentFilters }
}

function readBodyPatch(format: Dictionary, fault: Fault): readonly Json[] | Wrong {
  const value = field(format, 'body-patch')
  if (value === undefined) {
    const names = format instanceof Map ? "'body' or 'body-patch'" : "'body', 'body-bin', or 'body-patch'"
    return refuse(fault, `${HTTP_RESPONSE} does not contain ${names}`)
  }
  // Pushpin reads a null of a tnetstring as an empty patch.
  if (value === null && format instanceof Map) return []
  if (!Array.isArray(value)) return refuse(fault, `${HTTP_RESPONSE} contains 'body-patch' with wrong type`)
  if (format instanceof Map) return (value as TnValue[]).map(jsonOfTnValue)
  if (nestsDeeper(value as Json[], JSON_DEPTH_MAX)) {
    return refuse(fault, `${HTTP_RESPONSE} contains 'body-patch' with invalid value`)
  }
  return value as Json[]
}

const HTTP_STREAM = "'http-stream'"

function readHttpStream(value: Value, fault: Fault): HttpStreamFormat | Wrong {
  if (!isDictionary(value)) return refuse(fault, `${HTTP_STREAM} is not an object`)
  const action = readAction(value, HTTP_STREAM, fault)
  if (action === WRONG) return WRONG
  if (action !== PublishAction.Send) return BARE_STREAM[action]
  const contentFilters = readContentFilters(value, HTTP_STREAM, fault)
  if (contentFilters === WRONG) return WRONG
  const content = readContent(value, HTTP_STREAM, 'content', fault)
  if (content === WRONG) return WRONG
  if (content === undefined) {
    const names = value instanceof Map ? "'content'" : "'content' or 'content-bin'"
    return refuse(fault, `${HTTP_STREAM} does not contain ${names}`)
  }
  return { action, content, contentFilters }
}

const WS_MESSAGE = "'ws-message'"

function readWsMessage(value: Value, fault: Fault): WsMessageFormat | Wrong {
  if (!isDictionary(value)) return refuse(fault, `${WS_MESSAGE} is not an object`)
  const action = readAction(value, WS_MESSAGE, fault)
  if (action === WRONG) return WRONG
  if (action === PublishAction.Close) return readWsClose(value, fault)
  if (action !== PublishAction.Send) return BARE_WS[action]
  const givenType = readText(value, WS_MESSAGE, 'type', fault)
  if (givenType === WRONG) return WRONG
  if (givenType !== undefined && !isWsMessageType(givenType)) {
    return refuse(fault, `${WS_MESSAGE} contains 'type' with unknown value`)
  }
  const contentFilters = readContentFilters(value, WS_MESSAGE, fault)
  if (contentFilters === WRONG) return WRONG
  const binary = field(value, 'content-bin')
  if (binary !== undefined) {
    const content = binaryContent(value, binary)
    if (content === undefined) return refuse(fault, `${WS_MESSAGE} contains 'content-bin' with wrong type`)
    return { action, type: givenType ?? WsMessageType.Binary, content, code: -1, reason: '', contentFilters }
  }
  const text = field(value, 'content')
  if (text !== undefined) {
    const content = contentBytes(text)
    if (content === undefined) return refuse(fault, `${WS_MESSAGE} contains 'content' with wrong type`)
    return { action, type: givenType ?? WsMessageType.Text, content, code: -1, reason: '', contentFilters }
  }
  if (givenType !== WsMessageType.Ping && givenType !== WsMessageType.Pong) {
    return refuse(fault, `${WS_MESSAGE} does not contain 'content' or 'content-bin'`)
  }
  return { action, type: givenType, content: EMPTY_BYTES, code: -1, reason: '', contentFilters }
}

function readWsClose(format: Dictionary, fault: Fault): WsMessageFormat | Wrong {
  const code = readNumber(format, WS_MESSAGE, 'code', -1, SIZE_MAX, fault)
  if (code === WRONG) return WRONG
  const reason = readText(format, WS_MESSAGE, 'reason', fault)
  if (reason === WRONG) return WRONG
  return { ...BARE_WS.close, code, reason: reason ?? '' }
}

function readAction(format: Dictionary, name: string, fault: Fault): PublishAction | Wrong {
  const action = readText(format, name, 'action', fault)
  switch (action) {
    case undefined:
      return PublishAction.Send
    case WRONG:
    case PublishAction.Send:
    case PublishAction.Hint:
    case PublishAction.Close:
    case PublishAction.Refresh:
      return action
    default:
      return refuse(fault, '')
  }
}

/** Headers of http-response: list form keeps order and duplicates; the JSON object form is sorted by name. */
function readHeaders(format: Dictionary, fault: Fault): readonly Header[] | Wrong {
  const value = field(format, 'headers')
  if (value === undefined) return NO_HEADERS
  const headers: Header[] = []
  if (Array.isArray(value)) {
    for (const pair of value) {
      if (!Array.isArray(pair)) return refuse(fault, 'headers contains element with wrong type')
      if (pair.length !== 2) return refuse(fault, 'headers contains list with wrong number of elements')
      const name = byteString(pair[0] as Value)
      if (name === undefined) return refuse(fault, 'header contains name element with wrong type')
      const text = byteString(pair[1] as Value)
      if (text === undefined) return refuse(fault, 'header contains value element with wrong type')
      headers.push([name, text])
    }
  } else if (isDictionary(value)) {
    for (const key of keysInOrder(value)) {
      const text = byteString(field(value, key) as Value)
      if (text === undefined) return refuse(fault, `headers contains '${textOfKey(value, key)}' with wrong type`)
      headers.push([value instanceof Map ? key : byteStringOfText(key), text])
    }
  } else {
    return refuse(fault, `${HTTP_RESPONSE} contains 'headers' with wrong type`)
  }
  return headers
}

function readContentFilters(format: Dictionary, name: string, fault: Fault): readonly string[] | null | Wrong {
  const value = field(format, 'content-filters')
  if (value === undefined) return null
  if (!Array.isArray(value)) return refuse(fault, `${name} contains 'content-filters' with wrong type`)
  const filters: string[] = []
  for (const element of value) {
    const filter = byteString(element)
    if (filter === undefined) return refuse(fault, 'content-filters contains element with wrong type')
    filters.push(filter)
  }
  return filters
}

/** `body` or `content`, with the `-bin` variant of JSON first; undefined when neither is there. */
function readContent(
  format: Dictionary,
  name: string,
  key: 'body' | 'content',
  fault: Fault,
): Buffer | undefined | Wrong {
  if (!(format instanceof Map)) {
    const binaryKey = key === 'body' ? 'body-bin' : 'content-bin'
    const binary = format[binaryKey]
    if (binary !== undefined) {
      return binaryContent(format, binary) ?? refuse(fault, `${name} contains '${binaryKey}' with wrong type`)
    }
  }
  const value = field(format, key)
  if (value === undefined) return undefined
  return contentBytes(value) ?? refuse(fault, `${name} contains '${key}' with wrong type`)
}

function readMeta(item: Dictionary, fault: Fault): Readonly<Record<string, string>> | null | Wrong {
  const value = optionalField(item, 'meta')
  if (value === undefined) return null
  if (!isDictionary(value)) return refuse(fault, `${ITEM} contains 'meta' with wrong type`)
  // No prototype: a name like `constructor` or `__proto__` is a name like any other.
  const meta = Object.create(null) as Record<string, string>
  for (const key of keysInOrder(value)) {
    const text = byteString(field(value, key) as Value)
    if (text === undefined) return refuse(fault, `'meta' contains '${textOfKey(value, key)}' with wrong type`)
    meta[value instanceof Map ? key : byteStringOfText(key)] = text
  }
  return meta
}

const SIZE_MAX = 0x7fff_ffff

/** A number between 0 and `max` by Qt's coercions; `absent` when the field is not there. */
function readNumber(
  object: Dictionary,
  name: string,
  key: string,
  absent: number,
  max: number,
  fault: Fault,
): number | Wrong {
  const value = field(object, key)
  if (value === undefined) return absent
  const number = qtInteger(Buffer.isBuffer(value) ? value.toString('latin1') : value)
  if (number === undefined) return refuse(fault, `${name} contains '${key}' with wrong type`)
  if (number < 0 || number > max) return refuse(fault, `${name} contains '${key}' with invalid value`)
  return number
}

/** An optional text as a byte string; undefined when absent. */
function readText(object: Dictionary, name: string, key: string, fault: Fault): string | undefined | Wrong {
  const value = optionalField(object, key)
  if (value === undefined) return undefined
  return byteString(value) ?? refuse(fault, `${name} contains '${key}' with wrong type`)
}

/** undefined: absent. No field name that is read here exists on Object.prototype. */
function field(object: Dictionary, key: string): Value | undefined {
  return object instanceof Map ? object.get(key) : object[key]
}

/** The same where Pushpin does not tell a null of a tnetstring from an absent field. */
function optionalField(object: Dictionary, key: string): Value | undefined {
  if (!(object instanceof Map)) return object[key]
  return object.get(key) ?? undefined
}

function isDictionary(value: Value): value is Dictionary {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value)
}

function isEmpty(object: Dictionary): boolean {
  return object instanceof Map ? object.size === 0 : Object.keys(object).length === 0
}

/** Code-unit order for JSON (a QMap there); as written for tnetstrings (a QHash there, whose order is random). */
function keysInOrder(object: Dictionary): Iterable<string> {
  return object instanceof Map ? object.keys() : Object.keys(object).sort()
}

function textOfKey(object: Dictionary, key: string): string {
  return object instanceof Map ? textOfByteString(key) : key
}

function byteString(value: Value): string | undefined {
  if (typeof value === 'string') return byteStringOfText(value)
  return Buffer.isBuffer(value) ? value.toString('latin1') : undefined
}

function contentBytes(value: Value): Buffer | undefined {
  if (typeof value === 'string') return Buffer.from(value, 'utf8')
  return Buffer.isBuffer(value) ? value : undefined
}

function binaryContent(format: Dictionary, value: Value): Buffer | undefined {
  if (format instanceof Map) return Buffer.isBuffer(value) ? value : undefined
  return typeof value === 'string' ? bytesOfBase64(value) : undefined
}

function isWsMessageType(text: string): text is WsMessageType {
  return text === 'text' || text === 'binary' || text === 'ping' || text === 'pong'
}

function breaksLine(text: string): boolean {
  return LINE_BREAK.test(text)
}
// eslint-disable-next-line no-control-regex -- NUL ends a header for some clients
const LINE_BREAK = /[\r\n\x00]/

function jsonOfTnValue(value: TnValue): Json {
  if (Buffer.isBuffer(value)) return value.toString('utf8')
  if (Array.isArray(value)) return value.map(jsonOfTnValue)
  if (!(value instanceof Map)) return value
  return Object.fromEntries([...value].map(([key, child]) => [textOfByteString(key), jsonOfTnValue(child)]))
}

const NO_HEADERS: readonly Header[] = []

/** Formats of actions that carry nothing: made once. */
type BareAction = Exclude<PublishAction, 'send'>

function bare<Format>(make: (action: BareAction) => Format): Record<BareAction, Format> {
  return { hint: make('hint'), close: make('close'), refresh: make('refresh') }
}

const BARE_STREAM = bare<HttpStreamFormat>((action) => ({ action, content: EMPTY_BYTES, contentFilters: null }))
const BARE_RESPONSE = bare<HttpResponseFormat>((action) => ({
  action,
  code: 200,
  reason: 'OK',
  headers: NO_HEADERS,
  body: EMPTY_BYTES,
  bodyPatch: null,
  contentFilters: null,
}))
const BARE_WS = bare<WsMessageFormat>((action) => ({
  action,
  type: WsMessageType.Text,
  content: EMPTY_BYTES,
  code: -1,
  reason: '',
  contentFilters: null,
}))
