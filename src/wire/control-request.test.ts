import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { ControlRequestReader, type Reading } from './control-request.js'

const LIMITS = { headersBytesMax: 200, bodyBytesMax: 50 }

/** What is read of these pieces, up to what says `more`; bodies as text. */
function read(...pieces: readonly string[]): unknown[] {
  const reader = new ControlRequestReader(LIMITS)
  const readings: unknown[] = []
  for (const piece of pieces) {
    reader.push(Buffer.from(piece, 'latin1'))
    let reading: Reading
    while ((reading = reader.next()).kind !== 'more') readings.push(shown(reading))
  }
  readings.push(reader.isWithin ? 'within' : 'between')
  return readings
}

function shown(reading: Reading): unknown {
  if (reading.kind !== 'request') return reading.kind === 'fault' ? reading.fault.text : reading.kind
  const { method, target, body, version, keepAlive } = reading.request
  return [method, target, version, keepAlive, body.toString('latin1')]
}

const KEPT = 'POST /a HTTP/1.1\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi'

describe('whole, byte by byte and at every split point the same is read', () => {
  test.each([
    ['a request with a body', 'POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi', [['POST', '/', '1.0', false, 'hi']]],
    ['bare line feeds', 'GET /x HTTP/1.1\nA: b\n\n', [['GET', '/x', '1.1', false, '']]],
    [
      'an expected body',
      'POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi',
      ['continue', ['POST', '/', '1.1', false, 'hi']],
    ],
    [
      'requests one behind the other',
      `${KEPT}GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n${KEPT}`,
      [
        ['POST', '/a', '1.1', true, 'hi'],
        ['GET', '/', '1.1', true, ''],
        ['POST', '/a', '1.1', true, 'hi'],
      ],
    ],
    [
      'a fault behind a request',
      `${KEPT}garbage\r\n\r\n`,
      [['POST', '/a', '1.1', true, 'hi'], 'Failed to parse request header.'],
    ],
    ['a head above the limit', `GET / HTTP/1.1\r\nX: ${'a'.repeat(200)}\r\n\r\n`, ['Request header too large.']],
    ['a body above the limit', 'PUT / HTTP/1.1\r\nContent-Length: 51\r\n\r\n', ['Request body too large.']],
    [
      'more body than its length',
      'PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
      ['Request body exceeded Content-Length.'],
    ],
  ])('%s', (_, text, expected) => {
    const between = [...expected, 'between']
    expect(read(text)).toEqual(between)
    expect(read(...text)).toEqual(between)
    for (let at = 1; at < text.length; at++) expect(read(text.slice(0, at), text.slice(at))).toEqual(between)
  })
})

test('what is cut off is within a request', () => {
  expect(read('')).toEqual(['between'])
  for (let at = 1; at < KEPT.length; at++) expect(read(KEPT.slice(0, at))).toEqual(['within'])
})

test('bytes behind a last request mean nothing, whatever they are', () => {
  expect(read('GET / HTTP/1.1\r\n\r\n', 'GET /more HTTP/1.1\r\n\r\n')).toEqual([
    ['GET', '/', '1.1', false, ''],
    'between',
  ])
})

/** Something in front of the gateway, or behind the client, could find another end of these. */
test.each([
  'Content-Length: +2',
  'Content-Length: 2\r\nContent-Length: 2',
  'Content-Length: 2\r\nTransfer-Encoding: chunked',
  'Content-Length: 2\r\nTransfer-Encoding : chunked',
  'Content-Length: 2\r\nA: b\rTransfer-Encoding: chunked',
  'Content-Length: 2\r\n folded',
  'Content-Length: 2\r\nA: \0',
  'Content-Length: 2\r\nno colon',
  'A: b\nContent-Length: 2',
  'Content-Length: 2\r\nA: b\r',
])('a connection is not kept behind borders that are not plain: %j', (headers) => {
  const head = `POST / HTTP/1.1\r\nConnection: keep-alive\r\n${headers}\r\n\r\n`
  expect(read(`${head}hi`)).toEqual([['POST', '/', '1.1', false, 'hi'], 'between'])
  expect(read(`${head}hiGET / HTTP/1.1\r\n\r\n`)[0]).toBe('Request body exceeded Content-Length.')
})

test('nor behind an empty line that is a bare line feed', () => {
  const [request] = read('GET / HTTP/1.1\r\nConnection: keep-alive\r\n\n') as [unknown[]]
  expect(request[3]).toBe(false)
})

test.each([
  ['HTTP/1.1', 'keep-alive', true],
  ['HTTP/1.0', 'Keep-Alive', true],
  ['HTTP/1.1', 'foo, keep-alive', true],
  ['HTTP/1.1', 'keep-alive, close', false],
  ['HTTP/1.1', 'foo', false],
  ['HTTP/2.0', 'keep-alive', false],
  ['', 'keep-alive', false],
])('%s with Connection: %s', (version, connection, kept) => {
  const [request] = read(`GET / ${version}\r\nConnection: ${connection}\r\n\r\n`) as [unknown[]]
  expect(request[3]).toBe(kept)
})
