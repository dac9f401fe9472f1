/** What the suite runs against: the built gateway, started here, or a Pushpin, started by a command or running already. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePortRun, freePorts } from '../free-ports.js'
import { startGateway } from '../gateway.js'
import type { GatewayPorts } from '../gateway.js'
import { poll } from '../wait.js'

export type TargetName = 'tackboard' | 'pushpin'

export interface Target {
  readonly name: TargetName
  readonly ports: GatewayPorts
  /** null: none is known. */
  readonly stats: StatsPorts | null
  stop(): Promise<void>
}

export interface StatsPorts {
  /** stats_spec */
  readonly socket: number
  /** prometheus_port of the handler; null: it has none. */
  readonly prometheus: number | null
  readonly format: StatsFormat
}

export type StatsFormat = 'json' | 'tnetstring'

/** Settings under which both are compared; what Pushpin's package ships otherwise. */
const CONF = {
  'proxy.sig_key': 'changeme',
  'handler.id_cache_ttl': '60',
} as const

export async function startTackboard(
  routes: readonly string[],
  statsFormat: StatsFormat = 'tnetstring',
): Promise<Target> {
  const [socket = 0, prometheus = 0] = await freePorts(2)
  const conf = {
    ...CONF,
    'handler.stats_spec': `tcp://127.0.0.1:${socket}`,
    'handler.stats_format': statsFormat,
    'handler.stats_report_interval': '1',
    'handler.prometheus_port': `127.0.0.1:${prometheus}`,
    'handler.prometheus_prefix': 'pushpin_',
  }
  const gateway = await startGateway({ routes, workers: 2, conf })
  return {
    name: 'tackboard',
    ports: gateway.ports,
    stats: { socket, prometheus, format: statsFormat },
    stop: () => gateway.stop(),
  }
}

/** One that runs already; nothing is stopped at the end. */
export async function runningPushpin(ports: GatewayPorts, stats: StatsPorts | null): Promise<Target> {
  await listening(ports.http)
  await listening(ports.control)
  return { name: 'pushpin', ports, stats, stop: async () => {} }
}

/**
 * Starts one by a shell command in which `{routes}`, `{http}` and `{offset}` are replaced by the path of the routes
 * file, the port for clients and the offset of the ports 5560 to 5564; `{stats}` (5564, before the offset), `{format}`
 * and `{prometheus}` by what its statistics are to be set to, where the command has them. It must stay in the
 * foreground; its process group gets SIGTERM at the end.
 */
export async function startPushpin(
  command: string,
  routes: readonly string[],
  statsFormat: StatsFormat,
): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), 'conformance-'))
  const routesFile = join(folder, 'routes')
  await writeFile(routesFile, `${routes.join('\n')}\n`)
  const [http = 0, prometheus = 0] = await freePorts(2)
  const pull = await freePortRun(5)
  const ports = { http, pull, control: pull + 1, sub: pull + 2, command: pull + 3 }
  const line = command
    .replaceAll('{routes}', routesFile)
    .replaceAll('{http}', String(http))
    .replaceAll('{offset}', String(pull - 5560))
    .replaceAll('{stats}', '5564')
    .replaceAll('{format}', statsFormat)
    .replaceAll('{prometheus}', String(prometheus))
  const stats = command.includes('{stats}')
    ? { socket: pull + 4, prometheus: command.includes('{prometheus}') ? prometheus : null, format: statsFormat }
    : null
  const child = spawn('/bin/sh', ['-c', line], { detached: true, stdio: ['ignore', 'ignore', 'inherit'] })
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid as number), 'SIGTERM')
    await exited
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await runningPushpin(ports, stats)
  } catch (error) {
    await stop()
    throw error
  }
  return { name: 'pushpin', ports, stats, stop }
}

async function listening(port: number): Promise<void> {
  await poll(
    async () => {
      const socket = net.connect({ port, host: '127.0.0.1' })
      try {
        await once(socket, 'connect')
        return true
      } catch {
        return undefined
      } finally {
        socket.destroy()
      }
    },
    () => `port ${port} listens`,
  )
}
