/** message_rate and message_hwm on sockets: what waits arrives in order, what is too much is dropped, counted and logged. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { fetchMetrics } from '../metrics.js'
import { publishHttp, streamItem } from '../publish.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { StreamClient } from '../stream-client.js'

const ITEMS = 40
const HWM = 10

let gateway: Gateway
let backend: ScriptedBackend

beforeAll(async () => {
  backend = await ScriptedBackend.start((call) => {
    call.answer(200, ['Grip-Hold', 'stream', 'Grip-Channel', 'limited'], 'open\n')
  })
  gateway = await startGateway({
    routes: [`*,id=main ${backend.target}`],
    workers: 1,
    conf: { 'handler.message_rate': '40', 'handler.message_hwm': String(HWM) },
  })
})

afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

test('a burst waits for its turns, in order; above message_hwm it is dropped, counted and said', async () => {
  const client = await StreamClient.open(gateway.ports.http, '/')
  await client.waitForText('open\n')
  const contents = Array.from({ length: ITEMS }, (_, at) => `${String(at)}\n`)
  await publishHttp(gateway.controlUrl('/publish/'), ...contents.map((content) => streamItem('limited', content)))
  await client.waitForText(`${String(HWM - 1)}\n`)
  // Until the last that was taken is there: the rest is counted.
  let arrived = 0
  for (;;) {
    const metrics = await fetchMetrics(gateway.controlUrl('/metrics'))
    const dropped = metrics.value('tackboard_drops_total', { reason: 'rate' })
    arrived = client.text.split('\n').length - 2
    if (arrived + dropped === ITEMS) break
    await client.waitUntil((text) => text.split('\n').length - 2 > arrived)
  }
  expect(arrived).toBeLessThan(ITEMS)
  const numbers = client.text.trim().split('\n').slice(1).map(Number)
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
  expect(gateway.stderr + gateway.stdout).toContain(
    `exceeded publish hwm (${String(HWM)}) for route main, dropping message`,
  )
  client.destroy()
})
