import { expect, it } from 'vitest'
import { Prng } from '../base/prng.js'
import { textOfByteString } from '../base/bytes.js'
import { decodePublishBody, decodeZmqItem, isPublishFault } from './publish-item.js'
import type { HttpResponseFormat, HttpStreamFormat, Json, PublishItem, WsMessageFormat } from './publish-types.js'
import { encodeTnetstring, type TnInput } from './tnetstring.js'

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000)
const rounds = Number(process.env.FUZZ_ROUNDS ?? 1200)

const KEYS = [
  ['channel', 'id', 'prev-id', 'formats', 'meta', 'size', 'no-seq', 'http-stream', 'http-response', 'ws-message'],
  ['action', 'content', 'content-bin', 'content-filters', 'type', 'code', 'reason', 'body', 'body-bin'],
  ['body-patch', 'headers', 'items', '__proto__', 'constructor', 'é', ''],
].flat()
const TEXTS = [
  '',
  'a',
  'send',
  'hint',
  'close',
  'refresh',
  'text',
  'ping',
  'binary',
  'é€😀',
  '\ud800',
  'a\r\nb',
  'eA==',
  '200',
]
const NUMBERS = [0, 1, -1, 0.5, -0.5, 200, 999, 1000, 2 ** 31, 2 ** 32 + 7, 2 ** 53, 1e19, -1e300]

/** Any value; deep ones are rare. */
function anyValue(prng: Prng, depth: number): Json {
  switch (prng.below(depth > 4 ? 5 : 7)) {
    case 0:
      return null
    case 1:
      return prng.happens(0.5)
    case 2:
      return prng.pick(NUMBERS)
    case 3:
    case 4:
      return prng.pick(TEXTS)
    case 5:
      return Array.from({ length: prng.below(4) }, () => anyValue(prng, depth + 1))
    default:
      return Object.fromEntries(
        Array.from({ length: prng.below(4) }, () => [prng.pick(KEYS), anyValue(prng, depth + 1)]),
      )
  }
}

/** A value that is right most of the time. */
function mostly(prng: Prng, right: () => Json): Json {
  return prng.happens(0.97) ? right() : anyValue(prng, 0)
}

function anyFormat(prng: Prng): Json {
  const text = (): Json => mostly(prng, () => prng.pick(TEXTS))
  const fields: [string, () => Json][] = [
    ['action', () => mostly(prng, () => prng.pick(['send', 'send', 'send', 'hint', 'close', 'refresh']))],
    ['content', text],
    ['content-bin', text],
    ['body', text],
    ['body-bin', text],
    ['body-patch', () => mostly(prng, () => [anyValue(prng, 3)])],
    ['type', () => mostly(prng, () => prng.pick(['text', 'binary', 'ping', 'pong']))],
    ['code', () => mostly(prng, () => prng.pick([...NUMBERS, '404']))],
    ['reason', text],
    ['content-filters', () => mostly(prng, () => [prng.pick(TEXTS)])],
    [
      'headers',
      () => mostly(prng, () => (prng.happens(0.5) ? [['a', prng.pick(TEXTS)]] : { b: '1', a: prng.pick(TEXTS) })),
    ],
  ]
  return Object.fromEntries(fields.filter(() => prng.happens(0.4)).map(([key, value]) => [key, value()]))
}

function anyItem(prng: Prng): Json {
  const formats = Object.fromEntries(
    ['http-stream', 'http-response', 'ws-message']
      .filter(() => prng.happens(0.5))
      .map((key) => [key, mostly(prng, () => anyFormat(prng))]),
  )
  const item: { [key: string]: Json } = { channel: mostly(prng, () => prng.pick(TEXTS)) }
  if (prng.happens(0.3)) item.id = mostly(prng, () => prng.pick(TEXTS))
  if (prng.happens(0.3)) item['prev-id'] = mostly(prng, () => prng.pick(TEXTS))
  if (prng.happens(0.3)) item.meta = mostly(prng, () => ({ [prng.pick(KEYS)]: prng.pick(TEXTS) }))
  if (prng.happens(0.2)) item.size = mostly(prng, () => prng.pick([0, 7, '9']))
  if (prng.happens(0.2)) item['no-seq'] = mostly(prng, () => prng.happens(0.5))
  return prng.happens(0.5) ? { ...item, formats } : { ...item, ...formats }
}

type Fields = Record<string, TnInput | undefined>

/** The dictionary that decodes to an item: undefined fields left out. */
function map(fields: Fields): Map<string, TnInput> {
  return new Map(Object.entries(fields).filter((entry): entry is [string, TnInput] => entry[1] !== undefined))
}

function tnOfFormat(format: HttpStreamFormat | HttpResponseFormat | WsMessageFormat): Fields {
  if (format.action !== 'send') return { action: format.action }
  return { action: format.action, 'content-filters': format.contentFilters ?? undefined }
}

function tnOfWs(format: WsMessageFormat): Fields {
  if (format.action !== 'close') return { ...tnOfFormat(format), type: format.type, 'content-bin': format.content }
  return { action: 'close', code: format.code < 0 ? undefined : format.code, reason: format.reason }
}

function tnOfResponse(format: HttpResponseFormat): Fields {
  if (format.action !== 'send') return tnOfFormat(format)
  const { code, reason, headers, body, bodyPatch } = format
  const content = bodyPatch === null ? { body } : { 'body-patch': bodyPatch.map(tnOfJson) }
  return { ...tnOfFormat(format), code, reason, headers: headers.map((header) => [...header]), ...content }
}

function tnOfJson(value: Json): TnInput {
  if (typeof value === 'string') return Buffer.from(value, 'utf8')
  if (Array.isArray(value)) return value.map(tnOfJson)
  if (typeof value !== 'object' || value === null) return value
  return new Map(Object.entries(value).map(([key, child]) => [Buffer.from(key).toString('latin1'), tnOfJson(child)]))
}

function tnOfItem(item: PublishItem): Buffer {
  const { channel, id, prevId, httpStream, httpResponse, wsMessage, meta, size, noSeq } = item
  const formats = map({
    'http-stream': httpStream === null ? undefined : map({ ...tnOfFormat(httpStream), content: httpStream.content }),
    'http-response': httpResponse === null ? undefined : map(tnOfResponse(httpResponse)),
    'ws-message': wsMessage === null ? undefined : map(tnOfWs(wsMessage)),
    // An item whose formats are all unknown is legal.
    other: 1,
  })
  const fields: Fields = { channel, id: id ?? undefined, 'prev-id': prevId ?? undefined, formats }
  if (meta !== null) fields.meta = new Map(Object.entries(meta))
  if (size >= 0) fields.size = size
  return encodeTnetstring(map({ ...fields, 'no-seq': noSeq }))
}

/** toEqual, with patches compared as JSON: a tnetstring's text of lone surrogates and its 6-digit floats aside. */
function comparable(item: PublishItem): unknown {
  const response = item.httpResponse
  return {
    ...item,
    meta: item.meta === null ? null : { ...item.meta },
    httpResponse: response && { ...response, bodyPatch: null },
  }
}

it(`items never throw, and accepted ones survive a tnetstring (FUZZ_SEED=${seed})`, () => {
  const prng = new Prng(seed)
  let accepted = 0
  for (let round = 0; round < rounds; round++) {
    const value = prng.happens(0.1) ? anyValue(prng, 0) : anyItem(prng)
    const result = decodePublishBody(Buffer.from(JSON.stringify({ items: [value] })))
    const viaZmq = decodeZmqItem(Buffer.from(`J${JSON.stringify(value)}`))
    if (isPublishFault(result)) {
      expect(result.error).toMatch(/^Invalid format: /)
      expect(isPublishFault(viaZmq)).toBe(true)
      continue
    }
    accepted++
    const item = result[0] as PublishItem
    if (isPublishFault(viaZmq)) throw new Error(viaZmq.error)
    expect(comparable(viaZmq)).toEqual(comparable(item))
    const again = decodeZmqItem(tnOfItem(item))
    if (isPublishFault(again)) throw new Error(`${again.error}: ${JSON.stringify(value)}`)
    expect(comparable(again)).toEqual(comparable(item))
    expect(again.httpResponse?.bodyPatch?.length).toBe(item.httpResponse?.bodyPatch?.length)
    expect(textOfByteString(item.channel)).toBe(Buffer.from(item.channel, 'latin1').toString('utf8'))
  }
  expect(accepted).toBeGreaterThan(rounds / 20)
})

it(`damaged bytes give an item or an error (FUZZ_SEED=${seed})`, () => {
  const prng = new Prng(seed + 1)
  for (let round = 0; round < rounds; round++) {
    const json = Buffer.from(JSON.stringify({ items: [anyItem(prng)] }))
    const tn = encodeTnetstring(tnOfJson(anyItem(prng)))
    for (const bytes of [json, tn]) {
      for (let hits = 1 + prng.below(3); hits > 0; hits--) bytes[prng.below(bytes.length)] = prng.below(256)
      const cut = prng.happens(0.2) ? bytes.subarray(0, prng.below(bytes.length + 1)) : bytes
      const result = bytes === json ? decodePublishBody(cut) : decodeZmqItem(cut, prng.pick(TEXTS))
      if (!isPublishFault(result) && Array.isArray(result) !== (bytes === json)) throw new Error('an odd result')
    }
  }
})
