/** The JSON form of GRIP instructions: a body of type application/grip-instruct (GRIP reference: JSON form). */
import { Buffer } from 'node:buffer'
import { EMPTY_BYTES, byteStringOfText } from '../base/bytes.js'
import { InstructFault, addChannel } from './instruct-draft.js'
import type { InstructDraft } from './instruct-draft.js'
import { KEEP_ALIVE_TIMEOUT_DEFAULT } from './instruct-headers.js'
import { bytesOfBase64, parseJsonBytes, qtInteger } from './json-text.js'
import { isJsonObject, jsonMember } from './json-values.js'
import type { JsonObject } from './json-values.js'
import type { Header, Json } from './publish-types.js'

/** Applies the JSON form over what the headers said. Throws InstructFault. */
export function applyInstructJson(draft: InstructDraft, status: number, body: Buffer): void {
  if (status !== 200) throw new InstructFault('response code for application/grip-instruct content must be 200')
  const instruct = parseJsonBytes(body)
  if (instruct === undefined) throw new InstructFault('failed to parse application/grip-instruct content as JSON')
  if (!isJsonObject(instruct)) throw new InstructFault('instruct must be an object')
  const hold = jsonMember(instruct, 'hold')
  if (hold !== undefined) {
    if (!isJsonObject(hold)) throw new InstructFault("instruct contains 'hold' with wrong type")
    applyHold(draft, hold)
  }
  draft.headers = []
  draft.body = null
  const response = jsonMember(instruct, 'response')
  if (response === undefined) return
  // Pushpin says nothing here.
  if (!isJsonObject(response)) throw new InstructFault('')
  applyResponse(draft, response)
}

function applyHold(draft: InstructDraft, hold: JsonObject): void {
  const mode = textMember(hold, 'hold', 'mode') ?? 'response'
  if (mode !== 'response' && mode !== 'stream') {
    throw new InstructFault("hold 'mode' must be set to either 'response' or 'stream'")
  }
  draft.hold = mode
  const channels = listMember(hold, 'hold', 'channels')
  if (channels === null) throw new InstructFault("hold does not contain 'channels'")
  for (const channel of channels) applyChannel(draft, channel)
  draft.timeout = secondsMember(hold, 'hold', 'timeout') ?? draft.timeout
  const keepAlive = objectMember(hold, 'hold', 'keep-alive')
  if (keepAlive !== null) applyKeepAlive(draft, keepAlive)
  const meta = objectMember(hold, 'hold', 'meta')
  if (meta !== null) for (const [key, value] of textPairs(meta, "'meta'")) draft.meta.set(key, value)
}

function applyChannel(draft: InstructDraft, channel: Json): void {
  if (!isJsonObject(channel)) throw new InstructFault('channel is not an object')
  const name = textMember(channel, 'channel', 'name')
  if (name === null) throw new InstructFault("channel does not contain 'name'")
  const prevId = textMember(channel, 'channel', 'prev-id')
  const filters = (listMember(channel, 'channel', 'filters') ?? []).map((filter) => {
    if (typeof filter !== 'string') throw new InstructFault('filters contains value with wrong type')
    return byteStringOfText(filter)
  })
  addChannel(draft, { name, prevId, filters })
}

/** Content and timeout only: without a Grip-Keep-Alive header to name a mode, traffic does not push the timer back. */
function applyKeepAlive(draft: InstructDraft, keepAlive: JsonObject): void {
  const content = contentMember(keepAlive, 'keep-alive', 'content') ?? draft.keepAlive?.content ?? EMPTY_BYTES
  const timeout = secondsMember(keepAlive, 'keep-alive', 'timeout') ?? KEEP_ALIVE_TIMEOUT_DEFAULT
  draft.keepAlive = { content, timeout, mode: draft.keepAlive?.mode ?? 'interval' }
}

function applyResponse(draft: InstructDraft, response: JsonObject): void {
  const code = integerMember(response, 'response', 'code')
  if (code !== null) {
    if (code < 0 || code > 999) throw new InstructFault("response contains 'code' with invalid value")
    draft.code = code
    draft.reason = ''
  }
  draft.reason = textMember(response, 'response', 'reason') || draft.reason
  const headers = jsonMember(response, 'headers')
  if (headers !== undefined) draft.headers = headersOf(headers)
  draft.body = contentMember(response, 'response', 'body')
}

function headersOf(headers: Json): Header[] {
  if (Array.isArray(headers)) return headers.map(headerOf)
  if (isJsonObject(headers)) return textPairs(headers, 'headers')
  throw new InstructFault("response contains 'headers' with wrong type")
}

function headerOf(header: Json): Header {
  if (!Array.isArray(header)) throw new InstructFault('headers contains element with wrong type')
  if (header.length !== 2) throw new InstructFault('headers contains list with wrong number of elements')
  const [name, value] = header
  if (typeof name !== 'string') throw new InstructFault('header contains name element with wrong type')
  if (typeof value !== 'string') throw new InstructFault('header contains value element with wrong type')
  return [byteStringOfText(name), byteStringOfText(value)]
}

/** Members in the order of their names (code units), all of them strings. */
function textPairs(object: JsonObject, owner: string): [string, string][] {
  return Object.keys(object)
    .sort()
    .map((key) => {
      const value = object[key]
      if (typeof value !== 'string') throw wrongType(owner, byteStringOfText(key))
      return [byteStringOfText(key), byteStringOfText(value)]
    })
}

/** The bytes of `name`-bin in base64, else of the text `name`, or null. */
function contentMember(object: JsonObject, owner: string, name: string): Buffer | null {
  const encoded = jsonMember(object, `${name}-bin`)
  if (encoded !== undefined) {
    if (typeof encoded !== 'string') throw wrongType(owner, `${name}-bin`)
    return bytesOfBase64(encoded)
  }
  const text = jsonMember(object, name)
  if (text === undefined) return null
  if (typeof text !== 'string') throw wrongType(owner, name)
  return Buffer.from(text, 'utf8')
}

function textMember(object: JsonObject, owner: string, name: string): string | null {
  const value = jsonMember(object, name)
  if (value === undefined) return null
  if (typeof value !== 'string') throw wrongType(owner, name)
  return byteStringOfText(value)
}

function listMember(object: JsonObject, owner: string, name: string): Json[] | null {
  const value = jsonMember(object, name)
  if (value === undefined) return null
  if (!Array.isArray(value)) throw wrongType(owner, name)
  return value
}

function objectMember(object: JsonObject, owner: string, name: string): JsonObject | null {
  const value = jsonMember(object, name)
  if (value === undefined) return null
  if (!isJsonObject(value)) throw wrongType(owner, name)
  return value
}

function integerMember(object: JsonObject, owner: string, name: string): number | null {
  const value = jsonMember(object, name)
  if (value === undefined) return null
  const integer = qtInteger(value)
  if (integer === undefined) throw wrongType(owner, name)
  return integer
}

function secondsMember(object: JsonObject, owner: string, name: string): number | null {
  const seconds = integerMember(object, owner, name)
  if (seconds !== null && seconds < 0) throw new InstructFault(`${owner} contains '${name}' with invalid value`)
  return seconds
}

function wrongType(owner: string, name: string): InstructFault {
  return new InstructFault(`${owner} contains '${name}' with wrong type`)
}
