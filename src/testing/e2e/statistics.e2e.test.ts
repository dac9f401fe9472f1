/** Statistics as their listeners see them: ZeroMQ SUB on stats_spec, curl on the Prometheus ports. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { isDeepStrictEqual, promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { Commander } from '../commander.js'
import { freePorts } from '../free-ports.js'
import { type Gateway, startGateway } from '../gateway.js'
import { publishHttp, streamItem, wsItem } from '../publish.js'
import { RawClient } from '../raw-client.js'
import { type BackendCall, ScriptedBackend } from '../scripted-backend.js'
import { onePerShard } from '../shards.js'
import { StatsListener } from '../stats-listener.js'
import { StreamClient } from '../stream-client.js'
import { poll } from '../wait.js'
import { echoAndSubscribe } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** `/poll`: a long poll; a WebSocket: its channel is in its path; anything else: a stream. All of channel `c`. */
function script(call: BackendCall): void | Promise<void> {
  if (call.header('content-type') === 'application/websocket-events') return echoAndSubscribe(call)
  const hold = call.url.startsWith('/poll') ? 'response' : 'stream'
  call.answer(200, ['Grip-Hold', hold, 'Grip-Channel', 'c'], 'open\n')
}

async function start(conf: Readonly<Record<string, string>>): Promise<{ gateway: Gateway; spec: string }> {
  const backend = await ScriptedBackend.start(script)
  cleanups.push(() => backend.stop())
  const gateway = await startGateway({
    routes: [`*,id=main 127.0.0.1:${backend.port},over_http`],
    workers: 2,
    conf: { 'handler.stats_spec': 'ipc://{rundir}/stats', ...conf },
  })
  cleanups.push(() => gateway.stop())
  return { gateway, spec: `ipc://${join(gateway.folder, 'stats')}` }
}

function listen(spec: string, ...prefixes: string[]): StatsListener {
  const listener = StatsListener.connect(spec, prefixes)
  cleanups.push(() => {
    listener.close()
  })
  return listener
}

async function streamPerShard(gateway: Gateway): Promise<StreamClient[]> {
  return onePerShard(
    gateway,
    'tackboard_stream_holds',
    async () => {
      const client = await StreamClient.open(gateway.ports.http, '/')
      cleanups.push(() => {
        client.destroy()
      })
      return client
    },
    (client) => {
      client.destroy()
    },
  )
}

/** The numbers at a Prometheus port, by name, as curl gets them. */
async function scrape(port: number): Promise<Record<string, number>> {
  const { stdout } = await promisify(execFile)('curl', ['-sS', `http://127.0.0.1:${String(port)}/any/path`])
  const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(lines.map((line) => line.split(' ')).map(([name = '', value]) => [name, Number(value)]))
}

/** Of the connections of this type that it has heard of. */
function idsOf(listener: StatsListener, type: string): Set<unknown> {
  return new Set(listener.packets.filter(({ fields }) => fields.type === type).map(({ fields }) => fields.id))
}

test('tells who holds a channel and how many an item went to, over all shards', async () => {
  const { gateway, spec } = await start({ 'handler.stats_format': 'json' })
  const listener = listen(spec, 'message', 'sub')
  const streams = await streamPerShard(gateway)
  await listener.waitFor('sub', { mode: 'stream', channel: 'c', subscribers: streams.length, ttl: 60 })
  const ws = await WsClient.connect(gateway.wsUrl('/?channel=w'))
  cleanups.push(() => {
    ws.terminate()
  })
  await listener.waitFor('sub', { mode: 'ws', channel: 'w', subscribers: 1 })

  const both = { ...streamItem('c', 'hello\n'), id: 'one' }
  await publishHttp(gateway.controlUrl('/publish/'), both, wsItem('w', 'hello'))
  const { from } = await listener.waitFor('message', {
    channel: 'c',
    'item-id': 'one',
    count: streams.length,
    transport: 'http-stream',
  })
  expect(from).toBe(`tackboard_${String(gateway.pid)}`)
  await listener.waitFor('message', { channel: 'w', count: 1, transport: 'ws-message', from: from ?? '' })

  ws.terminate()
  await listener.waitFor('sub', { mode: 'ws', channel: 'w', unavailable: true })
  for (const stream of streams) stream.destroy()
  await listener.waitFor('sub', { mode: 'stream', channel: 'c', unavailable: true })
  // Nobody has asked for anything else.
  expect(new Set(listener.packets.map(({ type }) => type))).toEqual(new Set(['sub', 'message']))
})

test('tells of connections that come, go, or were there before, in tnetstrings', async () => {
  const { gateway, spec } = await start({ 'global.stats_connection_ttl': '30' })
  const early = await StreamClient.open(gateway.ports.http, '/')
  const earlyWs = await WsClient.connect(gateway.wsUrl('/?channel=w'))
  const listener = listen(spec, 'counts', 'conn ')
  const here = { 'peer-address': '127.0.0.1', route: 'main', ttl: 30 }
  const stream = await listener.waitFor('conn', { type: 'http', ...here })
  const ws = await listener.waitFor('conn', { type: 'ws', ...here })
  early.destroy()
  earlyWs.terminate()
  for (const { id } of [stream, ws]) await listener.waitFor('conn', { id: id ?? '', unavailable: true })

  const late = await WsClient.connect(gateway.wsUrl('/?channel=w'))
  await poll(
    async () => idsOf(listener, 'ws').size === 2 || undefined,
    () => 'the second WebSocket',
  )
  late.terminate()
  await listener.waitFor('counts', { 'requests-received': 1 })
})

test('sends nothing of single connections when stats_connection_send says so', async () => {
  const { gateway, spec } = await start({ 'global.stats_connection_send': 'false' })
  const listener = listen(spec, '')
  const early = await StreamClient.open(gateway.ports.http, '/')
  // It is heard now, of what was there before, too.
  await listener.waitFor('sub', { channel: 'c', mode: 'stream' })
  early.destroy()
  const late = await StreamClient.open(gateway.ports.http, '/')
  cleanups.push(() => {
    late.destroy()
  })
  await listener.waitFor('counts', {})
  expect(listener.packets.filter(({ type }) => type === 'conn')).toEqual([])
})

test('reports what each route had, over all shards, bytes of what was open before included', async () => {
  const { gateway, spec } = await start({ 'handler.stats_report_interval': '1', 'handler.message_block_size': '4' })
  const streams = await streamPerShard(gateway)
  const listener = listen(spec, 'report', 'activity')
  await listener.waitFor('report', { route: 'main', connections: streams.length })
  await publishHttp(gateway.controlUrl('/publish/'), streamItem('c', 'hello\n'))
  const total = (field: string, route: string | undefined): number =>
    listener.packets
      .filter(({ type, fields }) => type === 'report' && fields.route === route)
      .reduce((sum, { fields }) => sum + ((fields[field] as number | undefined) ?? 0), 0)
  const sums = (): unknown => [
    total('received', undefined),
    total('blocks-received', undefined),
    total('sent', 'main'),
    total('blocks-sent', 'main'),
    total('client-content-bytes-sent', 'main'),
    total('minutes', 'main'),
  ]
  const count = streams.length
  await listener.until(
    () => isDeepStrictEqual(sums(), [1, 2, count, 2 * count, 6 * count, 0]) || undefined,
    () => JSON.stringify(sums()),
  )
  const late = await WsClient.connect(gateway.wsUrl('/?channel=w'))
  await listener.waitFor('activity', { route: 'main', count: 1 })
  await listener.waitFor('report', { route: 'main', connections: count + 1, minutes: 1 })
  for (const stream of streams) stream.destroy()
  late.terminate()
  await listener.waitFor('report', { route: 'main', connections: 0 })
  expect(new Set(listener.packets.map(({ type }) => type))).toEqual(new Set(['report', 'activity']))
})

test('sends no reports when there is no interval', async () => {
  const { gateway, spec } = await start({ 'handler.stats_report_interval': '0' })
  const listener = listen(spec, 'report', 'activity')
  await poll(
    async () => {
      const stream = await StreamClient.open(gateway.ports.http, '/')
      stream.destroy()
      return listener.packets.length > 2 || undefined
    },
    () => 'activity is heard',
  )
  expect(new Set(listener.packets.map(({ type }) => type))).toEqual(new Set(['activity']))
})

test('shows the numbers of Pushpin for Prometheus on both ports', async () => {
  const [port = 0, other = 0] = await freePorts(2)
  const { gateway } = await start({
    'handler.stats_spec': '',
    // Its end would let the peak of connections begin anew.
    'handler.stats_report_interval': '3600',
    'handler.prometheus_port': String(port),
    'handler.prometheus_prefix': 'pp_',
    'proxy.prometheus_port': `127.0.0.1:${String(other)}`,
  })
  const stream = await StreamClient.open(gateway.ports.http, '/')
  cleanups.push(() => {
    stream.destroy()
  })
  const waiting = await RawClient.connect(gateway.ports.http)
  cleanups.push(() => {
    waiting.destroy()
  })
  await waiting.send('GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await poll(
    async () => (await scrape(port)).pp_connection_connected === 2 || undefined,
    () => 'two connections',
  )
  await poll(
    async () => (await gateway.metrics()).value('tackboard_response_holds') === 1 || undefined,
    () => 'the long poll is held',
  )
  const item = { channel: 'c', formats: { 'http-stream': { content: 'x\n' }, 'http-response': { body: 'y' } } }
  await publishHttp(gateway.controlUrl('/publish/'), item, wsItem('nobody', 'z'))
  const wanted = {
    request_received: 2,
    connection_connected: 2,
    connection_minute: 2,
    message_received: 2,
    message_sent: 2,
  }
  const prefixed = Object.fromEntries(Object.entries(wanted).map(([name, value]) => [`pp_${name}`, value]))
  await poll(
    async () => JSON.stringify(await scrape(port)) === JSON.stringify(prefixed) || undefined,
    () => 'the numbers',
  )
  expect(await scrape(other)).toEqual(wanted)
})

test('conncheck knows held HTTP requests by the ids that statistics tell, also when nobody listens any more', async () => {
  const { gateway, spec } = await start({})
  const commander = Commander.connect(gateway.ports.command)
  cleanups.push(() => {
    commander.close()
  })
  const listener = listen(spec, 'conn ')
  // So many that hardly ever all are on one shard; none of them ends before its time.
  const streams = await Promise.all(Array.from({ length: 6 }, () => StreamClient.open(gateway.ports.http, '/')))
  cleanups.push(() => {
    for (const stream of streams) stream.destroy()
  })
  const longPoll = await RawClient.connect(gateway.ports.http)
  cleanups.push(() => {
    longPoll.destroy()
  })
  await longPoll.send('GET /poll HTTP/1.1\r\nHost: a\r\n\r\n')
  const told = (): Set<unknown> => idsOf(listener, 'http')
  await poll(
    async () => told().size > streams.length || undefined,
    () => 'the ids of all',
  )
  const ids = [...told()] as string[]
  const connected = async (): Promise<unknown> => {
    const reply = await commander.call('conncheck', { ids: ['nobody', ...ids] })
    return (reply as { value: unknown }).value
  }
  expect(await connected()).toEqual(ids)
  listener.close()
  longPoll.destroy()
  const left = await poll(
    async () => {
      const found = (await connected()) as string[]
      return found.length === streams.length ? found : undefined
    },
    () => 'the streams alone',
  )
  expect(ids).toEqual(expect.arrayContaining(left))
  for (const stream of streams) stream.destroy()
  await poll(
    async () => ((await connected()) as string[]).length === 0 || undefined,
    () => 'nobody is left',
  )
})
