/** Commands (5563) that reach connections of every shard, from DEALER and REQ peers of other makes. */
import { afterEach, expect, test } from 'vitest'
import { Commander } from '../commander.js'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { encodeTnetstring, wsItem } from '../publish.js'
import { PYTHON_WITH_ZMQ, runPython } from '../python-zmq.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { onePerShard } from '../shards.js'
import { echoAndSubscribe } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Scene {
  readonly gateway: Gateway
  readonly backend: ScriptedBackend
  readonly commander: Commander
}

async function start(): Promise<Scene> {
  const backend = await ScriptedBackend.start(echoAndSubscribe)
  cleanups.push(() => backend.stop())
  const gateway = await startGateway({ routes: [`* 127.0.0.1:${backend.port},over_http`], workers: 2 })
  cleanups.push(() => gateway.stop())
  const commander = Commander.connect(gateway.ports.command)
  cleanups.push(() => commander.close())
  return { gateway, backend, commander }
}

/** A WebSocket on each shard, all of one channel. */
async function clientPerShard(gateway: Gateway, channel: string): Promise<WsClient[]> {
  return onePerShard(
    gateway,
    'tackboard_ws_connections',
    async () => {
      const client = await WsClient.connect(gateway.wsUrl(`/?channel=${channel}`))
      cleanups.push(() => client.terminate())
      return client
    },
    (client) => client.terminate(),
  )
}

test('conncheck and refresh find a WebSocket on whichever shard it is', async () => {
  const { gateway, backend, commander } = await start()
  const clients = await clientPerShard(gateway, 'c')
  const before = backend.calls.length
  // What a client sends tells the id of its connection.
  const ids: string[] = []
  for (const client of clients) {
    client.socket.send('who am I')
    await client.waitForText('who am I')
    ids.push(backend.calls.at(-1)?.header('connection-id') ?? '')
  }
  expect(await commander.call('conncheck', { ids: ['nobody', ...ids] })).toEqual({
    id: 'one',
    success: true,
    value: ids,
  })
  for (const id of ids) expect(await commander.call('refresh', { cid: id })).toMatchObject({ success: true })
  const empty = await backend.received(clients.length, ({ index, body }) => index >= before && body.length === 0)
  expect(empty.map((call) => call.header('connection-id')).sort()).toEqual([...ids].sort())
})

test('refresh of a channel reaches every WebSocket that holds it, and publish, too', async () => {
  const { gateway, backend, commander } = await start()
  const clients = await clientPerShard(gateway, 'c')
  const before = backend.calls.length
  expect(await commander.call('refresh', { channel: 'c' })).toMatchObject({ success: true })
  // Clients that were not needed may still be taking their leave.
  const refreshes = await backend.received(clients.length, ({ index, body }) => index >= before && body.length === 0)
  expect(new Set(refreshes.map((call) => call.header('connection-id'))).size).toBe(clients.length)
  expect(await commander.call('publish', { items: [wsItem('c', 'hello')] })).toMatchObject({ success: true })
  for (const client of clients) await client.waitForText('hello')
  expect((await gateway.metrics()).value('tackboard_publish_items_total', { door: 'command' })).toBe(1)
})

/** A REQ socket may send again only when it has got its reply. */
const REQ_CLIENT = `
import sys, zmq
socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.LINGER, 0)
socket.setsockopt(zmq.RCVTIMEO, 15000)
socket.connect(sys.argv[1])
for request in sys.argv[2:]:
    socket.send(request.encode())
    print(socket.recv().decode())
`

test.skipIf(PYTHON_WITH_ZMQ === null)('a REQ socket of pyzmq: good requests between bad ones', async () => {
  const { gateway } = await start()
  const printed = await runPython(REQ_CLIENT, [
    `tcp://127.0.0.1:${gateway.ports.command}`,
    encodeTnetstring({ id: '1', method: 'recover' }).toString(),
    'garbage',
    '{"id":"2","method":"conncheck","args":{"ids":["a"]}}',
    encodeTnetstring({ method: 'something' }).toString(),
  ])
  expect(printed.trim().split('\n')).toEqual([
    '37:2:id,1:1,7:success,4:true!5:value,0:~}',
    expect.stringContaining('11:bad-request,}'),
    '{"id":"2","success":true,"value":[]}',
    '50:7:success,5:false!9:condition,16:method-not-found,}',
  ])
})
