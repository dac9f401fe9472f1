/** permessage-deflate between the gateway and native WebSocket backends, with allow_compression and without. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type PerMessageDeflateOptions, WebSocketServer } from 'ws'
import { RSV1, deflateMessage, inflateMessage } from '../deflate.js'
import { type Gateway, startGateway } from '../gateway.js'
import { publishHttp, wsItem } from '../publish.js'
import { RawWsBackend, type RawWsConnection, serverFrame } from '../raw-ws-backend.js'
import { withDeadline } from '../wait.js'
import { Opcode } from '../websocket-frames.js'
import { WsClient } from '../ws-client.js'

const DEFLATE = 'permessage-deflate'
const LONG = JSON.stringify(Array.from({ length: 40 }, (_, index) => ({ index, name: `name ${String(index)}` })))
const BUFFER = { reason: 'buffer' }
/** What a message of a backend may have. */
const BYTES_MAX = 16_777_216
const AGREED = `Sec-WebSocket-Extensions: ${DEFLATE}\r\n`
const WITHOUT_CONTEXT = `Sec-WebSocket-Extensions: ${DEFLATE}; client_no_context_takeover\r\n`

/** Backends as their authors write them, by the path that leads to them. */
const SERVERS: Readonly<Record<string, boolean | PerMessageDeflateOptions>> = {
  '/as-it-is': true,
  '/everything': { threshold: 0 },
  '/without-context': { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true },
  '/small-window': { threshold: 0, serverMaxWindowBits: 9 },
  '/off': false,
}
const servers: WebSocketServer[] = []
/** By path: what they have agreed on with the gateway, one by one. */
const agreed = new Map<string, string[]>()
let raw: RawWsBackend
let gateway: Gateway
let off: Gateway
const clients: WsClient[] = []

beforeAll(async () => {
  raw = await RawWsBackend.start()
  const routes = [`*,path_beg=/raw ${raw.target}`, `*,path_beg=/no-grip,no_grip ${raw.target}`]
  for (const [path, perMessageDeflate] of Object.entries(SERVERS)) {
    routes.push(`*,path_beg=${path} ${await startServer(path, perMessageDeflate)}`)
  }
  const conf = { 'proxy.ws_buffer_max': '2000000' }
  gateway = await startGateway({ workers: 1, routes, conf: { ...conf, 'runner.allow_compression': 'true' } })
  off = await startGateway({ workers: 1, routes, conf })
})

afterEach(() => {
  for (const client of clients.splice(0)) client.terminate()
})

afterAll(async () => {
  await gateway.stop()
  await off.stop()
  for (const server of servers) server.close()
  await raw.stop()
})

/** An echo. */
async function startServer(path: string, perMessageDeflate: boolean | PerMessageDeflateOptions): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate })
  servers.push(server)
  await once(server, 'listening')
  agreed.set(path, [])
  server.on('connection', (socket) => {
    agreed.get(path)?.push(socket.extensions)
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => {
      socket.send(data as Buffer, { binary: isBinary })
    })
  })
  return `127.0.0.1:${String((server.address() as AddressInfo).port)}`
}

async function open(path: string, of = gateway, options = {}): Promise<WsClient> {
  const client = await WsClient.connect(of.wsUrl(path), options)
  clients.push(client)
  return client
}

/** A client and its connection at the backend; `answer`: headers of the 101, whole lines. */
async function openRaw(
  answer: string,
  behind: readonly Buffer[] = [],
): Promise<{ client: WsClient; backend: RawWsConnection }> {
  const opening = open('/raw')
  const backend = await raw.next()
  backend.send(backend.answer(answer), ...behind)
  return { client: await opening, backend }
}

/** As a backend sends it. `payload`: compressed. */
function deflated(payload: Buffer, opcode: number = Opcode.Text, fin = true): Buffer {
  return serverFrame(opcode, payload, { fin, reserved: RSV1 })
}

function deflatedText(text: string): Buffer {
  return deflated(deflateMessage(text))
}

/** What the gateway has sent in data frames; compressed ones stand on those before them. */
function contentsOf({ frames }: RawWsConnection): Buffer[] {
  const history: Buffer[] = []
  return frames
    .filter(({ opcode }) => opcode === Opcode.Text || opcode === Opcode.Binary)
    .map(({ isCompressed, payload }) => {
      if (!isCompressed) return payload
      history.push(inflateMessage(payload, Buffer.concat(history)))
      return history.at(-1) as Buffer
    })
}

describe('the offer', () => {
  test('stands before that of GRIP, whatever the client offers', async () => {
    for (const headers of [{ Cookie: 'a=b' }, { Cookie: 'a=b', 'Sec-WebSocket-Extensions': `${DEFLATE}; x, other` }]) {
      const opening = open('/raw/x', gateway, { headers })
      const backend = await raw.next()
      backend.send(backend.answer())
      await opening
      const lines = (backend.head ?? '').split('\r\n').map((line) => line.replace(/(-key: |^grip-feature: ).*/i, '$1…'))
      expect(lines).toEqual([
        'GET /raw/x HTTP/1.1',
        `Host: 127.0.0.1:${String(gateway.ports.http)}`,
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: …',
        'Sec-WebSocket-Extensions: permessage-deflate',
        'Sec-WebSocket-Extensions: grip',
        'cookie: a=b',
        'Grip-Feature: …',
      ])
    }
  })

  test('stands alone for a route without GRIP; without the setting there is none', async () => {
    for (const [path, of, extensions] of [
      ['/no-grip', gateway, [DEFLATE]],
      ['/no-grip', off, []],
      ['/raw', off, ['grip']],
    ] as const) {
      const opening = open(path, of)
      const backend = await raw.next()
      backend.send(backend.answer())
      await opening
      const offered = [...(backend.head ?? '').matchAll(/^sec-websocket-extensions: (.*)$/gim)].map(
        ([, value]) => value,
      )
      expect(offered).toEqual(extensions)
    }
  })
})

describe('the answer', () => {
  const INVALID = [[`${DEFLATE}, ${DEFLATE}`], [DEFLATE, DEFLATE], [`${DEFLATE};`], ['grip,'], ['a; b="c']]

  test.each(INVALID)('%j %j is not valid: 502', async (...values) => {
    await expectRefusal(gateway, values, '101')
  })

  test('without an offer every word of it is too much', async () => {
    await expectRefusal(off, [DEFLATE], '101')
    await expectRefusal(off, [`grip, ${DEFLATE}; x`], '101')
    await expectRefusal(off, ['grip,'], '101')
  })

  test('the same holds for an answer that refuses', async () => {
    await expectRefusal(gateway, [`${DEFLATE};`], '403')
    await expectRefusal(off, [DEFLATE], '403')
  })

  test.each([
    `${DEFLATE}; client_max_window_bits=10`,
    `${DEFLATE}; unknown`,
    `grip; message-prefix="", Permessage-Deflate`,
  ])('%j agrees to nothing: messages are as they are, and a compressed one ends the session', async (answer) => {
    const { client, backend } = await openRaw(`Sec-WebSocket-Extensions: ${answer}\r\n`)
    client.send(LONG)
    expect(await backend.waitFor(1)).toEqual([`1 ${LONG}`])
    expect(backend.frames[0]?.isCompressed).toBe(false)
    backend.send(serverFrame(Opcode.Text, 'plain'), deflatedText(LONG))
    expect(await client.closed).toEqual({ code: 1006, reason: '' })
    expect(client.texts).toEqual(['plain'])
  })

  async function expectRefusal(of: Gateway, values: readonly string[], status: '101' | '403'): Promise<void> {
    const opening = expect(open('/raw', of)).rejects.toMatchObject({
      status: 502,
      body: 'Error while proxying to origin.\n',
    })
    const backend = await raw.next()
    const lines = values.map((value) => `Sec-WebSocket-Extensions: ${value}\r\n`).join('')
    backend.send(status === '101' ? backend.answer(lines) : `HTTP/1.1 403 Nope\r\nContent-Length: 2\r\n${lines}\r\nno`)
    await opening
    await backend.end()
  }
})

describe('backends with the library ws', () => {
  test.each(Object.keys(SERVERS))('%s: messages of every length come back', async (path) => {
    const big = Buffer.alloc(500_000, 'abcdefg')
    const messages = ['', '', 'x', randomBytes(100_000), '', LONG, 'é'.repeat(50_000), randomBytes(7), LONG, big]
    for (const [of, agreement] of [
      [gateway, path === '/off' ? '' : DEFLATE],
      [off, ''],
    ] as const) {
      for (const perMessageDeflate of [true, false]) {
        const client = await open(path, of, { perMessageDeflate })
        expect(agreed.get(path)?.at(-1)).toBe(agreement)
        for (const message of messages) client.send(message)
        await client.waitFor(messages.length)
        // Compared in full by equals(): the matchers take long for so many bytes.
        expect(client.messages.map(({ data, isBinary }) => [data.length, isBinary])).toEqual(
          messages.map((message) => [Buffer.byteLength(message), typeof message !== 'string']),
        )
        expect(client.messages.map(({ data }, index) => data.equals(Buffer.from(messages[index] as string)))).toEqual(
          messages.map(() => true),
        )
        expect(await client.close(4000)).toEqual({ code: 4000, reason: '' })
      }
    }
  })
})

describe('on the wire', () => {
  test('messages of the client are compressed whatever their length, on top of those before; pings are not', async () => {
    const { client, backend } = await openRaw(AGREED)
    client.send('')
    client.send(LONG)
    client.socket.ping('p')
    client.send(LONG)
    client.send('x')
    await backend.waitFor(5)
    const { frames } = backend
    expect(frames.map(({ opcode, isCompressed }) => [opcode, isCompressed])).toEqual([
      [Opcode.Text, true],
      [Opcode.Text, true],
      [Opcode.Ping, false],
      [Opcode.Text, true],
      [Opcode.Text, true],
    ])
    expect(contentsOf(backend).map((content) => content.toString())).toEqual(['', LONG, LONG, 'x'])
    const [, first, , second] = frames.map(({ payload }) => payload.length)
    expect(Number(first)).toBeLessThan(LONG.length / 2)
    expect(Number(second)).toBeLessThan(Number(first) / 2)
  })

  test('each for itself when the backend asks for it', async () => {
    const { client, backend } = await openRaw(WITHOUT_CONTEXT)
    for (const text of [LONG, 'x', '', LONG]) client.send(text)
    await backend.waitFor(4)
    expect(backend.frames.map(({ isCompressed }) => isCompressed)).toEqual([true, true, true, true])
    expect(backend.frames.map(({ payload }) => inflateMessage(payload).toString())).toEqual([LONG, 'x', '', LONG])
  })

  test('a client that is faster than the compressor: while much waits, the rest goes as it is', async () => {
    const { client, backend } = await openRaw(AGREED)
    const messages = Array.from({ length: 20 }, () => randomBytes(90_000))
    for (const message of messages) client.send(message)
    await backend.waitFor(messages.length)
    expect(contentsOf(backend).every((content, index) => content.equals(messages[index] as Buffer))).toBe(true)
    const isCompressed = new Set(backend.frames.map((frame) => frame.isCompressed))
    expect(isCompressed).toEqual(new Set([true, false]))
  })

  test('a close of the client comes behind all that it sent', async () => {
    const { client, backend } = await openRaw(AGREED)
    const messages = Array.from({ length: 9 }, (_, index) => randomBytes(30_000 * (index + 1)))
    for (const message of messages) client.send(message)
    void client.close(4001, 'bye')
    await backend.waitFor(messages.length + 1)
    expect(contentsOf(backend).map((content, index) => content.equals(messages[index] as Buffer))).toEqual(
      messages.map(() => true),
    )
    expect(backend.frames.at(-1)).toMatchObject({ opcode: Opcode.Close, payload: Buffer.from('\x0f\xa1bye', 'latin1') })
  })

  test('compressed or not, whole or in fragments: the client gets them in order', async () => {
    const payload = deflateMessage(LONG)
    const { client, backend } = await openRaw(AGREED, [
      deflatedText('one'),
      serverFrame(Opcode.Text, 'two'),
      deflated(payload.subarray(0, 20), Opcode.Text, false),
      serverFrame(Opcode.Ping, 'between'),
      serverFrame(Opcode.Continuation, payload.subarray(20)),
      serverFrame(Opcode.Binary, 'four'),
      deflated(deflateMessage(''), Opcode.Binary),
    ])
    expect(await client.waitFor(5)).toEqual(['one', 'two', LONG, 'four', ''])
    expect((await client.waitForPings(1)).toString()).toBe('between')
    backend.send(deflatedText('six'))
    expect((await client.waitFor(6))[5]).toBe('six')
  })

  test.each([
    ['hangs up', true],
    ['does not hang up', false],
  ])('a close behind compressed messages comes behind them; the backend %s', async (_how, hangsUp) => {
    const close = serverFrame(Opcode.Close, Buffer.from('\x0f\xa1bye', 'latin1'))
    const texts = Array.from({ length: 20 }, (_, index) => `${String(index)} ${LONG}`)
    const { client, backend } = await openRaw(AGREED, [...texts.map((text) => deflatedText(text)), close])
    await backend.waitFor(1)
    if (hangsUp) backend.socket.end()
    expect(await withDeadline(client.closed, () => 'the close')).toEqual({ code: 4001, reason: 'bye' })
    expect(client.texts).toEqual(texts)
    await backend.end()
  })

  test('what came before the backend hung up without a close frame is delivered', async () => {
    const texts = Array.from({ length: 20 }, (_, index) => `${String(index)} ${LONG}`)
    const { client, backend } = await openRaw(
      AGREED,
      texts.map((text) => deflatedText(text)),
    )
    backend.socket.end()
    expect((await client.closed).code).toBe(1006)
    expect(client.texts).toEqual(texts)
  })

  test.each([
    ['what cannot be inflated', '8 \x03\xef', deflated(Buffer.alloc(9, 0xff))],
    ['the bit on a ping', '8 \x03\xea', deflated(Buffer.from('p'), Opcode.Ping)],
    [
      'the bit on a later fragment',
      '8 \x03\xea',
      Buffer.concat([deflated(deflateMessage('a'), 1, false), deflated(Buffer.from('b'), 0)]),
    ],
  ])('%s ends the session', async (_what, close, bytes) => {
    const { client, backend } = await openRaw(AGREED)
    backend.send(bytes)
    expect((await client.closed).code).toBe(1006)
    await backend.end()
    expect(await backend.waitFor(1)).toEqual([close])
  })
})

describe('GRIP beside it', () => {
  test.each([`${DEFLATE}, grip`, `grip, ${DEFLATE}`, `grip\r\nSec-WebSocket-Extensions: ${DEFLATE}`])(
    '%j: subscribed, published to, and what has the prefix passes',
    async (answer) => {
      const { client, backend } = await openRaw(`Sec-WebSocket-Extensions: ${answer}\r\n`, [
        deflatedText('c:{"type":"subscribe","channel":"room"}'),
        deflatedText('m:first'),
        deflatedText('no prefix'),
      ])
      expect(await client.waitFor(1)).toEqual(['first'])
      await publishHttp(gateway.controlUrl('/publish/'), wsItem('room', 'published'))
      expect(await client.waitFor(2)).toEqual(['first', 'published'])
      client.send(LONG)
      await backend.waitFor(1)
      expect(inflateMessage(backend.frames[0]?.payload as Buffer).toString()).toBe(LONG)
    },
  )

  test('what came along with a detach is delivered', async () => {
    const along = Array.from({ length: 20 }, (_, index) => `${String(index)} ${LONG}`)
    const { client, backend } = await openRaw(`Sec-WebSocket-Extensions: ${DEFLATE}, grip\r\n`, [
      deflatedText('c:{"type":"subscribe","channel":"kept"}'),
      deflatedText('c:{"type":"detach"}'),
      ...along.map((text) => deflatedText(`m:${text}`)),
    ])
    expect(await backend.waitFor(1)).toEqual(['8 \x03\xe8'])
    expect(await client.waitFor(along.length)).toEqual(along)
    backend.socket.resetAndDestroy()
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('kept', 'published'))
    expect(await client.waitFor(along.length + 1)).toEqual([...along, 'published'])
  })
})

describe('what is small on the wire and large behind it', () => {
  test('a message of all that is allowed passes; one byte more ends its session and no other', async () => {
    const other = await openRaw(AGREED)
    const { client, backend } = await openRaw(AGREED, [
      deflated(deflateMessage(Buffer.alloc(BYTES_MAX)), Opcode.Binary),
    ])
    await client.waitFor(1)
    expect(client.messages[0]?.data.length).toBe(BYTES_MAX)
    backend.send(deflated(deflateMessage(Buffer.alloc(BYTES_MAX + 1)), Opcode.Binary))
    expect((await client.closed).code).toBe(1006)
    await backend.end()
    expect(await backend.waitFor(1)).toEqual(['8 \x03\xf1'])
    other.backend.send(deflatedText('here'))
    expect(await other.client.waitFor(1)).toEqual(['here'])
  })

  test('far more, in one frame or in fragments', async () => {
    const payload = deflateMessage(Buffer.alloc(8 * BYTES_MAX))
    for (const frames of [
      [deflated(payload)],
      [
        deflated(payload.subarray(0, 5_000), Opcode.Text, false),
        serverFrame(Opcode.Continuation, payload.subarray(5_000)),
      ],
    ]) {
      const { client, backend } = await openRaw(AGREED)
      backend.send(...frames)
      expect((await client.closed).code).toBe(1006)
      await backend.end()
    }
  })

  test('many messages in one segment for a client that does not read end its session', async () => {
    const { client, backend } = await openRaw(AGREED)
    client.socket.pause()
    const message = deflated(deflateMessage(Buffer.alloc(5_000_000)), Opcode.Binary)
    backend.send(...Array.from({ length: 12 }, () => message))
    await backend.end()
  })
})

describe('a client that sends too much', () => {
  test('a backend that does not read: the client is dropped above ws_buffer_max, and counted', async () => {
    const before = (await gateway.metrics()).value('tackboard_ws_dropped_total', BUFFER)
    const { client, backend } = await openRaw(AGREED)
    backend.socket.pause()
    await client.sendUntilClosed(randomBytes(100_000), 400)
    expect((await client.closed).code).toBe(1006)
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_ws_dropped_total', BUFFER) === before + 1)
    backend.socket.resume()
    await backend.end()
  })

  test('a message above ws_buffer_max counts by its length, not by what is left of it', async () => {
    const before = (await gateway.metrics()).value('tackboard_ws_dropped_total', BUFFER)
    const { client, backend } = await openRaw(AGREED)
    client.send(Buffer.alloc(2_000_001))
    expect((await client.closed).code).toBe(1006)
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_ws_dropped_total', BUFFER) === before + 1)
    await backend.end()
  })
})
