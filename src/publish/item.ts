/** The item that tackboard-publish sends, as JSON for HTTP and as a tnetstring for ZeroMQ. Keys are sorted. */
import { Buffer, isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import type { Json } from '../wire/publish-types.js'
import { encodeTnetstring, type TnInput, TnFloat } from '../wire/tnetstring.js'
import type { PublishArguments } from './arguments.js'
import { systemErrorText } from './errors.js'

/** A value of both encodings: bytes are text in one of them, and base64 under another name where they cannot be. */
export type ItemValue = null | boolean | number | Buffer | readonly ItemValue[] | ItemFields
export interface ItemFields {
  readonly [key: string]: ItemValue | undefined
}

/** Throws an error in words for the user when content is missing, or its file cannot be read. */
export function makeItem(options: PublishArguments): ItemFields {
  const { channel, id, prevId, sender, meta, noSeq } = options
  const text = (value: string): Buffer | undefined => (value === '' ? undefined : Buffer.from(value))
  const metaFields: Record<string, ItemValue> = {}
  if (sender !== '') metaFields['sender'] = Buffer.from(sender)
  for (const [name, value] of meta) metaFields[name] = Buffer.from(value)
  return {
    channel: Buffer.from(channel),
    id: text(id),
    'prev-id': text(prevId),
    formats: makeFormats(options),
    meta: Object.keys(metaFields).length === 0 ? undefined : metaFields,
    'no-seq': noSeq ? true : undefined,
  }
}

export function itemAsJson(fields: ItemFields): string {
  return JSON.stringify(jsonOf(fields))
}

export function itemAsTnetstring(fields: ItemFields): Buffer {
  return encodeTnetstring(tnOf(fields))
}

function makeFormats(options: PublishArguments): ItemFields {
  const { action, code, headers } = options
  if (action !== 'send') {
    const format = { action: Buffer.from(action) }
    return action === 'hint'
      ? { 'http-response': format, 'http-stream': format, 'ws-message': format }
      : { 'http-stream': format, 'ws-message': format }
  }
  const list = headers.map((header) => header.map((part) => Buffer.from(part)))
  const head = { code, headers: list.length === 0 ? undefined : list }
  const given = options.content ?? ''
  if (options.isPatch) return { 'http-response': { ...head, 'body-patch': readPatch(given) } }
  const [http, ws] = readContent(given, options.lineEnd)
  return {
    'http-response': { ...head, body: http },
    'http-stream': { content: http },
    'ws-message': { content: ws },
  }
}

/** What HTTP clients get, and what WebSocket clients get. */
function readContent(given: string, lineEnd: boolean): [Buffer, Buffer] {
  if (!given.startsWith('@')) return [Buffer.from(lineEnd ? `${given}\n` : given), Buffer.from(given)]
  const path = given.slice(1)
  try {
    const content = readFileSync(path)
    return [content, content]
  } catch (error) {
    throw new Error(`can't read file ${path}: ${systemErrorText(error)}`, { cause: error })
  }
}

function readPatch(text: string): ItemValue {
  const patch = JSON.parse(text) as Json
  if (!Array.isArray(patch)) throw new Error('patch content must be a JSON array')
  return valueOf(patch)
}

function valueOf(json: Json): ItemValue {
  if (typeof json === 'string') return Buffer.from(json)
  if (Array.isArray(json)) return json.map(valueOf)
  if (typeof json !== 'object' || json === null) return json
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, valueOf(value)]))
}

/** Fields that are there, by name. */
function entriesOf(fields: ItemFields): [string, ItemValue][] {
  return Object.keys(fields)
    .sort()
    .flatMap((key): [string, ItemValue][] => {
      const value = fields[key]
      return value === undefined ? [] : [[key, value]]
    })
}

function isList(value: readonly ItemValue[] | ItemFields): value is readonly ItemValue[] {
  return Array.isArray(value)
}

function jsonOf(value: ItemValue): Json {
  if (Buffer.isBuffer(value)) return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (isList(value)) return value.map(jsonOf)
  return Object.fromEntries(
    entriesOf(value).map(([key, child]) => {
      const isBinary = (key === 'body' || key === 'content') && Buffer.isBuffer(child) && !isUtf8(child)
      return isBinary ? [`${key}-bin`, child.toString('base64')] : [key, jsonOf(child)]
    }),
  )
}

function tnOf(value: ItemValue): TnInput {
  if (Buffer.isBuffer(value)) return value
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : new TnFloat(value)
  if (typeof value !== 'object' || value === null) return value
  if (isList(value)) return value.map(tnOf)
  return new Map(entriesOf(value).map(([key, child]) => [Buffer.from(key).toString('latin1'), tnOf(child)]))
}
