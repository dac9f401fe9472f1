/** Statistics: packets of the stats socket about items, connections, subscribers and requests; the Prometheus port. */
import { get } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import type { Plain } from '../../commander.js'
import type { StatsListener, StatsPacketSeen } from '../../stats-listener.js'
import type { Scenario } from '../scenario.js'
import { ask, openWebSocket, publishAll, scenario, serve } from '../stats-play.js'
import type { World } from '../world.js'
import { quiet } from '../world.js'

type Fields = Readonly<Record<string, Plain>>

/** Without what names the gateway or a connection. */
function shownFields({ fields }: StatsPacketSeen): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => name !== 'from' && name !== 'id'))
}

const isOf =
  (type: string, channel: string) =>
  (packet: StatsPacketSeen): boolean =>
    packet.type === type && packet.fields.channel === channel

function withoutChannel(packet: StatsPacketSeen): Fields {
  return Object.fromEntries(Object.entries(shownFields(packet)).filter(([name]) => name !== 'channel'))
}

/** What is told again unchanged, as it is now and then, counts once. */
function subsOf(listener: StatsListener, channel: string): Fields[] {
  const all = listener.packets.filter(isOf('sub', channel)).map(withoutChannel)
  return all.filter((fields, at) => at === 0 || !isDeepStrictEqual(fields, all[at - 1]))
}

const PROMETHEUS = [
  '200 text/plain',
  ...(
    [
      ['request_received', 'counter', 'Number of requests received'],
      ['connection_connected', 'gauge', 'Number of concurrent connections'],
      ['connection_minute', 'counter', 'Number of minutes clients have been connected'],
      ['message_received', 'counter', 'Number of messages received by the publish API'],
      ['message_sent', 'counter', 'Number of messages sent to clients'],
    ] as const
  ).flatMap(([name, type, help]) => [
    `# HELP pushpin_${name} ${help}`,
    `# TYPE pushpin_${name} ${type}`,
    `pushpin_${name} N`,
  ]),
  '',
]

export const stats: Scenario[] = [
  scenario(
    'conn: a stream comes and goes',
    async (world) => {
      const listener = await world.stats()
      serve(world)
      const { client } = await ask(world, 'conn', 'stream')
      await client.readUntil('opened\n')
      const up = await listener.waitFor('conn', { route: 'conn', type: 'http' })
      client.destroy()
      const down = await listener.waitFor('conn', { id: up.id as Plain, unavailable: true })
      return [up, down].map((fields) => shownFields({ type: '', form: '', fields }))
    },
    [
      { route: 'conn', type: 'http', 'peer-address': '127.0.0.1', ttl: 120 },
      { route: 'conn', unavailable: true },
    ],
  ),
  scenario(
    'conn: a WebSocket comes and goes',
    async (world) => {
      const listener = await world.stats()
      serve(world)
      const client = await openWebSocket(world, 'conn')
      await client.opened()
      const up = await listener.waitFor('conn', { route: 'conn', type: 'ws' })
      client.drop()
      const down = await listener.waitFor('conn', { id: up.id as Plain, unavailable: true })
      return [up, down].map((fields) => shownFields({ type: '', form: '', fields }))
    },
    [
      { route: 'conn', type: 'ws', 'peer-address': '127.0.0.1', ttl: 120 },
      { route: 'conn', unavailable: true },
    ],
  ),
  scenario(
    'conn: without an id of its own a route is not named',
    async (world) => {
      const listener = await world.stats()
      serve(world)
      const known = new Set(listener.packets.map(({ fields }) => fields.id))
      const client = await world.client()
      await client.send(`GET ${world.path('/stream')} HTTP/1.1\r\nHost: any.test\r\n\r\n`)
      await client.readUntil('opened\n')
      const unnamed = await listener.until(
        () =>
          listener.packets.find(({ type, fields }) => type === 'conn' && !known.has(fields.id) && !('route' in fields)),
        () => 'a connection without a route',
      )
      return shownFields(unnamed)
    },
    { type: 'http', 'peer-address': '127.0.0.1', ttl: 120 },
  ),
  scenario(
    'sub: of a stream: the first, the second, the end',
    async (world) => {
      const listener = await world.stats()
      serve(world)
      const told = (): Fields[] => subsOf(listener, world.channel)
      const one = await ask(world, 'conn', 'stream')
      await listener.waitFor('sub', { channel: world.channel, subscribers: 1 })
      const two = await ask(world, 'conn', 'stream')
      await listener.waitFor('sub', { channel: world.channel, subscribers: 2 })
      one.client.destroy()
      two.client.destroy()
      await listener.waitFor('sub', { channel: world.channel, unavailable: true })
      return told()
    },
    [
      { mode: 'stream', ttl: 60, subscribers: 1 },
      { mode: 'stream', ttl: 60, subscribers: 2 },
      { mode: 'stream', unavailable: true },
    ],
  ),
  scenario(
    'sub: of a WebSocket',
    async (world) => {
      const listener = await world.stats()
      serve(world)
      const client = await openWebSocket(world, 'conn')
      await client.got(1)
      await listener.waitFor('sub', { channel: world.channel, subscribers: 1 })
      client.drop()
      await listener.waitFor('sub', { channel: world.channel, unavailable: true })
      return subsOf(listener, world.channel)
    },
    [
      { mode: 'ws', ttl: 60, subscribers: 1 },
      { mode: 'ws', unavailable: true },
    ],
  ),
  scenario(
    'sub: of a long poll, whose end is not told soon',
    async (world) => {
      const listener = await world.stats()
      serve(world)
      const { client } = await ask(world, 'conn', 'poll')
      await listener.waitFor('sub', { channel: world.channel, subscribers: 1 })
      client.destroy()
      await quiet(1_500)
      return subsOf(listener, world.channel)
    },
    [{ mode: 'response', ttl: 60, subscribers: 1 }],
  ),
  scenario(
    'message: one for each transport that had receivers',
    async (world) => {
      const listener = await world.stats()
      serve(world)
      const streams = [await ask(world, 'conn', 'stream'), await ask(world, 'conn', 'stream')]
      await Promise.all(streams.map(({ client }) => client.readUntil('opened\n')))
      await ask(world, 'conn', 'poll')
      await listener.waitFor('sub', { channel: world.channel, mode: 'response' })
      await publishAll(world, 'one')
      const told = (): StatsPacketSeen[] => listener.packets.filter(isOf('message', world.channel))
      await listener.until(
        () => told().length >= 2 || undefined,
        () => 'two messages',
      )
      await quiet()
      return told().map(withoutChannel)
    },
    [
      { transport: 'http-response', count: 1, 'item-id': 'one' },
      { transport: 'http-stream', count: 2, 'item-id': 'one' },
    ],
  ),
  scenario(
    'message: to a WebSocket, without an id',
    async (world) => {
      const listener = await world.stats()
      serve(world)
      const client = await openWebSocket(world, 'conn')
      await client.got(1)
      await world.publish({ channel: world.channel, formats: { 'ws-message': { content: 'x' } } })
      return listener
        .until(
          () => listener.packets.find(isOf('message', world.channel)),
          () => 'a message',
        )
        .then(withoutChannel)
    },
    { transport: 'ws-message', count: 1 },
  ),
  scenario(
    'a listener hears what begins with what it has subscribed to',
    async (world) => {
      const listener = await world.statsOf('sub', 'message T', 'message J')
      serve(world)
      const { client } = await ask(world, 'conn', 'stream')
      await client.readUntil('opened\n')
      await publishAll(world, 'two')
      await listener.waitFor('message', { channel: world.channel })
      await listener.waitFor('sub', { channel: world.channel })
      const form = world.target.stats?.format === 'json' ? 'J' : 'T'
      return [
        [...new Set(listener.packets.map(({ type }) => type))].sort(),
        listener.packets.every((packet) => packet.form === form),
      ]
    },
    [['counts', 'message', 'sub'], true],
  ),
  {
    ...scenario(
      'counts: requests of all routes, those without one not',
      async (world) => {
        await quiet(500)
        const listener = await world.stats()
        serve(world)
        const from = listener.packets.length
        const requests = (): number =>
          listener.packets
            .slice(from)
            .reduce(
              (sum, { type, fields }) => sum + (type === 'counts' ? (fields['requests-received'] as number) : 0),
              0,
            )
        for (const name of ['http', 'upload']) await (await ask(world, name, 'plain')).client.readAnswer()
        await (await openWebSocket(world, 'woh')).opened()
        await listener.until(
          () => requests() >= 3 || undefined,
          () => 'three requests',
        )
        await quiet()
        return requests()
      },
      3,
    ),
    alone: true,
  },
  {
    ...scenario('prometheus: names, types, texts', (world) => scraped(world), PROMETHEUS),
    wants: 'prometheus',
  },
]

/** Status, type, and the lines without their values. */
async function scraped({ target }: World): Promise<unknown> {
  const port = target.stats?.prometheus ?? 0
  const text = await new Promise<string>((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/any/path' }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => {
        const head = `${String(answer.statusCode)} ${String(answer.headers['content-type'])}\n`
        resolve(head + Buffer.concat(chunks).toString())
      })
    }).on('error', reject)
  })
  return text.split('\n').map((line) => line.replace(/ \d+$/, ' N'))
}
