/**
 * docs/examples/chat-express behind the gateway: Express 5 and serve-grip as they are installed, `ws` clients on every
 * shard. The backend may go and come back; its clients do not notice.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { ExampleBackend } from '../example-backend.js'
import { freePorts } from '../free-ports.js'
import { type Gateway, startGateway } from '../gateway.js'
import { byShard, onePerShard } from '../shards.js'
import { WsClient } from '../ws-client.js'

const SHARDS = 2

let port: number
let gateways: Gateway[]
let backend: ExampleBackend
let clients: WsClient[] = []

const startBackend = (): Promise<ExampleBackend> =>
  ExampleBackend.start('chat-express', {
    PORT: String(port),
    GRIP_URL: gateways.map((gateway) => gateway.controlUrl()).join(' '),
  })

beforeAll(async () => {
  port = (await freePorts(1))[0] as number
  const routes = [`* 127.0.0.1:${port},over_http`]
  gateways = await Promise.all([1, 2].map(() => startGateway({ routes, workers: SHARDS })))
  backend = await startBackend()
})

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()))
  clients = []
})

afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()))
  await backend.kill()
})

/** One client on each shard of this gateway, the shard told by its metrics. Each is welcomed and has a name. */
async function joinOnEveryShard(gateway: Gateway, room: string, names: readonly string[]): Promise<WsClient[]> {
  const url = gateway.wsUrl(`/ws?room=${room}`)
  const joined = await onePerShard(
    gateway,
    'tackboard_ws_connections',
    () => WsClient.connect(url),
    (client) => void client.close(),
  )
  expect(byShard(await gateway.metrics(), 'tackboard_ws_connections')).toEqual(names.map(() => 1))
  clients.push(...joined)
  for (const [at, client] of joined.entries()) {
    await client.waitForText(new RegExp(`^Welcome to ${room}, guest-`))
    client.send(`/name ${names[at] as string}`)
    await client.waitForText(new RegExp(` is now ${names[at] as string}$`))
  }
  return joined
}

/** What this client has seen of one speaker, without the name. */
const heard = (client: WsClient, speaker: string): string[] =>
  client.texts.filter((text) => text.startsWith(`${speaker}: `)).map((text) => text.slice(speaker.length + 2))

test('what one says reaches everybody in the room, on every shard, and nobody in another room', async () => {
  const [gateway] = gateways as [Gateway]
  const [ada, bob] = (await joinOnEveryShard(gateway, 'first', ['Ada', 'Bob'])) as [WsClient, WsClient]
  const other = await WsClient.connect(gateway.wsUrl('/ws?room=second'))
  clients.push(other)
  ada.send('hello')
  await bob.waitForText('Ada: hello')
  bob.send('good day')
  await Promise.all([ada, bob].map((client) => client.waitForText('Bob: good day')))
  expect(heard(ada, 'Ada')).toEqual(['hello'])
  other.send('alone here')
  await other.waitForText(/: alone here$/)
  expect(other.texts).toHaveLength(2)
})

test('the page comes through the same route', async () => {
  const response = await fetch((gateways[0] as Gateway).httpUrl('/'))
  expect(response.status).toBe(200)
  expect(await response.text()).toContain('new WebSocket')
})

test('two gateways, one backend: one room', async () => {
  const rooms = await Promise.all([
    joinOnEveryShard(gateways[0] as Gateway, 'shared', ['Ada', 'Bob']),
    joinOnEveryShard(gateways[1] as Gateway, 'shared', ['Cleo', 'Dan']),
  ])
  const all = rooms.flat()
  for (const [at, speaker] of ['Ada', 'Bob', 'Cleo', 'Dan'].entries()) {
    all[at]?.send('here')
    await Promise.all(all.map((client) => client.waitForText(`${speaker}: here`)))
  }
  for (const client of all) expect(client.texts.filter((text) => text.endsWith(': here'))).toHaveLength(4)
})

test('the backend is stopped and started again: nobody is disconnected, nothing is lost, names are kept', async () => {
  const names = ['Ada', 'Bob', 'Cleo', 'Dan']
  const all = (
    await Promise.all([
      joinOnEveryShard(gateways[0] as Gateway, 'restart', names.slice(0, SHARDS)),
      joinOnEveryShard(gateways[1] as Gateway, 'restart', names.slice(SHARDS)),
    ])
  ).flat()
  const said: string[] = []
  const sayAll = (line: string): void => {
    said.push(line)
    for (const client of all) client.send(line)
  }
  const allHave = (line: string): Promise<unknown> =>
    Promise.all(all.flatMap((client) => names.map((name) => client.waitForText(`${name}: ${line}`))))

  // Makes the connections to the backend: one that is new when the backend ends may be reset instead of refused.
  sayAll('one')
  sayAll('two')
  await allHave('two')
  sayAll('before')
  sayAll('just before') // under way when the backend is told to end: it answers first
  await all[0]?.waitForText('Ada: before')
  await backend.stop()
  sayAll('while it is down')
  sayAll('still down')
  const retried = gateways.map((gateway) =>
    gateway.metricsWhere((metrics) => metrics.value('tackboard_backend_connect_failed_total') > 0),
  )
  await Promise.all(retried)
  backend = await startBackend()
  sayAll('after')
  await allHave('after')

  for (const client of all) {
    expect(client.socket.readyState).toBe(WebSocket.OPEN)
    for (const name of names) expect(heard(client, name)).toEqual(said)
  }
})

test('a close is answered with its code', async () => {
  const client = await WsClient.connect((gateways[0] as Gateway).wsUrl('/ws'))
  await client.waitForText(/^Welcome to lobby/)
  expect(await client.close(4001, 'enough')).toEqual({ code: 4001, reason: 'enough' })
})
