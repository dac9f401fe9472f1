/**
 * Statistics: what reports and activity add up to. They are added up over their intervals, for a route that only one
 * scenario uses.
 */
import { isDeepStrictEqual } from 'node:util'
import { RawWsBackend, serverFrame } from '../../raw-ws-backend.js'
import type { BackendCall } from '../../scripted-backend.js'
import type { RawClient } from '../../raw-client.js'
import type { StatsListener } from '../../stats-listener.js'
import { Opcode } from '../../websocket-frames.js'
import { STATS_NATIVE } from '../routes.js'
import type { STATS_NAMES } from '../routes.js'
import type { Scenario } from '../scenario.js'
import { ask, headBytesOf, openWebSocket, publishAll, scenario, serve } from '../stats-play.js'
import type { World } from '../world.js'
import { quiet } from '../world.js'

// Sums over packets.

const NOT_ADDED = new Set(['from', 'route', 'duration'])
const SUM_DEADLINE_MS = 14_000

/** Of all packets of the type for the route, added up; of `connections` the most. Zeros are left out. */
function sumOf(listener: StatsListener, type: string, route: string, minus: Readonly<Record<string, number>>) {
  const sum: Record<string, number> = {}
  for (const [field, count] of Object.entries(minus)) sum[field] = -count
  for (const { fields } of listener.packets.filter((packet) => packet.type === type && packet.fields.route === route)) {
    for (const [field, value] of Object.entries(fields)) {
      if (NOT_ADDED.has(field)) continue
      const count = value as number
      sum[field] = field === 'connections' ? Math.max(sum[field] ?? 0, count) : (sum[field] ?? 0) + count
    }
  }
  return Object.fromEntries(Object.entries(sum).filter(([, count]) => count !== 0))
}

type Sum = Readonly<Record<string, number>>

/** Waits for the expected sum, and a while longer for more; gives back what there is. */
async function summed(world: World, type: string, route: string, expected: Sum, minus: Sum): Promise<Sum> {
  const listener = await world.stats()
  const sum = (): Sum => sumOf(listener, type, route, minus)
  await listener
    .until(
      () => isDeepStrictEqual(sum(), expected) || undefined,
      () => 'the sum',
      SUM_DEADLINE_MS,
    )
    .catch(() => {}) // What there is says what is missing.
  await quiet(1_200)
  return sum()
}

/**
 * Head bytes are compared with those of the heads that were sent or received, where these depend on the run: `minus`
 * is what `play` says of them.
 */
function reported(
  route: (typeof STATS_NAMES)[number] | typeof STATS_NATIVE,
  name: string,
  play: (world: World, calls: readonly BackendCall[]) => Promise<Sum>,
  expected: Sum,
): Scenario {
  return scenario(
    `report: ${name}`,
    async (world) => {
      await world.stats()
      const minus = await play(world, serve(world))
      return summed(world, 'report', route, expected, minus)
    },
    expected,
  )
}

/** What depends on the run: heads of requests, and the channel's name in the heads of so many answers that hold. */
function heads({ channel }: World, headBytes: number, calls: readonly BackendCall[], holds: number): Sum {
  return {
    'client-header-bytes-received': headBytes,
    'server-header-bytes-sent': calls.reduce((bytes, call) => bytes + headBytesOf(call), 0),
    'server-header-bytes-received': holds * channel.length,
  }
}

/** Ends a stream by a publish. How many keep-alives it has had in all; one has been read. */
async function closedAfter(world: World, client: RawClient): Promise<number> {
  await world.publish({ channel: world.channel, formats: { 'http-stream': { action: 'close' } } })
  const rest = (await client.readUntil('0\r\n\r\n')).toString('latin1')
  return 1 + rest.split('alive').length - 1
}

export const statsReports: Scenario[] = [
  {
    ...scenario(
      'report: what is published counts as without a route',
      async (world) => {
        const listener = await world.stats()
        // What others published before belongs to the interval that ends meanwhile.
        await quiet(1_200)
        const from = listener.packets.length
        const received = (): number =>
          listener.packets
            .slice(from)
            .reduce(
              (sum, { type, fields }) =>
                sum + (type === 'report' && !('route' in fields) ? (fields.received as number) : 0),
              0,
            )
        const item = { channel: 'nobody', formats: { 'ws-message': { content: 'x' } } }
        await world.publish(item, item, item)
        await listener.until(
          () => received() >= 3 || undefined,
          () => 'three items',
        )
        await quiet(1_200)
        return received()
      },
      3,
    ),
    alone: true,
  },
  scenario(
    'activity: requests, keep-alives, the opening of a WebSocket',
    async (world) => {
      await world.stats()
      serve(world)
      const { client } = await ask(world, 'activity', 'plain')
      await client.readAnswer()
      const stream = await ask(world, 'activity', 'keep-alive')
      await stream.client.readUntil('alive')
      const alive = await closedAfter(world, stream.client)
      const socket = await openWebSocket(world, 'activity')
      await socket.got(1)
      socket.text('hello')
      await socket.got(2)
      return summed(world, 'activity', 'activity', { count: 3 }, { count: alive })
    },
    { count: 3 },
  ),
  reported(
    'http',
    'a request and its answer',
    async (world, calls) => {
      const { client, headBytes } = await ask(world, 'http', 'plain')
      await client.readAnswer()
      client.destroy()
      return heads(world, headBytes, calls, 0)
    },
    {
      connections: 1,
      minutes: 1,
      'client-header-bytes-sent': 25,
      'client-content-bytes-sent': 11,
      'server-header-bytes-received': 45,
      'server-content-bytes-received': 11,
    },
  ),
  reported(
    'upload',
    'a request with a body',
    async (world, calls) => {
      const { client, headBytes } = await ask(world, 'upload', 'plain', { method: 'POST', body: 'x'.repeat(1000) })
      await client.readAnswer()
      client.destroy()
      return heads(world, headBytes, calls, 0)
    },
    {
      connections: 1,
      minutes: 1,
      'client-header-bytes-sent': 25,
      'client-content-bytes-received': 1000,
      'client-content-bytes-sent': 11,
      'server-header-bytes-received': 45,
      'server-content-bytes-received': 11,
      'server-content-bytes-sent': 1000,
    },
  ),
  reported(
    'poll',
    'a long poll that is answered',
    async (world, calls) => {
      const { client, headBytes } = await ask(world, 'poll', 'poll')
      await world.subscribed()
      await publishAll(world, 'one')
      await client.readAnswer()
      client.destroy()
      return heads(world, headBytes, calls, 1)
    },
    {
      connections: 1,
      minutes: 1,
      sent: 1,
      'http-response-sent': 1,
      'client-header-bytes-sent': 9,
      'client-content-bytes-sent': 9,
      'server-header-bytes-received': 73,
      'server-content-bytes-received': 8,
    },
  ),
  reported(
    'retry',
    'a long poll that is sent again',
    async (world, calls) => {
      const { client, headBytes } = await ask(world, 'retry', 'again', { method: 'POST', body: 'hello' })
      await world.subscribed()
      await world.publish({ channel: world.channel, formats: { 'http-response': { action: 'hint' } } })
      await client.readAnswer()
      client.destroy()
      return heads(world, headBytes, calls, 1)
    },
    {
      connections: 1,
      minutes: 1,
      sent: 1,
      'http-response-sent': 1,
      'client-header-bytes-sent': 24,
      'client-content-bytes-received': 5,
      'client-content-bytes-sent': 6,
      'server-header-bytes-received': 117,
      'server-content-bytes-received': 14,
      'server-content-bytes-sent': 10,
    },
  ),
  reported(
    'stream',
    'a stream, two items and a keep-alive',
    async (world, calls) => {
      const { client, headBytes } = await ask(world, 'stream', 'keep-alive')
      await client.readUntil('opened\n')
      await publishAll(world, 'one')
      await publishAll(world, 'two')
      await client.readUntil('alive')
      const alive = await closedAfter(world, client)
      return { ...heads(world, headBytes, calls, 1), 'client-content-bytes-sent': 'alive'.length * alive }
    },
    {
      connections: 1,
      minutes: 1,
      sent: 3,
      'client-header-bytes-sent': 31,
      'client-content-bytes-sent': 31,
      'server-header-bytes-received': 136,
      'server-content-bytes-received': 7,
    },
  ),
  reported(
    'woh',
    'a WebSocket whose backend speaks HTTP',
    async (world, calls) => {
      const client = await openWebSocket(world, 'woh')
      await client.got(1)
      client.text('hello')
      await client.got(2)
      client.ping('p')
      await client.gotTexts(3)
      await world.publish({ channel: world.channel, formats: { 'ws-message': { content: 'published' } } })
      await client.gotTexts(4)
      client.drop()
      const { length } = world.path('/ws')
      return {
        'client-header-bytes-received': length,
        'server-header-bytes-sent': length + (calls[0]?.header('grip-feature') ?? '').length,
        'server-content-bytes-received': world.channel.length,
      }
    },
    {
      connections: 1,
      minutes: 1,
      sent: 1,
      'client-header-bytes-received': 118,
      'client-header-bytes-sent': 46,
      'client-content-bytes-received': 6,
      'client-content-bytes-sent': 24,
      'client-messages-received': 2,
      'client-messages-sent': 4,
      'server-header-bytes-received': 74,
      'server-header-bytes-sent': 276,
      'server-content-bytes-received': 56,
      'server-content-bytes-sent': 6,
      'server-messages-received': 4,
      'server-messages-sent': 2,
    },
  ),
  reported(
    STATS_NATIVE,
    'a WebSocket whose backend speaks WebSocket',
    async (world) => {
      const backend = await RawWsBackend.start(world.stage.ports.native)
      world.atEnd(() => backend.stop())
      const client = await openWebSocket(world, STATS_NATIVE)
      const peer = await backend.next()
      peer.send(peer.answer('Sec-WebSocket-Extensions: grip\r\nX-A: b\r\n'))
      await client.opened()
      const message = JSON.stringify({ type: 'subscribe', channel: world.channel })
      peer.send(serverFrame(Opcode.Text, `c:${message}`), serverFrame(Opcode.Text, 'm:welcome'))
      await client.got(1)
      client.text('hello')
      await peer.waitFor(1)
      await world.subscribed()
      await world.publish({ channel: world.channel, formats: { 'ws-message': { content: 'published' } } })
      await client.got(2)
      client.drop()
      const { length } = world.path('/ws')
      return {
        'client-header-bytes-received': length,
        'server-header-bytes-sent': length + (/^grip-feature: (.*)$/im.exec(peer.head ?? '')?.[1] ?? '').length,
        'server-content-bytes-received': message.length,
      }
    },
    {
      connections: 1,
      minutes: 1,
      sent: 1,
      'client-header-bytes-received': 121,
      'client-header-bytes-sent': 107,
      'client-content-bytes-received': 5,
      'client-content-bytes-sent': 16,
      'client-messages-received': 1,
      'client-messages-sent': 2,
      'server-header-bytes-received': 135,
      'server-header-bytes-sent': 279,
      'server-content-bytes-received': 11,
      'server-content-bytes-sent': 5,
      'server-messages-received': 2,
      'server-messages-sent': 1,
    },
  ),
]
