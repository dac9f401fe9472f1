/**
 * The story of a dead peer, told inside a network namespace of its own (run by e2e/heartbeats.e2e.test.ts through
 * `ip netns exec`): a client opens a WebSocket and is pinged; then a firewall rule drops every packet between it and
 * the gateway, both ways. Prints DEAD PEER NOTICED when the backend has got its DISCONNECT and the channel is free.
 */
import { execFileSync } from 'node:child_process'
import process from 'node:process'
import { startGateway } from './gateway.js'
import { ScriptedBackend } from './scripted-backend.js'
import { WsClient } from './ws-client.js'
import { echoAndSubscribe } from './websocket-over-http.js'

const DISCONNECT = 'DISCONNECT\r\n'

execFileSync('ip', ['link', 'set', 'lo', 'up'])
const backend = await ScriptedBackend.start(echoAndSubscribe)
const gateway = await startGateway({ routes: [`* ${backend.target},over_http,ping_interval=1,pong_timeout=3`] })
const client = await WsClient.connect(gateway.wsUrl('/?channel=dead'))
await client.waitForPings(1)
// ws does not show its socket's own port: ask the kernel which connection is the client's.
const port = clientPort()
for (const rule of [
  'add table inet dead',
  'add chain inet dead out { type filter hook output priority 0 ; }',
  `add rule inet dead out tcp sport ${port} drop`,
  `add rule inet dead out tcp dport ${port} drop`,
]) {
  execFileSync('nft', [rule])
}
await backend.received(1, (call) => call.body.toString() === DISCONNECT)
await gateway.metricsWhere((metrics) => metrics.value('tackboard_subscribed_channels') === 0)
await gateway.metricsWhere((metrics) => metrics.value('tackboard_ws_connections') === 0)
await gateway.stop()
await backend.stop()
process.stdout.write('DEAD PEER NOTICED\n')
process.exit(0)

function clientPort(): string {
  const table = execFileSync('ss', [
    '-Htn',
    'state',
    'established',
    `dport = :${String(gateway.ports.http)}`,
  ]).toString()
  const match = /:(\d+)\s+\S+:\d+\s*$/m.exec(table.trim())
  if (match === null) throw new Error(`no connection to the gateway in\n${table}`)
  return match[1] as string
}
