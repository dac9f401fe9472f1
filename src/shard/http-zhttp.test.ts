/** HTTP clients of targets behind ZeroMQ: real workers, a real listener, time by hand. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { zhttpAddresses } from '../routing/zhttp-spec.js'
import { HttpRig, streamItem } from '../testing/http-rig.js'
import { RawClient } from '../testing/raw-client.js'
import { poll } from '../testing/wait.js'
import { ReqWorker, StreamWorker, type WorkerScript } from '../testing/zhttp-worker.js'
import { ZhttpType } from '../wire/zhttp.js'

let folder: string
const closing: (() => Promise<void> | void)[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zhttp-'))
})

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await rm(folder, { recursive: true, force: true })
})

interface Answer {
  readonly status: number
  readonly reason: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

class Scene {
  readonly rig: HttpRig

  constructor(rig: HttpRig) {
    this.rig = rig
  }

  async client(): Promise<RawClient> {
    const client = await RawClient.connect(this.rig.port)
    closing.push(() => {
      client.destroy()
    })
    return client
  }

  async get(head = 'GET / HTTP/1.1', body = ''): Promise<Answer> {
    const client = await this.client()
    await client.send(`${head}\r\nHost: a.test\r\n\r\n${body}`)
    return answerOf(client)
  }

  async req(script: WorkerScript): Promise<ReqWorker> {
    const worker = ReqWorker.connect(`ipc://${folder}/req`, script)
    closing.push(() => worker.close())
    return worker
  }

  /** Returns when requests reach it. */
  async stream(script: WorkerScript): Promise<StreamWorker> {
    const probe: WorkerScript = (session) => session.answer(200, [], 'ready')
    const worker = await StreamWorker.connect(zhttpAddresses(`ipc://${folder}/stream`), probe)
    closing.push(() => worker.close())
    await poll(
      async () => ((await this.get()).body === 'ready' ? true : undefined),
      () => 'the worker is reached',
    )
    worker.sessions.length = 0
    worker.script = script
    return worker
  }
}

async function answerOf(client: RawClient): Promise<Answer> {
  const { status, reason, headers, body } = await client.readAnswer()
  return { status, reason, headers, body: body.toString() }
}

/** REQ and STREAM in the routes become targets. */
async function sceneOf(routes: string): Promise<Scene> {
  const targets = { REQ: `zhttpreq/ipc://${folder}/req`, STREAM: `zhttp/ipc://${folder}/stream` }
  const rig = await HttpRig.start({
    routes: routes.replaceAll('REQ', targets.REQ).replaceAll('STREAM', targets.STREAM),
  })
  closing.push(async () => {
    await rig.close()
    expect(rig.errors).toEqual([])
    expect(rig.counters.get('callback_errors')).toBe(0)
  })
  return new Scene(rig)
}

const TEXT = ['Content-Type', 'text/plain']

describe.each(['req', 'stream'] as const)('%s', (kind) => {
  const target = kind.toUpperCase()

  test('an answer is relayed', async () => {
    const scene = await sceneOf(`* ${target}`)
    const worker = await scene[kind]((session) => session.answer(201, [...TEXT, 'X-A', 'b'], 'hello'))
    const answer = await scene.get('POST /a?b HTTP/1.1\r\nContent-Length: 3', 'abc')
    expect(answer).toMatchObject({ status: 201, reason: 'OK', body: 'hello' })
    expect(answer.headers).toContainEqual(['X-A', 'b'])
    expect(worker.sessions[0]?.first).toMatchObject({ method: 'POST', uri: 'http://a.test/a?b', more: false })
    expect(worker.sessions[0]?.body.toString()).toBe('abc')
  })

  test('a chunked upload that is there goes as one packet', async () => {
    const scene = await sceneOf(`* ${target}`)
    const worker = await scene[kind]((session) => session.answer(200, [], ''))
    await scene.get('POST / HTTP/1.1\r\nTransfer-Encoding: chunked', '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n')
    expect(worker.sessions[0]?.first).toMatchObject({ body: Buffer.from('abcde'), more: false })
  })

  test('a stream hold gets what is published', async () => {
    const scene = await sceneOf(`*,prefix=p- ${target}`)
    await scene[kind]((session) =>
      session.answer(200, [...TEXT, 'Grip-Hold', 'stream', 'Grip-Channel', 'room'], 'opened\n'),
    )
    const client = await scene.client()
    await client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await client.readUntil('opened\n')
    scene.rig.hub.publish(streamItem('p-room', 'published\n'))
    await client.readUntil('published\n')
  })

  const failures: readonly [condition: string, status: number, text: string][] = [
    ['policy-violation', 502, 'Error: Origin host/IP blocked.'],
    ['length-required', 411, 'Must provide Content-Length header.'],
    ['disconnected', 502, 'Error while proxying to origin.'],
    ['tls-error', 502, `Unable to connect to any targets. Tried: TARGET`],
  ]
  test.each(failures)('the worker says %s, seen in debug mode', async (condition, status, text) => {
    const scene = await sceneOf(`*,debug ${target}`)
    await scene[kind]((session) => session.send({ type: ZhttpType.Error, condition }))
    const { status: seen, body, headers } = await scene.get()
    const name = kind === 'req' ? `zhttpreq/ipc://${folder}/req` : `zhttp/ipc://${folder}/stream`
    expect([seen, body]).toEqual([status, `${text.replace('TARGET', name)}\n`])
    expect(headers).toContainEqual(['Content-Type', 'text/plain'])
  })

  test('without debug a policy is not told', async () => {
    const scene = await sceneOf(`* ${target}`)
    await scene[kind]((session) => session.send({ type: ZhttpType.Error, condition: 'policy-violation' }))
    expect((await scene.get()).body).toBe('Error while proxying to origin.\n')
  })

  test('a worker that cannot connect hands over to the next target, body and all', async () => {
    const scene = await sceneOf(kind === 'req' ? '* REQ STREAM' : '* STREAM REQ')
    let other: ReqWorker | StreamWorker
    if (kind === 'req') {
      // What probes the second worker goes to the first, so the first comes later.
      const early = await scene.req((session) =>
        session.send({ type: ZhttpType.Error, condition: 'remote-connection-failed' }),
      )
      other = await scene.stream((session) => session.answer(200, [], session.body))
      early.sessions.length = 0
    } else {
      await scene.stream((session) => session.send({ type: ZhttpType.Error, condition: 'remote-connection-failed' }))
      other = await scene.req((session) => session.answer(200, [], session.body))
    }
    const answer = await scene.get('PUT / HTTP/1.1\r\nContent-Length: 4', 'body')
    expect([answer.status, answer.body]).toEqual([200, 'body'])
    expect(other.sessions).toHaveLength(1)
  })

  test('a worker that is silent for 60 s', async () => {
    const scene = await sceneOf(`*,debug ${target} 127.0.0.1:1`)
    const worker = await scene[kind](() => {})
    const client = await scene.client()
    await client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await worker.session()
    scene.rig.advance(60_000)
    expect(await answerOf(client)).toMatchObject({
      status: 502,
      body: 'Error: zhttp service for route is unreachable.\n',
    })
  })
})

test('zhttp: without a worker the answer is a 502 at once, of which debug mode says no more', async () => {
  const scene = await sceneOf('*,debug STREAM 127.0.0.1:1')
  expect(await scene.get()).toMatchObject({ status: 502, body: 'Error while proxying to origin.\n' })
  expect(scene.rig.counters.get('backend_connect_failed')).toBe(1)
})

test('zhttpreq: a request waits for its worker', async () => {
  const scene = await sceneOf('* REQ')
  const answer = scene.get()
  await scene.req((session) => session.answer(200, [], 'late'))
  expect((await answer).body).toBe('late')
})

test('zhttp: an answer that breaks off cuts the client', async () => {
  const scene = await sceneOf('* STREAM')
  await scene.stream(async (session) => {
    await session.send({ code: 200, reason: 'OK', body: Buffer.from('one'), more: true })
    await session.received(ZhttpType.Credit)
    await session.send({ type: ZhttpType.Error, condition: 'disconnected' })
  })
  const client = await scene.client()
  await client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
  await client.readUntil('one')
  await client.closed
  expect(client.pending.toString()).not.toContain('0\r\n\r\n')
})

test('zhttp: a client that leaves is told to the worker', async () => {
  const scene = await sceneOf('* STREAM')
  const worker = await scene.stream((session) =>
    session.packets.length === 1 ? session.send({ type: ZhttpType.KeepAlive }) : undefined,
  )
  const client = await scene.client()
  await client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc')
  const session = await worker.session()
  await session.until(() => (session.seq === 1 ? true : undefined), 'the answer')
  // A second exchange behind it: by its answer the keep-alive has arrived.
  const other = await scene.client()
  await other.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
  await (await worker.session(2)).answer(200, [], 'x')
  await answerOf(other)
  client.destroy()
  expect((await session.received(ZhttpType.Cancel)).ids).toEqual([{ id: session.id, seq: 1 }])
})
