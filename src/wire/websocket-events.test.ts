import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import {
  cutCloseReason,
  decodeCloseContent,
  decodeWebSocketEvents,
  encodeCloseContent,
  encodeWebSocketEvents,
  WebSocketEventsBody,
  type WsEventType,
} from './websocket-events.js'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

function encode(...events: [WsEventType, string][]): string {
  const body = new WebSocketEventsBody()
  for (const [type, content] of events) body.add(type, bytes(content))
  const joined = Buffer.concat(body.slices)
  expect(joined.length).toBe(body.bytes)
  return joined.toString('latin1')
}

function decode(text: string): [string | null, string][] | null {
  const events = decodeWebSocketEvents(bytes(text))
  return events?.map(({ type, content }) => [type, content.toString('latin1')]) ?? null
}

describe('encoding', () => {
  it.each<[string, [WsEventType, string][], string]>([
    ['a text message', [['TEXT', 'hello']], 'TEXT 5\r\nhello\r\n'],
    ['sizes in lower-case hex', [['BINARY', 'x'.repeat(26)]], `BINARY 1a\r\n${'x'.repeat(26)}\r\n`],
    ['a size beyond the heads that are kept', [['TEXT', 'y'.repeat(4096)]], `TEXT 1000\r\n${'y'.repeat(4096)}\r\n`],
    ['an empty message bare', [['TEXT', '']], 'TEXT\r\n'],
    ['a bare ping', [['PING', '']], 'PING\r\n'],
    ['a close with a code', [['CLOSE', '\x03\xe8']], 'CLOSE 2\r\n\x03\xe8\r\n'],
    ['a close with code and reason', [['CLOSE', '\x03\xe9going']], 'CLOSE 7\r\n\x03\xe9going\r\n'],
    [
      'several',
      [
        ['OPEN', ''],
        ['TEXT', 'a'],
        ['PONG', 'b'],
      ],
      'OPEN\r\nTEXT 1\r\na\r\nPONG 1\r\nb\r\n',
    ],
    ['nothing', [], ''],
  ])('writes %s', (_name, events, text) => {
    expect(encode(...events)).toBe(text)
    // Twice: short heads are kept from the first time.
    expect(encode(...events)).toBe(text)
  })

  it('refers to the content and does not copy it', () => {
    const body = new WebSocketEventsBody()
    const content = bytes('hello')
    body.add('TEXT', content)
    expect(body.slices[1]).toBe(content)
  })

  it('writes close content as code and reason bytes', () => {
    expect(encodeCloseContent(1000, 'bye')).toEqual(bytes('\x03\xe8bye'))
    expect(decodeCloseContent(encodeCloseContent(4000, '\xc3\xa9'))).toEqual({ code: 4000, reason: '\xc3\xa9' })
    expect(decodeCloseContent(bytes('x'))).toEqual({ code: null, reason: '' })
  })

  it('cuts a close reason to what a close frame holds, between characters', () => {
    expect(cutCloseReason('a'.repeat(123))).toHaveLength(123)
    expect(cutCloseReason('a'.repeat(200))).toHaveLength(123)
    expect(cutCloseReason('a'.repeat(122) + '\xc3\xa9')).toBe('a'.repeat(122))
  })
})

describe('decoding', () => {
  it.each<[string, string, [string | null, string][] | null]>([
    ['an empty body as no events', '', []],
    [
      'bare types',
      'OPEN\r\nDISCONNECT\r\n',
      [
        ['OPEN', ''],
        ['DISCONNECT', ''],
      ],
    ],
    [
      'content',
      'TEXT 5\r\nhello\r\nBINARY 2\r\n\r\n\r\n',
      [
        ['TEXT', 'hello'],
        ['BINARY', '\r\n'],
      ],
    ],
    [
      'content of size 0',
      'TEXT 0\r\n\r\nPING\r\n',
      [
        ['TEXT', ''],
        ['PING', ''],
      ],
    ],
    ['upper-case hex', 'TEXT A\r\n0123456789\r\n', [['TEXT', '0123456789']]],
    ['0x and blanks around the size', 'TEXT  0x2 \r\nab\r\n', [['TEXT', 'ab']]],
    ['content that is cut short', 'TEXT 9\r\nhel', [['TEXT', 'hel']]],
    [
      'no CRLF behind the content',
      'TEXT 2\r\nab__PING\r\n',
      [
        ['TEXT', 'ab'],
        ['PING', ''],
      ],
    ],
    ['content that ends the body', 'TEXT 2\r\nab', [['TEXT', 'ab']]],
    [
      'an unknown type',
      'HELLO 2\r\nab\r\nPONG\r\n',
      [
        [null, 'ab'],
        ['PONG', ''],
      ],
    ],
    ['types by exact case', 'text 1\r\na\r\n', [[null, 'a']]],
    [
      'an empty type',
      '\r\nPING\r\n',
      [
        [null, ''],
        ['PING', ''],
      ],
    ],
    [
      'a lone CR in a type line',
      'A\rB\r\nPING\r\n',
      [
        [null, ''],
        ['PING', ''],
      ],
    ],
    ['a line without end: refused', 'PING\r\nTEXT 5', null],
    ['a line that ends with CR: refused', 'PING\r', null],
    ['a size that is none: refused', 'TEXT g\r\n', null],
    ['an empty size: refused', 'TEXT \r\n', null],
    ['two sizes: refused', 'TEXT 1 2\r\na\r\n', null],
    ['a negative size: refused', 'TEXT -1\r\na\r\n', null],
    ['a size of 2^31: refused', 'TEXT 80000000\r\na\r\n', null],
    ['a size of 2^31-1', 'TEXT 7fffffff\r\na', [['TEXT', 'a']]],
  ])('reads %s', (_name, text, events) => {
    expect(decode(text)).toEqual(events)
  })

  it('never throws, and gives whole events only, wherever a body is cut', () => {
    const text = 'OPEN\r\nTEXT 5\r\nhello\r\nBINARY 2\r\n\r\n\r\nCLOSE 5\r\n\x03\xe8bye\r\n'
    const whole = decode(text) as [string, string][]
    for (let end = 0; end <= text.length; end++) {
      const cut = decode(text.slice(0, end))
      if (cut === null) continue
      expect(cut.length).toBeLessThanOrEqual(whole.length)
      for (const [index, [type, content]] of cut.entries()) {
        const [wholeType, wholeContent] = whole[index] as [string, string]
        expect(type).toBe(wholeType)
        // The last one may lack a part of its content, as Pushpin takes it.
        expect(index < cut.length - 1 ? content === wholeContent : wholeContent.startsWith(content)).toBe(true)
      }
    }
  })

  it('reads what it writes', () => {
    const text = 'OPEN\r\nTEXT 3\r\na\r\n\r\nPING\r\n'
    expect(encodeWebSocketEvents(decodeWebSocketEvents(bytes(text)) ?? []).toString('latin1')).toBe(text)
  })
})
