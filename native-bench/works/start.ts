/** The time from the start of the command until the server has answered its first request. */
import type { ServerKind } from '../servers/server.js'
import { withServer } from './work.js'
import type { Environment, Measure } from './work.js'

export function start(kind: ServerKind, environment: Environment): Promise<Measure> {
  return withServer(kind, environment, (server) =>
    Promise.resolve({
      cost: server.readyMs,
      rate: null,
      p50: null,
      p99: null,
      clientCores: null,
      remarks: [],
      faults: [],
    }),
  )
}
