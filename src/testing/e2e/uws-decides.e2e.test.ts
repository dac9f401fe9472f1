/**
 * What uWebSockets.js decides and nothing above it can change: one test per row of that section in
 * docs/COMPATIBILITY.md, showing what a client gets. A test that fails after an update of uWebSockets.js means that a
 * row has to be rewritten.
 */
import { Buffer } from 'node:buffer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { RawClient } from '../raw-client.js'
import { ScriptedBackend } from '../scripted-backend.js'
import type { BackendCall } from '../scripted-backend.js'
import { Opcode, clientFrame, parseServerFrames, upgradeRequest } from '../websocket-frames.js'
import type { Frame } from '../websocket-frames.js'
import { GRIP_WITHOUT_PREFIX, answerEvents, controlEvent, decodeEvents, encodeEvent } from '../websocket-over-http.js'

const PAGE_505 =
  'HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\n\r\n' +
  '<h1>HTTP Version Not Supported</h1><p>This server does not support HTTP/1.0.</p><hr><i>uWebSockets/20 Server</i>'
const PAGE_400 =
  'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<h1>Bad Request</h1><hr><i>uWebSockets/20 Server</i>'
const PAGE_431 =
  'HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n' +
  '<h1>Request Header Fields Too Large</h1><hr><i>uWebSockets/20 Server</i>'
/** uWebSockets.js gives up on a request that it waits to see the end of after 10 s. */
const SILENCE = { deadlineMs: 25_000 }
const HOST = 'example.com'

let gateway: Gateway
let backend: ScriptedBackend

/** Calls whose answer a test gives by hand. */
const isHeld = (call: BackendCall): boolean => call.url.startsWith('/held')

beforeAll(async () => {
  backend = await ScriptedBackend.start((call) => {
    if (call.header('content-type') === 'application/websocket-events') answerWebSocket(call)
    else if (call.url === '/stream') call.answer(200, { 'Grip-Hold': 'stream', 'Grip-Channel': 'chunks' }, 'opened\n')
    else if (!isHeld(call)) call.answer(200, { Date: 'Thu, 01 Jan 1970 00:00:00 GMT' }, 'answered')
  })
  gateway = await startGateway({ routes: [`* ${backend.target},over_http`] })
})

afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

/** Echoes; the messages `close`, `pong` and `detach` make the backend do that, and `hold` is not answered. */
function answerWebSocket(call: BackendCall): void {
  const answers: Buffer[] = []
  if (call.body.includes('hold')) return
  for (const { type, content } of decodeEvents(call.body)) {
    const text = content?.toString() ?? ''
    if (type === 'OPEN') answers.push(encodeEvent('OPEN'))
    else if (type === 'CLOSE') answers.push(encodeEvent('TEXT', 'before the close'), encodeEvent('CLOSE', code(4002)))
    else if (text === 'close') answers.push(encodeEvent('CLOSE', code(4001)))
    else if (text === 'pong') answers.push(encodeEvent('PONG', 'unasked'), encodeEvent('TEXT', 'after the pong'))
    else if (text === 'detach') answers.push(encodeEvent('TEXT', 'detaching'), controlEvent({ type: 'detach' }))
    else if (type === 'TEXT' || type === 'BINARY') answers.push(encodeEvent(type, text))
  }
  answerEvents(call, answers, call.body.includes('OPEN') ? GRIP_WITHOUT_PREFIX : {})
}

function code(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function connect(options: { readonly deadlineMs?: number; readonly allowHalfOpen?: boolean } = {}): Promise<RawClient> {
  return RawClient.connect(gateway.ports.http, options)
}

/** What comes for these bytes until the connection ends. */
async function everythingFor(request: string, options: { readonly deadlineMs?: number } = {}): Promise<string> {
  const client = await connect(options)
  await client.send(request)
  return (await client.readToEnd()).toString('latin1')
}

async function openWebSocket(path: string): Promise<RawClient> {
  const client = await connect()
  await client.send(upgradeRequest(path, HOST))
  expect((await client.readHead()).status).toBe(101)
  return client
}

async function readFrame(client: RawClient): Promise<Frame> {
  const bytes = await client.readUntil((received) => lengthOfFirstFrame(received))
  return parseServerFrames(bytes).frames[0] as Frame
}

function lengthOfFirstFrame(received: Buffer): number | null {
  for (let length = 2; length <= received.length; length++) {
    const { consumed } = parseServerFrames(received.subarray(0, length))
    if (consumed > 0) return consumed
  }
  return null
}

/** Events that the backend has had for a path, in order. */
async function eventsOf(path: string, last: string): Promise<string[]> {
  const has = (call: BackendCall): boolean => call.url === path && call.body.includes(last)
  await backend.received(1, has)
  const calls = backend.calls.filter((call) => call.url === path)
  return calls.flatMap((call) => decodeEvents(call.body).map(({ type, content }) => `${type} ${hex(content)}`.trim()))
}

function hex(content: Buffer | null): string {
  return content?.toString('hex') ?? ''
}

describe('requests that get the 505 page and the end', () => {
  test.each([
    ['HTTP/1.0', `GET / HTTP/1.0\r\nHost: ${HOST}\r\n\r\n`],
    ['OPTIONS *', `OPTIONS * HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`],
    ['an absolute-form target', `GET http://${HOST}/ HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`],
    ['CONNECT', `CONNECT ${HOST}:80 HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`],
    ['a head with bare line feeds', `GET / HTTP/1.1\nHost: ${HOST}\n\n`],
    ['what is no HTTP', 'hello\r\n\r\n'],
  ])('%s', async (_, request) => {
    expect(await everythingFor(request)).toBe(PAGE_505)
  })
})

describe('requests that get another page of its own and the end', () => {
  test('Content-Length together with Transfer-Encoding: 400', async () => {
    const head = `POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`
    expect(await everythingFor(`${head}0\r\n\r\n`)).toBe(PAGE_400)
  })

  test('a head above the limit of 8192 bytes: 431', async () => {
    // Without its end: one that came whole in a single read would be taken, and refused by the gateway instead.
    expect(await everythingFor(`GET / HTTP/1.1\r\nHost: ${HOST}\r\nX-Long: ${'x'.repeat(12_000)}`)).toBe(PAGE_431)
  })
})

test(
  'no answer, and the end after 10 s: no Host, a malformed header name, 99 headers',
  { timeout: 40_000 },
  async () => {
    const many = Array.from({ length: 98 }, (_, i) => `X-${String(i)}: 1\r\n`).join('')
    const heads = ['', `Host: ${HOST}\r\nbad name: 1\r\n`, `Host: ${HOST}\r\n${many}`]
    const answers = await Promise.all(heads.map((head) => everythingFor(`GET / HTTP/1.1\r\n${head}\r\n`, SILENCE)))
    expect(answers).toEqual(['', '', ''])
  },
)

test('a header without a name hides the headers behind it', async () => {
  const client = await connect()
  await client.send(`GET /nameless HTTP/1.1\r\nHost: ${HOST}\r\nX-Seen: 1\r\n: x\r\nX-Hidden: 1\r\n\r\n`)
  await client.readAnswer()
  const [call] = await backend.received(1, ({ url }) => url === '/nameless')
  expect([call?.header('x-seen'), call?.header('x-hidden')]).toEqual(['1', null])
  client.destroy()
})

test('a chunk extension is read as part of the size', async () => {
  const client = await connect()
  const head = `POST /extension HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n`
  // 3, and the semicolon as the digit 11: 59 bytes.
  const body = 'abc' + 'x'.repeat(56)
  await client.send(`${head}3;\r\n${body}\r\n0\r\n\r\n`)
  await client.readAnswer()
  const [call] = await backend.received(1, ({ url }) => url === '/extension')
  expect(call?.body.toString()).toBe(body)
})

describe('one request at a time', () => {
  test.each([
    ['in the same segment', true],
    ['in a later segment', false],
  ])('a second request behind one that waits for its answer, %s, ends the connection', async (name, together) => {
    const path = `/held/pipelined/${String(together)}`
    const client = await connect()
    const [first, second] = [`GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`, `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`]
    await client.send(together ? first + second : first)
    if (!together) {
      await backend.received(1, (call) => call.url === path)
      await client.send(second)
    }
    expect((await client.readToEnd()).toString(), name).toBe('')
  })

  test('a client that ends its direction counts as gone: its request is aborted', async () => {
    const client = await connect({ allowHalfOpen: true })
    await client.send(`GET /held/half HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
    const [call] = await backend.received(1, ({ url }) => url === '/held/half')
    client.end()
    expect((await client.readToEnd()).toString()).toBe('')
    await call?.over
    client.destroy()
  })
})

describe('headers', () => {
  test('names arrive at the backend in lower case', async () => {
    const client = await connect()
    await client.send(`GET /lower-case HTTP/1.1\r\nHost: ${HOST}\r\nX-MiXed-Case: Value\r\n\r\n`)
    await client.readAnswer()
    const [call] = await backend.received(1, ({ url }) => url === '/lower-case')
    expect(call?.rawHeaders).toContain('x-mixed-case')
    client.destroy()
  })

  test("Date is the gateway's own, once", async () => {
    const client = await connect()
    await client.send(`GET /date HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
    const answer = await client.readAnswer()
    const dates = answer.headers.filter(([name]) => name.toLowerCase() === 'date').map(([, value]) => value)
    expect(dates).toHaveLength(1)
    expect(dates[0]).not.toContain('1970')
    client.destroy()
  })

  test('a 101 carries a Date too', async () => {
    const client = await connect()
    await client.send(upgradeRequest('/ws/date', HOST))
    expect((await client.readHead()).get('date')).not.toBeNull()
    client.destroy()
  })
})

test('the line break that ends a chunk of a stream comes with the next chunk', async () => {
  const client = await connect()
  await client.send(`GET /stream HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
  expect((await client.readHead()).get('transfer-encoding')).toBe('chunked')
  expect((await client.readUntil('opened\n')).toString()).toBe('7\r\nopened\n')
  const item = { channel: 'chunks', formats: { 'http-stream': { content: 'next\n' } } }
  const published = await fetch(gateway.controlUrl('/publish/'), {
    method: 'POST',
    body: JSON.stringify({ items: [item] }),
  })
  expect(published.status).toBe(200)
  expect((await client.readUntil('next\n')).toString()).toBe('\r\n5\r\nnext\n')
  client.destroy()
})

describe('WebSocket close', () => {
  test('is echoed at once; what the backend still answers is lost, and it gets the close', async () => {
    const client = await openWebSocket('/ws/close')
    await client.send(clientFrame(Opcode.Close, Buffer.concat([code(4000), Buffer.from('bye')])))
    const { frames } = parseServerFrames(await client.readToEnd())
    expect(frames.map(({ opcode, payload }) => [opcode, hex(payload)])).toEqual([[Opcode.Close, '0fa0627965']])
    expect(await eventsOf('/ws/close', 'CLOSE')).toEqual(['OPEN', 'CLOSE 0fa0627965'])
  })

  test.each([1012, 3001, 3999, 5000])('code %i of a client is not read: the echo is empty', async (unread) => {
    const client = await openWebSocket(`/ws/code/${String(unread)}`)
    await client.send(clientFrame(Opcode.Close, code(unread)))
    const { frames } = parseServerFrames(await client.readToEnd())
    expect(frames.map(({ opcode, payload }) => [opcode, hex(payload)])).toEqual([[Opcode.Close, '']])
  })

  test('without a code is echoed without one', async () => {
    const client = await openWebSocket('/ws/close/no-code')
    await client.send(clientFrame(Opcode.Close, ''))
    const { frames } = parseServerFrames(await client.readToEnd())
    expect(frames.map(({ opcode, payload }) => [opcode, hex(payload)])).toEqual([[Opcode.Close, '']])
  })

  test("by the backend ends TCP with the close frame; the client's own code is not seen", async () => {
    const client = await openWebSocket('/ws/backend-closes')
    await client.send(clientFrame(Opcode.Text, 'close'))
    const { frames } = parseServerFrames(await client.readToEnd())
    expect(frames.map(({ opcode, payload }) => [opcode, hex(payload)])).toEqual([[Opcode.Close, '0fa1']])
  })
})

describe('ping and pong', () => {
  test('a ping is answered by the gateway', async () => {
    const client = await openWebSocket('/ws/ping')
    await client.send(clientFrame(Opcode.Ping, 'are you there'))
    const frame = await readFrame(client)
    expect([frame.opcode, frame.payload.toString()]).toEqual([Opcode.Pong, 'are you there'])
    client.destroy()
  })

  test('a ping is answered after a detach as well', async () => {
    const client = await openWebSocket('/ws/detach')
    await client.send(clientFrame(Opcode.Text, 'detach'))
    expect((await readFrame(client)).payload.toString()).toBe('detaching')
    await eventsOf('/ws/detach', 'CLOSE')
    await client.send(clientFrame(Opcode.Ping, 'still'))
    expect((await readFrame(client)).opcode).toBe(Opcode.Pong)
    client.destroy()
  })

  test("a backend's pong is dropped", async () => {
    const client = await openWebSocket('/ws/pong')
    await client.send(clientFrame(Opcode.Text, 'pong'))
    const frame = await readFrame(client)
    expect([frame.opcode, frame.payload.toString()]).toEqual([Opcode.Text, 'after the pong'])
    client.destroy()
  })
})

describe('what comes before the 101', () => {
  test('four bytes and more in the segment of the upgrade: 505 and the end, no 101', async () => {
    for (const length of [4, 9]) {
      const early = clientFrame(Opcode.Text, 'abc').subarray(0, length)
      const client = await connect()
      await client.send(Buffer.concat([Buffer.from(upgradeRequest('/ws/early', HOST)), early]))
      expect((await client.readToEnd()).toString('latin1')).toBe(PAGE_505)
    }
  })

  test('one to three bytes in the segment of the upgrade vanish', async () => {
    for (const length of [1, 2, 3]) {
      const client = await connect()
      const request = Buffer.from(upgradeRequest('/ws/early', HOST))
      await client.send(Buffer.concat([request, Buffer.from([0x89, 0x80, 0]).subarray(0, length)]))
      expect((await client.readHead()).status).toBe(101)
      await client.send(clientFrame(Opcode.Text, 'whole'))
      expect((await readFrame(client)).payload.toString()).toBe('whole')
      client.destroy()
    }
  })
})

test('a WebSocket cannot be paused: a client far ahead of its backend is dropped', async () => {
  const client = await openWebSocket('/held/ws')
  await client.send(clientFrame(Opcode.Text, 'hold'))
  await eventsOf('/held/ws', 'hold')
  const message = clientFrame(Opcode.Binary, Buffer.alloc(100_000))
  let dropped = false
  void client.closed.then(() => (dropped = true))
  // Far more than any limit on what may wait for a backend; the connection ends on the way.
  for (let sent = 0; sent < 200 && !dropped; sent++) await client.send(message).catch(() => undefined)
  await client.closed
  expect(client.pending.length).toBe(0)
})

test('a request line whose version comes in two segments gets the 505 page', async () => {
  const client = await connect()
  // The answer comes to the first segment already.
  await client.send('GET / HT')
  expect((await client.readToEnd()).toString('latin1')).toBe(PAGE_505)
})

test('an unmasked frame is read as if it were masked', async () => {
  const client = await openWebSocket('/unmasked')
  // Its first four bytes are taken for the mask, so four zeros behind it are taken for its end.
  await client.send(Buffer.concat([clientFrame(Opcode.Binary, 'hello', { mask: null }), Buffer.alloc(4)]))
  const { opcode, payload } = await readFrame(client)
  expect([opcode, payload.toString('hex')]).toEqual([Opcode.Binary, '07656c6c68'])
  client.destroy()
})
