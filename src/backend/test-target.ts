/**
 * The built-in `test` target of Pushpin 1.41, as a function from a request to its answer (routing reference §7.8).
 *
 * Below the route's path_beg: `/` greets, `/response` and `/stream` hold, `/ws` takes WebSockets and sends back what
 * they say, anything else is 404. `?channel=` may be repeated; without it the channel is `test`. One trailing slash is
 * ignored.
 *
 * A WebSocket comes here as WebSocket-over-HTTP. The handshake's headers stand on every request of a session, so no
 * state is needed to know whether GRIP was offered.
 */
import { Buffer } from 'node:buffer'
import { unreachable } from '../base/assert.js'
import { textOfByteString } from '../base/bytes.js'
import { parseGripExtension } from '../wire/header-params.js'
import { hasHeader, headerValue } from '../wire/headers.js'
import { WebSocketEventsBody, WsEventType, decodeWebSocketEvents } from '../wire/websocket-events.js'
import type { WebSocketEvent } from '../wire/websocket-events.js'

/** Largest body of a plain request; WebSocket events are not limited here. */
export const TEST_REQUEST_BYTES_MAX = 100_000

const EVENTS_TYPE = 'application/websocket-events'

export interface TestRequest {
  readonly method: string
  /** Path and query, percent-encoded, as rewritten by the route. */
  readonly path: string
  /** name, value, name, value …: byte strings. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** path_beg of the route's condition, percent-encoded; '' for none. The resources are found below it. */
  readonly routePathBeg: string
}

export interface TestAnswer {
  readonly status: number
  readonly reason: string
  /** name, value, name, value …: byte strings, without Content-Length. */
  readonly headers: string[]
  readonly body: Buffer
}

/** What the path asks for. */
export interface TestResource {
  /** Without query and trailing slash; '' when nothing is left below path_beg. */
  readonly path: string
  /** At least one, each once; an empty name is possible. Byte strings. */
  readonly channels: readonly string[]
}

export function answerTest(request: TestRequest): TestAnswer {
  const resource = resourceOf(request)
  if (isEventsRequest(request)) return resource.path === '/ws' ? answerEvents(request, resource) : notFound()
  if (request.body.length > TEST_REQUEST_BYTES_MAX) return plainText(400, 'Bad Request', 'request too large\n')
  switch (resource.path) {
    case '/':
      return plainText(200, 'OK', 'Hello from the Pushpin test handler!\n')
    case '/response':
      return plainText(200, 'OK', 'nothing for now\n', ['Grip-Hold', 'response', ...channelHeader(resource)])
    case '/stream':
      return plainText(200, 'OK', '[stream opened]\n', ['Grip-Hold', 'stream', ...channelHeader(resource)])
    default:
      return notFound()
  }
}

export function plainText(status: number, reason: string, text: string, moreHeaders: string[] = []): TestAnswer {
  return { status, reason, headers: ['Content-Type', 'text/plain', ...moreHeaders], body: Buffer.from(text) }
}

export function resourceOf(request: TestRequest): TestResource {
  const uri = request.path.split('#', 1)[0] as string
  const queryAt = uri.indexOf('?')
  const fullPath = queryAt === -1 ? uri : uri.slice(0, queryAt)
  const query = queryAt === -1 ? '' : uri.slice(queryAt + 1)
  // Pushpin cuts by length and does not look at what it cuts: a path that was rewritten loses as much.
  const cut = request.routePathBeg.endsWith('/') ? request.routePathBeg.length - 1 : request.routePathBeg.length
  const path = decodeUnambiguous(fullPath.slice(cut))
  return { path: path.length >= 2 && path.endsWith('/') ? path.slice(0, -1) : path, channels: channelsOf(query) }
}

/** True for a request that the gateway made out of a client's WebSocket. */
export function isEventsRequest(request: Pick<TestRequest, 'method' | 'headers'>): boolean {
  return (
    request.method === 'POST' &&
    headerValue(request.headers, 'content-type') === EVENTS_TYPE &&
    headerValue(request.headers, 'accept') === EVENTS_TYPE &&
    hasHeader(request.headers, 'connection-id')
  )
}

function answerEvents(request: TestRequest, resource: TestResource): TestAnswer {
  const decoded = decodeWebSocketEvents(request.body)
  // The gateway's own events can be read; a client may have made these up.
  if (decoded === null) return plainText(400, 'Bad Request', 'malformed WebSocket events\n')
  const grip = parseGripExtension(request.headers) !== null
  const answer = new WebSocketEventsBody()
  for (const event of decoded) addAnswer(answer, event, resource.channels, grip)
  const headers = ['Content-Type', EVENTS_TYPE]
  if (grip) headers.push('Sec-WebSocket-Extensions', 'grip')
  return { status: 200, reason: 'OK', headers, body: Buffer.concat(answer.slices) }
}

function addAnswer(
  answer: WebSocketEventsBody,
  event: WebSocketEvent,
  channels: readonly string[],
  grip: boolean,
): void {
  switch (event.type) {
    case WsEventType.Open:
      answer.add(event.type, event.content)
      if (grip) for (const channel of channels) answer.add(WsEventType.Text, subscribeMessage(channel))
      return
    case WsEventType.Text:
    case WsEventType.Binary:
      answer.add(event.type, grip ? Buffer.concat([MESSAGE_PREFIX, event.content]) : event.content)
      return
    case WsEventType.Ping:
    case WsEventType.Pong:
    case WsEventType.Close:
      // Not a pong for a ping: Pushpin's target sends every frame back as it came.
      answer.add(event.type, event.content)
      return
    case WsEventType.Disconnect:
    case null:
      return
    default:
      unreachable(event.type)
  }
}

const MESSAGE_PREFIX = Buffer.from('m:')

/** The JSON is laid out as Qt does it: keys sorted, four spaces, a line break at the end. */
function subscribeMessage(channel: string): Buffer {
  const json = JSON.stringify({ channel: textOfByteString(channel), type: 'subscribe' }, null, 4)
  return Buffer.from(`c:${json}\n`)
}

function channelHeader(resource: TestResource): [string, string] {
  return ['Grip-Channel', resource.channels.join(', ')]
}

function notFound(): TestAnswer {
  return plainText(404, 'Not Found', 'no such test resource\n')
}

function channelsOf(query: string): readonly string[] {
  const channels = new Set<string>()
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=')
    const name = equals === -1 ? pair : pair.slice(0, equals)
    if (decodeUnambiguous(name) === 'channel')
      channels.add(decodeUnambiguous(equals === -1 ? '' : pair.slice(equals + 1)))
  }
  return channels.size === 0 ? ['test'] : [...channels]
}

/** ASCII that is decoded (Qt's "pretty decoded"): unreserved characters, and those with no meaning in a URI. */
const DECODED_ASCII = /^[A-Za-z0-9\-._~ "#&<=>\\^`{|}]$/

/**
 * Undoes percent-encoding as Pushpin does it for this target: where it cannot change what the URI means. `%2F`, `%2C`,
 * `%25`, control characters and bytes that are not UTF-8 stay encoded (with upper-case digits), `+` is no space.
 */
function decodeUnambiguous(encoded: string): string {
  if (!encoded.includes('%')) return encoded
  return encoded.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => decodeRun(Buffer.from(run.replaceAll('%', ''), 'hex')))
}

function decodeRun(bytes: Buffer): string {
  let decoded = ''
  for (let at = 0; at < bytes.length;) {
    const length = characterBytes(bytes, at)
    const character = bytes.toString('latin1', at, at + Math.max(length, 1))
    decoded += length > 1 || DECODED_ASCII.test(character) ? character : escapeByte(bytes[at] as number)
    at += Math.max(length, 1)
  }
  return decoded
}

/** Length of the UTF-8 character that begins at `at`; 0 when there is none. */
function characterBytes(bytes: Buffer, at: number): number {
  const lead = bytes[at] as number
  if (lead < 0x80) return 1
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2
  const character = bytes.subarray(at, at + length)
  // What is not UTF-8 does not survive the way to text and back.
  return character.length === length && Buffer.from(character.toString('utf8')).equals(character) ? length : 0
}

function escapeByte(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
