/** What the shards of one gateway share and what they do not: messages, limits, counters, logs. */
import { afterEach, describe, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import type { Gateway, GatewayOptions } from '../gateway.js'
import { postPublish, publishHttp, PushPublisher, streamItem, wsItem } from '../publish.js'
import { RawClient } from '../raw-client.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { byShard, onePerShard } from '../shards.js'
import { StreamClient } from '../stream-client.js'
import { WsClient, WsRejected } from '../ws-client.js'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway({ routes: ['* test'], ...options })
  cleanups.push(() => gateway.stop())
  return gateway
}

async function openStream(gateway: Gateway, ...channels: string[]): Promise<StreamClient> {
  const query = channels.map((channel) => `channel=${channel}`).join('&')
  const client = await StreamClient.open(gateway.ports.http, `/stream?${query}`)
  cleanups.push(() => client.destroy())
  return client
}

/** A stream on its own channel on each shard: `s0` on shard 0 … The names the clients came with are in `channels`. */
async function streamOnEachShard(
  gateway: Gateway,
  prefix: string,
): Promise<{ clients: StreamClient[]; channels: string[] }> {
  const names = new Map<StreamClient, string>()
  const clients = await onePerShard(
    gateway,
    'tackboard_stream_holds',
    async (attempt) => {
      const client = await openStream(gateway, `${prefix}${attempt}`)
      names.set(client, `${prefix}${attempt}`)
      return client
    },
    (client) => client.destroy(),
  )
  return { clients, channels: clients.map((client) => names.get(client) as string) }
}

describe('messages', () => {
  test('of a channel go to the shards that hold it, and to no other', async () => {
    const gateway = await start({ workers: 3 })
    const { clients, channels } = await streamOnEachShard(gateway, 'only-')
    const publishUrl = gateway.controlUrl('/publish/')
    for (const [shard, channel] of channels.entries()) {
      const before = byShard(await gateway.metrics(), 'tackboard_bus_items_total')
      await publishHttp(publishUrl, ...Array.from({ length: 50 }, (_, n) => streamItem(channel, `${n} `)))
      await clients[shard]?.waitForText(' 49 ')
      const after = byShard(await gateway.metrics(), 'tackboard_bus_items_total')
      expect(after).toEqual(before.map((items, at) => items + (at === shard ? 50 : 0)))
    }
    const before = await gateway.metrics()
    await publishHttp(publishUrl, streamItem('nobody', 'x'), streamItem('', 'x'), streamItem('only', 'x'))
    const after = await gateway.metrics()
    expect(byShard(after, 'tackboard_bus_items_total')).toEqual(byShard(before, 'tackboard_bus_items_total'))
    const unsubscribed = 'tackboard_publish_unsubscribed_total'
    expect(after.value(unsubscribed) - before.value(unsubscribed)).toBe(3)
    expect(after.value('tackboard_bus_foreign_total')).toBe(0)
  })

  test('of two channels of which one is a prefix of the other are kept apart, on one shard and on several', async () => {
    const gateway = await start()
    const short = await onePerShard(
      gateway,
      'tackboard_stream_holds',
      () => openStream(gateway, 'news'),
      (client) => client.destroy(),
    )
    const long = await onePerShard(
      gateway,
      'tackboard_stream_holds',
      () => openStream(gateway, 'news.sport'),
      (client) => client.destroy(),
    )
    const pusher = PushPublisher.connect(gateway.ports.pull)
    cleanups.push(() => pusher.close())
    for (const channel of ['new', 'news', 'news.', 'news.sport', 'news.sports', 'NEWS']) {
      await pusher.publish(streamItem(channel, `<${channel}>`))
    }
    await publishHttp(gateway.controlUrl('/publish/'), streamItem('news', 'end'), streamItem('news.sport', 'end'))
    for (const client of short) {
      await client.waitForText('<news>')
      await client.waitForText('end')
      expect(client.text.replace('end', '')).toBe('[stream opened]\n<news>')
    }
    for (const client of long) {
      await client.waitForText('<news.sport>')
      await client.waitForText('end')
      expect(client.text.replace('end', '')).toBe('[stream opened]\n<news.sport>')
    }
  })
})

describe('client_maxconn', () => {
  test('counts over all shards, WebSockets and idle connections included, and those that went no more', async () => {
    const gateway = await start({ conf: { 'runner.client_maxconn': '10' } })
    const streams: StreamClient[] = []
    for (let n = 0; n < 6; n += 1) streams.push(await openStream(gateway, 'max'))
    const sockets: WsClient[] = []
    for (let n = 0; n < 3; n += 1) sockets.push(await WsClient.connect(gateway.wsUrl('/ws')))
    const idle = await RawClient.connect(gateway.ports.http)
    cleanups.push(() => idle.destroy(), ...sockets.map((socket) => () => socket.terminate()))
    const full = await gateway.metricsWhere((metrics) => metrics.value('tackboard_connections') === 10)
    const sum = (name: string): number => byShard(full, name).reduce((a, b) => a + b, 0)
    expect([sum('tackboard_http_connections'), sum('tackboard_ws_connections')]).toEqual([7, 3])

    for (let n = 1; n <= 5; n += 1) {
      const refused = await RawClient.connect(gateway.ports.http)
      await refused.closed
      expect(refused.pending.toString()).toBe('')
    }
    const metrics = await gateway.metricsWhere((now) => now.value('tackboard_refused_maxconn_total') === 5)
    expect(metrics.value('tackboard_connections')).toBe(10)

    streams[0]?.destroy()
    sockets[0]?.terminate()
    await gateway.metricsWhere((now) => now.value('tackboard_connections') === 8)
    await openStream(gateway, 'max')
    sockets.push(await WsClient.connect(gateway.wsUrl('/ws')))
    cleanups.push(() => sockets[3]?.terminate())
    await publishHttp(gateway.controlUrl('/publish/'), streamItem('max', 'still there'))
    await streams[5]?.waitForText('still there')
  })
})

describe('slow readers', () => {
  const ITEMS = 1_500
  const text = (n: number): string => `${String(n).padStart(6, '0')}${'x'.repeat(9_993)}\n`
  const numbersOf = (body: string): number[] => [...body.matchAll(/(\d{6})x+\n/g)].map((match) => Number(match[1]))

  test('of a stream: delivered + dropped = published, the fast reader beside it misses nothing', async () => {
    const gateway = await start()
    const publishUrl = gateway.controlUrl('/publish/')
    const slow = await openStream(gateway, 'slow')
    const fast = await openStream(gateway, 'slow')
    slow.socket.pause()
    let published = 0
    for (; published < ITEMS; published += 10) {
      await publishHttp(publishUrl, ...Array.from({ length: 10 }, (_, n) => streamItem('slow', text(published + n))))
      // Not more than the fast one can read: it is the slow one that is to fall behind.
      await fast.waitUntil((body) => body.length >= 10_000 * (published + 10))
    }
    expect(numbersOf(fast.text)).toEqual(Array.from({ length: ITEMS }, (_, n) => n))
    const full = await gateway.metrics()
    expect(full.value('tackboard_drops_total', { reason: 'stream_backlog' })).toBeGreaterThan(0)

    // Reading again, it gets what is published, after a while.
    slow.socket.resume()
    let recent = -1
    while (!slow.text.includes(`${String(recent).padStart(6, '0')}x`)) {
      recent = published
      await publishHttp(publishUrl, streamItem('slow', text(published)))
      published += 1
      await fast.waitUntil((body) => body.length >= 10_000 * published)
      await gateway.metrics()
    }
    const metrics = await gateway.metrics()
    const written = metrics.value('tackboard_stream_items_out_total')
    expect(written + metrics.value('tackboard_drops_total', { reason: 'stream_backlog' })).toBe(2 * published)
    await slow.waitUntil((body) => body.length >= '[stream opened]\n'.length + 10_000 * (written - published))
    const numbers = numbersOf(slow.text)
    expect(numbers).toHaveLength(written - published)
    // In order, each once, and whole.
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
    expect(slow.text.length).toBe('[stream opened]\n'.length + 10_000 * numbers.length)
  })
})

describe('see it', () => {
  test('/health is 200 while it serves, /metrics is Prometheus text with a value per shard', async () => {
    const gateway = await start({ workers: 3 })
    const health = await fetch(gateway.controlUrl('/health'))
    expect([health.status, await health.text()]).toEqual([200, 'ok\n'])
    const response = await fetch(gateway.controlUrl('/metrics'))
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const text = await response.text()
    for (const [, name = ''] of text.matchAll(/^(tackboard_\w+)[{ ]/gm)) {
      expect(text).toContain(`\n# TYPE ${name} `)
      expect(`\n${text}`).toContain(`\n# HELP ${name} `)
    }
    const metrics = await gateway.metrics()
    for (const name of ['requests_total', 'channels', 'loop_lag_ms', 'ws_connections', 'backend_ok_total']) {
      expect(metrics.find(`tackboard_${name}`).map(({ labels }) => labels['shard'])).toEqual(['0', '1', '2'])
    }
    expect(metrics.value('tackboard_build_info', { version: '0.1.0' })).toBe(1)
  })

  test('gauges and counters follow what happens', async () => {
    const backend = await ScriptedBackend.start((call) => call.answer(200, {}, 'hello'))
    cleanups.push(() => backend.stop())
    const routes = ['*,path_beg=/proxied ' + backend.target, '*,path_beg=/down 127.0.0.1:1', '* test']
    const gateway = await start({ routes })
    const stream = await openStream(gateway, 'm1', 'm2')
    const socket = await WsClient.connect(gateway.wsUrl('/ws?channel=m1'))
    socket.send('echo')
    await socket.waitForText('echo')
    const poll = StreamClient.send(gateway.ports.http, '/response?channel=m3')
    expect(await (await fetch(gateway.httpUrl('/proxied'))).text()).toBe('hello')
    expect((await fetch(gateway.httpUrl('/down'))).status).toBe(502)
    const held = await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === 1)
    expect(held.value('tackboard_stream_holds')).toBe(1)
    expect(held.value('tackboard_ws_connections')).toBe(1)
    expect(held.value('tackboard_subscribed_channels')).toBe(3)
    expect(held.value('tackboard_requests_total')).toBe(5)
    expect(held.value('tackboard_backend_connect_failed_total')).toBe(1)
    expect(held.value('tackboard_ws_messages_in_total')).toBe(1)

    const format = { body: 'answered' }
    const item = { channel: 'm3', formats: { 'http-response': format } }
    const refused = await postPublish(gateway.controlUrl('/publish/'), '{"items":[{}]}')
    expect(refused.status).toBe(400)
    const { 'ws-message': wsFormat } = wsItem('m1', 'x')['formats'] as Record<string, object>
    const both = { channel: 'm1', formats: { 'http-stream': { content: 'x\n' }, 'ws-message': wsFormat } }
    await publishHttp(gateway.controlUrl('/publish/'), item, both)
    expect(await poll.waitForEnd()).toBe('answered')
    await socket.waitFor(2)
    await stream.waitForText('x\n')
    // A shard counts behind the write.
    const after = await gateway.metricsWhere(
      (metrics) =>
        metrics.value('tackboard_response_holds') === 0 && metrics.value('tackboard_stream_items_out_total') === 1,
    )
    expect(after.value('tackboard_responses_out_total')).toBe(1)
    expect(after.value('tackboard_publish_items_total', { door: 'http' })).toBe(2)
    expect(after.value('tackboard_bus_put_total')).toBe(2)
    poll.destroy()
    stream.destroy()
    socket.terminate()
    const gone = await gateway.metricsWhere((metrics) => metrics.value('tackboard_ws_connections') === 0)
    expect(gone.value('tackboard_callback_errors_total')).toBe(0)
  })

  test('one access line per request, with route, status, bytes and duration', async () => {
    const backend = await ScriptedBackend.start((call) => call.answer(203, {}, 'twelve bytes'))
    cleanups.push(() => backend.stop())
    const routes = [`*,path_beg=/proxied,id=proxied ${backend.target}`, '*,path_beg=/t,id=tests test']
    const gateway = await start({ routes, conf: { 'proxy.log_from': 'true', 'proxy.log_user_agent': 'true' } })
    const headers = { 'User-Agent': 'the tester', Referer: 'http://elsewhere/' }
    await (await fetch(gateway.httpUrl('/proxied?a=b'), { method: 'POST', body: 'x', headers })).text()
    await (await fetch(gateway.httpUrl('/nowhere'))).text()
    const stream = await openStreamAt(gateway, '/t/stream')
    stream.destroy()
    const socket = await WsClient.connect(gateway.wsUrl('/t/ws'))
    await socket.close(1000)
    await expect(WsClient.connect(gateway.wsUrl('/t/none'))).rejects.toThrow(WsRejected)
    // Each shard writes its lines a moment later.
    await gateway.printed(/(?:"msg":"access"[^]*){5}/)
    const lines = gateway.stdout
      .split('\n')
      .filter((line) => line.includes('"msg":"access"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const facts = lines.map(({ method, url, route, status, bytes, outcome }) =>
      [method, String(url).replace(/^(\w+):\/\/[^/]+/, '$1:'), route, status, bytes, outcome].join(' '),
    )
    expect(facts.sort()).toEqual([
      'GET http:/nowhere  502 29 error',
      'GET http:/t/stream tests 200 16 held',
      'GET ws:/t/none tests 404 22 rejected',
      'GET ws:/t/ws tests 101 0 opened',
      'POST http:/proxied?a=b proxied 203 12 relayed',
    ])
    for (const line of lines) {
      expect(line['durationMs']).toBeGreaterThanOrEqual(0)
      expect([0, 1]).toContain(line['shard'])
    }
    const proxied = lines.find(({ route }) => route === 'proxied')
    expect(proxied).toMatchObject({ from: '127.0.0.1', userAgent: 'the tester', referer: 'http://elsewhere/' })
    expect(proxied).toMatchObject({ target: backend.target })
  })

  async function openStreamAt(gateway: Gateway, path: string): Promise<StreamClient> {
    const client = await StreamClient.open(gateway.ports.http, path)
    cleanups.push(() => client.destroy())
    return client
  }
})
