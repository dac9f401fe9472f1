import { describe, expect, test } from 'vitest'
import { type TnInput, decodeTnetstring, encodeTnetstring } from './tnetstring.js'
import { ZhttpType, decodeZhttpRequest, decodeZhttpResponse, encodeZhttpRequest, encodeZhttpResponse } from './zhttp.js'

type Plain = { readonly [key: string]: TnInput }

/** A message as a worker makes it. */
function message(fields: Plain): Buffer {
  return Buffer.concat([Buffer.from('T'), encodeTnetstring(new Map(Object.entries(fields)))])
}

/** The keys of a message of ours, byte strings as text. */
function fieldsOf(bytes: Buffer): unknown {
  const decoded = decodeTnetstring(bytes, 1)
  expect(bytes[0]).toBe(0x54)
  return decoded.ok ? plain(decoded.value) : decoded
}

function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('latin1')
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, inner]) => [key, plain(inner)]))
  return Array.isArray(value) ? value.map(plain) : value
}

const NOTHING = {
  from: '',
  ids: [],
  type: 'data',
  condition: '',
  credits: null,
  more: false,
  code: null,
  headers: [],
  body: null,
  contentType: '',
  userData: null,
  multi: false,
  reason: '',
}

describe('responses', () => {
  test('an empty dictionary is a data packet with nothing in it', () => {
    expect(decodeZhttpResponse(message({}))).toEqual(NOTHING)
  })

  test('every key', () => {
    const bytes = message({
      ...{ from: 'worker', id: 'a-1', seq: 3, credits: 10, more: true, code: 200, reason: 'Fine' },
      headers: [
        ['X-A', 'b'],
        ['X-A', '\xe9'],
      ],
      ...{ body: 'content', 'content-type': 'text', 'user-data': ['x', 1], ext: new Map([['multi', true]]) },
      'something-new': 1,
    })
    expect(decodeZhttpResponse(Buffer.concat([bytes, Buffer.from('behind')]))).toEqual({
      ...{ from: 'worker', ids: [{ id: 'a-1', seq: 3 }], type: 'data', condition: '', credits: 10, more: true },
      ...{ code: 200, headers: ['X-A', 'b', 'X-A', '\xe9'], body: Buffer.from('content'), contentType: 'text' },
      ...{ userData: [Buffer.from('x'), 1], multi: true, reason: 'Fine' },
    })
  })

  test.each(['error', 'credit', 'keep-alive', 'cancel', 'handoff-start', 'handoff-proceed', 'close', 'ping', 'pong'])(
    'type %s',
    (type) => {
      expect(decodeZhttpResponse(message({ type }))).toEqual({ ...NOTHING, type })
    },
  )

  test('the condition of an error', () => {
    const error = { type: 'error', condition: 'rejected' }
    expect(decodeZhttpResponse(message(error))).toEqual({ ...NOTHING, ...error })
  })

  test('a condition elsewhere is not looked at', () => {
    expect(decodeZhttpResponse(message({ condition: 5 }))).toEqual(NOTHING)
  })

  test('several ids, each with its number', () => {
    const numbered = new Map<string, TnInput>([
      ['id', 'a'],
      ['seq', 1],
    ])
    const ids = [numbered, new Map([['id', 'b']]), new Map()]
    expect(decodeZhttpResponse(message({ id: ids }))).toEqual({
      ...NOTHING,
      ids: [
        { id: 'a', seq: 1 },
        { id: 'b', seq: null },
        { id: '', seq: null },
      ],
    })
  })

  test('a seq beside a list of ids is that of the first', () => {
    const bytes = message({ id: [new Map([['id', 'a']]), new Map([['id', 'b']])], seq: 4 })
    expect(decodeZhttpResponse(bytes)).toMatchObject({ ids: [{ id: 'a', seq: 4 }, { id: 'b' }] })
  })

  test('numbers as text, as floats and as booleans', () => {
    const bytes = message({ code: ' 201 ', credits: 2.6, seq: true })
    expect(decodeZhttpResponse(bytes)).toMatchObject({ code: 201, credits: 3, ids: [{ id: '', seq: 1 }] })
  })

  const faults: readonly [situation: string, bytes: Buffer, error: string][] = [
    ['nothing', Buffer.alloc(0), 'does not begin with T'],
    ['JSON', Buffer.from('J{}'), 'does not begin with T'],
    ['a tnetstring cut off', Buffer.from('T10:abc'), 'is no tnetstring (truncated at byte 7)'],
    ['a list', Buffer.from('T0:]'), 'is no dictionary'],
    ['from: null', message({ from: null }), "'from' is no byte string"],
    ['id: a number', message({ id: 7 }), "'id' is no byte string"],
    ['ids: texts', message({ id: ['a'] }), "'id' has an entry that is no id"],
    ['ids: numbers', message({ id: [new Map([['id', 1]])] }), "'id' has an entry that is no id"],
    ['seq: a list', message({ seq: [] }), "'seq' is no 32-bit number"],
    ['seq of one of several ids', message({ id: [new Map([['seq', 'x']])] }), "'seq' is no 32-bit number"],
    ['code: words', message({ code: 'fine' }), "'code' is no 32-bit number"],
    ['code: beyond 32 bits', message({ code: 2 ** 31 }), "'code' is no 32-bit number"],
    ['type: unknown', message({ type: 'nope' }), '\'type\' is unknown: "nope"'],
    ['type: data by name', message({ type: 'data' }), '\'type\' is unknown: "data"'],
    ['more: a number', message({ more: 1 }), "'more' is no boolean"],
    ['headers: a text', message({ headers: 'a' }), "'headers' is no list"],
    ['headers: a name alone', message({ headers: [['a']] }), "'headers' has an entry that is not a name and a value"],
    ['headers: a number', message({ headers: [['a', 1]] }), "'headers' has an entry that is not a name and a value"],
    ['ext: a list', message({ ext: [] }), "'ext' is no dictionary"],
    ['body: a number', message({ body: 1 }), "'body' is no byte string"],
    ['two faults', message({ reason: 1, body: 1 }), "'body' is no byte string"],
  ]
  test.each(faults)('refused: %s', (_situation, bytes, error) => {
    expect(decodeZhttpResponse(bytes)).toEqual({ error })
  })

  test('a status goes out with reason and headers, even empty ones', () => {
    const bytes = encodeZhttpResponse({ ids: [{ id: 'a', seq: 0 }], code: 200 })
    expect(fieldsOf(bytes)).toEqual({ id: 'a', seq: 0, code: 200, reason: '', headers: [] })
  })

  test('a rejection of a WebSocket', () => {
    const rejection = { type: ZhttpType.Error, condition: 'rejected', code: 403, reason: 'No', headers: ['A', 'b'] }
    const fields = { type: 'error', condition: 'rejected', code: 403, reason: 'No', headers: [['A', 'b']] }
    expect(fieldsOf(encodeZhttpResponse(rejection))).toEqual(fields)
  })

  test('a close code goes out alone', () => {
    expect(fieldsOf(encodeZhttpResponse({ type: ZhttpType.Close, code: 1000 }))).toEqual({ type: 'close', code: 1000 })
  })
})

describe('requests', () => {
  test('the first packet of a stream', () => {
    const packet = {
      ...{
        from: 'gateway',
        ids: [{ id: '0-1', seq: 0 }],
        credits: 200_000,
        multi: true,
        stream: true,
        routerResp: true,
      },
      ...{ method: 'POST', uri: 'http://a.test/b?c', headers: ['Host', 'a.test'], body: Buffer.from('x'), more: true },
      ignorePolicies: true,
    }
    const bytes = encodeZhttpRequest(packet)
    expect(fieldsOf(bytes)).toEqual({
      ...{ from: 'gateway', id: '0-1', seq: 0, credits: 200_000, stream: true, 'router-resp': true, method: 'POST' },
      ...{ uri: 'http://a.test/b?c', headers: [['Host', 'a.test']], body: 'x', more: true, 'ignore-policies': true },
      ext: { multi: true },
    })
    expect(decodeZhttpRequest(bytes)).toMatchObject(packet)
  })

  test('every other key', () => {
    const packet = {
      ...{ maxSize: 5, timeout: 6, peerAddress: '::1', peerPort: 7, connectHost: 'h', connectPort: 8, code: 1001 },
      ...{ trustConnectHost: true, ignoreTlsErrors: true, followRedirects: true, passthrough: 9, quiet: true },
      ...{ userData: 1, contentType: 'binary', type: ZhttpType.Close },
    }
    const bytes = encodeZhttpRequest(packet)
    expect(fieldsOf(bytes)).toEqual({
      ...{ 'max-size': 5, timeout: 6, 'peer-address': '::1', 'peer-port': '7', 'connect-host': 'h', 'connect-port': 8 },
      ...{ code: 1001, 'trust-connect-host': true, 'ignore-tls-errors': true, 'follow-redirects': true },
      ...{ passthrough: 9, ext: { quiet: true }, 'user-data': 1, 'content-type': 'binary', type: 'close' },
    })
    expect(decodeZhttpRequest(bytes)).toMatchObject(packet)
  })

  test('nothing', () => {
    expect(encodeZhttpRequest({}).toString()).toBe('T0:}')
  })

  test('keep-alives for several sessions', () => {
    const ids = [
      { id: 'a', seq: 1 },
      { id: 'b', seq: 2 },
    ]
    expect(fieldsOf(encodeZhttpRequest({ ids, type: ZhttpType.KeepAlive }))).toEqual({ id: ids, type: 'keep-alive' })
  })

  test('refused: a flag that is none', () => {
    expect(decodeZhttpRequest(message({ stream: 'yes' }))).toEqual({ error: "'stream' is no boolean" })
    expect(decodeZhttpRequest(Buffer.from('x'))).toEqual({ error: 'does not begin with T' })
  })
})
