/** The route option log_level: at which level the log says that a backend names too many channels. */
import { afterEach, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import { type BackendCall, ScriptedBackend } from '../scripted-backend.js'
import { StreamClient } from '../stream-client.js'
import { answerEvents, decodeEvents, encodeEvent, GRIP_WITHOUT_PREFIX } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const subscribe = (channel: string): string => `c:${JSON.stringify({ type: 'subscribe', channel })}`

/** One channel more than allowed: of a WebSocket, of a stream, or of the page behind the stream at `/linked`. */
function tooMany(call: BackendCall): void {
  if (call.header('accept') === 'application/websocket-events') {
    const isOpen = decodeEvents(call.body)[0]?.type === 'OPEN'
    const events = ['a', 'b', 'c'].map((channel) => encodeEvent('TEXT', subscribe(channel)))
    return answerEvents(call, isOpen ? [encodeEvent('OPEN'), ...events] : [], GRIP_WITHOUT_PREFIX)
  }
  const link = call.url === '/linked' ? ['Grip-Link', '</page>; rel=next'] : []
  const hold = call.url === '/linked' ? [] : ['Grip-Hold', 'stream', 'Grip-Channel', 'a, b, c', ...link]
  call.answer(200, ['Content-Type', 'text/plain', ...hold, ...link], 'open\n')
}

async function play(option: string): Promise<(text: string) => { level: number; route: string }[]> {
  const backend = await ScriptedBackend.start(tooMany)
  cleanups.push(() => backend.stop())
  const gateway = await startGateway({
    routes: [`*,id=main${option} 127.0.0.1:${backend.port},over_http`],
    conf: { 'handler.connection_subscription_max': '2', 'runner.log_level': '2' },
  })
  cleanups.push(() => gateway.kill())
  const linked = await StreamClient.open(gateway.ports.http, '/linked')
  await linked.waitForText('open\nopen\n')
  const stream = await StreamClient.open(gateway.ports.http, '/')
  const ws = await WsClient.connect(gateway.wsUrl('/'))
  ws.send('x')
  await backend.received(4)
  for (const client of [linked, stream]) client.destroy()
  ws.terminate()
  // What shards have logged is written at their end.
  await gateway.stop()
  const lines = gateway.stdout.split('\n').filter((line) => line.startsWith('{'))
  const logged = lines.map((line) => JSON.parse(line) as { level: number; route: string; msg: string })
  return (text) => logged.filter(({ msg }) => msg === text).map(({ level, route }) => ({ level, route }))
}

test('at that level', async () => {
  const logged = await play(',log_level=1')
  const line = { level: 40, route: 'main' }
  expect(logged('httpsession: too many subscriptions')).toEqual([line, line])
  expect(logged('wssession: too many subscriptions')).toEqual([line])
})

test('only at level 3, unless a route says otherwise', async () => {
  const logged = await play('')
  expect(logged('httpsession: too many subscriptions')).toEqual([])
  expect(logged('wssession: too many subscriptions')).toEqual([])
})
