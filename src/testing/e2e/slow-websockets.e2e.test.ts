/**
 * WebSocket clients that read too slowly: they lose items, never the connection, and every item they lose is counted.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../gateway.js'
import { publishHttp, wsItem } from '../publish.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { echoAndSubscribe } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

const ITEMS = 3000
const AT_ONCE = 60
const CONTENT = 'x'.repeat(10_000)

let backend: ScriptedBackend
let gateway: Gateway

beforeAll(async () => {
  backend = await ScriptedBackend.start(echoAndSubscribe)
  gateway = await startGateway({ routes: [`* ${backend.target},over_http`] })
})
afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

async function drops(): Promise<number> {
  return (await gateway.metrics()).value('tackboard_drops_total', { reason: 'ws_backpressure' })
}

async function flood(channel: string): Promise<void> {
  for (let sent = 0; sent < ITEMS; sent += AT_ONCE) {
    await publishHttp(
      gateway.controlUrl('/publish/'),
      ...Array.from({ length: AT_ONCE }, (_, index) => wsItem(channel, `${String(sent + index)} ${CONTENT}`)),
    )
  }
}

it('what slow clients get and what is counted as dropped is what was published, and quick ones get it all', async () => {
  const slow = await Promise.all(Array.from({ length: 4 }, () => WsClient.connect(gateway.wsUrl('/?channel=slow'))))
  const quick = await WsClient.connect(gateway.wsUrl('/?channel=slow'))
  for (const client of slow) client.socket.pause()
  await flood('slow')
  await quick.waitFor(ITEMS)
  // Every item has been written or dropped once the bus is empty; the quick client's last one says so for its shard.
  await gateway.metricsWhere((metrics) => metrics.value('tackboard_bus_lag_blocks') === 0)
  for (const client of slow) client.socket.resume()
  // Items until the newest has reached all of them: then nothing is on its way any more.
  let ends = 0
  do {
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('slow', `end ${String(++ends)}`))
    await quick.waitForText(`end ${String(ends)}`)
    await new Promise((resolve) => setImmediate(resolve))
  } while (!slow.every(({ texts }) => texts.includes(`end ${String(ends)}`)))
  const received = slow.reduce((sum, { texts }) => sum + texts.length, 0)
  expect(await drops()).toBe(slow.length * (ITEMS + ends) - received)
  expect(received).toBeLessThan(slow.length * ITEMS)
  for (const client of slow) {
    const numbers = client.texts.filter((text) => !text.startsWith('end')).map((text) => parseInt(text, 10))
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    expect(client.socket.readyState).toBe(client.socket.OPEN)
  }
  for (const client of [...slow, quick]) await client.close()
})
