/** The HTTP door for publishers: statuses, headers and texts, to the byte. */
import type { Scenario } from '../scenario.js'

const AREA = 'HTTP publishing'

/** The answer as it stands on the wire. */
export function answer(status: string, body: string, headers: readonly string[] = [], type = 'text/plain'): string {
  const lines = [...headers, `Content-Type: ${type}`, 'Connection: close', `Content-Length: ${body.length}`]
  return `HTTP/1.1 ${status}\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

export function raw(name: string, request: string, expected: string): Scenario {
  return {
    area: AREA,
    name: `door: ${name}`,
    expected,
    run: async (world) => {
      const client = await world.controlClient()
      await client.send(request)
      return (await client.readToEnd()).toString('latin1')
    },
  }
}

function request(line: string, headers: readonly string[], body = ''): string {
  const all = ['Host: door.test', ...headers, ...(body === '' ? [] : [`Content-Length: ${body.length}`])]
  return `${line} HTTP/1.1\r\n${all.join('\r\n')}\r\n\r\n${body}`
}

/** POST /publish/ with this body. */
function posted(name: string, body: string, expected: string): Scenario {
  return raw(name, request('POST /publish/', body === '' ? ['Content-Length: 0'] : [], body), expected)
}

export const PUBLISHED = answer('200 OK', 'Published\n')
export const NOT_FOUND = answer('404 Not Found', 'Not Found\n')
export const NOT_ACCEPTABLE = answer(
  '406 Not Acceptable',
  'Not Acceptable. Supported formats are text/plain and application/json.\n',
)
export const ITEM = '{"items":[{"channel":"door","formats":{"ws-message":{"content":"x"}}}]}'
export const bad = (text: string): string => answer('400 Bad Request', `${text}\n`)
const invalid = (detail: string): string => bad(`Invalid format: ${detail}`)
const accepting = (type: string): string => request('POST /publish/', [`Accept: ${type}`], ITEM)
const item = (fields: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ items: [{ channel: 'door', ...fields }] })
const format = (name: string, value: unknown): string => item({ formats: { [name]: value } })

/** Fields of an item, and what is wrong. */
const ITEM_FAULTS: readonly (readonly [string, string, string])[] = [
  ['no object', '{"items":["x"]}', 'publish item object is not an object'],
  ['no channel', '{"items":[{"formats":{}}]}', "publish item object does not contain 'channel'"],
  ['channel', item({ channel: 5 }), "publish item object contains 'channel' with wrong type"],
  ['id', item({ id: 5, formats: {} }), "publish item object contains 'id' with wrong type"],
  ['prev-id', item({ 'prev-id': 5 }), "publish item object contains 'prev-id' with wrong type"],
  ['formats', item({ formats: [] }), "publish item object contains 'formats' with wrong type"],
  ['no formats', item({}), 'no formats specified'],
  ['empty formats', item({ formats: {} }), 'no formats specified'],
  ['meta', format2({ meta: 'x' }), "publish item object contains 'meta' with wrong type"],
  ['a meta', format2({ meta: { a: [] } }), "'meta' contains 'a' with wrong type"],
  ['size', format2({ size: [] }), "publish item object contains 'size' with wrong type"],
  ['size below 0', format2({ size: -1 }), "publish item object contains 'size' with invalid value"],
  ['no-seq', format2({ 'no-seq': 'x' }), "publish item object contains 'no-seq' with wrong type"],
  ['http-response is no object', format('http-response', 'x'), "'http-response' is not an object"],
  ['http-stream is no object', format('http-stream', 'x'), "'http-stream' is not an object"],
  ['ws-message is no object', format('ws-message', 'x'), "'ws-message' is not an object"],
  ['action of a response', format('http-response', { action: 5 }), "'http-response' contains 'action' with wrong type"],
  ['an unknown action', format('ws-message', { action: 'foo' }), ''],
  ['an empty action', format('http-stream', { action: '' }), ''],
  ['code', format('http-response', { code: [] }), "'http-response' contains 'code' with wrong type"],
  ['code above 999', format('http-response', { code: 1000 }), "'http-response' contains 'code' with invalid value"],
  ['code below 0', format('http-response', { code: -1 }), "'http-response' contains 'code' with invalid value"],
  ['reason', format('http-response', { reason: 5 }), "'http-response' contains 'reason' with wrong type"],
  ['headers', format('http-response', { headers: 'x' }), "'http-response' contains 'headers' with wrong type"],
  ['an element of headers', format('http-response', { headers: ['x'] }), 'headers contains element with wrong type'],
  [
    'a list of one in headers',
    format('http-response', { headers: [['x']] }),
    'headers contains list with wrong number of elements',
  ],
  [
    'a name in headers',
    format('http-response', { headers: [[1, 'x']] }),
    'header contains name element with wrong type',
  ],
  [
    'a value in headers',
    format('http-response', { headers: [['x', 1]] }),
    'header contains value element with wrong type',
  ],
  ['a header', format('http-response', { headers: { a: 1 } }), "headers contains 'a' with wrong type"],
  ['body', format('http-response', { body: 5 }), "'http-response' contains 'body' with wrong type"],
  ['body-bin', format('http-response', { 'body-bin': 5 }), "'http-response' contains 'body-bin' with wrong type"],
  [
    'body-patch',
    format('http-response', { 'body-patch': {} }),
    "'http-response' contains 'body-patch' with wrong type",
  ],
  ['no body', format('http-response', {}), "'http-response' does not contain 'body', 'body-bin', or 'body-patch'"],
  ['content of a stream', format('http-stream', { content: 5 }), "'http-stream' contains 'content' with wrong type"],
  [
    'content-bin of a stream',
    format('http-stream', { 'content-bin': 5 }),
    "'http-stream' contains 'content-bin' with wrong type",
  ],
  ['no content of a stream', format('http-stream', {}), "'http-stream' does not contain 'content' or 'content-bin'"],
  [
    'content-filters',
    format('http-stream', { 'content-filters': 'x', content: 'y' }),
    "'http-stream' contains 'content-filters' with wrong type",
  ],
  [
    'an element of content-filters',
    format('http-stream', { 'content-filters': [1], content: 'y' }),
    'content-filters contains element with wrong type',
  ],
  ['type of a message', format('ws-message', { type: 5 }), "'ws-message' contains 'type' with wrong type"],
  ['an unknown type', format('ws-message', { type: 'foo' }), "'ws-message' contains 'type' with unknown value"],
  ['content of a message', format('ws-message', { content: 5 }), "'ws-message' contains 'content' with wrong type"],
  ['no content of a message', format('ws-message', {}), "'ws-message' does not contain 'content' or 'content-bin'"],
  [
    'code of a close',
    format('ws-message', { action: 'close', code: -1 }),
    "'ws-message' contains 'code' with invalid value",
  ],
  [
    'reason of a close',
    format('ws-message', { action: 'close', reason: 1 }),
    "'ws-message' contains 'reason' with wrong type",
  ],
]

/** A good format and these fields of the item. */
function format2(fields: Readonly<Record<string, unknown>>): string {
  return item({ formats: { 'ws-message': { content: 'x' } }, ...fields })
}

export const publishDoor: Scenario[] = [
  raw('GET /', request('GET /', []), answer('200 OK', 'Pushpin API\n')),
  raw('POST /', request('POST /', ['Content-Length: 0']), answer('200 OK', 'Pushpin API\n')),
  raw('POST /publish/', request('POST /publish/', [], ITEM), PUBLISHED),
  raw('POST /publish', request('POST /publish', [], ITEM), PUBLISHED),
  raw('POST /publish//', request('POST /publish//', [], ITEM), NOT_FOUND),
  raw('POST /publish/?x=1', request('POST /publish/?x=1', [], ITEM), NOT_FOUND),
  raw('POST /other', request('POST /other', [], ITEM), NOT_FOUND),
  raw(
    'GET /publish/',
    request('GET /publish/', []),
    answer('405 Method Not Allowed', 'Method not allowed: GET.\n', ['Allow: POST']),
  ),
  raw(
    'PUT /publish/',
    request('PUT /publish/', [], ITEM),
    answer('405 Method Not Allowed', 'Method not allowed: PUT.\n', ['Allow: POST']),
  ),
  raw(
    'GET /recover',
    request('GET /recover', []),
    answer('405 Method Not Allowed', 'Method not allowed: GET.\n', ['Allow: POST']),
  ),
  ...['/recover', '/recover/'].map((path) => ({
    ...raw(`POST ${path}`, request(`POST ${path}`, ['Content-Length: 0']), answer('200 OK', 'Updated\n')),
    // It concerns every long poll and stream.
    alone: true,
  })),
  ...['text/plain', '*/*', 'text/*', 'application/json, text/plain', 'foo/bar, */*;q=0.1'].map((type) =>
    raw(`Accept: ${type}`, accepting(type), PUBLISHED),
  ),
  ...['application/json', 'application/*', 'text/plain, application/json', 'application/json;q=0.1'].map((type) =>
    raw(`Accept: ${type}`, accepting(type), answer('200 OK', '{"message":"Published"}\n', [], 'application/json')),
  ),
  raw('Accept: text/html', accepting('text/html'), NOT_ACCEPTABLE),
  raw('Accept: empty', accepting(''), NOT_ACCEPTABLE),
  raw('Accept: text/html for /', request('GET /', ['Accept: text/html']), NOT_ACCEPTABLE),
  raw(
    'Accept: application/json, and an error',
    request('POST /publish/', ['Accept: application/json'], 'x'),
    bad('Body is not valid JSON.'),
  ),
  raw(
    'HTTP/1.0',
    `POST /publish/ HTTP/1.0\r\nContent-Length: ${ITEM.length}\r\n\r\n${ITEM}`,
    PUBLISHED.replace('HTTP/1.1', 'HTTP/1.0'),
  ),
  raw(
    'lines that end in a bare line feed',
    `POST /publish/ HTTP/1.1\nContent-Length: ${ITEM.length}\n\n${ITEM}`,
    PUBLISHED,
  ),
  raw(
    'a chunked body',
    `POST /publish/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    answer('411 Length Required', 'Request requires Content-Length.\n'),
  ),
  raw(
    'POST without Content-Length',
    'POST /publish/ HTTP/1.1\r\nHost: x\r\n\r\n',
    answer('411 Length Required', 'Request requires Content-Length.\n'),
  ),
  raw(
    'Content-Length is no number',
    'POST /publish/ HTTP/1.1\r\nContent-Length: x\r\n\r\n',
    bad('Bad Content-Length.'),
  ),
  raw(
    'Content-Length below 0',
    'POST /publish/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
    bad('Request body exceeded Content-Length.'),
  ),
  raw(
    'a body above the limit',
    'POST /publish/ HTTP/1.1\r\nContent-Length: 1000001\r\n\r\n',
    bad('Request body too large.'),
  ),
  raw(
    'more body than its length',
    `POST /publish/ HTTP/1.1\r\nContent-Length: 2\r\n\r\n${ITEM}`,
    bad('Request body exceeded Content-Length.'),
  ),
  raw('no HTTP', 'hello\r\n\r\n', bad('Failed to parse request header.')),
  raw(
    'a head above the limit',
    `GET / HTTP/1.1\r\nX-Long: ${'x'.repeat(12_000)}\r\n\r\n`,
    bad('Request header too large.'),
  ),
  raw(
    'Expect: 100-continue',
    `POST /publish/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: ${ITEM.length}\r\n\r\n${ITEM}`,
    `HTTP/1.1 100 Continue\r\n\r\n${PUBLISHED}`,
  ),
  ...(
    [
      ['empty', ''],
      ['text', 'hello'],
      ['a number', '5'],
      ['a string', '"x"'],
      ['cut off', '{"items":['],
      ['something behind it', '{"items":[]} x'],
      ['a comma at the end', '{"items":[],}'],
      ['invalid UTF-8', '{"items":[],"x":"\xff"}'],
    ] as const
  ).map(([name, body]) => posted(`no JSON: ${name}`, body, bad('Body is not valid JSON.'))),
  posted('an array', '[]', bad('Invalid format.')),
  posted('no items', '{}', invalid("object does not contain 'items'")),
  posted('items are no list', '{"items":{}}', invalid("object contains 'items' with wrong type")),
  posted('no item', '{"items":[]}', PUBLISHED),
  posted('a byte order mark', `\xef\xbb\xbf${ITEM}`, PUBLISHED),
  posted('formats nobody knows', item({ formats: { foo: {} } }), PUBLISHED),
  posted('fields nobody knows', format2({ foo: 1 }), PUBLISHED),
  posted('an empty channel', item({ channel: '', formats: { 'http-stream': { content: 'x' } } }), PUBLISHED),
  posted('the format at top level', item({ 'ws-message': { content: 'x' } }), PUBLISHED),
  posted('a code as text', format('http-response', { code: '200', body: '' }), PUBLISHED),
  posted('a ping without content', format('ws-message', { type: 'ping' }), PUBLISHED),
  posted('a hint', format('http-response', { action: 'hint' }), PUBLISHED),
  posted(
    'one of two items is bad',
    `{"items":[{"channel":"a","formats":{"ws-message":{"content":"x"}}},{}]}`,
    invalid("publish item object does not contain 'channel'"),
  ),
  ...ITEM_FAULTS.map(([name, body, detail]) => posted(`item: ${name}`, body, invalid(detail))),
]
