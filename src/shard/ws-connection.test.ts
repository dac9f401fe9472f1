/**
 * The shell of WebSocket-over-HTTP sessions with a real listener, a backend in memory and a hub by hand: what can only be
 * reached when something inside fails.
 */
import { pino } from 'pino'
import uWS from 'uWebSockets.js'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BackendClient, BackendHandler, BackendRequest } from '../backend/types.js'
import { Deadlines } from '../base/deadlines.js'
import { Gate } from '../base/gate.js'
import { loadSettings } from '../config/load.js'
import { Forwarding } from '../grip/forwarding.js'
import { Counters } from '../link/counters.js'
import { Collect, type StatsBatch } from '../link/statistics.js'
import { parseRoutes } from '../routing/routes.js'
import { MemoryHub } from '../testing/http-rig.js'
import { idleReport } from '../testing/idle-report.js'
import { poll, Waiters } from '../testing/wait.js'
import { decodeEvents, encodeEvent, subscribeEvent } from '../testing/websocket-over-http.js'
import { WsClient, WsRejected } from '../testing/ws-client.js'
import type { ShardContext } from './context.js'
import type { Report } from './report.js'
import { HttpFilterRequests } from './http-filter-requests.js'
import { rewriteRequest } from './rewrite.js'
import { listenForWebSockets } from './ws-listener.js'
import { WsShared } from './ws-shared.js'

/** The least that can be set; of two shards each has half. */
const CONF = `[proxy]
ws_buffer_max=200000
ws_buffer_total_max=200000
`

/** One request and the means to answer it. */
interface Call {
  readonly path: string
  readonly body: string
  answer(events: readonly Buffer[]): void
}

/** Echoes, subscribes to what `?channel=` names, throws when it is told `throw`, and holds back what is told to `wait`. */
class MemoryBackend implements BackendClient {
  readonly waiting: Call[] = []
  readonly disconnected: Promise<void>
  #disconnect: () => void = () => {}
  readonly waiters = new Waiters()

  constructor() {
    this.disconnected = new Promise((resolve) => {
      this.#disconnect = resolve
    })
  }

  request(request: BackendRequest, handler: BackendHandler): { abort(): void; resume(): void } {
    const parts = Array.isArray(request.body) ? (request.body as Buffer[]) : [request.body as Buffer]
    const body = Buffer.concat(parts)
    if (body.toString() === 'DISCONNECT\r\n') this.#disconnect()
    if (body.includes('throw') || request.path === '/throw') throw new Error('planted')
    let isAborted = false
    if (request.path === '/down') {
      setImmediate(() => handler.handleFailure({ kind: 'connect', bodySent: false, message: 'planted' }))
      return { abort: () => undefined, resume: () => undefined }
    }
    const answer = (events: readonly Buffer[]): void => {
      setImmediate(() => {
        if (isAborted) return
        const grip = ['Sec-WebSocket-Extensions', 'grip; message-prefix=""']
        handler.handleHead(200, 'OK', ['Content-Type', 'application/websocket-events', ...grip])
        handler.handleData(Buffer.concat(events))
        handler.handleEnd()
      })
    }
    const call: Call = { path: request.path, body: body.toString('latin1'), answer }
    if (body.includes('wait')) {
      this.waiting.push(call)
      this.waiters.changed()
    } else answer(answers(call, body))
    return {
      abort: () => {
        isAborted = true
      },
      resume: () => undefined,
    }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  held(count: number): Promise<Call[]> {
    return this.waiters.until(
      () => (this.waiting.length >= count ? this.waiting : undefined),
      () => `${String(count)} requests held`,
    )
  }
}

function answers({ path }: Call, body: Buffer): Buffer[] {
  const channels = new URL(path, 'http://backend').searchParams.getAll('channel')
  return decodeEvents(body).flatMap(({ type, content }) => {
    if (type === 'OPEN') return [encodeEvent('OPEN'), ...channels.map(subscribeEvent)]
    if (String(content) === 'subscribe') return [subscribeEvent('later'), encodeEvent('TEXT', 'subscribed')]
    return type === 'DISCONNECT' ? [] : [encodeEvent(type, content ?? undefined)]
  })
}

/** Throws for one channel. */
class FragileHub extends MemoryHub {
  override subscribe(...[receiver, channels]: Parameters<MemoryHub['subscribe']>): void {
    if (channels.some(({ name }) => name === 'fragile')) throw new Error('planted')
    super.subscribe(receiver, channels)
  }
}

let backend: MemoryBackend
let report: Report
let batches: StatsBatch[]
let hub: FragileHub
let counters: Counters
let errors: string[]
let shared: WsShared
let app: uWS.TemplatedApp
let url: string
let clients: WsClient[]

beforeEach(async () => {
  backend = new MemoryBackend()
  hub = new FragileHub()
  counters = new Counters(Counters.allocate(1), 0)
  errors = []
  clients = []
  const { settings, faults } = loadSettings({
    argv: ['--config=/pushpin.conf', '--route=* test', '--port=7999'],
    readFile: () => CONF,
    list: () => [],
    exists: () => true,
    cwd: '/',
    cores: 1,
  })
  if (settings === null) throw new Error(faults.map(({ message }) => message).join('\n'))
  const { table } = parseRoutes(
    '* backend:80,over_http\n*,path_beg=/down backend:80,over_http zhttpreq/tcp://127.0.0.1:1\n',
    '/routes',
  )
  report = idleReport((batch) => batches.push(batch))
  batches = []
  const deadlines = new Deadlines(0)
  const clock = { nowMs: () => 0 }
  const log = pino({ level: 'error' }, { write: (line: string) => void errors.push(line) })
  const context: ShardContext = {
    settings,
    routes: () => table,
    forwarding: new Forwarding(settings, () => Buffer.alloc(0), rewriteRequest),
    backend,
    backendSocket: () => {
      throw new Error('no tunnels here')
    },
    hub,
    deadlines,
    clock,
    filterRequests: new HttpFilterRequests({ shards: 2, backend, deadlines, clock, counters, log }),
    counters,
    report,
    log,
    goneGate: new Gate(1, 1),
    random: () => 0,
    epochMs: () => 1_700_000_000_000,
    access: () => undefined,
    holdLog: null,
  }
  app = uWS.App()
  shared = new WsShared(context, {
    shard: 99,
    shards: 2,
    connectionEnded: () => undefined,
    polledBegan: () => undefined,
  })
  listenForWebSockets(app, { context, shared, ssl: false, isDraining: () => false })
  url = await new Promise<string>((resolve, reject) => {
    app.listen('127.0.0.1', 0, (socket) => {
      if (socket === false) reject(new Error('cannot listen'))
      else resolve(`ws://127.0.0.1:${String(uWS.us_socket_local_port(socket))}`)
    })
  })
})

afterEach(() => {
  for (const client of clients) client.terminate()
  app.close()
})

async function connect(path = '/'): Promise<WsClient> {
  const client = await WsClient.connect(url + path)
  clients.push(client)
  return client
}

async function echoes(client: WsClient): Promise<void> {
  client.send('still here')
  await client.waitForText('still here')
}

describe('an error inside ends the session it belongs to, and no other', () => {
  let other: WsClient

  beforeEach(async () => {
    other = await connect()
  })

  afterEach(async () => {
    expect(counters.get('callback_errors')).toBe(1)
    expect(errors).toHaveLength(1)
    expect(errors[0]).toContain('planted')
    await echoes(other)
    expect(shared.connections.size).toBe(1)
    expect(counters.get('ws_connections')).toBe(1)
  })

  test.each<[string, (client: WsClient) => void]>([
    ['a message', (client) => client.send('throw')],
    ['a ping', (client) => client.socket.ping('throw')],
    ['a pong', (client) => client.socket.pong('throw')],
  ])('while %s is handled', async (_name, send) => {
    const client = await connect()
    send(client)
    expect((await client.closed).code).toBe(1006)
  })

  test('while a close is handled', async () => {
    const client = await connect()
    await client.close(1000, 'throw')
  })

  test('while an upgrade is handled', async () => {
    await expect(connect('/throw')).rejects.toThrow()
  })

  test("while the backend's answer to OPEN is handled", async () => {
    await expect(connect('/?channel=fragile')).rejects.toThrow()
  })
})

test('statistics: a WebSocket whose next target takes none has gone', async () => {
  report.collect(Collect.Conn)
  await expect(connect('/down')).rejects.toThrow(WsRejected)
  report.flush()
  const events = batches.flatMap(({ connections }) => connections)
  expect(events.map(({ here }) => here?.type)).toEqual(['ws', undefined])
  expect(new Set(events.map(({ id }) => id)).size).toBe(1)
})

describe('the cap over all sessions', () => {
  test('the one that grows above it goes; room that is given back is room for others', async () => {
    const [one, two, three] = [await connect(), await connect(), await connect()]
    one.send('wait'.padEnd(60_000))
    await backend.held(1)
    two.send('wait'.padEnd(60_000))
    expect((await two.closed).code).toBe(1006)
    expect(counters.get('ws_dropped_buffer')).toBe(1)
    // What is in flight is held until it is answered, also for a client that is gone.
    await backend.held(2)
    for (const call of backend.waiting) call.answer([encodeEvent('TEXT', 'taken')])
    await one.waitForText('taken')
    await backend.disconnected
    three.send(Buffer.alloc(60_000))
    await three.waitFor(1)
    await echoes(one)
    expect(counters.get('callback_errors')).toBe(0)
  })
})

test('a session whose client has gone still says DISCONNECT when the gateway ends', async () => {
  const client = await connect()
  client.send('wait')
  const [call] = await backend.held(1)
  client.terminate()
  await poll(
    () => Promise.resolve(counters.get('ws_connections') === 0 || undefined),
    () => 'the gateway has seen the client go',
  )
  for (const connection of shared.connections) connection.drain()
  expect(shared.connections.size).toBe(1)
  call?.answer([])
  await backend.disconnected
  expect(errors).toEqual([])
})

describe('channels that do not become live', () => {
  beforeEach(() => {
    hub.works = false
  })

  test('while opening: 500 and no 101', async () => {
    const error: unknown = await connect('/?channel=one').catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(WsRejected)
    expect((error as WsRejected).status).toBe(500)
    expect(counters.get('ws_connections')).toBe(0)
  })

  test('later: the client is dropped, counted', async () => {
    const client = await connect()
    client.send('subscribe')
    expect((await client.closed).code).toBe(1006)
    expect(client.texts).toEqual([])
    expect(counters.get('ws_dropped_barrier')).toBe(1)
  })
})
