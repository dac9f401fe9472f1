/** Targets without over_http: a WebSocket of the gateway to the backend, frames passed on both ways. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { freePorts } from '../free-ports.js'
import { type Gateway, startGateway } from '../gateway.js'
import { publishHttp, wsItem } from '../publish.js'
import { RawClient } from '../raw-client.js'
import { RawWsBackend, type RawWsConnection, serverFrame } from '../raw-ws-backend.js'
import { SERVER_CERT, SERVER_KEY } from '../tls-files.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { poll, withDeadline } from '../wait.js'
import { clientFrame, Opcode, parseServerFrames, upgradeRequest } from '../websocket-frames.js'
import { type WsMessage, WsClient, WsRejected } from '../ws-client.js'

const GRIP = 'Sec-WebSocket-Extensions: grip\r\n'
const SUBSCRIBE = serverFrame(Opcode.Text, 'c:{"type":"subscribe","channel":"room"}')

const PONGS = { reason: 'ws_pong' }
const BUFFER = { reason: 'buffer' }

/** A backend as its author would write it: with `ws`. */
async function startServer(use: (socket: WebSocket) => void): Promise<{ server: WebSocketServer; target: string }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 64 * 1024 * 1024 })
  await once(server, 'listening')
  server.on('connection', (socket) => {
    socket.on('error', () => {})
    use(socket)
  })
  return { server, target: `127.0.0.1:${String((server.address() as AddressInfo).port)}` }
}

let echo: WebSocketServer
let raw: RawWsBackend
let gateway: Gateway
const clients: { terminate?(): void; destroy?(): void }[] = []

beforeAll(async () => {
  const started = await startServer((socket) => {
    socket.on('message', (data, isBinary) => {
      socket.send(data as Buffer, { binary: isBinary })
    })
  })
  echo = started.server
  raw = await RawWsBackend.start()
  const [closedPort] = await freePorts(1)
  gateway = await startGateway({
    workers: 1,
    routes: [
      `*,path_beg=/echo ${started.target}`,
      `*,path_beg=/raw ${raw.target}`,
      `*,path_beg=/sub ${raw.target},sub=room`,
      `*,path_beg=/plain,no_grip ${raw.target}`,
      `*,path_beg=/prefixed,prefix=p- ${raw.target}`,
      `*,path_beg=/second 127.0.0.1:${String(closedPort)} ${raw.target}`,
      `*,path_beg=/none,debug 127.0.0.1:${String(closedPort)}`,
      `*,path_beg=/quiet-none 127.0.0.1:${String(closedPort)}`,
    ],
    conf: { 'proxy.ws_buffer_max': '1000000' },
  })
})

afterEach(() => {
  for (const client of clients.splice(0)) {
    client.terminate?.()
    client.destroy?.()
  }
})

afterAll(async () => {
  await gateway.stop()
  echo.close()
  await raw.stop()
})

async function open(path: string, options = {}): Promise<WsClient> {
  const client = await WsClient.connect(gateway.wsUrl(path), options)
  clients.push(client)
  return client
}

/** A client and its connection at the backend; `answer`: headers of the 101, whole lines. */
async function openRaw(
  path: string,
  answer = '',
  behind: readonly Buffer[] = [],
  options = {},
): Promise<{ client: WsClient; backend: RawWsConnection }> {
  const opening = open(path, options)
  const backend = await raw.next()
  backend.send(backend.answer(answer), ...behind)
  return { client: await opening, backend }
}

async function rejected(path: string, answer: string): Promise<WsRejected> {
  const opening = open(path).then(
    () => null,
    (error: unknown) => error,
  )
  const backend = await raw.next()
  backend.send(answer)
  const error = await opening
  expect(error).toBeInstanceOf(WsRejected)
  return error as WsRejected
}

describe('messages', () => {
  test('text and binary are echoed, in order', async () => {
    const client = await open('/echo')
    client.send('one')
    client.send(Buffer.from([0, 255, 128]))
    client.send('')
    client.send('grün')
    await client.waitFor(4)
    expect(client.messages).toEqual([
      { data: Buffer.from('one'), isBinary: false },
      { data: Buffer.from([0, 255, 128]), isBinary: true },
      { data: Buffer.alloc(0), isBinary: false },
      { data: Buffer.from('grün'), isBinary: false },
    ])
  })

  test('a message of 900,000 bytes passes both ways', async () => {
    const client = await open('/echo')
    const big = Buffer.alloc(900_000, 'abcdefg')
    client.send(big)
    await client.waitFor(1)
    expect((client.messages[0] as WsMessage).data.equals(big)).toBe(true)
  })

  test('a message of 10 MB of the backend passes, one above 16 MB ends the session', async () => {
    const { client, backend } = await openRaw('/raw')
    backend.send(serverFrame(Opcode.Binary, Buffer.alloc(10_000_000, 7)))
    await client.waitFor(1)
    expect((client.messages[0] as WsMessage).data.length).toBe(10_000_000)
    backend.send(serverFrame(Opcode.Binary, Buffer.alloc(16_777_217, 7)))
    expect((await client.closed).code).toBe(1006)
    await backend.end()
  })

  test('fragments of the backend are one message; pings between them pass at once', async () => {
    const { client, backend } = await openRaw('/raw')
    backend.send(serverFrame(Opcode.Text, 'a', { fin: false }), serverFrame(Opcode.Ping, 'between'))
    expect((await client.waitForPings(1)).toString()).toBe('between')
    backend.send(serverFrame(Opcode.Continuation, 'b', { fin: false }), serverFrame(Opcode.Continuation, 'c'))
    expect(await client.waitFor(1)).toEqual(['abc'])
  })

  test('text that is not UTF-8 is passed on', async () => {
    const { client, backend } = await openRaw('/raw', '', [], { skipUTF8Validation: true })
    backend.send(serverFrame(Opcode.Text, Buffer.from([0xff, 0xfe])))
    await client.waitFor(1)
    expect((client.messages[0] as WsMessage).data).toEqual(Buffer.from([0xff, 0xfe]))
  })
})

describe('the upgrade', () => {
  test('head of the backend: order, own handshake, no extensions of the client', async () => {
    const { backend } = await openRaw('/raw/x?y=%2F', 'Sec-WebSocket-Protocol: a\r\n', [], {
      headers: { Cookie: 'a=b', 'Sec-WebSocket-Extensions': 'permessage-deflate', 'Grip-Evil': '1' },
      protocols: ['a', 'b'],
    })
    const lines = (backend.head ?? '').split('\r\n')
    expect(lines.map((line) => line.replace(/(-key: |^grip-feature: ).*/i, '$1…'))).toEqual([
      'GET /raw/x?y=%2F HTTP/1.1',
      `Host: 127.0.0.1:${String(gateway.ports.http)}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: …',
      'cookie: a=b',
      'sec-websocket-protocol: a,b',
      'Grip-Feature: …',
      'Sec-WebSocket-Extensions: grip',
    ])
  })

  test('headers the client repeats stand side by side', async () => {
    const client = await RawClient.connect(gateway.ports.http)
    clients.push(client)
    await client.send(upgradeRequest('/raw', 'x', { 'X-A': '1\r\nX-B: 2\r\nX-A: 3' }))
    const backend = await raw.next()
    expect(backend.head).toContain('\r\nx-a: 1\r\nx-a: 3\r\nx-b: 2\r\n')
  })

  test('no_grip: neither Grip headers nor the extension', async () => {
    const { backend } = await openRaw('/plain')
    expect(backend.head).not.toMatch(/grip/i)
  })

  test('subprotocol and headers of the 101 reach the client', async () => {
    const { client } = await openRaw(
      '/raw',
      'Sec-WebSocket-Protocol: b\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nKeep-Alive-Interval: 5\r\nContent-Type: x/y\r\n',
      [],
      { protocols: ['a', 'b'] },
    )
    expect(client.socket.protocol).toBe('b')
    expect(client.upgradeHeaders).toMatchObject({
      'set-cookie': ['a=b', 'c=d'],
      'keep-alive-interval': '5',
      'content-type': 'x/y',
    })
    expect(client.upgradeHeaders['sec-websocket-extensions']).toBeUndefined()
  })

  test('a subprotocol nobody asked for is passed on: it is for the client to judge', async () => {
    const client = await RawClient.connect(gateway.ports.http)
    clients.push(client)
    await client.send(upgradeRequest('/raw', 'x'))
    const backend = await raw.next()
    backend.send(backend.answer('Sec-WebSocket-Protocol: zz\r\n'))
    expect((await client.readHead()).get('sec-websocket-protocol')).toBe('zz')
  })

  test('a refusal reaches the client with status, reason, headers and body', async () => {
    const client = await RawClient.connect(gateway.ports.http)
    clients.push(client)
    await client.send(upgradeRequest('/raw', 'x'))
    const backend = await raw.next()
    backend.send(
      'HTTP/1.1 403 Nope\r\nX-A: 1\r\nX-A: 2\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno\n\r\n0\r\n\r\n',
    )
    const answer = await client.readAnswer()
    expect([answer.status, answer.reason, answer.body.toString()]).toEqual([403, 'Nope', 'no\n'])
    expect(answer.headers.filter(([name]) => name === 'X-A')).toEqual([
      ['X-A', '1'],
      ['X-A', '2'],
    ])
    expect(answer.headers.filter(([name]) => name.toLowerCase() === 'date')).toHaveLength(1)
    await client.closed
  })

  test('a refusal of 8192 bytes is relayed, one byte more is a 502', async () => {
    const refusal = (bytes: number): string =>
      `HTTP/1.1 404 Not Found\r\nContent-Length: ${String(bytes)}\r\n\r\n${'x'.repeat(bytes)}`
    const relayed = await rejected('/raw', refusal(8192))
    expect([relayed.status, relayed.body.length]).toEqual([404, 8192])
    const tooLarge = await rejected('/raw', refusal(8193))
    expect([tooLarge.status, tooLarge.body]).toEqual([502, 'Error while proxying to origin.\n'])
  })

  test.each([
    ['what is no HTTP', 'hello\r\n\r\n'],
    [
      'a wrong Sec-WebSocket-Accept',
      'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n',
    ],
  ])('502 for %s', async (_what, answer) => {
    expect(await rejected('/raw', answer)).toMatchObject({ status: 502, body: 'Error while proxying to origin.\n' })
  })

  test('502 for a refusal that ends too early, and for an end without answer', async () => {
    for (const answer of ['HTTP/1.1 403 Nope\r\nContent-Length: 10\r\n\r\nx', '']) {
      const opening = expect(open('/raw')).rejects.toMatchObject({ status: 502 })
      const backend = await raw.next()
      backend.send(answer)
      backend.socket.end()
      await opening
    }
  })

  // Until then its socket is not read, so that nothing a hasty client sends is lost.
  test('a client that leaves before the answer is noticed with the answer, and the backend connection ends', async () => {
    const client = await RawClient.connect(gateway.ports.http)
    await client.send(upgradeRequest('/raw', 'x'))
    const backend = await raw.next()
    client.destroy()
    backend.send(backend.answer())
    await backend.end()
  })

  test('the next target is asked when the first refuses connections', async () => {
    const { client, backend } = await openRaw('/second')
    backend.send(serverFrame(Opcode.Text, 'here'))
    expect(await client.waitFor(1)).toEqual(['here'])
  })

  test('no target left: 502, in debug mode with their names', async () => {
    await expect(open('/quiet-none')).rejects.toMatchObject({ status: 502, body: 'Error while proxying to origin.\n' })
    await expect(open('/none')).rejects.toMatchObject({
      status: 502,
      body: expect.stringMatching(/^Unable to connect to any targets\. Tried: 127\.0\.0\.1:\d+\n$/) as string,
    })
  })
})

describe('ends', () => {
  test.each<[string, [number?, string?], string]>([
    ['with code and reason', [4001, 'bye'], '8 \x0f\xa1bye'],
    ['without a code: 1000', [], '8 \x03\xe8'],
  ])('the client closes %s', async (_how, close, frame) => {
    const { client, backend } = await openRaw('/raw')
    void client.close(...close)
    expect(await backend.waitFor(1)).toEqual([frame])
    backend.send(serverFrame(Opcode.Close, Buffer.from([3, 0xe8])))
    await backend.end()
  })

  test.each([
    ['with code and reason', Buffer.from('\x0f\xa1bye', 'latin1'), { code: 4001, reason: 'bye' }],
    ['without a code: 1000', Buffer.alloc(0), { code: 1000, reason: '' }],
  ])('the backend closes %s', async (_how, payload, seen) => {
    const { client, backend } = await openRaw('/raw')
    backend.send(serverFrame(Opcode.Text, 'last words'), serverFrame(Opcode.Close, payload))
    expect((await backend.waitFor(1))[0]).toBe(`8 ${payload.toString('latin1')}`)
    backend.socket.end()
    expect(await client.closed).toEqual(seen)
    expect(client.texts).toEqual(['last words'])
  })

  test('a backend that closes and does not hang up is left, and the client has its close frame', async () => {
    const { client, backend } = await openRaw('/raw')
    backend.send(serverFrame(Opcode.Close, Buffer.from([0x0f, 0xa1])))
    expect((await withDeadline(client.closed, () => 'the close')).code).toBe(4001)
    await backend.end()
  })

  test.each([
    ['end', (backend: RawWsConnection) => backend.socket.end()],
    ['reset', (backend: RawWsConnection) => backend.socket.resetAndDestroy()],
    ['masked frame', (backend: RawWsConnection) => backend.send(clientFrame(Opcode.Text, 'x'))],
    [
      'close frame with a code none may carry',
      (backend: RawWsConnection) => backend.send(serverFrame(8, Buffer.from([3, 0xed]))),
    ],
  ])('the backend ends by %s: the client is dropped without a close frame', async (_how, end) => {
    const { client, backend } = await openRaw('/raw')
    end(backend)
    expect((await client.closed).code).toBe(1006)
  })

  test('the client ends without a close frame: so does the backend connection', async () => {
    const { client, backend } = await openRaw('/raw')
    client.terminate()
    await backend.end()
    expect(backend.frames).toEqual([])
  })
})

describe('pings', () => {
  test('the backend’s reach the client, whose pongs reach the backend', async () => {
    const { client, backend } = await openRaw('/raw')
    backend.send(serverFrame(Opcode.Ping, 'are you there'))
    expect((await client.waitForPings(1)).toString()).toBe('are you there')
    expect(await backend.waitFor(1)).toEqual(['10 are you there'])
  })

  test('the client’s reach the backend; it gets one pong, and the backend’s is dropped and counted', async () => {
    const before = (await gateway.metrics()).value('tackboard_drops_total', PONGS)
    const { client, backend } = await openRaw('/raw')
    client.socket.ping('hello')
    expect(await backend.waitFor(1)).toEqual(['9 hello'])
    backend.send(serverFrame(Opcode.Pong, 'hello'), serverFrame(Opcode.Text, 'behind'))
    await client.waitFor(1)
    expect(client.pongs.map(String)).toEqual(['hello'])
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_drops_total', PONGS) === before + 1)
  })
})

describe('GRIP', () => {
  test('prefix, subscribe, publish, unsubscribe', async () => {
    const { client, backend } = await openRaw('/raw', GRIP, [
      serverFrame(Opcode.Text, 'dropped'),
      SUBSCRIBE,
      serverFrame(Opcode.Text, 'm:hello'),
      serverFrame(Opcode.Binary, 'm:binary'),
    ])
    await client.waitFor(2)
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('room', 'published'))
    expect(await client.waitFor(3)).toEqual(['hello', 'binary', 'published'])
    expect(client.messages[1]?.isBinary).toBe(true)
    client.send('m:as it is')
    expect(await backend.waitFor(1)).toEqual(['1 m:as it is'])
    backend.send(
      serverFrame(Opcode.Text, 'c:{"type":"unsubscribe","channel":"room"}'),
      serverFrame(Opcode.Text, 'm:gone'),
    )
    await client.waitForText('gone')
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('room', 'unheard'))
    backend.send(serverFrame(Opcode.Text, 'm:end'))
    expect(await client.waitFor(5)).toEqual(['hello', 'binary', 'published', 'gone', 'end'])
  })

  test('a prefix and a control message cut over fragments count as whole', async () => {
    const { client, backend } = await openRaw('/raw', 'Sec-WebSocket-Extensions: grip; message-prefix="xy:"\r\n')
    backend.send(
      serverFrame(Opcode.Text, 'c:{"type":"subscribe",', { fin: false }),
      serverFrame(Opcode.Continuation, '"channel":"room"}'),
      serverFrame(Opcode.Text, 'x', { fin: false }),
      serverFrame(Opcode.Continuation, 'y:whole'),
    )
    expect(await client.waitFor(1)).toEqual(['whole'])
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('room', 'published'))
    expect(await client.waitFor(2)).toEqual(['whole', 'published'])
  })

  test('the route’s prefix is put in front of channels', async () => {
    const { client } = await openRaw('/prefixed', GRIP, [SUBSCRIBE, serverFrame(Opcode.Text, 'm:1')])
    await client.waitFor(1)
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('p-room', 'published'))
    expect(await client.waitFor(2)).toEqual(['1', 'published'])
  })

  test('implicit channels work without the extension, messages then have no prefix', async () => {
    const { client, backend } = await openRaw('/sub')
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('room', 'published'))
    await client.waitFor(1)
    backend.send(serverFrame(Opcode.Text, 'c:{"type":"detach"}'))
    expect(await client.waitFor(2)).toEqual(['published', 'c:{"type":"detach"}'])
  })

  test('no_grip: the extension is not acted on', async () => {
    const { client } = await openRaw('/plain', GRIP, [serverFrame(Opcode.Text, 'as it is')])
    expect(await client.waitFor(1)).toEqual(['as it is'])
  })

  test('publish close: the client gets code and reason, the backend 1000', async () => {
    const { client, backend } = await openRaw('/raw', GRIP, [SUBSCRIBE, serverFrame(Opcode.Text, 'm:1')])
    await client.waitFor(1)
    const item = { channel: 'room', formats: { 'ws-message': { action: 'close', code: 4010, reason: 'enough' } } }
    await publishHttp(gateway.controlUrl('/publish/'), item)
    expect(await client.closed).toEqual({ code: 4010, reason: 'enough' })
    expect(await backend.waitFor(1)).toEqual(['8 \x03\xe8'])
    backend.socket.end()
  })

  test('refresh is for backends over HTTP; here nothing happens', async () => {
    const { client, backend } = await openRaw('/raw', GRIP, [SUBSCRIBE, serverFrame(Opcode.Text, 'm:1')])
    await client.waitFor(1)
    await publishHttp(gateway.controlUrl('/publish/'), {
      channel: 'room',
      formats: { 'ws-message': { action: 'refresh' } },
    })
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('room', '2'))
    await client.waitFor(2)
    expect(backend.frames).toEqual([])
  })

  test('detach: the backend is closed, what came along is delivered, publishes go on, a close of the client is answered', async () => {
    const { client, backend } = await openRaw('/raw', GRIP, [
      SUBSCRIBE,
      serverFrame(Opcode.Text, 'c:{"type":"detach"}'),
      serverFrame(Opcode.Text, 'm:along'),
    ])
    expect(await backend.waitFor(1)).toEqual(['8 \x03\xe8'])
    // What came behind the subscribe says that the channel is live; the close of the backend does not.
    expect(await client.waitFor(1)).toEqual(['along'])
    client.send('to nobody')
    backend.send(serverFrame(Opcode.Text, 'm:too late'))
    backend.socket.resetAndDestroy()
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('room', 'published'))
    expect(await client.waitFor(2)).toEqual(['along', 'published'])
    expect((await client.close(1000)).code).toBe(1000)
    expect(backend.frames).toHaveLength(1)
  })

  test('send-delayed and keep-alive work as over HTTP', async () => {
    const { client, backend } = await openRaw('/raw', GRIP)
    backend.send(
      serverFrame(Opcode.Text, 'c:{"type":"send-delayed","content":"later","timeout":60}'),
      serverFrame(Opcode.Text, 'm:now'),
      serverFrame(Opcode.Text, 'c:{"type":"flush-delayed"}'),
      serverFrame(Opcode.Text, 'c:{"type":"keep-alive","content":"tick","timeout":1,"mode":"interval"}'),
    )
    expect(await client.waitFor(3)).toEqual(['now', 'later', 'tick'])
  })
})

describe('first frames', () => {
  const FRAMES = [
    serverFrame(Opcode.Text, 'one'),
    serverFrame(Opcode.Binary, 'two'),
    serverFrame(Opcode.Ping, 'three'),
    serverFrame(Opcode.Text, 'four'),
  ]
  const SEEN = ['1 one', '2 two', '9 three', '1 four']

  async function seenBehind101(send: (backend: RawWsConnection) => Promise<void> | void): Promise<string[]> {
    const client = await RawClient.connect(gateway.ports.http)
    clients.push(client)
    await client.send(upgradeRequest('/raw', 'x'))
    const backend = await raw.next()
    await send(backend)
    expect((await client.readHead()).status).toBe(101)
    await client.readUntil((received) => (parseServerFrames(received).frames.length >= SEEN.length ? 0 : null))
    const { frames } = parseServerFrames(client.pending)
    client.destroy()
    return frames.map(({ opcode, payload }) => `${String(opcode)} ${payload.toString()}`)
  }

  test('a 101 and four frames in one segment arrive whole and in order', async () => {
    expect(await seenBehind101((backend) => backend.send(backend.answer(), ...FRAMES))).toEqual(SEEN)
  })

  test('the same cut at every byte', async () => {
    const length = (await probeLength()) + Buffer.concat(FRAMES).length
    for (let cut = 1; cut < length; cut++) {
      const seen = await seenBehind101(async (backend) => {
        const bytes = Buffer.concat([Buffer.from(backend.answer(), 'latin1'), ...FRAMES])
        backend.send(bytes.subarray(0, cut))
        await new Promise((resolve) => setImmediate(resolve))
        backend.send(bytes.subarray(cut))
      })
      expect(seen, `cut at ${String(cut)}`).toEqual(SEEN)
    }
  }, 60_000)

  test('the same byte by byte', async () => {
    const seen = await seenBehind101(async (backend) => {
      for (const byte of Buffer.concat([Buffer.from(backend.answer(), 'latin1'), ...FRAMES])) {
        backend.send(Buffer.from([byte]))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    expect(seen).toEqual(SEEN)
  })

  async function probeLength(): Promise<number> {
    const { client, backend } = await openRaw('/raw')
    client.terminate()
    return backend.answer().length
  }
})

describe('back-pressure', () => {
  test('a client that does not read holds its backend up, and then gets everything', async () => {
    const { client, backend } = await openRaw('/raw')
    client.socket.pause()
    const message = serverFrame(Opcode.Binary, Buffer.alloc(50_000, 1))
    const total = 2_000
    let written = 0
    const write = async (): Promise<void> => {
      while (written < total) {
        written++
        if (!backend.socket.write(message)) await once(backend.socket, 'drain')
      }
    }
    const writing = write()
    // Far less than 100 MB fits into the kernel's buffers and ours: the backend gets stuck.
    let last = 0
    let unchanged = 0
    await poll(
      () => {
        unchanged = written === last ? unchanged + 1 : 0
        last = written
        return Promise.resolve(unchanged >= 20 || undefined)
      },
      () => 'the backend gets stuck',
    )
    expect(written).toBeLessThan(total)
    client.socket.resume()
    await writing
    await client.waitFor(total)
    expect(client.messages.every(({ data }) => data.length === 50_000)).toBe(true)
  })

  test('a backend that does not read: the client is dropped above ws_buffer_max, and counted', async () => {
    const before = (await gateway.metrics()).value('tackboard_ws_dropped_total', BUFFER)
    const { client, backend } = await openRaw('/raw')
    backend.socket.pause()
    await client.sendUntilClosed(Buffer.alloc(100_000), 400)
    expect((await client.closed).code).toBe(1006)
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_ws_dropped_total', BUFFER) === before + 1)
    backend.socket.resume()
    await backend.end()
  })

  test('a message above ws_buffer_max: the client is dropped, its backend left', async () => {
    const before = (await gateway.metrics()).value('tackboard_ws_dropped_total', BUFFER)
    const { client, backend } = await openRaw('/raw')
    client.send(Buffer.alloc(1_000_001))
    expect((await client.closed).code).toBe(1006)
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_ws_dropped_total', BUFFER) === before + 1)
    await backend.end()
    expect(backend.frames).toEqual([])
  })
})

describe('other gateways', () => {
  test('a TLS backend: its certificate is checked against the name of host=, client frames and answers pass', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tackboard-tls-'))
    const authority = join(folder, 'ca.pem')
    await writeFile(authority, SERVER_CERT)
    const server = https.createServer({ cert: SERVER_CERT, key: SERVER_KEY })
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket) => {
      socket.on('message', (data) => {
        socket.send(data as Buffer)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const target = `127.0.0.1:${String((server.address() as AddressInfo).port)},ssl`
    const other = await startGateway({
      workers: 1,
      routes: [
        `*,path_beg=/named ${target},host=backend.test`,
        `*,path_beg=/unnamed ${target},host=other.test ${raw.target}`,
        `*,path_beg=/insecure ${target},insecure`,
      ],
      env: { NODE_EXTRA_CA_CERTS: authority },
    })
    try {
      for (const path of ['/named', '/insecure']) {
        const client = await WsClient.connect(other.wsUrl(path))
        client.send('over TLS')
        expect((await client.waitFor(1)).map(String)).toHaveLength(1)
        client.terminate()
      }
      // A certificate of another name is a failure of TLS: the next target is asked.
      const opening = WsClient.connect(other.wsUrl('/unnamed'))
      const backend = await raw.next()
      backend.send(backend.answer())
      ;(await opening).terminate()
    } finally {
      await other.stop()
      sockets.close()
      server.closeAllConnections()
      server.close()
      await rm(folder, { recursive: true })
    }
  })

  test('targets over HTTP and over WebSockets can stand in for each other', async () => {
    const [closedPort] = await freePorts(1)
    const overHttp = await ScriptedBackend.start((call) => {
      call.answer(200, { 'Content-Type': 'application/websocket-events' }, 'OPEN\r\nTEXT 9\r\nover HTTP\r\n')
    })
    const other = await startGateway({
      workers: 1,
      routes: [
        `*,path_beg=/a 127.0.0.1:${String(closedPort)},over_http ${raw.target}`,
        `*,path_beg=/b 127.0.0.1:${String(closedPort)} ${overHttp.target},over_http`,
      ],
    })
    try {
      const opening = WsClient.connect(other.wsUrl('/a'))
      const backend = await raw.next()
      expect(backend.head).toMatch(/^GET \/a /)
      backend.send(backend.answer(), serverFrame(Opcode.Text, 'native'))
      const first = await opening
      expect(await first.waitFor(1)).toEqual(['native'])
      const second = await WsClient.connect(other.wsUrl('/b'))
      expect(await second.waitFor(1)).toEqual(['over HTTP'])
      first.terminate()
      second.terminate()
    } finally {
      await other.stop()
      await overHttp.stop()
    }
  })

  test('a gateway that stops closes its clients with 1001 and its backends with 1000, also those that do not answer', async () => {
    const other = await startGateway({ workers: 1, routes: [`* ${raw.target}`] })
    const opening = WsClient.connect(other.wsUrl('/'))
    const backend = await raw.next()
    backend.send(backend.answer())
    const client = await opening
    const stopping = other.stop()
    expect((await client.closed).code).toBe(1001)
    expect(await backend.waitFor(1)).toEqual(['8 \x03\xe8'])
    await stopping
    await backend.end()
  })

  test('a silent backend: 502 after backend_timeout, and the next target is asked first', async () => {
    const other = await startGateway({
      workers: 1,
      routes: [`* ${raw.target} ${raw.target}`],
      conf: { 'proxy.backend_timeout': '1' },
    })
    try {
      const opening = expect(WsClient.connect(other.wsUrl('/'))).rejects.toMatchObject({ status: 502 })
      await raw.next()
      await raw.next()
      await opening
    } finally {
      await other.stop()
    }
  })
})
