/** Workers behind ZeroMQ: targets zhttpreq/ (one packet each way) and zhttp/ (streaming, WebSockets). */
import { type ZhttpRequest, ZhttpType } from '../../../wire/zhttp.js'
import { streamItem } from '../../publish.js'
import type { RawClient } from '../../raw-client.js'
import { WsClient } from '../../ws-client.js'
import { decodeEvents, encodeEvent } from '../../websocket-over-http.js'
import type { WorkerScript, WorkerSession } from '../../zhttp-worker.js'
import type { Scenario } from '../scenario.js'
import type { World } from '../world.js'

const AREA = 'workers behind ZeroMQ'

/** What a packet says, without `from`, ids and signature. */
function shown(packet: ZhttpRequest, world: World): Record<string, unknown> {
  const { type, method, uri, credits, more, code, contentType, multi, stream, routerResp, maxSize } = packet
  const names = packet.headers.filter((_, index) => index % 2 === 0).filter((name) => !/^(grip-|host$)/i.test(name))
  const body = packet.body === null ? null : packet.body.length > 50 ? packet.body.length : packet.body.toString()
  const seq = packet.ids[0]?.seq ?? null
  const all = {
    ...{ type, seq, method, uri: uri.replace(world.scene, 'SCENE'), credits, more, code, contentType, body },
    ...{ multi, stream, routerResp, maxSize, names: names.sort(), trusted: packet.ignorePolicies },
  }
  const isSaid = (value: unknown): boolean =>
    value !== null && value !== '' && value !== false && !(Array.isArray(value) && value.length === 0)
  return Object.fromEntries(Object.entries(all).filter(([, value]) => isSaid(value)))
}

async function ask(world: World, host: string, method = 'GET', body = ''): Promise<string[]> {
  const client = await world.client()
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`
  await client.send(`${method} ${world.path('/a?b')} HTTP/1.1\r\nHost: ${host}\r\nX-A: b\r\n${length}\r\n${body}`)
  return answerOf(client)
}

async function answerOf(client: RawClient): Promise<string[]> {
  const { status, reason, body } = await client.readAnswer()
  return [`${status} ${reason}`, body.length > 100 ? String(body.length) : body.toString('latin1')]
}

/** A request, what the worker got of it (without credits and keep-alives), what the client got. */
function once(
  name: string,
  host: string,
  script: WorkerScript,
  expected: unknown,
  method = 'GET',
  body = '',
): Scenario {
  return {
    area: AREA,
    name,
    expected,
    run: async (world) => {
      const packets: Record<string, unknown>[] = []
      world.onPacket((session, packet) => {
        if (packet.type !== ZhttpType.Credit && packet.type !== ZhttpType.KeepAlive) packets.push(shown(packet, world))
        return script(session, packet)
      })
      const answer = await ask(world, host, method, body)
      return [packets, answer]
    },
  }
}

const hello: WorkerScript = (session) => session.answer(200, ['Content-Type', 'text/plain'], 'hello\n')
const HELLO = ['200 OK', 'hello\n']
const GENERIC = ['502 Bad Gateway', 'Error while proxying to origin.\n']

const REQ_PACKET = { type: 'data', maxSize: 1_000_000, names: ['X-A'], trusted: true, uri: 'http://req.test/SCENE/a?b' }
const STREAM_PACKET = {
  ...{ type: 'data', seq: 0, credits: 200_000, multi: true, stream: true, routerResp: true, names: ['X-A'] },
  ...{ trusted: true, uri: 'http://stream.test/SCENE/a?b' },
}

const failing =
  (condition: string): WorkerScript =>
  (session) =>
    session.send({ type: ZhttpType.Error, condition })

function failure(host: 'req' | 'stream', condition: string, answer: readonly string[]): Scenario {
  const packet = { ...(host === 'req' ? REQ_PACKET : STREAM_PACKET), method: 'GET' }
  return once(`${host}: error ${condition}`, `${host}.test`, failing(condition), [[packet], answer])
}

const FAILURES: readonly (readonly [condition: string, answer: readonly string[]])[] = [
  ['policy-violation', ['502 Bad Gateway', 'Error: Origin host/IP blocked.\n']],
  ['length-required', ['411 Length Required', 'Must provide Content-Length header.\n']],
  ['disconnected', GENERIC],
  ['session-timeout', GENERIC],
]

/** Takes an upload in steps of its credits and answers with its length. */
const counting: WorkerScript = (session, packet) => {
  if (packet.type !== ZhttpType.Data) return
  if (!packet.more) return session.answer(200, [], String(session.body.length))
  return session.send({ type: ZhttpType.Credit, credits: 100_000 })
}

const accept = (session: WorkerSession, headers: readonly string[] = []): Promise<void> =>
  session.send({ code: 101, reason: 'Fine', headers, credits: 1000 })

const echo: WorkerScript = (session, packet) => {
  if (packet === session.first) return accept(session)
  const { type, body, contentType, more, code } = packet
  if (type === ZhttpType.Close) return session.send({ type, code, ...(body === null ? {} : { body }) })
  if (type !== ZhttpType.Data && type !== ZhttpType.Ping) return
  return session.send({ type, body, contentType, more, credits: body?.length ?? 0 })
}

function webSocket(
  name: string,
  script: WorkerScript,
  play: (client: WsClient, session: Promise<WorkerSession>) => Promise<unknown>,
  expected: unknown,
  host = 'stream.test',
): Scenario {
  return {
    area: AREA,
    name,
    expected,
    run: async (world) => {
      let opened: (session: WorkerSession) => void = () => {}
      const session = new Promise<WorkerSession>((resolve) => {
        opened = resolve
      })
      world.onPacket((known, packet) => {
        opened(known)
        return script(known, packet)
      })
      const url = `ws://127.0.0.1:${world.target.ports.http}${world.path('/ws')}`
      const client = await WsClient.connect(url, { headers: { Host: host } })
      world.atEnd(() => client.terminate())
      return play(client, session)
    },
  }
}

export const zhttp: readonly Scenario[] = [
  once('req: a request and its answer', 'req.test', hello, [[{ ...REQ_PACKET, method: 'GET' }], HELLO]),
  once(
    'req: a body',
    'req.test',
    (session) => session.answer(201, [], session.body),
    [[{ ...REQ_PACKET, method: 'POST', body: 'content', names: ['Content-Length', 'X-A'] }], ['201 OK', 'content']],
    'POST',
    'content',
  ),
  once('req: an answer that goes on is refused', 'req.test', (session) => session.send({ code: 200, more: true }), [
    [{ ...REQ_PACKET, method: 'GET' }],
    GENERIC,
  ]),
  ...FAILURES.flatMap(([condition, answer]) => [
    failure('req', condition, answer),
    failure('stream', condition, answer),
  ]),
  once('stream: a request and its answer', 'stream.test', hello, [[{ ...STREAM_PACKET, method: 'GET' }], HELLO]),
  once(
    'stream: an answer in three packets',
    'stream.test',
    async (session, packet) => {
      if (packet !== session.first) return
      await session.send({ code: 200, reason: 'OK', body: Buffer.from('one '), more: true })
      await session.send({ body: Buffer.from('two'), more: true })
      await session.send({})
    },
    [[{ ...STREAM_PACKET, method: 'GET' }], ['200 OK', 'one two']],
  ),
  {
    area: AREA,
    name: 'stream: a packet out of sequence is cancelled',
    expected: [GENERIC, { type: 'cancel', seq: 1 }],
    run: async (world) => {
      const cancelled = new Promise<Record<string, unknown>>((resolve) => {
        world.onPacket((session, packet) => {
          if (packet !== session.first) return resolve(shown(packet, world))
          session.seq = 3
          return session.answer(200, [], 'x')
        })
      })
      return [await ask(world, 'stream.test'), await cancelled]
    },
  },
  {
    area: AREA,
    name: 'stream: an upload larger than the window',
    expected: ['200 OK', '500000'],
    run: (world) => {
      world.onPacket(counting)
      return ask(world, 'stream.test', 'POST', 'x'.repeat(500_000))
    },
  },
  {
    area: AREA,
    name: 'stream: a client that leaves is told to the worker',
    expected: 'cancel',
    run: async (world) => {
      const session = new Promise<WorkerSession>((resolve) => {
        world.onPacket(async (known, packet) => {
          if (packet !== known.first) return
          await known.send({ code: 200, reason: 'OK', body: Buffer.from('x'), more: true })
          resolve(known)
        })
      })
      const client = await world.client()
      await client.send(`GET ${world.path()} HTTP/1.1\r\nHost: stream.test\r\n\r\n`)
      await client.readUntil('\r\n\r\n')
      client.destroy()
      return (await (await session).received(ZhttpType.Cancel)).type
    },
  },
  {
    area: AREA,
    name: 'stream: without a worker',
    expected: GENERIC,
    run: (world) => ask(world, 'nobody.test'),
  },
  ...['req', 'stream'].map((host): Scenario => ({
    area: AREA,
    name: `${host}: a stream hold gets what is published`,
    expected: 'opened\npublished\n',
    run: async (world) => {
      world.onPacket((session) =>
        session.answer(200, ['Grip-Hold', 'stream', 'Grip-Channel', world.channel], 'opened\n'),
      )
      const client = await world.client()
      await client.send(`GET ${world.path()} HTTP/1.1\r\nHost: ${host}.test\r\n\r\n`)
      await world.subscribed()
      await client.readUntil('opened\n')
      await world.publish(streamItem(world.channel, 'published\n'))
      await client.readUntil('published\n')
      return 'opened\npublished\n'
    },
  })),
  {
    area: AREA,
    name: 'a worker that cannot connect hands over to the next target',
    expected: ['200 OK', 'hello\n'],
    run: (world) => {
      world.onPacket((session, packet) =>
        session.first.stream ? hello(session, packet) : failing('remote-connection-failed')(session, packet),
      )
      return ask(world, 'worker-failover.test')
    },
  },
  ...['req-woh', 'stream-woh'].map((host): Scenario =>
    webSocket(
      `${host}: WebSocket-over-HTTP`,
      (session, packet) => {
        if (packet.type !== ZhttpType.Data) return
        if (packet.more) return session.send({ type: ZhttpType.Credit, credits: 1000 })
        const events = decodeEvents(session.body).map(({ type, content }) => encodeEvent(type, content ?? undefined))
        return session.answer(200, ['Content-Type', 'application/websocket-events'], Buffer.concat(events))
      },
      async (client, session) => {
        client.send('hello')
        const texts = await client.waitFor(1)
        return [texts, (await session).packets.map(({ more, body }) => [more, body?.toString() ?? null])]
      },
      [
        ['hello'],
        host === 'req-woh'
          ? [[false, 'OPEN\r\n']]
          : [
              [true, null],
              [false, 'OPEN\r\n'],
            ],
      ],
      `${host}.test`,
    ),
  ),
  webSocket(
    'WebSocket: messages both ways, cut by the window',
    echo,
    async (client, session) => {
      client.send('hello')
      await client.waitFor(1)
      client.send('x'.repeat(2500))
      const texts = await client.waitFor(2)
      const sent = (await session).packets.filter(({ type }) => type === ZhttpType.Data).slice(1)
      return [texts.map((text) => text.length), sent.map(({ body, more, contentType }) => [body?.length, more, contentType])] // prettier-ignore
    },
    [
      [5, 2500],
      [
        [5, false, 'text'],
        [1000, true, 'text'],
        [1000, true, 'text'],
        [500, false, 'text'],
      ],
    ],
  ),
  webSocket(
    'WebSocket: the close of the client',
    echo,
    async (client, session) => {
      void client.close(4000, 'bye')
      const { code, body } = await (await session).received(ZhttpType.Close)
      return [code, body?.toString()]
    },
    [4000, 'bye'],
  ),
  webSocket(
    'WebSocket: a client that vanishes is a cancel',
    echo,
    async (client, session) => {
      client.terminate()
      return (await (await session).received(ZhttpType.Cancel)).type
    },
    'cancel',
  ),
  ...(
    [
      [
        'a rejection',
        { condition: 'rejected', code: 403, reason: 'No', body: Buffer.from('no\n') },
        ['403 No', 'no\n'],
      ],
      ['a policy is not told', { condition: 'policy-violation' }, GENERIC],
    ] as const
  ).map(([name, error, expected]): Scenario => ({
    area: AREA,
    name: `WebSocket: ${name}`,
    expected,
    run: async (world) => {
      world.onPacket((session) => session.send({ type: ZhttpType.Error, ...error }))
      return upgradeAnswer(world, 'stream.test')
    },
  })),
  {
    area: AREA,
    name: 'WebSocket: zhttpreq carries none',
    expected: ['502 Bad Gateway', 'WebSockets cannot be used with zhttpreq target\n'],
    run: (world) => upgradeAnswer(world, 'req.test'),
  },
]

async function upgradeAnswer(world: World, host: string): Promise<string[]> {
  const client = await world.client()
  const handshake = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
  const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  await client.send(`GET ${world.path()} HTTP/1.1\r\nHost: ${host}\r\n${handshake}${key}\r\n`)
  return answerOf(client)
}
