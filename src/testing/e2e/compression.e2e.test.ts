/** permessage-deflate with allow_compression: what is negotiated, what is on the wire, and what it may cost. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { PerMessageDeflateOptions } from 'ws'
import { browserPath, withBrowser } from '../browser.js'
import { RSV1, deflateMessage, deflatedText, inflateMessage } from '../deflate.js'
import { freePorts } from '../free-ports.js'
import { type Gateway, startGateway } from '../gateway.js'
import { publishHttp, wsItem } from '../publish.js'
import { RawClient } from '../raw-client.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { DEFAULT_FILES } from '../tls-files.js'
import { type Frame, Opcode, clientFrame, parseServerFrames, upgradeRequest } from '../websocket-frames.js'
import { answerEvents, controlEvent, decodeEvents, echoAndSubscribe, encodeEvent } from '../websocket-over-http.js'
import { GRIP_WITHOUT_PREFIX } from '../websocket-over-http.js'
import { WsClient, type WsClientOptions } from '../ws-client.js'

const DEFLATE = 'permessage-deflate'
const ANSWER = 'permessage-deflate; client_no_context_takeover; server_no_context_takeover'
/** Long enough to be compressed, and it gets shorter by it. */
const LONG = JSON.stringify(Array.from({ length: 40 }, (_, index) => ({ index, name: `name ${String(index)}` })))
const SHORT = 'x'.repeat(127)

let backend: ScriptedBackend
let gateway: Gateway
let off: Gateway
let tlsPort = 0
const clients: { terminate?(): void; destroy?(): void }[] = []

beforeAll(async () => {
  backend = await ScriptedBackend.start((call) => {
    if (!call.url.startsWith('/filtered') || decodeEvents(call.body)[0]?.type !== 'OPEN') return echoAndSubscribe(call)
    const channel = call.url.slice('/filtered/'.length)
    const subscribe = controlEvent({ type: 'subscribe', channel, filters: ['skip-self'] })
    return answerEvents(call, [encodeEvent('OPEN'), subscribe], GRIP_WITHOUT_PREFIX)
  })
  ;[tlsPort = 0] = await freePorts(1)
  const routes = [`*,path_beg=/sockjs,sockjs=/sockjs ${backend.target},over_http`, `* ${backend.target},over_http`]
  gateway = await startGateway({
    routes,
    conf: {
      'runner.allow_compression': 'true',
      'runner.https_ports': `127.0.0.1:${String(tlsPort)}`,
      'runner.local_ports': '{rundir}/clients.sock',
    },
    files: {
      [`runner/certs/default_${String(tlsPort)}.crt`]: DEFAULT_FILES.cert,
      [`runner/certs/default_${String(tlsPort)}.key`]: DEFAULT_FILES.key,
    },
  })
  off = await startGateway({ routes, workers: 1 })
})

afterEach(() => {
  for (const client of clients.splice(0)) {
    client.terminate?.()
    client.destroy?.()
  }
})

afterAll(async () => {
  await gateway.stop()
  await off.stop()
  await backend.stop()
})

async function connect(
  url: string,
  perMessageDeflate: boolean | PerMessageDeflateOptions,
  options: WsClientOptions = {},
): Promise<WsClient> {
  const client = await WsClient.connect(url, { ...options, perMessageDeflate })
  clients.push(client)
  return client
}

interface RawSocket {
  readonly client: RawClient
  readonly extensions: string | null
  frames(count: number): Promise<Frame[]>
}

/** The upgrade is sent with these headers of extensions, and accepted. */
async function openRaw(path: string, extensions = DEFLATE, of = gateway): Promise<RawSocket> {
  const client = await RawClient.connect(of.ports.http)
  clients.push(client)
  await client.send(upgradeRequest(path, 'a', extensions === '' ? {} : { 'Sec-WebSocket-Extensions': extensions }))
  const head = await client.readHead()
  expect(head.status).toBe(101)
  const frames = async (count: number): Promise<Frame[]> => {
    const bytes = await client.readUntil((received) => {
      const parsed = parseServerFrames(received)
      return parsed.frames.length >= count ? parsed.consumed : null
    })
    return parseServerFrames(bytes).frames
  }
  return { client, extensions: head.get('sec-websocket-extensions'), frames }
}

/** The connection ends and the backend hears of it. */
async function expectEnd(socket: RawSocket, path: string): Promise<void> {
  await socket.client.closed
  await backend.received(1, (call) => call.url === path && call.body.toString('latin1') === 'DISCONNECT\r\n')
}

describe('the handshake', () => {
  test.each([
    ['', null],
    [DEFLATE, ANSWER],
    [`${DEFLATE}; client_max_window_bits`, ANSWER],
    [`${DEFLATE}; client_max_window_bits=10; server_no_context_takeover`, ANSWER],
    [`${DEFLATE}; server_max_window_bits=10`, null],
    [`${DEFLATE}; server_max_window_bits=10, ${DEFLATE}; client_max_window_bits`, ANSWER],
    [`grip, ${DEFLATE}`, ANSWER],
    [`${DEFLATE}; unknown`, null],
    ['x-webkit-deflate-frame', null],
  ])('%j is answered with %j; without the setting with nothing', async (offered, answered) => {
    expect((await openRaw('/handshake', offered)).extensions).toBe(answered)
    expect((await openRaw('/handshake', offered, off)).extensions).toBe(null)
  })

  test.each(['', `${DEFLATE};`, `${DEFLATE}; a="b`, ','])(
    '%j is no valid request, with the setting or without',
    async (value) => {
      for (const of of [gateway, off]) {
        const client = await RawClient.connect(of.ports.http)
        await client.send(upgradeRequest('/malformed', 'a', { 'Sec-WebSocket-Extensions': value }))
        const answer = await client.readAnswer()
        expect([answer.status, answer.get('content-type')]).toEqual([400, 'text/plain'])
        expect(answer.body.toString()).toMatch(/^Request contained an Upgrade header .*\.\n$/)
        expect((await client.readToEnd()).length).toBe(0)
      }
      expect(backend.calls.filter(({ url }) => url === '/malformed')).toEqual([])
    },
  )

  test('the backend hears of the grip extension and no other', async () => {
    await openRaw('/heard', `${DEFLATE}, other`)
    const [call] = await backend.received(1, ({ url }) => url === '/heard')
    expect(call?.header('sec-websocket-extensions')).toBe('grip')
  })
})

describe('clients of the library ws', () => {
  test.each<[string, boolean | PerMessageDeflateOptions, string | undefined]>([
    ['as it is', true, ANSWER],
    ['without context', { serverNoContextTakeover: true, clientNoContextTakeover: true }, ANSWER],
    ['with a small window', { clientMaxWindowBits: 9 }, ANSWER],
    ['compressing everything', { threshold: 0 }, ANSWER],
    ['demanding a small window', { serverMaxWindowBits: 10 }, undefined],
    ['not compressing', false, undefined],
  ])('%s: messages of every length come back', async (_name, options, answer) => {
    const client = await connect(gateway.wsUrl('/echo'), options)
    expect(client.upgradeHeaders['sec-websocket-extensions']).toBe(answer)
    const random = randomBytes(100_000)
    const messages = ['', 'x', SHORT, `${SHORT}y`, LONG, 'é'.repeat(50_000), random]
    for (const message of messages) client.send(message)
    await client.waitFor(messages.length)
    expect(client.messages.map(({ data }) => data.equals(random))).toEqual(messages.map((each) => each === random))
    expect(client.texts.slice(0, -1)).toEqual(messages.slice(0, -1))
    expect(await client.close(4000)).toEqual({ code: 4000, reason: '' })
  })
})

describe('on the wire', () => {
  test('long messages are compressed, each for itself; short ones and control frames are not', async () => {
    const { client, frames } = await openRaw('/wire?channel=wire')
    for (const content of [LONG, SHORT, LONG]) await client.send(clientFrame(Opcode.Text, content))
    const [first, short, second] = await frames(3)
    expect([first?.isCompressed, short?.isCompressed, second?.isCompressed]).toEqual([true, false, true])
    expect(inflateMessage(first?.payload as Buffer).toString()).toBe(LONG)
    expect(second?.payload).toEqual(first?.payload)
    expect((first?.payload.length ?? Infinity) < LONG.length / 2).toBe(true)
    expect(short?.payload.toString()).toBe(SHORT)

    await publish({ channel: 'wire', formats: { 'ws-message': { type: 'ping', content: 'p' } } })
    await publish({ channel: 'wire', formats: { 'ws-message': { action: 'close', code: 4001 } } })
    const rest = await frames(2)
    expect(rest.map(({ opcode, isCompressed }) => [opcode, isCompressed])).toEqual([
      [Opcode.Ping, false],
      [Opcode.Close, false],
    ])
  })

  test('the backend gets what was compressed, in one frame or several, and what was not', async () => {
    const { client, frames } = await openRaw('/several')
    const payload = deflateMessage(LONG)
    await client.send(deflatedText('one'))
    await client.send(clientFrame(Opcode.Text, payload.subarray(0, 20), { reserved: RSV1, fin: false }))
    await client.send(clientFrame(Opcode.Ping, 'between'))
    await client.send(clientFrame(Opcode.Continuation, payload.subarray(20)))
    await client.send(clientFrame(Opcode.Binary, 'plain'))
    const seen = (await frames(4)).filter(({ opcode }) => opcode === Opcode.Text || opcode === Opcode.Binary)
    expect(seen.map((frame) => contentOf(frame))).toEqual(['one', LONG, 'plain'])
    const bodies = (await backend.received(2, ({ url }) => url === '/several')).map(({ body }) => body)
    expect(decodeEvents(Buffer.concat(bodies.slice(1)))[0]).toEqual({ type: 'TEXT', content: Buffer.from('one') })
  })

  test('an empty message and a ping have nothing to inflate, whatever they say', async () => {
    const { client, frames } = await openRaw('/nothing')
    await client.send(clientFrame(Opcode.Text, Buffer.from([0]), { reserved: RSV1 }))
    const [empty] = await frames(1)
    expect([empty?.opcode, empty?.isCompressed, empty?.payload.length]).toEqual([Opcode.Text, false, 0])
    await client.send(clientFrame(Opcode.Ping, 'p', { reserved: RSV1 }))
    const [pong] = await frames(1)
    expect([pong?.opcode, pong?.isCompressed, pong?.payload.toString()]).toEqual([Opcode.Pong, false, 'p'])
  })

  test('a client that has not negotiated gets nothing compressed', async () => {
    const { client, frames } = await openRaw('/plain', '')
    await client.send(clientFrame(Opcode.Text, LONG))
    const [frame] = await frames(1)
    expect([frame?.isCompressed, frame?.payload.toString()]).toEqual([false, LONG])
  })

  test.each<[string, string, Buffer]>([
    ['not negotiated', '', deflatedText(LONG)],
    [
      'on a later frame',
      DEFLATE,
      Buffer.concat([deflatedText('a', { fin: false }), clientFrame(0, 'b', { reserved: RSV1 })]),
    ],
    ['before what cannot be inflated', DEFLATE, clientFrame(Opcode.Text, Buffer.alloc(9, 0xff), { reserved: RSV1 })],
    ['before text that is not UTF-8', DEFLATE, deflatedText(Buffer.from([0xff, 0xfe, 0x80]))],
  ])('the bit %s ends the connection', async (name, extensions, bytes) => {
    const path = `/bit?${encodeURIComponent(name)}`
    const socket = await openRaw(path, extensions)
    await socket.client.send(bytes).catch(() => {}) // ended while we were sending
    await expectEnd(socket, path)
  })
})

describe('a message that is small on the wire and large behind it', () => {
  const BUFFER = { reason: 'buffer' }

  test.each([
    ['above what a session takes', 200_001],
    ['above what uWebSockets.js takes', 5_000_000],
    ['far above', 100_000_000],
  ])('%s: the connection ends, and that is counted', async (_name, length) => {
    const before = (await gateway.metrics()).value('tackboard_ws_dropped_total', BUFFER)
    const path = `/bomb?${String(length)}`
    const socket = await openRaw(path)
    await socket.client.send(deflatedText(Buffer.alloc(length, 'x')))
    await expectEnd(socket, path)
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_ws_dropped_total', BUFFER) === before + 1)
  })

  test('many of them, in fragments, take no memory', async () => {
    const payload = deflateMessage(Buffer.alloc(100_000_000))
    const before = residentBytes()
    for (let count = 0; count < 30; count++) {
      const { client } = await openRaw('/bombs')
      await client.send(clientFrame(Opcode.Binary, payload.subarray(0, 1_000), { reserved: RSV1, fin: false }))
      await client.send(clientFrame(Opcode.Continuation, payload.subarray(1_000))).catch(() => {})
      await client.closed
    }
    expect(residentBytes() - before).toBeLessThan(64 * 1024 * 1024)
  })
})

describe('publishing', () => {
  test('reaches every kind of client, compressed for those who have negotiated it', async () => {
    const channel = 'mixed'
    const path = `/mixed?channel=${channel}`
    const raw = await openRaw(path)
    const plain = await openRaw(path, '')
    const filtered = await openRaw(`/filtered/${channel}`)
    const tls = { rejectUnauthorized: false }
    const sockets = [
      await connect(gateway.wsUrl(path), true),
      await connect(gateway.wsUrl(path), false),
      await connect(`wss://127.0.0.1:${String(tlsPort)}${path}`, true, tls),
      await connect(`wss://127.0.0.1:${String(tlsPort)}${path}`, false, tls),
      await connect(`ws+unix:${join(gateway.folder, 'clients.sock')}:${path}`, true),
    ]
    expect(sockets.map(({ socket }) => socket.extensions !== '')).toEqual([true, false, true, false, true])
    const binary = randomBytes(2_000).toString('base64')
    await publish(wsItem(channel, LONG), wsItem(channel, SHORT))
    await publish({ channel, formats: { 'ws-message': { 'content-bin': binary } } })
    const expected = [LONG, SHORT, Buffer.from(binary, 'base64').toString('latin1')]
    for (const socket of sockets) {
      await socket.waitFor(3)
      expect(socket.messages.map(({ data }) => data.toString('latin1'))).toEqual(expected)
    }
    for (const [socket, compressed] of [
      [raw, [true, false, true]],
      [filtered, [true, false, true]],
      [plain, [false, false, false]],
    ] as const) {
      const frames = await socket.frames(3)
      expect(frames.map(({ isCompressed }) => isCompressed)).toEqual(compressed)
      expect(frames.map((frame) => contentOf(frame))).toEqual(expected)
    }
  })

  test('many messages of one turn arrive whole and in order', async () => {
    const path = '/burst?channel=burst'
    const clients = [await connect(gateway.wsUrl(path), true), await connect(gateway.wsUrl(path), false)]
    const texts = Array.from({ length: 300 }, (_, index) => `${String(index)} ${LONG.slice(0, (index * 37) % 1_500)}`)
    await publish(...texts.map((text) => wsItem('burst', text)))
    for (const client of clients) expect(await client.waitFor(texts.length)).toEqual(texts)
  })
})

describe('others', () => {
  test('SockJS over a WebSocket, framed and raw', async () => {
    const framed = await openRaw('/sockjs/000/deflate/websocket')
    expect(framed.extensions).toBe(ANSWER)
    await framed.client.send(deflatedText(JSON.stringify([LONG])))
    const [opened, message] = await framed.frames(2)
    expect([opened?.isCompressed, contentOf(opened as Frame)]).toEqual([false, 'o'])
    expect([message?.isCompressed, contentOf(message as Frame)]).toEqual([true, `a${JSON.stringify([LONG])}`])
    const plain = await connect(gateway.wsUrl('/sockjs/websocket'), true)
    plain.send(LONG)
    expect(await plain.waitFor(1)).toEqual([LONG])
  })

  test.skipIf(browserPath() === null)('a browser negotiates it', async () => {
    await withBrowser(async (context) => {
      const page = await context.newPage()
      const seen = await page.evaluate(
        ([url = '', long = '']) =>
          new Promise<string[]>((resolve, reject) => {
            const socket = new WebSocket(url)
            const texts: string[] = []
            socket.onopen = () => {
              for (const text of ['', 'short', long]) socket.send(text)
            }
            socket.onmessage = ({ data }) => {
              if (texts.push(String(data)) === 3) resolve([socket.extensions, ...texts])
            }
            socket.onclose = () => reject(new Error('closed'))
          }),
        [gateway.wsUrl('/browser'), LONG],
      )
      expect(seen).toEqual([ANSWER, '', 'short', LONG])
    })
  })
})

function publish(...items: Parameters<typeof publishHttp>[1][]): Promise<void> {
  return publishHttp(gateway.controlUrl('/publish/'), ...items)
}

function contentOf(frame: Frame): string {
  return (frame.isCompressed ? inflateMessage(frame.payload) : frame.payload).toString('latin1')
}

/** Of the gateway's process. */
function residentBytes(): number {
  const status = readFileSync(`/proc/${String(gateway.pid)}/status`, 'latin1')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}
