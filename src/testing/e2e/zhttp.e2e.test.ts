/** Workers behind ZeroMQ, in front of them the built gateway with two shards. */
import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { zhttpAddresses } from '../../routing/zhttp-spec.js'
import { type ZhttpRequest, ZhttpType } from '../../wire/zhttp.js'
import { Command, hasCommand } from '../command.js'
import { freePorts } from '../free-ports.js'
import { PROJECT_FOLDER, type Gateway, startGateway } from '../gateway.js'
import { publishHttp, streamItem, wsItem } from '../publish.js'
import { poll } from '../wait.js'
import { decodeEvents, encodeEvent } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'
import { ReqWorker, StreamWorker, type WorkerSession } from '../zhttp-worker.js'

let folder: string
let gateway: Gateway
let stream: StreamWorker
let req: ReqWorker
const clients: WsClient[] = []

/** Scripts by the first part of the path. */
const scripts = new Map<string, (session: WorkerSession, packet: ZhttpRequest) => void | Promise<void>>()
const script = (session: WorkerSession, packet: ZhttpRequest): void | Promise<void> => {
  const path = new URL(session.first.uri).pathname
  if (path === '/ready') return session.answer(200, [], 'ready')
  return scripts.get(path)?.(session, packet)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zhttp-'))
  const targets = { stream: `zhttp/ipc://${folder}/stream`, req: `zhttpreq/ipc://${folder}/req` }
  gateway = await startGateway({
    routes: [
      `stream.test,debug ${targets.stream}`,
      `req.test,debug ${targets.req}`,
      `woh-stream.test ${targets.stream},over_http`,
      `woh-req.test ${targets.req},over_http`,
    ],
  })
  stream = await StreamWorker.connect(zhttpAddresses(`ipc://${folder}/stream`), script)
  req = ReqWorker.connect(`ipc://${folder}/req`, script)
  await poll(
    async () => ((await get('stream.test', '/ready')).body.toString() === 'ready' ? true : undefined),
    () => 'the worker is reached',
  )
})

afterEach(() => {
  for (const client of clients.splice(0)) client.terminate()
})

afterAll(async () => {
  await gateway.stop()
  await stream.close()
  await req.close()
  await rm(folder, { recursive: true, force: true })
})

/** fetch() lets nobody choose the Host, so the routes are asked for by http.request. */
async function get(host: string, path: string, body?: Buffer): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST'
    const sent = request(
      { port: gateway.ports.http, path, method, headers: { Host: host }, agent: false },
      (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('end', () => {
          resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) })
        })
        answer.on('error', reject)
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

async function connect(host: string, path: string): Promise<WsClient> {
  const client = await WsClient.connect(gateway.wsUrl(path), { headers: { Host: host } })
  clients.push(client)
  return client
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

test('many requests at once, on both shards, each gets its own answer', async () => {
  scripts.set('/echo', (session) => session.answer(200, [], session.body))
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      get(index % 2 === 0 ? 'stream.test' : 'req.test', '/echo', Buffer.from(`number ${index}`)),
    ),
  )
  expect(answers.map(({ body }) => body.toString())).toEqual(answers.map((_, index) => `number ${index}`))
  const shards = new Set([...stream.sessions, ...req.sessions].map(({ id }) => id.split('-')[0]))
  expect([...shards].sort()).toEqual(['0', '1'])
})

test('bodies far larger than the window, both ways, and neither side sends more than it may', async () => {
  const upload = randomBytes(3_000_000)
  const download = randomBytes(3_000_000)
  let received = 0
  let granted = 200_000
  let credits = 0
  let sent = 0
  const pump = async (session: WorkerSession): Promise<void> => {
    while (sent < download.length && credits > 0) {
      const body = download.subarray(sent, sent + Math.min(credits, 50_000))
      const head = sent === 0 ? { code: 200, reason: 'OK', headers: [] } : {}
      sent += body.length
      credits -= body.length
      await session.send({ ...head, body, more: sent < download.length })
    }
  }
  scripts.set('/large', async (session, packet) => {
    credits += packet.credits ?? 0
    const bytes = packet.body?.length ?? 0
    received += bytes
    expect(received).toBeLessThanOrEqual(granted)
    if (packet.more) {
      granted += bytes === 0 ? 100_000 : bytes
      return session.send({ type: ZhttpType.Credit, credits: bytes === 0 ? 100_000 : bytes })
    }
    if (received === upload.length) return pump(session)
  })
  const { status, body } = await get('stream.test', '/large', upload)
  const session = await stream.session(1, ({ first }) => first.uri.endsWith('/large'))
  expect([status, digest(body), digest(session.body)]).toEqual([200, digest(download), digest(upload)])
  expect(stream.errors).toEqual([])
})

test.each(['stream.test', 'req.test'])('%s: a stream hold', async (host) => {
  const channel = `held-${host}`
  scripts.set(`/hold-${host}`, (session) =>
    session.answer(200, ['Content-Type', 'text/plain', 'Grip-Hold', 'stream', 'Grip-Channel', channel], 'opened\n'),
  )
  const text = await new Promise<string>((resolve, reject) => {
    const sent = request({ port: gateway.ports.http, path: `/hold-${host}`, headers: { Host: host }, agent: false })
    sent.on('error', reject)
    sent.on('response', (answer) => {
      let seen = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        if (seen === '') void publishHttp(gateway.controlUrl('/publish/'), streamItem(channel, 'published\n'))
        seen += chunk
        if (!seen.endsWith('published\n')) return
        resolve(seen)
        sent.destroy()
      })
    })
    sent.end()
  })
  expect(text).toBe('opened\npublished\n')
})

test.each(['woh-stream.test', 'woh-req.test'])('%s: WebSocket-over-HTTP', async (host) => {
  const path = `/chat-${host}`
  scripts.set(path, (session, packet) => {
    // Over zhttp/ the body comes once the worker has shown that it is there.
    if (packet.more) return session.send({ type: ZhttpType.Credit, credits: 10_000 })
    if (packet.type !== ZhttpType.Data) return
    const events = decodeEvents(session.body).flatMap(({ type, content }) =>
      type === 'DISCONNECT' ? [] : [encodeEvent(type, content ?? undefined)],
    )
    return session.answer(200, ['Content-Type', 'application/websocket-events'], Buffer.concat(events))
  })
  const client = await connect(host, path)
  client.send('hello')
  expect(await client.waitFor(1)).toEqual(['hello'])
})

describe('WebSockets over zhttp/', () => {
  /** Sends everything back, cut as it came, and grants what it has taken. */
  const echo = (session: WorkerSession, packet: ZhttpRequest): Promise<void> | void => {
    if (packet === session.first) {
      return session.send({ code: 101, reason: 'OK', credits: 1000, headers: ['Sec-WebSocket-Extensions', 'grip'] })
    }
    const { type, body, contentType, more, code } = packet
    if (type === ZhttpType.Close) return session.send({ type, code, body: body ?? Buffer.alloc(0) })
    if (type !== ZhttpType.Data) return
    const prefix = session.packets.at(-2)?.more === true ? '' : 'm:'
    const content = Buffer.concat([Buffer.from(prefix), body ?? Buffer.alloc(0)])
    return session.send({ body: content, contentType, more, credits: body?.length ?? 0 })
  }

  test('messages larger than the window come back whole', async () => {
    scripts.set('/ws', echo)
    const client = await connect('stream.test', '/ws')
    client.send('short')
    expect(await client.waitFor(1)).toEqual(['short'])
    const large = 'x'.repeat(150_000)
    client.send(large)
    expect((await client.waitFor(2))[1]).toBe(large)
    await client.close(4000, 'bye')
    const session = await stream.session(1, ({ first }) => first.uri === 'ws://stream.test/ws')
    expect(await session.received(ZhttpType.Close)).toMatchObject({ code: 4000, body: Buffer.from('bye') })
    expect(session.first.headers).toContain('Sec-WebSocket-Key')
  })

  test('control messages subscribe, and what is published comes', async () => {
    scripts.set('/subscribe', async (session, packet) => {
      await echo(session, packet)
      if (packet === session.first)
        await session.send({ body: Buffer.from('c:{"type":"subscribe","channel":"workers"}') })
    })
    const client = await connect('stream.test', '/subscribe')
    await poll(
      async () => {
        await publishHttp(gateway.controlUrl('/publish/'), wsItem('workers', 'news'))
        return client.texts.length > 0 ? true : undefined
      },
      () => 'a publish arrives',
    )
    expect(client.texts[0]).toBe('news')
  })

  test('a client that vanishes is told to the worker', async () => {
    scripts.set('/vanish', echo)
    const client = await connect('stream.test', '/vanish')
    const session = await stream.session(1, ({ first }) => first.uri.endsWith('/vanish'))
    client.terminate()
    await session.received(ZhttpType.Cancel)
  })
})

test('a gateway that stops tells its workers, in good order', async () => {
  const spec = `ipc://${folder}/stopping`
  const other = await startGateway({ routes: [`* zhttp/${spec}`] })
  const worker = await StreamWorker.connect(zhttpAddresses(spec), (session, packet) => {
    if (session.first.uri.endsWith('/ready')) return session.answer(200, [], 'ready')
    if (packet !== session.first) return undefined
    return session.send({ code: 200, reason: 'OK', body: Buffer.from('x'), more: true })
  })
  try {
    await poll(
      async () => ((await fetch(other.httpUrl('/ready'))).status === 200 ? true : undefined),
      () => 'the worker is reached',
    )
    const response = await fetch(other.httpUrl('/open'))
    const reading = response.text().catch(() => 'cut')
    await other.stop()
    await reading
    const session = await worker.session(1, ({ first }) => first.uri.endsWith('/open'))
    await session.received(ZhttpType.Cancel)
  } finally {
    await worker.close()
    await other.kill()
  }
})

describe('the example in Python', () => {
  const python = ['/usr/bin/python3', 'python3'].find((command) =>
    hasCommand('the zhttpreq example', command, '-c', 'import zmq'),
  )

  test.skipIf(python === undefined)('answers, opens a stream', async () => {
    const [port] = (await freePorts(1)) as [number]
    const address = `tcp://127.0.0.1:${port}`
    const other = await startGateway({ routes: [`* zhttpreq/${address}`] })
    const worker = Command.start(
      'env',
      `ADDRESS=${address}`,
      python as string,
      join(PROJECT_FOLDER, 'docs/examples/zhttpreq-python/worker.py'),
    )
    try {
      await worker.printed('waiting for requests\n')
      const answer = await fetch(other.httpUrl('/some/where'), { method: 'PUT', body: 'abc' })
      expect(await answer.text()).toBe('PUT /some/where with 3 bytes\n')
      const opened = await fetch(other.httpUrl('/stream?channel=news'))
      const reader = (opened.body as ReadableStream<Uint8Array>).getReader()
      const read = async (): Promise<string> => Buffer.from((await reader.read()).value ?? []).toString()
      expect(await read()).toBe('welcome to the stream\n')
      await publishHttp(other.controlUrl('/publish/'), streamItem('news', 'hello\n'))
      expect(await read()).toBe('hello\n')
      await reader.cancel()
    } finally {
      await worker.kill()
      await other.stop()
    }
  })
})
