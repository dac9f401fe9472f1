/**
 * ZHTTP packets: HTTP requests, responses and WebSocket frames between the gateway and workers without a web server
 * (reference: ZHTTP targets; ZeroMQ RFC 33 is an older form of the same).
 *
 * A message is the letter `T` and a tnetstring dictionary. An absent type is a data packet. Decoding takes what Pushpin
 * takes: numbers may come as floats, booleans or decimal text, unknown keys and what follows the dictionary are ignored.
 * Bodies are views of the message, not copies.
 */
import { Buffer } from 'node:buffer'
import { parseInteger } from './header-params.js'
import { type TnInput, type TnValue, decodeTnetstring, encodeTnetstring } from './tnetstring.js'

export const ZhttpType = {
  Data: 'data',
  Error: 'error',
  Credit: 'credit',
  KeepAlive: 'keep-alive',
  Cancel: 'cancel',
  HandoffStart: 'handoff-start',
  HandoffProceed: 'handoff-proceed',
  Close: 'close',
  Ping: 'ping',
  Pong: 'pong',
} as const
export type ZhttpType = (typeof ZhttpType)[keyof typeof ZhttpType]

/** A session by its id, and the number of the packet in it and its direction, from 0. seq null: not numbered. */
export interface ZhttpId {
  readonly id: string
  readonly seq: number | null
}

/** What both directions have. Names and texts are byte strings, '' when absent; numbers and bodies null when absent. */
export interface ZhttpPacket {
  /** Instance id of the sender: where answers go. */
  readonly from: string
  /** Several: the packet counts for each of these sessions. */
  readonly ids: readonly ZhttpId[]
  readonly type: ZhttpType
  /** Of an error. */
  readonly condition: string
  /** Bytes the receiver may send more than before. */
  readonly credits: number | null
  /** The body or message goes on in another packet. */
  readonly more: boolean
  /** Status of a response, or of a WebSocket close. */
  readonly code: number | null
  /** name, value, name, value … */
  readonly headers: readonly string[]
  readonly body: Buffer | null
  /** Of WebSocket messages: `text` or `binary`. */
  readonly contentType: string
  /** Handed back by a worker as it came; null: absent. */
  readonly userData: TnValue
  /** ext.multi: the sender takes packets for several ids. */
  readonly multi: boolean
}

export interface ZhttpResponse extends ZhttpPacket {
  readonly reason: string
}

export interface ZhttpRequest extends ZhttpPacket {
  /** The answer may come in several packets. */
  readonly stream: boolean
  /** The answer may come over the ROUTER socket. */
  readonly routerResp: boolean
  /** Bytes the body of the answer may have. */
  readonly maxSize: number | null
  /** Milliseconds. */
  readonly timeout: number | null
  readonly method: string
  /** Absolute; scheme ws or wss: a WebSocket. */
  readonly uri: string
  readonly peerAddress: string
  readonly peerPort: number | null
  readonly connectHost: string
  readonly connectPort: number | null
  readonly ignorePolicies: boolean
  readonly trustConnectHost: boolean
  readonly ignoreTlsErrors: boolean
  readonly followRedirects: boolean
  readonly passthrough: TnValue
  /** ext.quiet */
  readonly quiet: boolean
}

/** Why a message was refused: an ASCII sentence without an end. */
export interface ZhttpFault {
  readonly error: string
}

export function isZhttpFault(value: ZhttpPacket | ZhttpFault): value is ZhttpFault {
  return 'error' in value
}

export function decodeZhttpResponse(message: Buffer): ZhttpResponse | ZhttpFault {
  const fields = openMessage(message)
  if (!(fields instanceof Fields)) return fields
  return fields.orFault({ ...commonOf(fields), reason: fields.text('reason') })
}

export function decodeZhttpRequest(message: Buffer): ZhttpRequest | ZhttpFault {
  const fields = openMessage(message)
  if (!(fields instanceof Fields)) return fields
  return fields.orFault({
    ...commonOf(fields),
    stream: fields.flag('stream'),
    routerResp: fields.flag('router-resp'),
    maxSize: fields.integer('max-size'),
    timeout: fields.integer('timeout'),
    method: fields.text('method'),
    uri: fields.text('uri'),
    peerAddress: fields.text('peer-address'),
    peerPort: fields.integer('peer-port'),
    connectHost: fields.text('connect-host'),
    connectPort: fields.integer('connect-port'),
    ignorePolicies: fields.flag('ignore-policies'),
    trustConnectHost: fields.flag('trust-connect-host'),
    ignoreTlsErrors: fields.flag('ignore-tls-errors'),
    followRedirects: fields.flag('follow-redirects'),
    passthrough: fields.value('passthrough'),
    quiet: fields.extension('quiet'),
  })
}

/** What is left out is absent. A status goes out with reason and headers, a close code without. */
export function encodeZhttpResponse(packet: Partial<ZhttpResponse>): Buffer {
  const { type = ZhttpType.Data, code = null, condition, reason = '', headers = [] } = packet
  const map = commonMap(packet)
  const hasHead = type === ZhttpType.Data || (type === ZhttpType.Error && condition === 'rejected')
  if (code !== null && hasHead) map.set('reason', reason).set('headers', pairsOf(headers))
  if (packet.multi === true) map.set('ext', new Map([['multi', true]]))
  return encodeMessage(map)
}

/** What is left out is absent. */
export function encodeZhttpRequest(packet: Partial<ZhttpRequest>): Buffer {
  const map = commonMap(packet)
  setTexts(map, [
    ['method', packet.method],
    ['uri', packet.uri],
    ['peer-address', packet.peerAddress],
    ['connect-host', packet.connectHost],
  ])
  setFlags(map, [
    ['stream', packet.stream],
    ['router-resp', packet.routerResp],
    ['ignore-policies', packet.ignorePolicies],
    ['trust-connect-host', packet.trustConnectHost],
    ['ignore-tls-errors', packet.ignoreTlsErrors],
    ['follow-redirects', packet.followRedirects],
  ])
  setNumbers(map, [
    ['max-size', packet.maxSize],
    ['timeout', packet.timeout],
    ['connect-port', packet.connectPort],
  ])
  // A text in Pushpin too.
  if (typeof packet.peerPort === 'number') map.set('peer-port', String(packet.peerPort))
  if (packet.headers !== undefined && packet.headers.length > 0) map.set('headers', pairsOf(packet.headers))
  if (packet.passthrough !== undefined && packet.passthrough !== null) map.set('passthrough', packet.passthrough)
  const extensions = new Map<string, TnInput>()
  setFlags(extensions, [
    ['multi', packet.multi],
    ['quiet', packet.quiet],
  ])
  if (extensions.size > 0) map.set('ext', extensions)
  return encodeMessage(map)
}

const TAG = Buffer.from('T')

function encodeMessage(map: ReadonlyMap<string, TnInput>): Buffer {
  return Buffer.concat([TAG, encodeTnetstring(map)])
}

function commonMap(packet: Partial<ZhttpPacket>): Map<string, TnInput> {
  const { ids = [], type = ZhttpType.Data, body = null, userData = null } = packet
  const map = new Map<string, TnInput>()
  setTexts(map, [['from', packet.from]])
  if (ids.length === 1) {
    for (const [key, value] of idMap(ids[0] as ZhttpId)) map.set(key, value)
  } else if (ids.length > 1) map.set('id', ids.map(idMap))
  if (type !== ZhttpType.Data) map.set('type', type)
  if (type === ZhttpType.Error) setTexts(map, [['condition', packet.condition]])
  setNumbers(map, [
    ['credits', packet.credits],
    ['code', packet.code],
  ])
  setFlags(map, [['more', packet.more]])
  if (body !== null) map.set('body', body)
  setTexts(map, [['content-type', packet.contentType]])
  if (userData !== null) map.set('user-data', userData)
  return map
}

function idMap({ id, seq }: ZhttpId): Map<string, TnInput> {
  const map = new Map<string, TnInput>()
  if (id !== '') map.set('id', id)
  if (seq !== null) map.set('seq', seq)
  return map
}

type Entry<Value> = readonly [key: string, value: Value]

function setTexts(map: Map<string, TnInput>, entries: readonly Entry<string | undefined>[]): void {
  for (const [key, value] of entries) if (value !== undefined && value !== '') map.set(key, value)
}

function setNumbers(map: Map<string, TnInput>, entries: readonly Entry<number | null | undefined>[]): void {
  for (const [key, value] of entries) if (typeof value === 'number') map.set(key, value)
}

function setFlags(map: Map<string, TnInput>, entries: readonly Entry<boolean | undefined>[]): void {
  for (const [key, value] of entries) if (value === true) map.set(key, true)
}

function pairsOf(headers: readonly string[]): string[][] {
  const pairs: string[][] = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    pairs.push([headers[index] as string, headers[index + 1] as string])
  }
  return pairs
}

function openMessage(message: Buffer): Fields | ZhttpFault {
  if (message[0] !== TAG[0]) return { error: 'does not begin with T' }
  const decoded = decodeTnetstring(message, 1)
  if (!decoded.ok) return { error: `is no tnetstring (${decoded.fault} at byte ${decoded.at})` }
  if (!(decoded.value instanceof Map)) return { error: 'is no dictionary' }
  return new Fields(decoded.value)
}

function commonOf(fields: Fields): ZhttpPacket {
  const type = fields.type()
  return {
    from: fields.text('from'),
    ids: fields.ids(),
    type,
    // Of other packets Pushpin does not look at it.
    condition: type === ZhttpType.Error ? fields.text('condition') : '',
    credits: fields.integer('credits'),
    more: fields.flag('more'),
    code: fields.integer('code'),
    headers: fields.headers(),
    body: fields.bytes('body'),
    contentType: fields.text('content-type'),
    userData: fields.value('user-data'),
    multi: fields.extension('multi'),
  }
}

const TYPES: ReadonlySet<string> = new Set(Object.values(ZhttpType).filter((type) => type !== ZhttpType.Data))

/** Takes values out of a dictionary. The first one of a wrong kind becomes the fault of the whole. */
class Fields {
  readonly #map: ReadonlyMap<string, TnValue>
  #fault: string | null = null

  constructor(map: ReadonlyMap<string, TnValue>) {
    this.#map = map
  }

  orFault<Packet>(packet: Packet): Packet | ZhttpFault {
    return this.#fault === null ? packet : { error: this.#fault }
  }

  value(key: string): TnValue {
    return this.#map.get(key) ?? null
  }

  bytes(key: string): Buffer | null {
    const value = this.#map.get(key)
    if (value === undefined || Buffer.isBuffer(value)) return value ?? null
    this.#fail(`'${key}' is no byte string`)
    return null
  }

  text(key: string): string {
    return this.bytes(key)?.toString('latin1') ?? ''
  }

  flag(key: string): boolean {
    const value = this.#map.get(key)
    if (value !== undefined && typeof value !== 'boolean') this.#fail(`'${key}' is no boolean`)
    return value === true
  }

  integer(key: string): number | null {
    const value = this.#map.get(key)
    return value === undefined ? null : this.#integerOf(key, value)
  }

  /** Flat. */
  headers(): string[] {
    const value = this.#map.get('headers')
    if (value === undefined) return []
    if (!Array.isArray(value)) {
      this.#fail("'headers' is no list")
      return []
    }
    const flat: string[] = []
    for (const header of value) {
      if (!Array.isArray(header) || header.length !== 2 || !header.every((part) => Buffer.isBuffer(part))) {
        this.#fail("'headers' has an entry that is not a name and a value")
        return []
      }
      for (const part of header as Buffer[]) flat.push(part.toString('latin1'))
    }
    return flat
  }

  type(): ZhttpType {
    if (!this.#map.has('type')) return ZhttpType.Data
    const type = this.text('type')
    if (!TYPES.has(type)) this.#fail(`'type' is unknown: ${printable(type)}`)
    return type as ZhttpType
  }

  ids(): ZhttpId[] {
    const value = this.#map.get('id')
    const seq = this.integer('seq')
    if (!Array.isArray(value)) return value === undefined && seq === null ? [] : [{ id: this.text('id'), seq }]
    const ids = value.map((entry) => this.#idOf(entry))
    // As in Pushpin: a seq beside a list is that of its first id.
    if (seq !== null) ids.splice(0, 1, { id: ids[0]?.id ?? '', seq })
    return ids
  }

  extension(key: string): boolean {
    const value = this.#map.get('ext')
    if (value !== undefined && !(value instanceof Map)) this.#fail("'ext' is no dictionary")
    return value instanceof Map && value.get(key) === true
  }

  #idOf(entry: TnValue): ZhttpId {
    const id = entry instanceof Map ? (entry.get('id') ?? Buffer.alloc(0)) : null
    if (!Buffer.isBuffer(id)) {
      this.#fail("'id' has an entry that is no id")
      return { id: '', seq: null }
    }
    const seq = (entry as Map<string, TnValue>).get('seq')
    return { id: id.toString('latin1'), seq: seq === undefined ? null : this.#integerOf('seq', seq) }
  }

  #integerOf(key: string, value: TnValue): number | null {
    const number = integerOf(value)
    if (number === null) this.#fail(`'${key}' is no 32-bit number`)
    return number
  }

  #fail(fault: string): void {
    this.#fault ??= fault
  }
}

function integerOf(value: TnValue): number | null {
  if (typeof value === 'boolean') return Number(value)
  if (Buffer.isBuffer(value)) return value.length > 20 ? null : parseInteger(value.toString('latin1'))
  return typeof value === 'number' ? parseInteger(String(Math.round(value))) : null
}

/** At most 40 characters for a log line. */
function printable(text: string): string {
  return JSON.stringify(text.slice(0, 40))
}
