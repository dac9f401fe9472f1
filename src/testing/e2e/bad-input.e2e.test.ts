/**
 * Bad input at every door: a clear answer or a documented end, the process alive, other clients unaffected. A canary
 * (a held stream, a WebSocket and a publisher) works before, between and after.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Prng } from '../../base/prng.js'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { encodeItem, PubPublisher, publishHttp, PushPublisher, streamItem } from '../publish.js'
import { RawClient } from '../raw-client.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { StreamClient } from '../stream-client.js'
import { clientFrame, Opcode, upgradeRequest } from '../websocket-frames.js'
import { echoAndSubscribe } from '../websocket-over-http.js'
import { withDeadline } from '../wait.js'
import { WsClient } from '../ws-client.js'

let gateway: Gateway
let backend: ScriptedBackend
let stream: StreamClient
let socket: WsClient
let beats = 0

beforeAll(async () => {
  backend = await ScriptedBackend.start((call) => {
    if (call.header('content-type') === 'application/websocket-events') return echoAndSubscribe(call)
    call.answer(200, {}, `${call.method} ${call.body.length}`)
  })
  gateway = await startGateway({
    routes: ['*,path_beg=/canary test', `* ${backend.target},over_http`],
    conf: { 'runner.log_level': '1' },
  })
  stream = await StreamClient.open(gateway.ports.http, '/canary/stream?channel=canary')
  socket = await WsClient.connect(gateway.wsUrl('/canary/ws?channel=canary'))
})

afterEach(async () => {
  await canarySings()
})

afterAll(async () => {
  const metrics = await gateway.metrics()
  expect(metrics.value('tackboard_callback_errors_total')).toBe(0)
  stream.destroy()
  socket.terminate()
  await gateway.stop()
  await backend.stop()
})

/** A publish reaches both held clients, a WebSocket answers, a request is proxied: on connections old and new. */
async function canarySings(): Promise<void> {
  beats += 1
  const beat = `beat ${beats}.`
  const formats = { 'http-stream': { content: beat }, 'ws-message': { content: beat } }
  await publishHttp(gateway.controlUrl('/publish/'), { channel: 'canary', formats })
  await stream.waitForText(beat)
  await socket.waitForText(beat)
  socket.send(`echo ${beat}`)
  await socket.waitForText(`echo ${beat}`)
  const client = await RawClient.connect(gateway.ports.http)
  await client.send('GET /still HTTP/1.1\r\nHost: a\r\n\r\n')
  expect((await client.readAnswer()).body.toString()).toBe('GET 0')
  client.destroy()
}

async function everythingFor(port: number, request: string | Buffer): Promise<string> {
  const client = await RawClient.connect(port)
  await client.send(request).catch(() => {}) // refused while we were sending: the answer tells
  return (await client.readToEnd()).toString('latin1')
}

describe('client port: HTTP', () => {
  test.each<[string, string, RegExp]>([
    ['no HTTP', 'hello, is anybody there?\r\n\r\n', /^HTTP\/1\.1 505 /],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', /^HTTP\/1\.1 (505|400) /],
    ['a head above the limit', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}`, /^HTTP\/1\.1 431 /],
    ['a negative length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a length that is no number', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a bad chunk size', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', /^HTTP\/1\.1 400 /],
    [
      'a chunk size beyond numbers',
      `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${'f'.repeat(40)}\r\n`,
      /^HTTP\/1\.1 400 /,
    ],
  ])('%s is refused and closed', async (_name, request, answer) => {
    expect(await everythingFor(gateway.ports.http, request)).toMatch(answer)
  })

  test.each<[string, string]>([
    ['in the method', 'GE'],
    ['in the head', 'GET / HTTP/1.1\r\nHost: a\r\nX-Hal'],
    ['in a body with a length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it'],
    ['in a chunk', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf of it'],
  ])('a request cut off %s ends without an answer', async (_name, request) => {
    for (const how of ['end', 'reset'] as const) {
      const client = await RawClient.connect(gateway.ports.http)
      await client.send(request)
      client[how]()
      await client.closed
      expect(client.pending.toString()).toBe('')
    }
  })
})

describe('client port: WebSocket', () => {
  test.each<[string, Record<string, string>]>([
    ['without a key', { 'Sec-WebSocket-Key': '' }],
    ['with a short key', { 'Sec-WebSocket-Key': 'abc' }],
    ['by POST', {}],
  ])('a handshake %s opens no WebSocket', async (name, headers) => {
    const client = await RawClient.connect(gateway.ports.http)
    const request = upgradeRequest('/ws', 'a', headers)
    await client.send(name === 'by POST' ? request.replace('GET', 'POST') : request)
    expect((await client.readHead()).status).not.toBe(101)
    client.destroy()
  })

  const close = (code: number): Buffer => Buffer.from([code >> 8, code & 255])

  test.each<[string, Buffer]>([
    ['a reserved bit', clientFrame(Opcode.Text, 'hello', { reserved: 4 })],
    ['an unknown opcode', clientFrame(3, 'hello')],
    ['an unknown control opcode', clientFrame(11, 'hello')],
    ['an oversized ping', clientFrame(Opcode.Ping, Buffer.alloc(126))],
    ['an oversized close', clientFrame(Opcode.Close, Buffer.concat([close(1000), Buffer.alloc(124, 'x')]))],
    ['a ping in fragments', clientFrame(Opcode.Ping, 'x', { fin: false })],
    ['text that is not UTF-8', clientFrame(Opcode.Text, Buffer.from([0xff, 0xfe, 0x80]))],
    ['a continuation of nothing', clientFrame(Opcode.Continuation, 'x')],
    ['a message above the limit', clientFrame(Opcode.Binary, Buffer.alloc(200_001))],
    ['a length of 2^63', Buffer.concat([Buffer.from([0x82, 0xff, 0x80]), Buffer.alloc(7), Buffer.alloc(4)])],
    [
      'a new message within a message',
      Buffer.concat([clientFrame(Opcode.Text, 'a', { fin: false }), clientFrame(Opcode.Text, 'b')]),
    ],
  ])('%s ends the connection, and the backend hears of the end', async (_name, frame) => {
    const path = `/ws?bad=${encodeURIComponent(_name)}`
    const client = await RawClient.connect(gateway.ports.http)
    await client.send(upgradeRequest(path, 'a'))
    expect((await client.readHead()).status).toBe(101)
    await client.send(frame).catch(() => {}) // ended while we were sending
    await client.closed
    await backend.received(1, (call) => call.url === path && /^(DISCONNECT|CLOSE)/m.test(call.body.toString('latin1')))
  })

  test('a frame that is cut off ends with its connection', async () => {
    const frame = clientFrame(Opcode.Text, 'a'.repeat(1_000))
    for (const length of [1, 2, 5, 8, 500]) {
      const client = await RawClient.connect(gateway.ports.http)
      await client.send(upgradeRequest('/ws', 'a'))
      expect((await client.readHead()).status).toBe(101)
      await client.send(frame.subarray(0, length))
      client.reset()
      await client.closed
    }
  })
})

describe('control port', () => {
  const post = (body: string, headers = `Content-Length: ${Buffer.byteLength(body)}`): string =>
    `POST /publish/ HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n${body}`

  test.each<[string, string, RegExp]>([
    ['garbage', 'garbage\r\n\r\n', /^HTTP\/1\.1 400 Bad Request[^]*Failed to parse request header\.\n$/],
    [
      'an oversized head',
      `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      /400 [^]*Request header too large\.\n$/,
    ],
    ['an oversized body', post('', 'Content-Length: 1000001'), /400 [^]*Request body too large\.\n$/],
    ['no length', post('', 'X: y'), /411 [^]*Request requires Content-Length\.\n$/],
    ['no JSON', post('{"items": [}'), /400 [^]*Body is not valid JSON\.\n$/],
    ['no formats', post('{"items":[{"channel":"canary"}]}'), /400 [^]*Invalid format: no formats specified\n$/],
    ['deep JSON', post(`{"items":${'['.repeat(50_000)}`), /400 /],
    ['a method it has not', 'PATCH /publish/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n', /^HTTP\/1\.1 405 /],
    ['a path it has not', 'GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 404 /],
  ])('%s gets its answer', async (_name, request, answer) => {
    expect(await everythingFor(gateway.ports.control, request)).toMatch(answer)
  })

  test('a request that is cut off publishes nothing', async () => {
    const before = (await gateway.metrics()).value('tackboard_publish_items_total', { door: 'http' })
    const request = post(JSON.stringify({ items: [streamItem('canary', 'never')] }))
    for (const length of [5, 40, request.length - 1]) {
      const client = await RawClient.connect(gateway.ports.control)
      await client.send(request.slice(0, length))
      client.reset()
      await client.closed
    }
    expect((await gateway.metrics()).value('tackboard_publish_items_total', { door: 'http' })).toBe(before)
    expect(stream.text).not.toContain('never')
  })
})

describe('ZeroMQ', () => {
  const BAD: readonly Buffer[] = [
    Buffer.alloc(0),
    Buffer.from('J'),
    Buffer.from('J{'),
    Buffer.from('J[]'),
    Buffer.from('J{"channel":"canary"}'),
    Buffer.from('J{"channel":1,"http-stream":{"content":"x"}}'),
    Buffer.from('T'),
    Buffer.from('T5:hello'),
    Buffer.from('T999999999999:x,'),
    Buffer.from('X{"channel":"canary"}'),
    Buffer.from([0xff, 0xfe, 0x00]),
    Buffer.alloc(5_000_000, 'J['),
    encodeItem(streamItem('canary', 'never')).subarray(0, -1),
    encodeItem(streamItem('canary', 'never'), 'tnetstring').subarray(0, -1),
  ]

  test('PULL: each bad message is counted and skipped, the next good one arrives', async () => {
    const publisher = PushPublisher.connect(gateway.ports.pull)
    const before = (await gateway.metrics()).value('tackboard_publish_bad_total', { door: 'pull' })
    for (const message of BAD) await publisher.sendRaw(message)
    const good = encodeItem(streamItem('canary', 'good by push'))
    await publisher.sendRaw(good, good)
    await publisher.sendRaw(good)
    await stream.waitForText('good by push')
    const metrics = await gateway.metrics()
    expect(metrics.value('tackboard_publish_bad_total', { door: 'pull' }) - before).toBe(BAD.length + 1)
    expect(stream.text).not.toContain('never')
    expect(gateway.stdout).toMatch(/IN pull: [^"]*skipping/)
    publisher.close()
  })

  // Here the topic is the channel, so that one of them is good after all.
  test('SUB: the same', async () => {
    const publisher = PubPublisher.connect(gateway.ports.sub)
    await publisher.subscribedTo('canary')
    const before = (await gateway.metrics()).value('tackboard_publish_bad_total', { door: 'sub' })
    const topic = Buffer.from('canary')
    for (const message of BAD) await publisher.sendRaw(topic, message)
    const good = encodeItem(streamItem('canary', 'good by pub'))
    await publisher.sendRaw(topic)
    await publisher.sendRaw(topic, good, good)
    await publisher.sendRaw(topic, good)
    await stream.waitForText('good by pub')
    const metrics = await gateway.metrics()
    expect(metrics.value('tackboard_publish_bad_total', { door: 'sub' }) - before).toBe(BAD.length + 1)
    expect(stream.text).not.toContain('never')
    publisher.close()
  })

  test('text that is no ZeroMQ at both ports', async () => {
    for (const port of [gateway.ports.pull, gateway.ports.sub]) {
      const client = await RawClient.connect(port)
      await client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      client.reset()
      await client.closed
    }
  })
})

describe('fuzz', () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  process.stdout.write(`bad-input FUZZ_SEED=${seed}\n`)

  const publishBody = JSON.stringify({ items: [streamItem('fuzz', 'x')] })
  const VALID = {
    http: [
      'GET /a?b=c HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n',
      'POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
      'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
      'GET /canary/stream?channel=fuzz HTTP/1.1\r\nHost: a\r\n\r\n',
      upgradeRequest('/ws?channel=fuzz', 'a'),
    ],
    control: [
      `POST /publish/ HTTP/1.1\r\nHost: a\r\nContent-Length: ${publishBody.length}\r\n\r\n${publishBody}`,
      `POST /publish/ HTTP/1.0\r\nContent-Length: ${publishBody.length}\r\n\r\n${publishBody}`,
      'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n',
    ],
  } as const

  function mutate(prng: Prng, text: string): Buffer {
    const bytes = Buffer.from(text, 'latin1')
    const pieces: Buffer[] = [bytes]
    for (let n = prng.below(4); n >= 0; n -= 1) {
      const whole = Buffer.concat(pieces.splice(0))
      const at = prng.below(whole.length + 1)
      const to = Math.min(whole.length, at + prng.below(20))
      const kind = prng.below(4)
      const noise = Buffer.from(Array.from({ length: prng.below(12) }, () => prng.below(256)))
      if (kind === 0) pieces.push(whole.subarray(0, at), whole.subarray(to))
      else if (kind === 1) pieces.push(whole.subarray(0, at), noise, whole.subarray(at))
      else if (kind === 2) pieces.push(whole.subarray(0, to), whole.subarray(at))
      else pieces.push(whole.subarray(0, at))
    }
    return Buffer.concat(pieces)
  }

  /** Sends it whole or in two parts, with frames behind it now and then, waits for an answer now and then, goes. */
  async function attack(prng: Prng, port: number, valid: readonly string[]): Promise<void> {
    const isNoise = prng.happens(0.2)
    const noise = (): Buffer => Buffer.from(Array.from({ length: 1 + prng.below(300) }, () => prng.below(256)))
    const request = isNoise ? noise() : mutate(prng, prng.pick(valid))
    const client = await RawClient.connect(port)
    const at = prng.below(request.length + 1)
    // It may be closed already.
    const send = (bytes: Buffer): Promise<void> =>
      withDeadline(
        client.send(bytes).catch(() => {}),
        () => `sent ${request.toString('hex')}`,
      )
    await send(request.subarray(0, at))
    await send(request.subarray(at))
    if (prng.happens(0.3)) await send(noise())
    const isEnded = prng.happens(0.5)
    if (isEnded) client.end()
    else await new Promise((resolve) => setImmediate(resolve))
    // Node cannot reset a socket whose end is on its way.
    if (!isEnded && prng.happens(0.5)) client.reset()
    else client.destroy()
    await withDeadline(client.closed, () => `the end after ${request.toString('hex')}`)
  }

  test('random and mutated requests at the client port and the control port, a canary beside them', async () => {
    const prng = new Prng(seed)
    // A bound on the work, not an assertion: some thousands on a quiet machine.
    const endsAtMs = performance.now() + 5_000
    let attacks = 0
    while (performance.now() < endsAtMs) {
      const port = (n: number): 'http' | 'control' => (n % 4 === 0 ? 'control' : 'http')
      await Promise.all(Array.from({ length: 8 }, (_, n) => attack(prng, gateway.ports[port(n)], VALID[port(n)])))
      attacks += 8
      if (attacks % 80 === 0) await canarySings()
    }
    expect(attacks).toBeGreaterThan(0)
    const metrics = await gateway.metricsWhere((now) => now.value('tackboard_stream_holds') === 1)
    expect(metrics.value('tackboard_callback_errors_total')).toBe(0)
  })
})
