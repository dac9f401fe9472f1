/** Specs of `zhttp/` and `zhttpreq/` targets: where the gateway binds for workers (reference: ZHTTP targets, sockets). */
import { TargetKind } from './types.js'
import type { RouteTable } from './types.js'

/** What the gateway binds for all targets with this kind and spec. */
export interface ZhttpRoute {
  readonly kind: 'zhttp' | 'zhttpreq'
  readonly spec: string
  /** Mode bits for the files of ipc:// addresses, or null: as created. */
  readonly ipcFileMode: number | null
}

/** Where workers connect to a `zhttp/` target, each in its order. */
export interface ZhttpAddresses {
  /** PUSH: first packets of sessions. */
  readonly out: string
  /** ROUTER: further packets, to the worker that has the session. */
  readonly outStream: string
  /** SUB: packets of workers. */
  readonly in: string
}

/** `address`: not scheme://…, `port`: no port or none that leaves room for three. */
export type ZhttpSpecFault = 'address' | 'port'

/** What is wrong with a spec; null: nothing. Pushpin aborts with some that have a fault. */
export function zhttpSpecFault(kind: ZhttpRoute['kind'], spec: string): ZhttpSpecFault | null {
  const match = ADDRESS.exec(spec)
  if (match === null) return 'address'
  if (match[1] !== 'tcp') return null
  const port = PORT.exec(spec)
  if (port === null) return 'port'
  const ports = kind === TargetKind.Zhttp ? 3 : 1
  return Number(port[2]) >= 1 && Number(port[2]) + ports - 1 <= 65_535 ? null : 'port'
}

/** Of a spec without a fault. */
export function zhttpAddresses(spec: string): ZhttpAddresses {
  const match = spec.startsWith('tcp://') ? PORT.exec(spec) : null
  if (match === null) return { out: `${spec}-out`, outStream: `${spec}-out-stream`, in: `${spec}-in` }
  const [, host = '', digits] = match
  const port = Number(digits)
  return { out: `${host}:${port}`, outStream: `${host}:${port + 1}`, in: `${host}:${port + 2}` }
}

/**
 * What a table needs, in the order of its lines. Two targets with one kind and spec share sockets, and the
 * ipc_file_mode of the first holds.
 */
export function zhttpRoutes(table: RouteTable): ZhttpRoute[] {
  const routes = new Map<string, ZhttpRoute>()
  for (const { kind, spec, ipcFileMode } of table.routes.flatMap(({ targets }) => targets)) {
    if (kind !== TargetKind.Zhttp && kind !== TargetKind.ZhttpReq) continue
    const name = `${kind}/${spec}`
    if (!routes.has(name)) routes.set(name, { kind, spec, ipcFileMode })
  }
  return [...routes.values()]
}

const ADDRESS = /^([a-z]+):\/\/.+$/s
/** Everything before the last colon, and the digits behind it. */
const PORT = /^(.+):(\d{1,5})$/s
