/**
 * The very first connections of a fresh gateway are many WebSockets at once: while a thread compiles its first code,
 * uWebSockets.js can end a socket that was just opened (shard/upgrade-shield.ts). None may be lost.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import { publishHttp, wsItem } from '../publish.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { byShard } from '../shards.js'
import { echoAndSubscribe } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

const STARTS = 6
const CLIENTS = 64

let backend: ScriptedBackend

beforeAll(async () => {
  backend = await ScriptedBackend.start(echoAndSubscribe)
})

afterAll(() => backend.stop())

test.each(Array.from({ length: STARTS }, (_, at) => at + 1))(
  `start %i: ${String(CLIENTS)} WebSockets at once open, get a publish and are there to close`,
  async () => {
    const gateway = await startGateway({ routes: [`* ${backend.target},over_http`] })
    const path = (at: number): string => gateway.wsUrl(`/?channel=all&client=${at}`)
    const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, at) => WsClient.connect(path(at))))
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('all', 'hello'))
    for (const client of clients) expect(await client.waitFor(1)).toEqual(['hello'])
    const open = byShard(await gateway.metrics(), 'tackboard_ws_connections')
    expect(open[0]).toBeGreaterThan(0)
    expect((open[0] ?? 0) + (open[1] ?? 0)).toBe(CLIENTS)
    for (const client of clients) client.send('back')
    await Promise.all(clients.map((client) => client.waitForText('back')))
    const closes = await Promise.all(clients.map((client) => client.close(4000)))
    expect(closes.map(({ code }) => code)).toEqual(clients.map(() => 4000))
    await gateway.stop()
  },
)
