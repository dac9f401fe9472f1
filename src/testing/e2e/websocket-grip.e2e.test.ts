/** GRIP over WebSockets: the extension, control messages, what publishes do to a client (WebSocket reference §2). */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Metrics } from '../metrics.js'
import { wsItem } from '../publish.js'
import { onePerShard } from '../shards.js'
import { Opcode, parseServerFrames } from '../websocket-frames.js'
import { controlEvent, encodeEvent, subscribeEvent } from '../websocket-over-http.js'
import { accepting, echo, WebSocketRig } from '../websocket-rig.js'
import type { WsClient } from '../ws-client.js'

let rig: WebSocketRig

beforeAll(async () => {
  rig = await WebSocketRig.start({
    routes: (target) => [
      `* ${target},over_http`,
      `*,path_beg=/prefixed,prefix=app- ${target},over_http`,
      `*,path_beg=/implicit ${target},over_http,sub=implied`,
      '*,path_beg=/built-in test',
    ],
  })
})

afterEach(() => {
  rig.cut()
})

afterAll(() => rig.stop())

/** A client whose session the backend subscribed to `channels` while opening. */
async function subscribed(channels: readonly string[], below = ''): Promise<WsClient & { readonly path: string }> {
  const path = rig.serve(accepting(echo, { events: channels.map(subscribeEvent) }), below)
  return Object.assign(await rig.connect(path), { path })
}

const item = (channel: string, format: Record<string, unknown>): { channel: string } => ({
  channel,
  ...{ formats: { 'ws-message': format } },
})

describe('message-prefix', () => {
  const messages = ['m:default', 'x:other', 'plain', 'c:{"type":"nothing"}', '"\\quoted']

  test.each([
    ['grip', ['default']],
    ['grip; message-prefix="m:"', ['default']],
    ['grip; message-prefix=""', ['m:default', 'x:other', 'plain', '"\\quoted']],
    ['grip; message-prefix=x:', ['other']],
    ['grip; message-prefix="x:"; other=1', ['other']],
    ['grip; message-prefix=a; message-prefix="x:"', ['other']],
    ['grip; message-prefix="\\"\\\\"', ['quoted']],
    ['other, grip; message-prefix="x:"', ['other']],
    ['Grip', messages],
    ['grip; message-prefix="unterminated', messages],
    ['other', messages],
  ])('Sec-WebSocket-Extensions: %s', async (extension, expected) => {
    const headers = { 'Sec-WebSocket-Extensions': extension }
    const events = messages.map((message) => encodeEvent('TEXT', message))
    const client = await rig.connect(rig.serve(accepting(() => events, { headers })))
    client.send('go')
    await client.waitFor(expected.length)
    await client.close()
    expect(client.texts).toEqual(expected)
  })

  test('a binary message is a message, also with a control prefix; what a client sends is left alone', async () => {
    const path = rig.serve(accepting(echo, { headers: { 'Sec-WebSocket-Extensions': 'grip; message-prefix=""' } }))
    const client = await rig.connect(path)
    client.send(Buffer.from('c:{"type":"detach"}'))
    expect(await client.waitFor(1)).toEqual(['c:{"type":"detach"}'])
    expect((await rig.bodies(path, 2))[1]).toBe('BINARY 13\r\nc:{"type":"detach"}\r\n')
  })
})

describe('control messages', () => {
  test('subscribe and unsubscribe, also of channels that are not there and of the same one twice', async () => {
    const wanted: Record<string, readonly Buffer[]> = {
      more: [subscribeEvent('two'), subscribeEvent('two'), encodeEvent('TEXT', 'subscribed')],
      less: ['one', 'never', 'two'].map((channel) => controlEvent({ type: 'unsubscribe', channel })),
    }
    const path = rig.serve(
      accepting(({ content }) => [...(wanted[String(content)] ?? []), encodeEvent('TEXT', `did ${String(content)}`)], {
        events: [subscribeEvent('one')],
      }),
    )
    const client = await rig.connect(path)
    await rig.publish(wsItem('one', 'first'), wsItem('two', 'not yet'))
    await client.waitForText('first')
    client.send('more')
    await client.waitForText('subscribed')
    await rig.publish(wsItem('one', 'second'), wsItem('two', 'third'))
    await client.waitForText('third')
    client.send('less')
    await client.waitForText('did less')
    await rig.publish(wsItem('one', 'lost'), wsItem('two', 'lost'))
    client.send('end')
    await client.waitForText('did end')
    expect(client.texts).toEqual(['first', 'subscribed', 'did more', 'second', 'third', 'did less', 'did end'])
  })

  test('what makes no sense is ignored', async () => {
    const bad = [
      'c:',
      'c:[]',
      'c:{"type":"subscribe"}',
      'c:{"type":"subscribe","channel":""}',
      'c:{"type":"subscribe","channel":5}',
      'c:{"type":"dance"}',
      'c:{',
    ]
    const events = bad.map((text) => encodeEvent('TEXT', text))
    const client = await rig.connect(rig.serve(accepting(echo, { events })))
    client.send('still here')
    expect(await client.waitFor(1)).toEqual(['still here'])
  })

  test('detach: the backend gets CLOSE and nothing after it; publishes go on', async () => {
    const events = [subscribeEvent('detached'), controlEvent({ type: 'detach' }), encodeEvent('TEXT', 'hello')]
    const path = rig.serve(accepting(echo, { events }))
    const client = await rig.connect(path)
    await rig.publish(wsItem('detached', 'published'))
    await client.waitForText('published')
    client.send('nobody reads this')
    await rig.publish(wsItem('detached', 'more'))
    await client.waitForText('more')
    await client.close(1000)
    expect(await rig.bodies(path, 2)).toEqual(['OPEN\r\n', 'CLOSE\r\n'])
    expect(rig.backend.calls.filter(({ url }) => url === path)).toHaveLength(2)
  })

  test('20 channels and no more', async () => {
    const channels = Array.from({ length: 21 }, (_, at) => `many-${at}`)
    const client = await subscribed(channels)
    await rig.publish(wsItem('many-20', 'not heard'), wsItem('many-19', 'heard'))
    expect(await client.waitFor(1)).toEqual(['heard'])
  })
})

describe('channels of routes', () => {
  test("a route's prefix stands in front of what the backend names", async () => {
    const client = await subscribed(['news'], '/prefixed')
    await rig.publish(wsItem('news', 'other'), wsItem('app-news', 'ours'))
    expect(await client.waitFor(1)).toEqual(['ours'])
  })

  test('sub= of a target subscribes by itself, and cannot be unsubscribed', async () => {
    const events = [controlEvent({ type: 'unsubscribe', channel: 'implied' })]
    const client = await rig.connect(rig.serve(accepting(echo, { events }), '/implicit'))
    await rig.publish(wsItem('implied', 'hello'))
    expect(await client.waitFor(1)).toEqual(['hello'])
  })

  test('the test target below a path_beg: echo and publishes', async () => {
    const client = await rig.connect('/built-in/ws?channel=one&channel=two')
    client.send('hello')
    client.send(Buffer.from('bytes'))
    expect(await client.waitFor(2)).toEqual(['hello', 'bytes'])
    await rig.publish(wsItem('one', 'first'), wsItem('two', 'second'))
    expect(await client.waitFor(4)).toEqual(['hello', 'bytes', 'first', 'second'])
    expect(await client.close(4000, 'bye')).toEqual({ code: 4000, reason: 'bye' })
  })
})

describe('publishes', () => {
  test('reach clients on every shard', async () => {
    const path = rig.serve(accepting(echo, { events: [subscribeEvent('everywhere')] }))
    const clients = await onePerShard(
      rig.gateway,
      'tackboard_ws_connections',
      () => rig.connect(path),
      (client) => {
        client.terminate()
      },
    )
    await rig.publish(wsItem('everywhere', 'hello'))
    for (const client of clients) expect(await client.waitFor(1)).toEqual(['hello'])
    expect(clients).toHaveLength(2)
  })

  test('text, binary, ping; a pong is dropped and counted', async () => {
    const client = await subscribed(['types'])
    const drops = (metrics: Metrics): number => metrics.value('tackboard_drops_total', { reason: 'ws_pong' })
    const before = drops(await rig.gateway.metrics())
    await rig.publish(
      item('types', { content: 'gr\u00fc\u00dfe' }),
      item('types', { 'content-bin': Buffer.from([0, 255, 10]).toString('base64') }),
      item('types', { type: 'binary', content: 'as binary' }),
      item('types', { type: 'pong', content: 'x' }),
      item('types', { type: 'ping', content: 'there?' }),
      item('types', { content: '' }),
    )
    await client.waitFor(4)
    expect(client.messages.map(({ data, isBinary }) => [isBinary, data.toString('latin1')])).toEqual([
      [false, 'gr\u00c3\u00bc\u00c3\u009fe'],
      [true, '\x00\xff\n'],
      [true, 'as binary'],
      [false, ''],
    ])
    expect(client.pings.map(String)).toEqual(['there?'])
    expect(client.pongs).toEqual([])
    expect(drops(await rig.gateway.metrics())).toBe(before + 1)
  })

  test('close: the client gets code and reason, the backend a bare CLOSE', async () => {
    const client = await subscribed(['closing'])
    await rig.publish(wsItem('closing', 'last'), item('closing', { action: 'close', code: 4002, reason: 'enough' }))
    expect(await client.closed).toEqual({ code: 4002, reason: 'enough' })
    expect(client.texts).toEqual(['last'])
    expect(await rig.bodies(client.path, 2)).toEqual(['OPEN\r\n', 'CLOSE\r\n'])
  })

  test('close without a code', async () => {
    const client = await subscribed(['closing'])
    await rig.publish(item('closing', { action: 'close' }))
    expect(await client.closed).toEqual({ code: 1000, reason: '' })
  })

  test('refresh: the backend is asked at once, with nothing to say', async () => {
    const client = await subscribed(['refreshing'])
    await rig.publish(item('refreshing', { action: 'refresh' }))
    const [, call] = await rig.requests(client.path, 2)
    expect([call?.body.toString(), call?.header('Content-Length')]).toEqual(['', '0'])
  })
})

test('a client that does not read loses publishes, whole ones, and each is counted', async () => {
  const path = rig.serve(accepting(echo, { events: [subscribeEvent('slow')] }))
  const client = await rig.connectRaw(path)
  await client.readHead()
  client.pause()
  const written = (metrics: Metrics): number => metrics.value('tackboard_ws_messages_out_total')
  const dropped = (metrics: Metrics): number => metrics.value('tackboard_drops_total', { reason: 'ws_backpressure' })
  const before = await rig.gateway.metrics()
  const count = 400
  const text = (at: number): string => `${String(at).padStart(5, '0')}${'x'.repeat(50_000)}`
  for (let at = 0; at < count; at += 1) await rig.publish(wsItem('slow', text(at)))
  // A publish counts for each subscriber, either as a message out or as dropped.
  const done = (metrics: Metrics): number => written(metrics) + dropped(metrics)
  const after = await rig.gateway.metricsWhere((now) => done(now) - done(before) === count)
  expect(dropped(after)).toBeGreaterThan(dropped(before))
  expect(after.value('tackboard_ws_connections')).toBe(1)

  client.resume()
  const received: string[] = []
  while (received.length < count - (dropped(after) - dropped(before))) {
    await client.readUntil((bytes) => {
      const { frames, consumed } = parseServerFrames(bytes)
      received.push(...frames.map(({ payload }) => payload.toString('latin1', 0, 5)))
      expect(frames.every(({ opcode, payload }) => opcode === Opcode.Text && payload.length === 50_005)).toBe(true)
      return consumed > 0 ? consumed : null
    })
  }
  expect(received).toEqual([...received].sort())
  await rig.publish(wsItem('slow', 'here again'))
  await client.readUntil('here again')
})
