/** Lines of the log about channels. */
import { afterEach, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import { publishHttp, streamItem, wsItem } from '../publish.js'
import { type BackendCall, ScriptedBackend } from '../scripted-backend.js'
import { StreamClient } from '../stream-client.js'
import { echoAndSubscribe } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function script(call: BackendCall): void | Promise<void> {
  if (call.header('content-type') === 'application/websocket-events') return echoAndSubscribe(call)
  call.answer(200, ['Content-Type', 'text/plain', 'Grip-Hold', 'stream', 'Grip-Channel', 'c'], 'open\n')
}

/** Lines with this text after a stream and a WebSocket have had an item each. */
async function play(level: number): Promise<(text: string) => Record<string, unknown>[]> {
  const backend = await ScriptedBackend.start(script)
  cleanups.push(() => backend.stop())
  const gateway = await startGateway({
    routes: [`* 127.0.0.1:${backend.port},over_http`],
    workers: 1,
    conf: { 'runner.log_level': String(level) },
  })
  cleanups.push(() => gateway.kill())
  const stream = await StreamClient.open(gateway.ports.http, '/s?x=1')
  const ws = await WsClient.connect(gateway.wsUrl('/?channel=w'))
  await publishHttp(gateway.controlUrl('/publish/'), { ...streamItem('c', 'hello\n'), id: 'one' }, wsItem('w', 'hello'))
  await stream.waitForText('open\nhello\n')
  stream.destroy()
  ws.terminate()
  // What shards have logged is written at their end.
  await gateway.stop()
  const lines = gateway.stdout.split('\n').filter((line) => line.startsWith('{'))
  const logged = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return (text) => logged.filter(({ msg }) => msg === text)
}

test('publish and subscribe have lines at level 3', async () => {
  const logged = await play(3)
  expect(logged('subscribe')).toMatchObject([
    { channel: 'c', url: expect.stringMatching(/^http:.*\/s\?x=1$/) as string },
    { channel: 'w', url: expect.stringMatching(/^ws:.*\/\?channel=w$/) as string },
  ])
  expect(logged('publish').map(({ channel, id, receivers }) => [channel, id, receivers])).toEqual([
    ['c', 'one', 1],
    ['w', null, 1],
  ])
})

test('and none below', async () => {
  const logged = await play(2)
  expect(logged('access').length).toBeGreaterThan(0)
  expect([...logged('subscribe'), ...logged('publish')]).toEqual([])
})
