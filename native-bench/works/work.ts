/** What one measurement of one server is. */
import type { Backend, Ready, Result } from '../load-client.js'
import { LoadClient } from '../load-client.js'
import { treeCpuSeconds } from '../process-tree.js'
import type { Ports, Server, ServerKind, ServerName } from '../servers/server.js'

/** Share of the time in which the client works, above which it may be what limits the rate. */
const CLIENT_BUSY_MAX = 0.9
/** A client that publishes so much later than it should is worth a remark; the latencies have it in them. */
const CLIENT_LATE_MS = 2

export interface Environment {
  readonly backend: Backend
  readonly ports: Ports
  /** `section.key` → value, for Tackboard. */
  readonly conf: Readonly<Record<string, string>>
  /** Of one warm phase. */
  readonly warmSeconds: number
  /** The least work before measuring: publishes, round trips. */
  readonly warmUnits: number
  readonly seconds: number
  /** Publishes under way at most in a saturated work; 0: no limit. */
  readonly window: number
  /** A short run: smaller counts of connections. */
  readonly quick: boolean
}

export interface Measure {
  /** Per unit, in `costUnit` of the work. */
  readonly cost: number
  /** Units per second; null where there is no rate. */
  readonly rate: number | null
  /** Milliseconds. */
  readonly p50: number | null
  readonly p99: number | null
  /** Cores that the load client used. */
  readonly clientCores: number | null
  /** What else is worth knowing. */
  readonly remarks: readonly string[]
  /** What must not be: losses that nobody counted, failed connections. */
  readonly faults: readonly string[]
}

export type CostUnit = 'µs' | 'KB' | 'ms'

/** A goal that another server sets in the same run. */
export interface GoalBeside {
  readonly times: number
  readonly server: ServerName
}

export interface Work {
  readonly name: string
  /** Works of one family are chosen together: growth-100 and growth-1000 by `growth`. */
  readonly family: string
  readonly title: string
  readonly unit: string
  readonly costUnit: CostUnit
  readonly servers: readonly ServerName[]
  /** What Tackboard's cost should be at most: in the unit of the cost, or beside another server. */
  readonly goal?: number | GoalBeside
  /** Takes minutes to set up: left out by --quick unless it is asked for by its name. */
  readonly long?: boolean
  run(kind: ServerKind, environment: Environment): Promise<Measure>
}

export interface ServerNeeds {
  /** Where a ZeroMQ PUB will listen that the server is to connect to. */
  readonly pubPort?: number
}

/** Starts the server, uses it, and stops it whatever happens. */
export async function withServer<T>(
  kind: ServerKind,
  environment: Environment,
  use: (server: Server) => Promise<T>,
  needs: ServerNeeds = {},
): Promise<T> {
  const { backend, ports, conf } = environment
  const server = await kind.start({ backendPort: backend.port, ports, conf, pubPort: needs.pubPort ?? null })
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

/** Starts a load client, uses it, and ends it whatever happens. */
export async function withClient<T>(args: readonly string[], use: (client: LoadClient) => Promise<T>): Promise<T> {
  const client = await LoadClient.start(args)
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

const OPENINGS_MAX = 3

export interface Receivers {
  readonly count: number
  /** So many may be missing. */
  readonly tolerated: number
}

/**
 * A load client with open receivers. One that a server has ended while others were opened is a fault of that server, but
 * no reason to measure nothing: where every one is needed, all are opened again by a new client.
 */
export async function withReceivers<T>(
  args: readonly string[],
  { count, tolerated }: Receivers,
  use: (client: LoadClient, faults: readonly string[]) => Promise<T>,
): Promise<T> {
  const faults: string[] = []
  for (let opening = 1; ; opening++) {
    const client = await LoadClient.start(args)
    const { expecting, errors } = client.ready
    if (expecting < count) faults.push(`${expecting} of ${count} connections opened: ${errorsOf(errors).join(', ')}`)
    try {
      if (expecting >= count - tolerated) return await use(client, faults)
    } finally {
      await client.end()
    }
    if (opening === OPENINGS_MAX) throw new Error(faults.join('; '))
  }
}

/** Warm phases at most: a slow server does not get warm units in time. */
const WARM_PHASES_MAX = 6

/**
 * Repeats `phase` until `units` of work are done: a server whose code is compiled while it runs costs several times as much
 * before, and on a busy machine a second is not enough for that.
 */
export async function warmUp(
  units: number,
  phase: () => Promise<Result>,
  unitsOf: (result: Result) => number,
): Promise<void> {
  let done = 0
  for (let phases = 0; phases < WARM_PHASES_MAX && (phases === 0 || done < units); phases++) {
    done += unitsOf(await phase())
  }
}

export interface CpuMeasure<T = Result> {
  readonly result: T
  readonly cpuSeconds: number
}

/** The CPU time that the server and all its processes take for `phase`, which must leave nothing under way. */
export async function measureCpu<T>(server: Server, phase: () => Promise<T>): Promise<CpuMeasure<T>> {
  server.program.assertAlive()
  const before = treeCpuSeconds(server.program.pid)
  const result = await phase()
  server.program.assertAlive()
  return { result, cpuSeconds: treeCpuSeconds(server.program.pid) - before }
}

export interface Units {
  readonly count: number
  /** Latencies are worth showing. */
  readonly latency: boolean
  readonly remarks?: readonly string[]
  readonly faults?: readonly string[]
}

export function measureOf({ result, cpuSeconds }: CpuMeasure, units: Units): Measure {
  const faults = [...(units.faults ?? []), ...errorsOf(result.errors)]
  if (units.count === 0) throw new Error(['nothing was done', ...faults].join('; '))
  const clientCores = result.cpu_seconds / result.seconds
  const busy = Math.round(result.busy * 100)
  const limit = `the load client was busy ${busy} % of the time (${clientCores.toFixed(2)} cores): it may be the limit`
  const lateMs = (result.late_ns.p99 ?? 0) / 1e6
  const late = `the load client published up to ${lateMs.toFixed(1)} ms late (p99), which the latencies include`
  const { p50, p99 } = result.latency_ns
  return {
    cost: (cpuSeconds * 1e6) / units.count,
    rate: units.count / result.seconds,
    p50: units.latency && p50 !== undefined ? p50 / 1e6 : null,
    p99: units.latency && p99 !== undefined ? p99 / 1e6 : null,
    clientCores,
    remarks: [
      ...(units.remarks ?? []),
      ...(result.busy > CLIENT_BUSY_MAX ? [limit] : []),
      ...(lateMs > CLIENT_LATE_MS ? [late] : []),
    ],
    faults,
  }
}

/** One connection in so many may end as it opens; above that it is no measurement. */
const LOST_SHARE_MAX = 0.001

/** A remark when fewer than `count` are open. Throws when they are too few. */
export function lostOf(ready: Ready, count: number): string[] {
  const lost = count - ready.receivers
  if (lost > count * LOST_SHARE_MAX) throw new Error(`${ready.receivers} of ${count} connections are open`)
  return lost === 0 ? [] : [`${lost} of ${count} connections ended as they opened`]
}

export function errorsOf(errors: Readonly<Record<string, number>>): string[] {
  return Object.entries(errors).map(([kind, times]) => `${times} × ${kind}`)
}

/** The arguments for a role; a server that does not have it is not in the work's list. */
export function roleOf(server: Server, role: keyof Server['roles']): readonly string[] {
  const args = server.roles[role]
  if (args === undefined) throw new Error(`${server.program.name} has no ${role}`)
  return args
}
