/**
 * The `demo` target: everything the `test` target does, a page to see it with, and what the page needs.
 *
 * - `GET /`: the page.
 * - `/events?channel=C`: an event stream (for EventSource). It listens to the channel `C.events`, not to `C`: a stream
 *   cannot carry plain lines and event-stream framing at once, and `/stream?channel=C` shows plain lines.
 * - `POST /publish` with JSON `{"channel": C, "content": text}`: publishes to `C` and, framed, to `C.events`.
 *
 * Whoever reaches a `demo` route may publish to any channel. It is for trying things out, not for a public address.
 */
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { byteStringOfText } from '../base/bytes.js'
import { CHANNEL_BYTES_MAX } from '../base/limits.js'
import { PublishAction, WsMessageType } from '../wire/publish-types.js'
import type { HttpStreamFormat, Json, PublishItem } from '../wire/publish-types.js'
import { TEST_REQUEST_BYTES_MAX, answerTest, isEventsRequest, plainText, resourceOf } from './test-target.js'
import type { TestAnswer, TestRequest, TestResource } from './test-target.js'

/** What an EventSource on channel C listens to. */
const EVENTS_SUFFIX = '.events'

export interface DemoAnswer extends TestAnswer {
  /** To be published before the answer goes out; absent or not empty. */
  readonly publish?: readonly PublishItem[]
}

export function answerDemo(request: TestRequest): DemoAnswer {
  if (isEventsRequest(request) || request.body.length > TEST_REQUEST_BYTES_MAX) return answerTest(request)
  const resource = resourceOf(request)
  switch (resource.path) {
    case '/':
      return request.method === 'GET' || request.method === 'HEAD' ? page() : answerTest(request)
    case '/events':
      return events(resource)
    case '/publish':
      return request.method === 'POST' ? publish(request.body) : methodNotAllowed()
    default:
      return answerTest(request)
  }
}

function page(): DemoAnswer {
  const { body, contentSecurityPolicy } = PAGE
  const headers = ['Content-Type', 'text/html; charset=utf-8', 'Cache-Control', 'no-cache']
  headers.push('Content-Security-Policy', contentSecurityPolicy, 'X-Content-Type-Options', 'nosniff')
  return { status: 200, reason: 'OK', headers, body }
}

const PAGE = readPage(new URL('./demo-page.html', import.meta.url))

/** The page's only script and style are allowed by their hashes, so nothing else can run on it. */
function readPage(file: URL): { readonly body: Buffer; readonly contentSecurityPolicy: string } {
  const html = readFileSync(file, 'utf8')
  const hashOf = (tag: string): string => {
    const content = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(html)?.[1] ?? ''
    return `'sha256-${createHash('sha256').update(content).digest('base64')}'`
  }
  const contentSecurityPolicy = [
    "default-src 'none'",
    `script-src ${hashOf('script')}`,
    `style-src ${hashOf('style')}`,
    'img-src data:',
    // Not every browser takes 'self' for WebSockets.
    "connect-src 'self' ws: wss:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
  return { body: Buffer.from(html), contentSecurityPolicy }
}

function events(resource: TestResource): DemoAnswer {
  const channels = resource.channels.map((channel) => channel + EVENTS_SUFFIX)
  const headers = ['Content-Type', 'text/event-stream', 'Cache-Control', 'no-store', 'X-Accel-Buffering', 'no']
  headers.push('Grip-Hold', 'stream', 'Grip-Channel', channels.join(', '))
  headers.push('Grip-Keep-Alive', ':keep-alive\\n\\n; format=cstring; timeout=20')
  return { status: 200, reason: 'OK', headers, body: Buffer.from(':stream opened\n\n') }
}

function publish(body: Buffer): DemoAnswer {
  const fields = readPublish(body)
  if (typeof fields === 'string') return plainText(400, 'Bad Request', `${fields}\n`)
  return { ...plainText(200, 'OK', 'Published\n'), publish: itemsOf(fields.channel, fields.content) }
}

/** The fields, or what is wrong with them. */
function readPublish(body: Buffer): { readonly channel: string; readonly content: string } | string {
  let json: Json
  try {
    json = JSON.parse(body.toString('utf8')) as Json
  } catch {
    return 'the body must be JSON'
  }
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return 'the body must be a JSON object'
  const { channel, content } = json
  if (typeof channel !== 'string' || channel === '') return "'channel' must be a string that is not empty"
  if (typeof content !== 'string') return "'content' must be a string"
  const name = byteStringOfText(channel)
  if (name.length + EVENTS_SUFFIX.length > CHANNEL_BYTES_MAX) return "'channel' is too long"
  return { channel: name, content }
}

/** HTTP subscribers get a line of their own per message, as the command-line publishers of GRIP do it. */
function itemsOf(channel: string, content: string): PublishItem[] {
  const line = Buffer.from(`${content}\n`)
  const plain: PublishItem = {
    ...NO_FORMATS,
    channel,
    httpStream: streamFormat(line),
    httpResponse: {
      action: PublishAction.Send,
      code: 200,
      reason: 'OK',
      headers: [['Content-Type', 'text/plain; charset=utf-8']],
      body: line,
      bodyPatch: null,
      contentFilters: null,
    },
    wsMessage: {
      action: PublishAction.Send,
      type: WsMessageType.Text,
      content: Buffer.from(content),
      code: -1,
      reason: '',
      contentFilters: null,
    },
  }
  const framed = streamFormat(Buffer.from(eventOf(content)))
  return [plain, { ...NO_FORMATS, channel: channel + EVENTS_SUFFIX, httpStream: framed }]
}

const NO_FORMATS = {
  id: null,
  prevId: null,
  httpStream: null,
  httpResponse: null,
  wsMessage: null,
  meta: null,
  size: -1,
  noSeq: false,
} as const

function streamFormat(content: Buffer): HttpStreamFormat {
  return { action: PublishAction.Send, content, contentFilters: null }
}

/** One event of an event stream (HTML standard, server-sent events): a `data:` line per line of the content. */
function eventOf(content: string): string {
  const lines = content.split(/\r\n|\r|\n/)
  return `${lines.map((line) => `data: ${line}\n`).join('')}\n`
}

function methodNotAllowed(): DemoAnswer {
  return plainText(405, 'Method Not Allowed', 'publish with POST\n', ['Allow', 'POST'])
}
