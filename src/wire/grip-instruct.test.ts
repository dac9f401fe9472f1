import { describe, expect, it } from 'vitest'
import { decodeInstruct, decodeStreamedHead, isGripResponse, peekHold } from './grip-instruct.js'
import type { InstructSource } from './grip-instruct.js'
import type { Instruct } from './instruct-types.js'

const JSON_TYPE = ['Content-Type', 'application/grip-instruct']

function source(headers: string[], changes: Partial<InstructSource> = {}): InstructSource {
  return { status: 200, reason: 'Fine', headers, body: Buffer.from('body'), ...changes }
}

function instructOf(headers: string[], changes: Partial<InstructSource> = {}): Instruct {
  const decoded = decodeInstruct(source(headers, changes))
  if (decoded.instruct === undefined) throw new Error(decoded.error)
  return decoded.instruct
}

function errorOf(headers: string[], changes: Partial<InstructSource> = {}): string | undefined {
  return decodeInstruct(source(headers, changes)).error
}

function jsonBody(value: unknown): Partial<InstructSource> {
  return { body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)) }
}

function jsonInstructOf(value: unknown, headers: string[] = []): Instruct {
  return instructOf([...headers, ...JSON_TYPE], jsonBody(value))
}

function jsonErrorOf(value: unknown, headers: string[] = []): string | undefined {
  return errorOf([...headers, ...JSON_TYPE], jsonBody(value))
}

describe('recognising instructions', () => {
  it.each([
    [['Grip-Hold', 'stream'], true],
    [['gRIP-foo', ''], true],
    [['Content-Type', 'application/grip-instruct'], true],
    [['content-type', 'application/grip-instruct;charset=utf-8'], true],
    [['Content-Type', 'application/grip-instruct ; x'], false],
    [['Content-Type', 'Application/grip-instruct'], false],
    [['X-Grip-Hold', 'stream', 'Grip', 'x'], false],
    [['X', 'Grip-Hold'], false],
    [[], false],
  ])('of %j says %s', (headers, isGrip) => {
    expect(isGripResponse(headers)).toBe(isGrip)
  })

  it.each([
    [['Grip-Hold', 'stream'], true],
    [['Grip-Hold', 'response'], false],
    [['Grip-Hold', 'other', 'Grip-Link', '</x>; rel=next'], false],
    [['Grip-Hold', '', 'Grip-Link', '</x>; rel=next'], true],
    [['Grip-Link', '</x>; rel=next'], true],
    [['Grip-Link', '</x>; rel=gone, </y>; rel=next'], true],
    [['Grip-Link', '</x>; rel=gone'], false],
    [['Grip-Channel', 'a'], false],
    [['Grip-Hold', 'stream', 'Grip-Channel', 'a; filter=skip-self'], true],
    [['Grip-Hold', 'stream', 'Grip-Channel', 'a, b; filter=build-id'], false],
    [['Grip-Hold', 'stream', ...JSON_TYPE], false],
  ])('lets a large body of %j pass at once: %s', (headers, mayStream) => {
    expect(peekHold(headers).mayStream).toBe(mayStream)
  })

  it('makes the head of a body that passes at once', () => {
    const headers = [
      'Grip-Hold',
      'stream',
      'Grip-Status',
      '404',
      'Grip-Expose-Headers',
      'A',
      'B',
      '1',
      'content-length',
      '9',
    ]
    const head = { status: 200, reason: 'Fine', headers }
    expect(decodeStreamedHead(head)).toEqual({ code: 404, reason: 'Not Found', headers: [['B', '1']] })
    expect(decodeStreamedHead({ ...head, headers: ['A', '1'] })).toMatchObject({ code: 200, reason: 'Fine' })
    expect(decodeStreamedHead({ ...head, headers: ['Grip-Status', 'x'] })).toEqual({
      error: 'Grip-Status contains invalid status code',
    })
  })
})

describe('the header form', () => {
  it('without any instruction is the response', () => {
    const instruct = instructOf(['X-A', '1', 'Grip-Foo', 'x'])
    expect(instruct).toEqual({
      hold: 'none',
      channels: [],
      timeout: 55,
      keepAlive: null,
      meta: {},
      nextLink: null,
      goneLink: null,
      response: { code: 200, reason: 'Fine', headers: [['X-A', '1']], body: Buffer.from('body') },
    })
  })

  it('knows everything together', () => {
    const instruct = instructOf([
      ...['Grip-Hold', 'stream', 'Grip-Channel', 'a; prev-id=1; filter=x, b', 'grip-channel', 'c;filter=y;filter=z'],
      ...['Grip-Timeout', '7', 'Grip-Keep-Alive', 'ping; timeout=20; mode=interval', 'Grip-Set-Meta', 'user="joe"'],
      ...['Grip-Link', '</next>; rel=next; timeout=9, </gone>; rel=gone', 'Grip-Status', '404 Not Here', 'X-A', '1'],
    ])
    expect(instruct).toMatchObject({
      hold: 'stream',
      channels: [
        { name: 'a', prevId: '1', filters: ['x'] },
        { name: 'b', prevId: null, filters: [] },
        { name: 'c', prevId: null, filters: ['y', 'z'] },
      ],
      timeout: 7,
      keepAlive: { content: Buffer.from('ping'), timeout: 20, mode: 'interval' },
      meta: { user: 'joe' },
      nextLink: { uri: '/next', timeout: 9 },
      goneLink: { uri: '/gone' },
      response: { code: 404, reason: 'Not Here', headers: [['X-A', '1']] },
    })
  })

  it('keeps headers in order with duplicates, without those of the connection', () => {
    const kept = ['Set-Cookie', 'a', 'Content-Type', 'text/plain', 'set-cookie', 'b']
    const dropped = [
      'Connection',
      'close',
      'keep-alive',
      'x',
      'Content-Encoding',
      'gzip',
      'Transfer-Encoding',
      'chunked',
    ]
    const instruct = instructOf([...kept, ...dropped, 'Content-Length', '4', 'GRIP-X', 'y'])
    expect(instruct.response.headers.flat()).toEqual(kept)
  })

  it('keeps only exposed headers when some are named', () => {
    const headers = ['A', '1', 'B', '2', 'C', '3', 'Connection', 'x']
    const exposing = (value: string) => instructOf([...headers, 'Grip-Expose-Headers', value]).response.headers.flat()
    expect(exposing('b, c, connection, x')).toEqual(['B', '2', 'C', '3'])
    expect(exposing('')).toEqual(['A', '1', 'B', '2', 'C', '3'])
    expect(exposing(',')).toEqual([])
  })

  it('keeps the bytes of names that are not ASCII', () => {
    expect(instructOf(['Grip-Channel', '\xc3\xa0']).channels[0]?.name).toBe('\xc3\xa0')
  })

  it.each([
    ['', []],
    [',', [{ name: '', prevId: null, filters: [] }]],
    [';filter=x', [{ name: '', prevId: null, filters: ['x'] }]],
    ['"q uoted"', [{ name: '"q uoted"', prevId: null, filters: [] }]],
    ['a;prev-id=', [{ name: 'a', prevId: '', filters: [] }]],
    ['a;prev-id=""', [{ name: 'a', prevId: null, filters: [] }]],
    ['a;prev-id', [{ name: 'a', prevId: null, filters: [] }]],
    ['a;Prev-ID=1;prev-id=2', [{ name: 'a', prevId: '1', filters: [] }]],
    ['a;Filter=x;filter=y;filter', [{ name: 'a', prevId: null, filters: ['y', ''] }]],
    [
      'a;prev-id=1;filter=x, b, a;filter=y',
      [
        { name: 'a', prevId: null, filters: ['y'] },
        { name: 'b', prevId: null, filters: [] },
      ],
    ],
    ['a, b;x="', [{ name: 'a', prevId: null, filters: [] }]],
  ])('reads Grip-Channel: %s', (value, channels) => {
    expect(instructOf(['Grip-Channel', value]).channels).toEqual(channels)
  })

  it.each([
    ['0', 5],
    ['4', 5],
    [' 5 ', 5],
    ['+60', 60],
  ])('reads Grip-Timeout: %j as %d', (value, timeout) => {
    expect(instructOf(['Grip-Timeout', value]).timeout).toBe(timeout)
  })

  it.each([
    ['', null],
    ['x; a="', null],
    ['x', { content: 'x', timeout: 55, mode: 'idle' }],
    ['a,b', { content: 'a,b', timeout: 55, mode: 'idle' }],
    ['"q;x"', { content: '"q', timeout: 55, mode: 'idle' }],
    ['x; format=; mode=; timeout=0', { content: 'x', timeout: 1, mode: 'idle' }],
    ['x; Mode=interval; Timeout=3', { content: 'x', timeout: 3, mode: 'interval' }],
    ['\\x41\\r\\n\\\\\\q!; format=cstring', { content: 'A\r\n\\!', timeout: 55, mode: 'idle' }],
    ['\\xe9; format=cstring', { content: '\xe9', timeout: 55, mode: 'idle' }],
    ['Y-W_J!j; format=base64', { content: 'abc', timeout: 55, mode: 'idle' }],
    ['==; format=base64', { content: '', timeout: 55, mode: 'idle' }],
  ])('reads Grip-Keep-Alive: %s', (value, expected) => {
    const keepAlive = instructOf(['Grip-Keep-Alive', value]).keepAlive
    expect(keepAlive && { ...keepAlive, content: keepAlive.content.toString('latin1') }).toEqual(expected)
  })

  it('reads Grip-Set-Meta: the first pair of each piece, null without value, last one wins', () => {
    const meta = instructOf([
      'Grip-Set-Meta',
      'x=1; y=2, X="a,b", e=, __proto__=p',
      'grip-set-meta',
      'z=1, z',
      'a',
      'b',
    ]).meta
    expect(Object.entries(meta)).toEqual([
      ['x', '1'],
      ['X', 'a,b'],
      ['e', ''],
      ['__proto__', 'p'],
    ])
    expect(meta['constructor']).toBe(undefined)
  })

  it('reads Grip-Link: default time-out, last of a rel, and what is ignored', () => {
    const links = (value: string) => {
      const { nextLink, goneLink } = instructOf(['Grip-Link', value])
      return [nextLink, goneLink]
    }
    expect(links('</a>; rel=next')).toEqual([{ uri: '/a', timeout: 120 }, null])
    expect(links('</a>; rel=next; timeout=0, <http://h/b>; REL=next; timeout=3')).toEqual([
      { uri: 'http://h/b', timeout: 3 },
      null,
    ])
    expect(links('</a>; rel=Next, </b>; rel=other; timeout=x, nonsense')).toEqual([null, null])
    expect(links('</a>; rel=gone, </b>; rel=gone')).toEqual([null, { uri: '/b' }])
  })

  it('reads Grip-Status', () => {
    const status = (value: string, reason = 'Fine') => {
      const { response } = instructOf(['Grip-Status', value], { reason })
      return [response.code, response.reason]
    }
    expect(status('')).toEqual([200, 'Fine'])
    expect(status('', '')).toEqual([200, 'OK'])
    expect(status('413')).toEqual([413, 'Request Entity Too Large'])
    expect(status('777')).toEqual([777, 'Undefined Reason'])
    expect(status('404  Two Blanks')).toEqual([404, ' Two Blanks'])
    expect(status('0 x')).toEqual([0, 'x'])
  })

  it.each([
    ["Grip-Hold must be set to either 'response' or 'stream'", ['Grip-Hold', 'Stream']],
    ["Grip-Hold must be set to either 'response' or 'stream'", ['Grip-Hold', '']],
    ["too many filters for channel 'a'", ['Grip-Channel', `a${';filter=x'.repeat(6)}`]],
    ['failed to parse Grip-Timeout', ['Grip-Timeout', '']],
    ['failed to parse Grip-Timeout', ['Grip-Timeout', '7.0']],
    ['Grip-Timeout has invalid value', ['Grip-Timeout', '-1']],
    ['Grip-Keep-Alive cannot be empty', ['Grip-Keep-Alive', ';x']],
    ["no such Grip-Keep-Alive mode 'x'", ['Grip-Keep-Alive', 'a; mode=x']],
    ['failed to parse Grip-Keep-Alive timeout value', ['Grip-Keep-Alive', 'a; timeout']],
    ['failed to parse Grip-Keep-Alive timeout value', ['Grip-Keep-Alive', 'a; timeout=x']],
    ['Grip-Keep-Alive timeout has invalid value', ['Grip-Keep-Alive', 'a; timeout=-1']],
    ['failed to parse Grip-Keep-Alive cstring format', ['Grip-Keep-Alive', 'a\\; format=cstring']],
    ['failed to parse Grip-Keep-Alive cstring format', ['Grip-Keep-Alive', '\\x4; format=cstring']],
    ['failed to parse Grip-Keep-Alive cstring format', ['Grip-Keep-Alive', '\\xg0; format=cstring']],
    ['failed to parse Grip-Keep-Alive cstring format', ['Grip-Keep-Alive', '\\q; format=cstring']],
    ["no such Grip-Keep-Alive format 'x'", ['Grip-Keep-Alive', 'a; format=x']],
    ['Grip-Set-Meta cannot be empty', ['Grip-Set-Meta', 'a=1,,b=2']],
    ['Grip-Status contains invalid status code', ['Grip-Status', '1000']],
    ['Grip-Status contains invalid status code', ['Grip-Status', '-1']],
    ['Grip-Status contains invalid status code', ['Grip-Status', 'OK']],
    ['failed to parse Grip-Link value', ['Grip-Link', '<>; rel=foo']],
    ['failed to parse Grip-Link value', ['Grip-Link', '/x; rel=next']],
    ['Grip-Link contains invalid link', ['Grip-Link', '<http://a b/>; rel=foo']],
    ['failed to parse Grip-Link timeout value', ['Grip-Link', '</x>; rel=next; timeout=x']],
    ['Grip-Link timeout has invalid value', ['Grip-Link', '</x>; rel=next; timeout=-1']],
  ])('says %j', (error, headers) => {
    expect(errorOf(headers)).toBe(error)
  })

  it('names the first fault in the fixed order of the headers, not the order they came in', () => {
    expect(errorOf(['Grip-Status', 'x', 'Grip-Timeout', 'x'])).toBe('failed to parse Grip-Timeout')
  })
})

describe('the JSON form', () => {
  it('knows everything together', () => {
    const instruct = jsonInstructOf({
      hold: {
        mode: 'stream',
        channels: [{ name: 'é', 'prev-id': '', filters: ['f'] }, { name: 'b' }],
        timeout: '7',
        'keep-alive': { content: 'é', timeout: 0 },
        meta: { user: 'joe' },
      },
      response: { code: 404, headers: { b: '1', B: '2', a: '3' }, body: 'é' },
    })
    expect(instruct).toEqual({
      hold: 'stream',
      channels: [
        { name: '\xc3\xa9', prevId: '', filters: ['f'] },
        { name: 'b', prevId: null, filters: [] },
      ],
      timeout: 7,
      keepAlive: { content: Buffer.from('é'), timeout: 1, mode: 'interval' },
      meta: { user: 'joe' },
      nextLink: null,
      goneLink: null,
      response: {
        code: 404,
        reason: 'Not Found',
        headers: [
          ['B', '2'],
          ['a', '3'],
          ['b', '1'],
        ],
        body: Buffer.from('é'),
      },
    })
  })

  it('is merged over the headers', () => {
    const headers = [
      ...['Grip-Hold', 'stream', 'Grip-Channel', 'a; filter=x, b', 'Grip-Timeout', '20', 'Grip-Set-Meta', 'a=1, b=1'],
      ...['Grip-Keep-Alive', 'x; timeout=9', 'Grip-Link', '</n>; rel=next', 'Grip-Status', '404 Nope', 'X-A', '1'],
    ]
    const hold = { channels: [{ name: 'c' }, { name: 'a' }], meta: { b: '2' }, 'keep-alive': { timeout: 3 } }
    expect(jsonInstructOf({ hold }, headers)).toEqual({
      hold: 'response',
      channels: [
        { name: 'a', prevId: null, filters: [] },
        { name: 'b', prevId: null, filters: [] },
        { name: 'c', prevId: null, filters: [] },
      ],
      timeout: 20,
      keepAlive: { content: Buffer.from('x'), timeout: 3, mode: 'idle' },
      meta: { a: '1', b: '2' },
      nextLink: { uri: '/n', timeout: 120 },
      goneLink: null,
      response: { code: 404, reason: 'Nope', headers: [], body: Buffer.alloc(0) },
    })
    expect(jsonInstructOf({}, headers).hold).toBe('stream')
  })

  it('takes header lists in their order, strips what concerns the connection and keeps Grip-*', () => {
    const list = ['X', '1', 'A', '2', 'X', '3', 'Grip-X', '4', 'Connection', '5', 'Content-Length', '6']
    const headers = list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1]]] : []))
    const instruct = jsonInstructOf({ response: { headers, body: '' } }, ['Grip-Expose-Headers', 'Y'])
    expect(instruct.response.headers.flat()).toEqual(list.slice(0, 8))
  })

  it('prefers body-bin, skips what is not base64, and takes a byte order mark', () => {
    const body = (response: unknown) => jsonInstructOf({ response }).response.body.toString('latin1')
    expect(body({ 'body-bin': 'Y-Q=\n=', body: 'no' })).toBe('a')
    expect(body({ 'body-bin': '' })).toBe('')
    expect(body({ body: '' })).toBe('')
    expect(jsonInstructOf('\ufeff{"response":{"body":"x"}}').response.body.toString()).toBe('x')
  })

  it('coerces numbers as Qt does', () => {
    const code = (value: unknown) => jsonInstructOf({ response: { code: value, body: '' } }).response.code
    expect([404, 403.5, 404.4, '404', ' 404 ', 'x', true, false].map(code)).toEqual([404, 404, 404, 404, 404, 0, 1, 0])
  })

  it('prefers the reason given, then the table for a code given, then the status line', () => {
    const reason = (response: object) => jsonInstructOf({ response: { ...response, body: '' } }).response.reason
    expect([{ code: 404, reason: 'x' }, { code: 404, reason: '' }, { reason: 'y' }, {}].map(reason)).toEqual([
      'x',
      'Not Found',
      'y',
      'Fine',
    ])
  })

  it('without hold needs a body, unless there is a next link', () => {
    expect(jsonErrorOf({})).toBe('filter error: ')
    expect(jsonErrorOf({ response: { code: 204 } })).toBe('filter error: ')
    expect(jsonErrorOf({ hold: { channels: [] } })).toBe(undefined)
    expect(jsonErrorOf({}, ['Grip-Link', '</x>; rel=next'])).toBe(undefined)
  })

  it.each([200, 201])('wants status 200: %d', (status) => {
    const error = 'response code for application/grip-instruct content must be 200'
    const changes = { ...jsonBody({ response: { body: '' } }), status }
    expect(errorOf(JSON_TYPE, changes)).toBe(status === 200 ? undefined : error)
  })

  const NOT_JSON = 'failed to parse application/grip-instruct content as JSON'
  const holdChannel = (channel: unknown) => ({ hold: { channels: [channel] } })
  const holdKeepAlive = (keepAlive: unknown) => ({ hold: { channels: [], 'keep-alive': keepAlive } })
  const holdWith = (members: object) => ({ hold: { channels: [], ...members } })
  it.each([
    [NOT_JSON, ''],
    [NOT_JSON, '5'],
    [NOT_JSON, 'null'],
    [NOT_JSON, '{} x'],
    ['instruct must be an object', []],
    ["instruct contains 'hold' with wrong type", { hold: null }],
    ["hold does not contain 'channels'", { hold: {} }],
    ["hold contains 'channels' with wrong type", { hold: { channels: null } }],
    ["hold contains 'mode' with wrong type", holdWith({ mode: null })],
    ["hold 'mode' must be set to either 'response' or 'stream'", holdWith({ mode: '' })],
    ["hold contains 'timeout' with wrong type", holdWith({ timeout: null })],
    ["hold contains 'timeout' with invalid value", holdWith({ timeout: -1 })],
    ["hold contains 'timeout' with invalid value", holdWith({ timeout: 2147483648 })],
    ["hold contains 'keep-alive' with wrong type", holdWith({ 'keep-alive': [] })],
    ["hold contains 'meta' with wrong type", holdWith({ meta: [] })],
    ["'meta' contains 'a' with wrong type", holdWith({ meta: { b: 1, a: 1 } })],
    ['channel is not an object', holdChannel('a')],
    ["channel does not contain 'name'", holdChannel({})],
    ["channel contains 'name' with wrong type", holdChannel({ name: null })],
    ["channel contains 'prev-id' with wrong type", holdChannel({ name: 'a', 'prev-id': null })],
    ["channel contains 'filters' with wrong type", holdChannel({ name: 'a', filters: {} })],
    ['filters contains value with wrong type', holdChannel({ name: 'a', filters: [1] })],
    ["too many filters for channel 'a'", holdChannel({ name: 'a', filters: ['', '', '', '', '', ''] })],
    ["keep-alive contains 'content' with wrong type", holdKeepAlive({ content: null })],
    ["keep-alive contains 'content-bin' with wrong type", holdKeepAlive({ content: 'x', 'content-bin': 1 })],
    ["keep-alive contains 'timeout' with wrong type", holdKeepAlive({ timeout: [] })],
    ["keep-alive contains 'timeout' with invalid value", holdKeepAlive({ timeout: '-1' })],
    ['', { response: null }],
    ["response contains 'code' with wrong type", { response: { code: [] } }],
    ["response contains 'code' with invalid value", { response: { code: 1000 } }],
    ["response contains 'reason' with wrong type", { response: { reason: 1 } }],
    ["response contains 'headers' with wrong type", { response: { headers: null } }],
    ["response contains 'body' with wrong type", { response: { body: null } }],
    ["response contains 'body-bin' with wrong type", { response: { 'body-bin': 1, body: '' } }],
    ['headers contains element with wrong type', { response: { headers: [{}] } }],
    ['headers contains list with wrong number of elements', { response: { headers: [['a']] } }],
    ['header contains name element with wrong type', { response: { headers: [[1, 'a']] } }],
    ['header contains value element with wrong type', { response: { headers: [['a', null]] } }],
    ["headers contains 'é' with wrong type", { response: { headers: { é: 1 } } }],
  ])('says %j to %j', (error, value) => {
    expect(jsonErrorOf(value)).toBe(Buffer.from(error).toString('latin1'))
  })

  it('refuses every prefix of itself', () => {
    const whole = JSON.stringify({ hold: { channels: [{ name: 'a' }], timeout: 20 }, response: { body: 'é' } })
    const bytes = Buffer.from(whole)
    for (let size = 0; size < bytes.length; size++) {
      expect(errorOf(JSON_TYPE, { body: bytes.subarray(0, size) })).toBe(NOT_JSON)
    }
    expect(errorOf(JSON_TYPE, { body: bytes })).toBe(undefined)
  })
})
