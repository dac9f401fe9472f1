import { describe, expect, it } from 'vitest'
import { CHANNEL_BYTES_MAX } from '../base/limits.js'
import { decodePublishBody, decodePublishItem, decodeZmqItem, isPublishFault } from './publish-item.js'
import type { Json, PublishItem } from './publish-types.js'
import { encodeTnetstring, type TnInput, type TnValue } from './tnetstring.js'

function body(text: string): PublishItem[] | string {
  const result = decodePublishBody(Buffer.from(text))
  return isPublishFault(result) ? result.error : result
}

/** The detail of a refused item, or 'ok'. */
function verdict(item: string): string {
  const result = body(`{"items":[${item}]}`)
  return typeof result === 'string' ? result.replace('Invalid format: ', '') : 'ok'
}

function one(item: Json): PublishItem {
  const result = decodePublishItem(item)
  if (isPublishFault(result)) throw new Error(result.error)
  return result
}

function tn(value: TnInput): PublishItem | string {
  const result = decodeZmqItem(encodeTnetstring(value))
  return isPublishFault(result) ? result.error.replace('received message with invalid format: ', '') : result
}

function map(object: Record<string, TnInput>): Map<string, TnInput> {
  return new Map(Object.entries(object))
}

const WS = '"ws-message":{"content":"x"}'

describe('bodies of POST /publish', () => {
  it.each([
    ['', 'Body is not valid JSON.'],
    ['1', 'Body is not valid JSON.'],
    ['null', 'Body is not valid JSON.'],
    ['{"items":[]}x', 'Body is not valid JSON.'],
    ['{"items":[],}', 'Body is not valid JSON.'],
    ["{'items':[]}", 'Body is not valid JSON.'],
    ['\f{"items":[]}', 'Body is not valid JSON.'],
    ['\ufeff\ufeff{"items":[]}', 'Body is not valid JSON.'],
    ['{"items":[],"x":"\\u12g4"}', 'Body is not valid JSON.'],
    ['{"items":[],"x":"a\\', 'Body is not valid JSON.'],
    ['[]', 'Invalid format.'],
    ['{}', "Invalid format: object does not contain 'items'"],
    ['{"items":{}}', "Invalid format: object contains 'items' with wrong type"],
    ['{"items":null}', "Invalid format: object contains 'items' with wrong type"],
    ['{"items":[null]}', 'Invalid format: publish item object is not an object'],
    ['{"items":[[]]}', 'Invalid format: publish item object is not an object'],
  ])('refuses %j', (text, error) => expect(body(text)).toBe(error))

  it('refuses bytes that are not UTF-8', () => {
    const bytes = Buffer.from('{"items":[],"x":"\xff"}', 'latin1')
    expect(decodePublishBody(bytes)).toEqual({ error: 'Body is not valid JSON.' })
  })

  it('takes a byte order mark, an empty list, and unknown fields', () => {
    expect(body('\ufeff{"items":[]}')).toEqual([])
    expect(body('{"x":{"y":[1]},"items":[]} \n')).toEqual([])
  })

  it('takes what Qt takes and JSON.parse does not', () => {
    const [item] = body('{"items":[{"channel":"a","http-stream":{"content":"a\tb\n\0\\q\\v"},"x":[1.,.5,-.5,1.e5]}]}')
    expect((item as PublishItem).httpStream?.content).toEqual(Buffer.from('a\tb\n\0qv'))
    for (const number of ['.', '-.', '.e1', '1.5.5', '01', '+1', '1e', '1 2', '1e+']) {
      expect(body(`{"items":[],"x":${number}}`), number).toBe('Body is not valid JSON.')
    }
  })

  it('refuses the whole batch for one bad item', () => {
    expect(body(`{"items":[{"channel":"a",${WS}},{"channel":"b"}]}`)).toBe('Invalid format: no formats specified')
  })
})

describe('checks of an item, in order', () => {
  it.each([
    ['{}', "publish item object does not contain 'channel'"],
    ['{"channel":1}', "publish item object contains 'channel' with wrong type"],
    ['{"channel":null,"id":1}', "publish item object contains 'channel' with wrong type"],
    ['{"channel":"a","id":1,"prev-id":1}', "publish item object contains 'id' with wrong type"],
    ['{"channel":"a","id":null}', "publish item object contains 'id' with wrong type"],
    ['{"channel":"a","prev-id":[],"formats":1}', "publish item object contains 'prev-id' with wrong type"],
    ['{"channel":"a","formats":1}', "publish item object contains 'formats' with wrong type"],
    ['{"channel":"a","formats":null}', "publish item object contains 'formats' with wrong type"],
    ['{"channel":"a","formats":{},"ws-message":{"content":"x"}}', 'no formats specified'],
    ['{"channel":"a","meta":1}', 'no formats specified'],
    ['{"channel":"a","formats":{"foo":1}}', 'ok'],
    ['{"channel":"a","ws-message":null}', "'ws-message' is not an object"],
    ['{"channel":"a","ws-message":1,"http-stream":1,"http-response":1}', "'http-response' is not an object"],
    ['{"channel":"a","ws-message":1,"http-stream":1}', "'http-stream' is not an object"],
    ['{"channel":"a","ws-message":{"action":1},"meta":1}', "'ws-message' contains 'action' with wrong type"],
    ['{"channel":"a","ws-message":{"action":""}}', ''],
    ['{"channel":"a","ws-message":{"action":"Send"}}', ''],
    [`{"channel":"a",${WS},"meta":1,"size":[]}`, "publish item object contains 'meta' with wrong type"],
    [`{"channel":"a",${WS},"meta":{"b":1,"a":2}}`, "'meta' contains 'a' with wrong type"],
    [`{"channel":"a",${WS},"meta":{"é":1}}`, "'meta' contains 'é' with wrong type"],
    [`{"channel":"a",${WS},"size":null,"no-seq":1}`, "publish item object contains 'size' with wrong type"],
    [`{"channel":"a",${WS},"size":-1}`, "publish item object contains 'size' with invalid value"],
    [`{"channel":"a",${WS},"size":4294967295}`, "publish item object contains 'size' with invalid value"],
    [`{"channel":"a",${WS},"no-seq":1}`, "publish item object contains 'no-seq' with wrong type"],
    [`{"channel":"a",${WS},"no-seq":"true"}`, "publish item object contains 'no-seq' with wrong type"],
  ])('%s', (item, expected) => expect(verdict(item)).toBe(expected))

  it('refuses a channel that the bus cannot carry', () => {
    const longest = 'a'.repeat(CHANNEL_BYTES_MAX)
    expect(verdict(`{"channel":"${longest}",${WS}}`)).toBe('ok')
    expect(verdict(`{"channel":"${longest}a",${WS}}`)).toBe(
      "publish item object contains 'channel' longer than 65000 bytes",
    )
  })
})

describe('formats', () => {
  const R = "'http-response'"
  it.each([
    ['"code":"x","body":""', 'ok'],
    ['"code":null,"body":""', `${R} contains 'code' with wrong type`],
    ['"code":1000,"reason":1', `${R} contains 'code' with invalid value`],
    ['"reason":1,"headers":1', `${R} contains 'reason' with wrong type`],
    ['"headers":1', `${R} contains 'headers' with wrong type`],
    ['"headers":null', `${R} contains 'headers' with wrong type`],
    ['"headers":[{"a":"b"}]', 'headers contains element with wrong type'],
    ['"headers":[["a"]]', 'headers contains list with wrong number of elements'],
    ['"headers":[[1,2]]', 'header contains name element with wrong type'],
    ['"headers":[["1",2]]', 'header contains value element with wrong type'],
    ['"headers":{"b":1,"a":2}', "headers contains 'a' with wrong type"],
    ['"headers":[["a","b\\r\\nc: d"]],"body":""', `${R} contains 'headers' with invalid value`],
    ['"reason":"a\\nb","body":""', `${R} contains 'reason' with invalid value`],
    ['"content-filters":"x"', `${R} contains 'content-filters' with wrong type`],
    ['"content-filters":[1]', 'content-filters contains element with wrong type'],
    ['"body-bin":1,"body":"x"', `${R} contains 'body-bin' with wrong type`],
    ['"body":null,"body-patch":[]', `${R} contains 'body' with wrong type`],
    ['"body-patch":{}', `${R} contains 'body-patch' with wrong type`],
    ['', `${R} does not contain 'body', 'body-bin', or 'body-patch'`],
    ['"action":"hint"', 'ok'],
  ])('http-response {%s}', (fields, expected) =>
    expect(verdict(`{"channel":"a","http-response":{${fields}}}`)).toBe(expected),
  )

  it.each([
    ['http-stream', '', "'http-stream' does not contain 'content' or 'content-bin'"],
    ['http-stream', '"content":1', "'http-stream' contains 'content' with wrong type"],
    ['http-stream', '"content-bin":1,"content":""', "'http-stream' contains 'content-bin' with wrong type"],
    ['http-stream', '"content-filters":{},"content":1', "'http-stream' contains 'content-filters' with wrong type"],
    ['http-stream', '"action":"close"', 'ok'],
    ['ws-message', '', "'ws-message' does not contain 'content' or 'content-bin'"],
    ['ws-message', '"type":"text"', "'ws-message' does not contain 'content' or 'content-bin'"],
    ['ws-message', '"type":"","content":"x"', "'ws-message' contains 'type' with unknown value"],
    ['ws-message', '"type":1', "'ws-message' contains 'type' with wrong type"],
    ['ws-message', '"type":"ping"', 'ok'],
    ['ws-message', '"type":"pong","content":1', "'ws-message' contains 'content' with wrong type"],
    ['ws-message', '"content-bin":null', "'ws-message' contains 'content-bin' with wrong type"],
    ['ws-message', '"action":"close","code":-1', "'ws-message' contains 'code' with invalid value"],
    ['ws-message', '"action":"close","code":{}', "'ws-message' contains 'code' with wrong type"],
    ['ws-message', '"action":"close","reason":1', "'ws-message' contains 'reason' with wrong type"],
    ['ws-message', '"action":"refresh","code":{}', 'ok'],
  ])('%s {%s}', (format, fields, expected) => expect(verdict(`{"channel":"a","${format}":{${fields}}}`)).toBe(expected))

  it('coerces codes as Qt does', () => {
    const invalid = "'http-response' contains 'code' with invalid value"
    for (const code of ['4294967295', '2147483648', '-1', '-0.6', '999.5', '"1000"', '" 1000 "', '"+1000"', '1e18']) {
      expect(verdict(`{"channel":"a","http-response":{"body":"","code":${code}}}`), code).toBe(invalid)
    }
    const codes: [Json, number][] = [
      [4294967496, 200],
      ['4294967496', 200],
      [-0.5, 0],
      [999.4, 999],
      ['1e3', 0],
      ['0x3e9', 0],
      ['9223372036854775808', 0],
      [1e19, 0],
      [true, 1],
      ['', 0],
    ]
    for (const [code, expected] of codes) {
      expect(one({ channel: 'a', 'http-response': { body: '', code } }).httpResponse?.code).toBe(expected)
    }
  })

  it('fills in the code, the reason and the kind of message', () => {
    const item = one({
      channel: 'a',
      'http-response': { body: 'x', code: 404, reason: '' },
      'ws-message': { content: 'x' },
    })
    expect(item.httpResponse).toEqual({
      action: 'send',
      code: 404,
      reason: 'Not Found',
      headers: [],
      body: Buffer.from('x'),
      bodyPatch: null,
      contentFilters: null,
    })
    expect(item.wsMessage?.type).toBe('text')
    expect(one({ channel: 'a', 'ws-message': { 'content-bin': 'eA==', content: 'no' } }).wsMessage).toMatchObject({
      type: 'binary',
      content: Buffer.from('x'),
    })
    expect(one({ channel: 'a', 'ws-message': { type: 'text', 'content-bin': 'eA' } }).wsMessage?.type).toBe('text')
    expect(one({ channel: 'a', 'ws-message': { action: 'close' } }).wsMessage).toMatchObject({ code: -1, reason: '' })
  })

  it('sorts headers of the object form and keeps the list form', () => {
    const sorted = one({
      channel: 'a',
      'http-response': { body: '', headers: { b: '1', a: 'é', Z: '3', 10: 'x', 9: 'y' } },
    })
    expect(sorted.httpResponse?.headers).toEqual([
      ['10', 'x'],
      ['9', 'y'],
      ['Z', '3'],
      ['a', 'Ã©'],
      ['b', '1'],
    ])
    const list = one({
      channel: 'a',
      'http-response': {
        body: '',
        headers: [
          ['b', '1'],
          ['a', '2'],
          ['b', '3'],
        ],
      },
    })
    expect(list.httpResponse?.headers.map(([name]) => name).join('')).toBe('bab')
  })

  it('skips what is not base64', () => {
    const decode = (text: string) => one({ channel: 'a', 'http-stream': { 'content-bin': text } }).httpStream?.content
    expect(decode('aGVs\nbG8-_=gd29y')?.toString()).toBe('hello wor')
    expect(decode('aGVsbG8=IHdvcmxk')).toHaveLength(11)
    expect(decode('aGVsbG8x-A')).toHaveLength(6)
    expect(decode('aGVsb')).toHaveLength(3)
    expect(decode('aGéVs')).toHaveLength(3)
    expect(decode('')).toHaveLength(0)
  })

  it('keeps names as byte strings and tells empty from absent', () => {
    const item = one({
      channel: 'é',
      id: '',
      'prev-id': 'ü',
      'http-stream': { content: 'é' },
      meta: { ö: 'ä', __proto__x: '' },
    })
    expect(item.channel).toBe('Ã©')
    expect(item.id).toBe('')
    expect(item.prevId).toBe('Ã¼')
    expect(item.httpStream?.content).toEqual(Buffer.from('é'))
    expect({ ...item.meta }).toEqual({ 'Ã¶': 'Ã¤', __proto__x: '' })
    expect(one({ channel: '', 'http-stream': { content: '' } })).toMatchObject({
      channel: '',
      id: null,
      prevId: null,
      size: -1,
    })
  })

  it('has no inherited meta', () => {
    const [item] = body(`{"items":[{"channel":"a",${WS},"meta":{"__proto__":"x"}}]}`) as PublishItem[]
    expect(item?.meta?.['__proto__']).toBe('x')
    expect(item?.meta?.['constructor']).toBeUndefined()
  })

  it('refuses a patch nested so deep that writing it out would exhaust the stack', () => {
    const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
    expect(verdict(`{"channel":"a","http-response":{"body-patch":${deep}}}`)).toBe(
      "'http-response' contains 'body-patch' with invalid value",
    )
    expect(verdict(`{"channel":"a","http-response":{"body-patch":[{"op":"add","value":[[1]]}]}}`)).toBe('ok')
  })
})

describe('tnetstrings', () => {
  it('knows no body-bin, and content-bin only as raw bytes of ws-message', () => {
    expect(tn(map({ channel: 'a', 'http-response': map({ 'body-bin': 'eA==' }) }))).toBe(
      "'http-response' does not contain 'body' or 'body-patch'",
    )
    expect(tn(map({ channel: 'a', 'http-stream': map({ 'content-bin': 'eA==' }) }))).toBe(
      "'http-stream' does not contain 'content'",
    )
    const item = tn(map({ channel: 'a', 'ws-message': map({ 'content-bin': Buffer.from([0xff, 0]) }) }))
    expect(item).toMatchObject({ wsMessage: { type: 'binary', content: Buffer.from([0xff, 0]) } })
  })

  it('reads an optional null as absent, a code of null as wrong', () => {
    const item = tn(
      map({
        channel: 'a',
        id: null,
        meta: null,
        formats: null,
        'http-response': null,
        'http-stream': map({ action: null, content: 'x' }),
      }),
    )
    expect(item).toMatchObject({ id: null, meta: null, httpResponse: null, httpStream: { action: 'send' } })
    expect(tn(map({ channel: null }))).toBe("publish item object contains 'channel' with wrong type")
    expect(tn(map({ channel: 'a', 'http-stream': null }))).toBe('no formats specified')
    expect(tn(map({ channel: 'a', formats: map({ 'http-stream': null }) }))).toBe("'http-stream' is not an object")
    expect(tn(map({ channel: 'a', 'http-response': map({ body: '', code: null }) }))).toBe(
      "'http-response' contains 'code' with wrong type",
    )
    expect(tn(map({ channel: 'a', 'http-response': map({ 'body-patch': null }) }))).toMatchObject({
      httpResponse: { bodyPatch: [] },
    })
    expect(tn(map({ channel: 'a', size: null, 'ws-message': map({ content: '' }) }))).toBe(
      "publish item object contains 'size' with wrong type",
    )
  })

  it('keeps bytes that are not UTF-8, and turns a patch into JSON', () => {
    const patch = [map({ op: 'add', path: '/a', value: map({ é: 'Ã©', n: 1, f: 0.5, t: true, z: null }) })]
    const item = tn(map({ channel: '\xff', 'http-response': map({ 'body-patch': patch, code: '404' }) })) as PublishItem
    expect(item.channel).toBe('\xff')
    expect(item.httpResponse).toMatchObject({ code: 404, reason: 'Not Found' })
    expect(JSON.stringify(item.httpResponse?.bodyPatch)).toContain('"n":1,"f":0.5,"t":true,"z":null')
  })

  it('names the key of a wrong meta as text', () => {
    expect(tn(map({ channel: 'a', 'http-stream': map({ content: '' }), meta: map({ 'Ã©': 1 }) }))).toBe(
      "'meta' contains 'é' with wrong type",
    )
  })
})

describe('parts of ZeroMQ messages', () => {
  const item = map({ channel: 'a', 'ws-message': map({ content: 'x' }) })
  const bare = encodeTnetstring(item)

  it('takes J, T and a bare tnetstring, and ignores what follows a tnetstring', () => {
    const json = Buffer.from(`J{"channel":"a",${WS}}`)
    for (const part of [
      json,
      Buffer.concat([Buffer.from('T'), bare]),
      bare,
      Buffer.concat([bare, Buffer.from('zzz')]),
    ]) {
      expect(decodeZmqItem(part)).toMatchObject({ channel: 'a', wsMessage: { content: Buffer.from('x') } })
    }
  })

  it('puts the topic in place of the channel, whatever stands there', () => {
    expect(decodeZmqItem(bare, 'topic')).toMatchObject({ channel: 'topic' })
    expect(decodeZmqItem(bare, '')).toMatchObject({ channel: 'a' })
    expect(decodeZmqItem(Buffer.from(`J{"channel":1,${WS}}`), 't')).toMatchObject({ channel: 't' })
    expect(decodeZmqItem(Buffer.from(`J{${WS}}`), 't')).toMatchObject({ channel: 't' })
  })

  it.each([
    ['J', '(json parse failed)'],
    ['J1', '(json parse failed)'],
    ['J[]', '(not a valid json object)'],
    ['', '(tnetstring parse failed)'],
    ['T', '(tnetstring parse failed)'],
    ['{"channel":"a"}', '(tnetstring parse failed)'],
  ])('refuses %j', (part, error) =>
    expect(decodeZmqItem(Buffer.from(part))).toEqual({ error: `received message with invalid format ${error}` }),
  )

  it('says what is wrong with an item', () => {
    expect(decodeZmqItem(encodeTnetstring([]))).toEqual({
      error: 'received message with invalid format: publish item object is not an object',
    })
    expect(decodeZmqItem(Buffer.from('J{}'))).toEqual({
      error: "received message with invalid format: publish item object does not contain 'channel'",
    })
  })

  it('gives the same item for both encodings', () => {
    const value: TnValue = new Map<string, TnValue>([['channel', Buffer.from('a')]])
    value.set('ws-message', new Map<string, TnValue>([['content', Buffer.from('x')]]))
    expect(decodePublishItem(value)).toEqual(decodePublishItem({ channel: 'a', 'ws-message': { content: 'x' } }))
  })
})
