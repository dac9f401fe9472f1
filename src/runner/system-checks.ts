/**
 * What of the system's settings is too small for what is configured, as sentences that end with the command to run.
 * Nothing here stops a start: the values are limits that may never be reached.
 *
 * The shipped client_maxconn is a cap that nobody has thought about, so only what fails hard, or fails at a few hundred
 * clients, is checked against it; the rest when more has been asked for.
 */
import type { Settings } from '../config/types.js'
import { TargetKind } from '../routing/types.js'
import type { Route, Target } from '../routing/types.js'

/** Null everywhere: not known (no Linux, a container that hides it); nothing is said about it then. */
export interface SystemValues {
  /** RLIMIT_NOFILE of this process; Infinity: unlimited. */
  readonly filesMax: number | null
  /** fs.nr_open: what RLIMIT_NOFILE can be raised to. */
  readonly filesMaxCeiling: number | null
  /** net.core.somaxconn */
  readonly somaxconn: number | null
  /** net.ipv4.tcp_max_syn_backlog */
  readonly synBacklogMax: number | null
  /** Third number of net.ipv4.tcp_mem, in pages. */
  readonly tcpPagesMax: number | null
  /** Ports of net.ipv4.ip_local_port_range. */
  readonly localPorts: number | null
  /** net.ipv4.tcp_migrate_req */
  readonly migratesRequests: boolean | null
}

export interface SystemNeeds {
  readonly clientMaxconn: number
  readonly shards: number
  /** Connections to one backend, over all shards. */
  readonly backendConnections: number
  /** host:port pairs that routes name. */
  readonly backends: number
}

/** Backlog that uWebSockets.js asks for, for each shard; the kernel takes somaxconn when that is less. */
const LISTEN_BACKLOG = 512
/** Default of client_maxconn. */
const SHIPPED_MAXCONN = 50_000
/** Pipes, listeners, the log: idle it has 30 open, and 8 per shard. The rest is for publishers and readers of metrics. */
const OWN_FILES = 100
const OWN_FILES_PER_SHARD = 30

export function systemNeeds({ runner, proxy }: Settings, routes: readonly Pick<Route, 'targets'>[]): SystemNeeds {
  const backends = new Set<string>()
  for (const { targets } of routes) for (const target of targets) if (isTcp(target)) backends.add(address(target))
  const backendConnections = Math.min(runner.workers * proxy.backendConnectionsMax, runner.clientMaxconn)
  return {
    clientMaxconn: runner.clientMaxconn,
    shards: runner.workers,
    backendConnections,
    backends: backends.size,
  }
}

export function systemWarnings(values: SystemValues, needs: SystemNeeds): readonly string[] {
  const warnings = [files(values, needs), somaxconn(values, needs)]
  if (needs.clientMaxconn > SHIPPED_MAXCONN) {
    warnings.push(synBacklog(values), tcpMemory(values, needs), localPorts(values, needs), migration(values, needs))
  }
  return warnings.filter((warning) => warning !== null)
}

function files({ filesMax, filesMaxCeiling }: SystemValues, needs: SystemNeeds): string | null {
  const { clientMaxconn, shards, backendConnections, backends } = needs
  const toBackends = Math.min(backends * backendConnections, clientMaxconn)
  const needed = clientMaxconn + toBackends + OWN_FILES + shards * OWN_FILES_PER_SHARD
  if (filesMax === null || filesMax >= needed) return null
  const rounded = Math.ceil(needed / 1000) * 1000
  const ceiling =
    filesMaxCeiling !== null && filesMaxCeiling < rounded ? `sysctl -w fs.nr_open=${String(rounded)}, then ` : ''
  return (
    `this process may open ${String(filesMax)} files, client_maxconn=${String(clientMaxconn)} and connections to ` +
    `backends can need ${String(needed)}: when none is left no client is accepted. Run ${ceiling}` +
    `ulimit -n ${String(rounded)}, or set LimitNOFILE=${String(rounded)} in the systemd unit`
  )
}

function somaxconn({ somaxconn: value }: SystemValues, { clientMaxconn }: SystemNeeds): string | null {
  if (value === null || value >= LISTEN_BACKLOG || value >= clientMaxconn) return null
  return (
    `net.core.somaxconn is ${String(value)}: so many clients can wait to be accepted by a shard, and when many come ` +
    `at once the others try again after a second and more. Run sysctl -w net.core.somaxconn=4096`
  )
}

function synBacklog({ synBacklogMax }: SystemValues): string | null {
  if (synBacklogMax === null || synBacklogMax >= LISTEN_BACKLOG) return null
  return (
    `net.ipv4.tcp_max_syn_backlog is ${String(synBacklogMax)}: when more clients than that connect at once some are ` +
    `left to try again. Run sysctl -w net.ipv4.tcp_max_syn_backlog=4096`
  )
}

/** A page (4 KB) for each socket that has data on its way: the least the kernel takes. */
function tcpMemory({ tcpPagesMax }: SystemValues, { clientMaxconn }: SystemNeeds): string | null {
  if (tcpPagesMax === null || tcpPagesMax >= clientMaxconn) return null
  const numbers = [2, 3, 4].map((pages) => String(pages * clientMaxconn)).join(' ')
  return (
    `net.ipv4.tcp_mem ends with ${String(tcpPagesMax)} pages, client_maxconn=${String(clientMaxconn)} can need one for ` +
    `each client: above that the kernel drops what is sent on any connection. Run sysctl -w net.ipv4.tcp_mem='${numbers}'`
  )
}

/** A local port is needed once for each backend. */
function localPorts({ localPorts: ports }: SystemValues, { backendConnections, backends }: SystemNeeds): string | null {
  if (ports === null || backends === 0 || ports >= backendConnections) return null
  return (
    `net.ipv4.ip_local_port_range has ${String(ports)} ports, ${String(backendConnections)} connections to one backend ` +
    `can be needed (backend_connections_max in each shard): without a port requests fail. ` +
    `Run sysctl -w net.ipv4.ip_local_port_range='1024 65535', or lower backend_connections_max`
  )
}

function migration({ migratesRequests }: SystemValues, { shards }: SystemNeeds): string | null {
  if (migratesRequests !== false || shards < 2) return null
  return (
    'net.ipv4.tcp_migrate_req is 0: clients that wait to be accepted by a shard that ends are cut, instead of being ' +
    'given to another. Run sysctl -w net.ipv4.tcp_migrate_req=1'
  )
}

function isTcp({ kind }: Target): boolean {
  return kind === TargetKind.Http
}

function address({ host, port }: Target): string {
  return `${host}:${String(port)}`
}
