import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { byteStringOfText } from '../base/bytes.js'
import { TEST_REQUEST_BYTES_MAX, answerTest, resourceOf } from './test-target.js'
import type { TestRequest } from './test-target.js'

const EVENTS_HEADERS = [
  ...['Host', 'example.com', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ...['Sec-WebSocket-Extensions', 'grip', 'Accept', 'application/websocket-events'],
  ...['Connection-Id', '7a2f0a1e-5a0c-4a55-8f6d-0f6c0f6a3f11', 'Content-Type', 'application/websocket-events'],
]

function request(path: string, more: Partial<TestRequest> = {}): TestRequest {
  return { method: 'GET', path, headers: ['Host', 'example.com'], body: Buffer.alloc(0), routePathBeg: '', ...more }
}

function events(path: string, body: string, headers: string[] = EVENTS_HEADERS): TestRequest {
  return request(path, { method: 'POST', headers, body: Buffer.from(body, 'latin1') })
}

/** The answer as one text, to compare with what Pushpin 1.41 was seen to send. */
function textOf(answered: TestRequest): string {
  const { status, reason, headers, body } = answerTest(answered)
  const lines = [`${String(status)} ${reason}`]
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i] ?? ''}: ${headers[i + 1] ?? ''}`)
  return `${lines.join('\n')}\n\n${body.toString('latin1')}`
}

const HELLO = '200 OK\nContent-Type: text/plain\n\nHello from the Pushpin test handler!\n'
const NOT_FOUND = '404 Not Found\nContent-Type: text/plain\n\nno such test resource\n'
const TOO_LARGE = '400 Bad Request\nContent-Type: text/plain\n\nrequest too large\n'
const held = (hold: string, channels: string, body: string): string =>
  `200 OK\nContent-Type: text/plain\nGrip-Hold: ${hold}\nGrip-Channel: ${channels}\n\n${body}\n`

describe('HTTP, as seen from Pushpin 1.41', () => {
  test.each(['/', '//', '/?a', '/?channel=x'])('greets at %s', (path) => {
    expect(textOf(request(path))).toBe(HELLO)
  })

  test.each(['HEAD', 'POST', 'OPTIONS', 'DELETE'])('does not look at the method: %s', (method) => {
    expect(textOf(request('/', { method }))).toBe(HELLO)
    expect(textOf(request('/response', { method }))).toBe(held('response', 'test', 'nothing for now'))
  })

  test.each([
    ['/response', held('response', 'test', 'nothing for now')],
    ['/response/', held('response', 'test', 'nothing for now')],
    ['/stream', held('stream', 'test', '[stream opened]')],
    ['/str%65am', held('stream', 'test', '[stream opened]')],
    ['/stream/?channel=a&channel=b', held('stream', 'a, b', '[stream opened]')],
    ['/stream?channel=a&channel=a', held('stream', 'a', '[stream opened]')],
    ['/stream?channel', held('stream', '', '[stream opened]')],
  ])('holds at %s', (path, expected) => {
    expect(textOf(request(path))).toBe(expected)
  })

  test.each(['/x', '/ws', '/Stream', '/response//', '//stream', '/stream;x', '/stream/x', ''])('404 at %j', (path) => {
    expect(textOf(request(path))).toBe(NOT_FOUND)
  })

  test('refuses a body above the limit on any path, and takes one at the limit', () => {
    const tooLarge = Buffer.alloc(TEST_REQUEST_BYTES_MAX + 1)
    for (const path of ['/', '/stream', '/x']) expect(textOf(request(path, { body: tooLarge }))).toBe(TOO_LARGE)
    expect(textOf(request('/', { body: Buffer.alloc(TEST_REQUEST_BYTES_MAX) }))).toBe(HELLO)
  })
})

describe('below path_beg', () => {
  test.each([
    ['/foo', '/foo', NOT_FOUND],
    ['/foo', '/foo/', HELLO],
    ['/foo', '/foo//', HELLO],
    ['/foo', '/foostream', NOT_FOUND],
    ['/foo', '/foo//stream', NOT_FOUND],
    ['/bar/', '/bar/', HELLO],
    ['/foo', '/foo/stream', held('stream', 'test', '[stream opened]')],
    ['/bar/', '/bar/response/', held('response', 'test', 'nothing for now')],
    ['/stream', '/stream/', HELLO],
    ['/', '/stream', held('stream', 'test', '[stream opened]')],
    // path_rem=4 has already made /rem/stream to /stream: the same length is cut once more.
    ['/rem', '/stream', NOT_FOUND],
    ['/rem', '/rem/stream', held('stream', 'test', '[stream opened]')],
  ])('path_beg=%s with %s', (routePathBeg, path, expected) => {
    expect(textOf(request(path, { routePathBeg }))).toBe(expected)
  })
})

describe('channel names', () => {
  const channelsOf = (query: string): readonly string[] => resourceOf(request(`/stream?${query}`)).channels

  test.each([
    ['x=1', ['test']],
    ['', ['test']],
    ['Channel=a', ['test']],
    ['c%68annel=y', ['y']],
    ['&&channel=x&', ['x']],
    ['channel=x&channel=', ['x', '']],
    ['channel==b', ['=b']],
    ['channel=a=b', ['a=b']],
    ['channel=a+b', ['a+b']],
    ['x=1;channel=a', ['test']],
    ['channel=a#b', ['a']],
    ['channel=a,b', ['a,b']],
    ['channel=%20a', [' a']],
    ['channel=a%2c', ['a%2C']],
    ['channel=a%2525b', ['a%2525b']],
    ['channel=%0d%0aX:y', ['%0D%0AX:y']],
    ['channel=a%C3%A9%E2%82%AC', [byteStringOfText('aé€')]],
    ['channel=a%F0%9F%98%80', [byteStringOfText('a😀')]],
    ['channel=a%ED%A0%80', ['a%ED%A0%80']],
    ['channel=a%C3%28b', ['a%C3%28b']],
    ['channel=a%E2%82b', ['a%E2%82b']],
    ['channel=a%zz%4', ['a%zz%4']],
  ])('%s', (query, expected) => {
    expect(channelsOf(query)).toEqual(expected)
  })

  test('exactly the ASCII characters that Pushpin decodes are decoded', () => {
    const decoded: string[] = []
    for (let byte = 0; byte < 256; byte++) {
      const escape = `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
      const [name] = channelsOf(`channel=${escape}`)
      if (name === escape) continue
      expect(name).toBe(String.fromCharCode(byte))
      decoded.push(name ?? '')
    }
    const unreserved = '-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~'
    expect(decoded.join('')).toBe([...` "#&<=>\\^\`{|}${unreserved}`].sort().join(''))
  })
})

describe('WebSocket events', () => {
  const head = '200 OK\nContent-Type: application/websocket-events\nSec-WebSocket-Extensions: grip\n\n'
  const subscribe = (channel: string): string => {
    const message = `c:{\n    "channel": "${channel}",\n    "type": "subscribe"\n}\n`
    return `TEXT ${message.length.toString(16)}\r\n${message}\r\n`
  }

  test('opens and subscribes', () => {
    expect(textOf(events('/ws', 'OPEN\r\n'))).toBe(`${head}OPEN\r\n${subscribe('test')}`)
    const two = textOf(events('/ws/?channel=a&channel=b%22', 'OPEN\r\n'))
    expect(two).toBe(`${head}OPEN\r\n${subscribe('a')}${subscribe('b\\"')}`)
  })

  test('sends everything back as it came, in order', () => {
    const all = 'TEXT 3\r\nabc\r\nPING 1\r\np\r\nBINARY 2\r\n\x00\xff\r\nPONG\r\nTEXT\r\nCLOSE 5\r\n\x0b\xb9bye\r\n'
    const back =
      'TEXT 5\r\nm:abc\r\nPING 1\r\np\r\nBINARY 4\r\nm:\x00\xff\r\nPONG\r\nTEXT 2\r\nm:\r\nCLOSE 5\r\n\x0b\xb9bye\r\n'
    expect(textOf(events('/ws', all))).toBe(head + back)
  })

  test('a control message of a client is a message like any other', () => {
    expect(textOf(events('/ws', 'TEXT 4\r\nc:{}\r\n'))).toBe(`${head}TEXT 6\r\nm:c:{}\r\n`)
  })

  test('neither prefix nor subscription when GRIP is not offered', () => {
    const headers = EVENTS_HEADERS.filter((_, i) => i !== 4 && i !== 5)
    const answer = textOf(events('/ws', 'OPEN\r\nTEXT 3\r\nabc\r\n', headers))
    expect(answer).toBe('200 OK\nContent-Type: application/websocket-events\n\nOPEN\r\nTEXT 3\r\nabc\r\n')
  })

  test('a disconnect and an empty body get an empty answer', () => {
    expect(textOf(events('/ws', 'DISCONNECT\r\n'))).toBe(head)
    expect(textOf(events('/ws', ''))).toBe(head)
  })

  test('messages above the limit of plain requests pass', () => {
    const content = 'x'.repeat(150_000)
    const answer = answerTest(events('/ws', `TEXT ${content.length.toString(16)}\r\n${content}\r\n`))
    expect(answer.body.length).toBeGreaterThan(content.length)
  })

  test.each(['/', '/stream', '/ws//', '/x'])('is refused at %s', (path) => {
    expect(textOf(events(path, 'OPEN\r\n'))).toBe(NOT_FOUND)
  })

  test('made-up events that cannot be read get 400', () => {
    expect(answerTest(events('/ws', 'TEXT zz\r\n')).status).toBe(400)
    expect(answerTest(events('/ws', 'OPEN')).status).toBe(400)
  })

  test('a plain POST of events, without the marks of the gateway, is plain HTTP', () => {
    const headers = ['Content-Type', 'application/websocket-events']
    expect(textOf(events('/ws', 'OPEN\r\n', headers))).toBe(NOT_FOUND)
  })
})
