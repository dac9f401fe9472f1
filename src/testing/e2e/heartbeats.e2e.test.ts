/**
 * Heartbeats of WebSocket clients: who answers stays, who is gone is noticed, and the backend hears of nothing but the
 * end. The dead peer is a real one: a client in a network namespace whose packets a firewall rule drops.
 */
import { execFile, execFileSync } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../gateway.js'
import { RawClient } from '../raw-client.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { clientFrame, Opcode, parseServerFrames, upgradeRequest } from '../websocket-frames.js'
import { decodeEvents, echoAndSubscribe } from '../websocket-over-http.js'

const NAMESPACE = `tackboard-${String(process.pid)}`
const DEAD_PEER = fileURLToPath(new URL('../../../dist/testing/dead-peer.js', import.meta.url))

function run(command: string): void {
  const [program, ...args] = command.split(' ')
  execFileSync(program as string, args, { stdio: 'pipe' })
}

/** Null: a namespace with a firewall can be had; otherwise why not. */
function whyNoNamespace(): string | null {
  try {
    run(`ip netns add ${NAMESPACE}`)
    run(`ip netns exec ${NAMESPACE} nft list ruleset`)
    return null
  } catch (error) {
    return (error as Error).message.split('\n')[0] as string
  } finally {
    try {
      run(`ip netns del ${NAMESPACE}`)
    } catch {
      // There was none: said above.
    }
  }
}

const missing = whyNoNamespace()
if (missing !== null) console.log(`skipped: dead peer behind a firewall: ${missing}`)

describe('heartbeats', () => {
  let backend: ScriptedBackend
  let gateway: Gateway

  beforeAll(async () => {
    backend = await ScriptedBackend.start(echoAndSubscribe)
    gateway = await startGateway({
      routes: [`* ${backend.target},over_http,ping_interval=1,pong_timeout=3`, `quiet ${backend.target},over_http`],
    })
  })
  afterAll(async () => {
    await gateway.stop()
    await backend.stop()
  })

  async function open(host: string): Promise<RawClient> {
    const client = await RawClient.connect(gateway.ports.http)
    await client.send(upgradeRequest('/?channel=beat', host))
    await client.readUntil('\r\n\r\n')
    return client
  }

  async function nextFrame(client: RawClient) {
    const bytes = await client.readUntil((received) =>
      parseServerFrames(received).frames.length > 0 ? parseServerFrames(received).consumed : null,
    )
    return parseServerFrames(bytes).frames
  }

  it('keeps a client that answers, and its pongs to itself', async () => {
    const client = await open('a')
    for (let pings = 0; pings < 5;) {
      for (const { opcode, payload } of await nextFrame(client)) {
        expect(opcode).toBe(Opcode.Ping)
        pings++
        await client.send(clientFrame(Opcode.Pong, payload))
      }
    }
    // An unsolicited pong is the backend's business, ours were not.
    await client.send(clientFrame(Opcode.Pong, 'theirs'))
    await backend.received(1, (call) => call.body.includes('theirs'))
    const pongs = backend.calls.flatMap((call) => decodeEvents(call.body)).filter(({ type }) => type === 'PONG')
    expect(pongs.map(({ content }) => String(content))).toEqual(['theirs'])
    client.destroy()
  })

  it('drops a client that gives no sign of life, tells its backend and frees its channel', async () => {
    const client = await open('a')
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_subscribed_channels') === 1)
    // It reads, but answers nothing.
    await client.closed
    await backend.received(1, (call) => call.body.toString() === 'DISCONNECT\r\n')
    const metrics = await gateway.metricsWhere((seen) => seen.value('tackboard_subscribed_channels') === 0)
    expect(metrics.value('tackboard_ws_dropped_total', { reason: 'heartbeat' })).toBe(1)
  })

  it('sends nothing where no heartbeat is set', async () => {
    const [quiet, beaten] = [await open('quiet'), await open('a')]
    for (let pings = 0; pings < 3;) {
      const frames = await nextFrame(beaten)
      pings += frames.length
      for (const { payload } of frames) await beaten.send(clientFrame(Opcode.Pong, payload))
    }
    expect(quiet.pending.length).toBe(0)
    for (const client of [quiet, beaten]) client.destroy()
  })

  it.skipIf(missing !== null)('notices a peer whose packets a firewall drops', async () => {
    run(`ip netns add ${NAMESPACE}`)
    try {
      const story = promisify(execFile)('ip', ['netns', 'exec', NAMESPACE, process.execPath, DEAD_PEER])
      expect((await story).stdout).toContain('DEAD PEER NOTICED')
    } finally {
      run(`ip netns del ${NAMESPACE}`)
    }
  })
})
