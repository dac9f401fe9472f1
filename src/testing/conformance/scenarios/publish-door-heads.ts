/** The HTTP door for publishers: requests that no HTTP client writes, which Pushpin's own reader takes or refuses. */
import type { Scenario } from '../scenario.js'
import { ITEM, NOT_ACCEPTABLE, NOT_FOUND, PUBLISHED, answer, bad, raw } from './publish-door.js'

const API = answer('200 OK', 'Pushpin API\n')
const UNPARSED = bad('Failed to parse request header.')
const BAD_LENGTH = bad('Bad Content-Length.')
const EXCEEDED = bad('Request body exceeded Content-Length.')
const TOO_LARGE = bad('Request header too large.')
const LENGTH_REQUIRED = answer('411 Length Required', 'Request requires Content-Length.\n')
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const http10 = (text: string): string => text.replace('HTTP/1.1', 'HTTP/1.0')
const notAllowed = (method: string): string =>
  answer('405 Method Not Allowed', `Method not allowed: ${method}.\n`, ['Allow: POST'])

const LENGTH = `Content-Length: ${ITEM.length}`
const get = (...headers: readonly string[]): string => ['GET / HTTP/1.1', ...headers, '', ''].join('\r\n')
const post = (...headers: readonly string[]): string =>
  `${['POST /publish/ HTTP/1.1', ...headers, '', ''].join('\r\n')}${ITEM}`
const line = (text: string): string => `${text}\r\nContent-Length: 0\r\n\r\n`

type Case = readonly [name: string, request: string, expected: string]

const LINES: readonly Case[] = [
  ['method in lower case', line('post /publish HTTP/1.1'), notAllowed('post')],
  ['method nobody knows', line('FOO /publish HTTP/1.1'), notAllowed('FOO')],
  ['method nobody knows, no length', 'FOO / HTTP/1.1\r\n\r\n', LENGTH_REQUIRED],
  ['method that is no token', line('P(ST / HTTP/1.1'), API],
  // Latin-1 in, UTF-8 out.
  [
    'method beyond ASCII',
    line('P\xd6ST /publish HTTP/1.1'),
    answer('405 Method Not Allowed', 'Method not allowed: P\xc3\x96ST.\n', ['Allow: POST']),
  ],
  ['method of 200 bytes', line(`${'A'.repeat(200)} / HTTP/1.1`), API],
  ['HEAD has a body', 'HEAD / HTTP/1.1\r\n\r\n', API],
  ['HEAD /publish', 'HEAD /publish HTTP/1.1\r\n\r\n', notAllowed('HEAD')],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\n\r\n', NOT_FOUND],
  ['TRACE', line('TRACE / HTTP/1.1'), API],
  ['CONNECT without length', 'CONNECT x:1 HTTP/1.1\r\n\r\n', LENGTH_REQUIRED],
  ['CONNECT /publish', line('CONNECT /publish HTTP/1.1'), notAllowed('CONNECT')],
  ['preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', LENGTH_REQUIRED],
  ['version 2.0', 'GET / HTTP/2.0\r\n\r\n', API],
  ['version in lower case', 'GET / http/1.1\r\n\r\n', API],
  ['version that is none', 'GET / FOO\r\n\r\n', API],
  ['version that is empty', 'GET / \r\n\r\n', API],
  ['version 1.0 and a blank', 'GET / HTTP/1.0 \r\n\r\n', API],
  ['no version', 'GET /\r\n\r\n', UNPARSED],
  ['two blanks', 'GET  / HTTP/1.1\r\n\r\n', NOT_FOUND],
  ['a blank in the target', 'GET /a b HTTP/1.1\r\n\r\n', NOT_FOUND],
  ['tabs for blanks', 'GET\t/\tHTTP/1.1\r\n\r\n', UNPARSED],
  ['a blank in front', ' GET / HTTP/1.1\r\n\r\n', UNPARSED],
  ['an empty line in front', '\r\nGET / HTTP/1.1\r\n\r\n', UNPARSED],
  ['nothing but empty lines', '\r\n\r\n', UNPARSED],
  ['target in absolute form', 'GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n', NOT_FOUND],
  ['target without a slash', 'GET foo HTTP/1.1\r\n\r\n', NOT_FOUND],
  ['target with escapes', line('POST /%70ublish HTTP/1.1'), NOT_FOUND],
  ['target beyond ASCII', 'GET /\xe9 HTTP/1.1\r\n\r\n', NOT_FOUND],
  ['target with a zero byte', 'GET /\0 HTTP/1.1\r\n\r\n', NOT_FOUND],
  ['target with a carriage return', 'GET /a\rb HTTP/1.1\r\n\r\n', NOT_FOUND],
]

const HEADERS: readonly Case[] = [
  ['no Host', get(), API],
  ['two Hosts', get('Host: a', 'Host: b'), API],
  ['without colon', get('Foo'), API],
  ['without name', get(': x'), API],
  ['a blank in front of the colon', get('Foo : x'), API],
  ['a name that is no token', get('Foo(: x'), API],
  ['a name beyond ASCII', get('F\xf6o: x'), API],
  ['a folded one', get('A: b', ' c'), API],
  ['a folded Accept', get('Accept: text/html,', ' text/plain'), NOT_ACCEPTABLE],
  ['a carriage return in a value', get('A: b\rc'), API],
  ['two carriage returns at the end', get('A: b\r'), API],
  ['a zero byte in a value', get('A: b\0c'), API],
  ['an upgrade', get('Connection: Upgrade', 'Upgrade: websocket'), API],
  ['line feeds and no carriage return', 'GET / HTTP/1.1\n\n', API],
  ['an empty line that is a bare line feed', 'GET / HTTP/1.1\r\nA: b\r\n\n', API],
  ['a head of 10000 bytes', get(`X: ${'a'.repeat(10_000 - get('X: ').length)}`), API],
  ['a head of 10001 bytes', get(`X: ${'a'.repeat(10_001 - get('X: ').length)}`), TOO_LARGE],
  ['a head of blanks', get(`X:${' '.repeat(20_000)}a`), TOO_LARGE],
]

const BODIES: readonly Case[] = [
  ['a sign in front of the length', post(`Content-Length: +${ITEM.length}`), PUBLISHED],
  ['zeros in front of the length', post(`Content-Length: 000${ITEM.length}`), PUBLISHED],
  ['blanks around the length', post(`Content-Length:   ${ITEM.length} `), PUBLISHED],
  ['a tab in front of the length', post(`Content-Length:\t${ITEM.length}`), PUBLISHED],
  ['a length of -0', line('POST /publish HTTP/1.1').replace(': 0', ': -0'), bad('Body is not valid JSON.')],
  ['a length in hexadecimal', post('Content-Length: 0x10'), BAD_LENGTH],
  ['a length with a point', post(`Content-Length: ${ITEM.length}.0`), BAD_LENGTH],
  ['an empty length', post('Content-Length:'), BAD_LENGTH],
  ['a length beyond 32 bits', post('Content-Length: 2147483648'), BAD_LENGTH],
  ['a length far below 0', post('Content-Length: -99999999999999999999'), BAD_LENGTH],
  ['a list of lengths', post(`${LENGTH}, ${ITEM.length}`), BAD_LENGTH],
  ['the same length twice', post(LENGTH, LENGTH), PUBLISHED],
  ['two lengths: the first counts', post(LENGTH, 'Content-Length: 5'), PUBLISHED],
  ['two lengths: the first is too short', post('Content-Length: 5', LENGTH), EXCEEDED],
  ['a blank behind Content-Length', post(`Content-Length : ${ITEM.length}`), LENGTH_REQUIRED],
  ['a length and chunks: the length counts', post(LENGTH, 'Transfer-Encoding: chunked'), PUBLISHED],
  ['an empty Transfer-Encoding', post('Transfer-Encoding:'), LENGTH_REQUIRED],
  ['chunks of a GET', get('Transfer-Encoding: chunked'), LENGTH_REQUIRED],
  ['a body of a GET', `${get('Content-Length: 3')}abc`, API],
  ['a line break behind it', `${post(LENGTH)}\r\n`, EXCEEDED],
  ['another request behind it', post(LENGTH) + post(LENGTH), EXCEEDED],
  ['a request behind a GET', get() + get(), API],
  ['bytes behind a GET', `${get()}garbage`, API],
  ['Expect in capitals', post('Expect: 100-Continue', LENGTH), PUBLISHED],
  ['Expect in a list', post('Expect: foo, 100-continue', LENGTH), PUBLISHED],
  ['Expect without a body', get('Expect: 100-continue'), API],
  ['Expect with an empty body', get('Expect: 100-continue', 'Content-Length: 0'), CONTINUE + API],
  ['Expect in HTTP/1.0', http10(get('Expect: 100-continue', 'Content-Length: 0')), http10(CONTINUE) + http10(API)],
]

function cases(part: string, list: readonly Case[]): Scenario[] {
  return list.map(([name, request, expected]) => raw(`${part}: ${name}`, request, expected))
}

export const publishDoorHeads: Scenario[] = [
  ...cases('first line', LINES),
  ...cases('header', HEADERS),
  ...cases('body', BODIES),
]
