/**
 * `npm run bench:native -- scale`: what one connection costs, from several counts of idle ones: memory of the process and of
 * the kernel, CPU while nothing happens, CPU with heartbeats, spread over the shards; and what it costs when all come at
 * once.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Backend, LoadClient } from '../load-client.js'
import { machine } from '../machine.js'
import type { Machine } from '../machine.js'
import { socketMemoryBytes, treeCpuSeconds, treePssBytes } from '../process-tree.js'
import { PROJECT_FOLDER } from '../project.js'
import { Ports } from '../servers/server.js'
import type { Server } from '../servers/server.js'
import { tackboard } from '../servers/tackboard.js'
import { errorsOf, roleOf } from '../works/work.js'
import type { ScaleOptions } from './arguments.js'
import { listenDrops } from './counters.js'
import { byShard, imbalanceOf } from './imbalance.js'
import { replaceTable } from './render.js'

export type Kind = 'ws' | 'stream'

/** One count of connections. Bytes; CPU in seconds per second of the whole process. */
export interface Step {
  readonly kind: Kind
  readonly connections: number
  readonly userBytes: number
  /** Of both ends' sockets; null: not known. */
  readonly kernelBytes: number | null
  readonly idleCpu: number
  readonly spread: readonly number[]
}

export interface Heartbeats {
  readonly connections: number
  readonly pings: number
  /** Of a ping and its pong. */
  readonly cpuMicros: number
}

export interface Storm {
  readonly connections: number
  readonly seconds: number
  readonly cpuMicros: number
  readonly drops: number
  readonly errors: readonly string[]
}

export interface ScaleReport {
  readonly machine: Machine
  readonly shards: number
  readonly steps: readonly Step[]
  readonly heartbeats: Heartbeats
  readonly storms: readonly Storm[]
}

type Say = (line: string) => void

export async function scale(options: ScaleOptions, say: Say): Promise<ScaleReport> {
  const about = machine()
  const backend = await Backend.start()
  const withGateway = async <T>(
    conf: Readonly<Record<string, string>>,
    use: (server: Server) => Promise<T>,
  ): Promise<T> => {
    const server = await tackboard.start({
      backendPort: backend.port,
      pubPort: null,
      conf: { ...options.conf, ...conf },
      ports: new Ports(options.basePort),
    })
    try {
      return await use(server)
    } finally {
      await server.stop()
    }
  }
  try {
    const steps: Step[] = []
    for (const kind of ['ws', 'stream'] as const) {
      steps.push(...(await withGateway({}, (server) => climb(server, kind, options, say))))
    }
    const beating = { 'proxy.ws_ping_interval': String(HEARTBEAT_SECONDS), 'proxy.ws_pong_timeout': '60' }
    const heartbeats = await withGateway(beating, (server) => beat(server, options, say))
    const storms: Storm[] = []
    for (const connections of options.storms) {
      storms.push(await withGateway({}, (server) => storm(server, connections, say)))
    }
    const shards = steps[0]?.spread.length ?? 0
    const report: ScaleReport = { machine: about, shards, steps, heartbeats, storms }
    if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`)
    if (options.writeFile !== null) {
      const file = join(PROJECT_FOLDER, options.writeFile)
      writeFileSync(file, replaceTable(readFileSync(file, 'utf8'), report))
    }
    return report
  } finally {
    await backend.end()
  }
}

async function climb(server: Server, kind: Kind, options: ScaleOptions, say: Say): Promise<Step[]> {
  // Once up and down first: heaps that grew and code that was compiled on the way are no part of what one more takes.
  const first = await LoadClient.start(receivers(server, kind, options.steps[0] as number))
  await first.end()
  await sleep(options.settleSeconds * 1000)
  const kernelBefore = socketMemoryBytes()
  const steps: Step[] = []
  let client: LoadClient | null = null
  try {
    for (const connections of options.steps) {
      say(`${connections} ${kind === 'ws' ? 'WebSockets' : 'streams'}`)
      if (client === null) client = await LoadClient.start(receivers(server, kind, connections))
      else await client.open(connections - (steps.at(-1)?.connections ?? 0))
      await sleep(options.settleSeconds * 1000)
      const before = treeCpuSeconds(server.program.pid)
      await sleep(options.idleSeconds * 1000)
      const kernel = socketMemoryBytes()
      const step: Step = {
        kind,
        connections,
        userBytes: treePssBytes(server.program.pid),
        kernelBytes: kernel === null || kernelBefore === null ? null : kernel - kernelBefore,
        idleCpu: (treeCpuSeconds(server.program.pid) - before) / options.idleSeconds,
        spread: byShard(await metricsOf(server), kind === 'ws' ? 'tackboard_ws_connections' : 'tackboard_stream_holds'),
      }
      const open = step.spread.reduce((sum, count) => sum + count, 0)
      if (open !== connections) throw new Error(`${open} of ${connections} connections are open`)
      steps.push(step)
      const { measured } = imbalanceOf(step.spread)
      say(`  ${(step.userBytes / 2 ** 20).toFixed(1)} MB, fullest shard +${(measured * 100).toFixed(1)} %`)
    }
  } finally {
    await client?.end()
  }
  return steps
}

/** Seconds between two pings of a connection, while the cost of one is measured. */
const HEARTBEAT_SECONDS = 2

async function beat(server: Server, options: ScaleOptions, say: Say): Promise<Heartbeats> {
  const connections = Math.min(...options.steps)
  say(`heartbeats of ${connections} WebSockets`)
  const client = await LoadClient.start(receivers(server, 'ws', connections))
  try {
    // Code that is compiled while it runs costs more.
    await sleep(options.settleSeconds * 1000)
    const pings = async (): Promise<number> =>
      byShard(await metricsOf(server), 'tackboard_ws_pings_out_total').reduce((sum, count) => sum + count, 0)
    const [sent, cpu] = [await pings(), treeCpuSeconds(server.program.pid)]
    await sleep(options.idleSeconds * 1000)
    const [sentAfter, cpuAfter] = [await pings(), treeCpuSeconds(server.program.pid)]
    if (sentAfter === sent) throw new Error('no heartbeat was sent')
    return { connections, pings: sentAfter - sent, cpuMicros: ((cpuAfter - cpu) * 1e6) / (sentAfter - sent) }
  } finally {
    await client.end()
  }
}

/** Clients that come as fast as the machine lets them, which they share with the gateway and its backend. */
async function storm(server: Server, connections: number, say: Say): Promise<Storm> {
  say(`${connections} WebSockets at once`)
  const drops = listenDrops()
  const cpu = treeCpuSeconds(server.program.pid)
  const startMs = performance.now()
  const client = await LoadClient.start(receivers(server, 'ws', connections))
  const seconds = (performance.now() - startMs) / 1000
  const cpuMicros = ((treeCpuSeconds(server.program.pid) - cpu) * 1e6) / connections
  const errors = errorsOf(client.ready.errors)
  if (client.ready.receivers !== connections) errors.push(`${client.ready.receivers} of ${connections} are open`)
  await client.end()
  return { connections, seconds, cpuMicros, drops: listenDrops() - drops, errors }
}

function receivers(server: Server, kind: Kind, connections: number): string[] {
  return [...roleOf(server, kind), `--${kind === 'ws' ? 'ws' : 'streams'}=${connections}`, '--channel=idle']
}

async function metricsOf(server: Server): Promise<string> {
  const port = roleOf(server, 'publish-http').find((arg) => arg.startsWith('--publish-port='))
  const response = await fetch(`http://127.0.0.1:${(port ?? '').slice('--publish-port='.length)}/metrics`)
  return response.text()
}
