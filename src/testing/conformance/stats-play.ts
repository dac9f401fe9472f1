/** Clients and a backend for scenarios of statistics, which have a route each (routes.ts). */
import { requestHeaderBytes } from '../../wire/header-bytes.js'
import type { BackendCall } from '../scripted-backend.js'
import { upgradeRequest } from '../websocket-frames.js'
import { Connection } from './connection.js'
import { statsHost } from './routes.js'
import type { Scenario } from './scenario.js'
import { CONTENT_TYPE, OPEN, subscribe, text } from './woh.js'
import type { World } from './world.js'

export function scenario(name: string, run: (world: World) => Promise<unknown>, expected: unknown): Scenario {
  return { area: 'statistics', name: `stats: ${name}`, wants: 'stats', slow: true, expected, run }
}

// The backend: the first word of the path behind the scene says what it answers.

export function serve(world: World): BackendCall[] {
  const calls: BackendCall[] = []
  world.onCall((call) => {
    calls.push(call)
    call.response.sendDate = false
    const [headers, body] = answerTo(call, world.channel, calls.length)
    call.answer(200, [...headers, 'Content-Length', String(body.length)], Buffer.from(body, 'latin1'))
  })
  return calls
}

function answerTo(call: BackendCall, channel: string, turn: number): [headers: string[], body: string] {
  const hold = (mode: string, ...more: string[]): string[] => [
    'Grip-Hold',
    mode,
    'Grip-Channel',
    channel,
    'X-A',
    'b',
    ...more,
  ]
  switch (/\/s\d+-[0-9a-f]+\/([a-z-]*)/.exec(call.url)?.[1]) {
    case 'stream':
      return [hold('stream', 'Content-Type', 'text/plain'), 'opened\n']
    case 'keep-alive':
      return [
        hold('stream', 'Content-Type', 'text/plain', 'Grip-Keep-Alive', 'alive; format=raw; timeout=1'),
        'opened\n',
      ]
    case 'poll':
      return [hold('response'), 'nothing\n']
    case 'again':
      return turn === 1 ? [hold('response'), 'nothing\n'] : [['X-A', 'b'], 'again\n']
    case 'ws':
      return [['Content-Type', CONTENT_TYPE, 'Sec-WebSocket-Extensions', 'grip', 'X-A', 'b'], eventsFor(call, channel)]
    default:
      return [['X-A', 'b'], 'hello world']
  }
}

function eventsFor({ body }: BackendCall, channel: string): string {
  const events = body.toString('latin1')
  if (events === OPEN) return OPEN + subscribe(channel) + text('m:welcome')
  return events.includes('CLOSE') ? events.slice(events.indexOf('CLOSE')) : text('m:echo')
}

// Clients.

interface Asked {
  readonly method?: string
  readonly body?: string
}

/** Sends a request; what is there of it in the head, as statistics measure it. */
export async function ask(world: World, name: string, what: string, { method = 'GET', body }: Asked = {}) {
  const client = await world.client()
  const path = world.path(`/${what}?x=1`)
  const headers = ['Host', statsHost(name), 'User-Agent', 'me']
  if (body !== undefined) headers.push('Content-Length', String(body.length))
  const lines = headers.flatMap((word, at) => (at % 2 === 0 ? [`${word}: ${headers[at + 1] ?? ''}\r\n`] : []))
  await client.send(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`)
  return { client, headBytes: requestHeaderBytes(method, path, headers) }
}

export async function openWebSocket(world: World, name: string): Promise<Connection> {
  const request = upgradeRequest(world.path('/ws'), statsHost(name))
  const client = await Connection.open(world.target.ports.http, request)
  world.atEnd(() => client.destroy())
  return client
}

/** Of what a backend got; one that adds a Connection header of its own does not count it. */
export function headBytesOf({ method, url, rawHeaders }: BackendCall): number {
  const headers = rawHeaders.filter((_, at) => (rawHeaders[at - (at % 2)] as string).toLowerCase() !== 'connection')
  return requestHeaderBytes(method, url, headers)
}

export function publishAll(world: World, id: string): Promise<void> {
  return world.publish({
    channel: world.channel,
    id,
    formats: {
      'http-response': { body: 'to a poll' },
      'http-stream': { content: 'to a stream\n' },
      'ws-message': { content: 'to a WebSocket' },
    },
  })
}
