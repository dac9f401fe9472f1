/** Works of round trips: echoes, requests, openings. */
import type { Role, ServerKind } from '../servers/server.js'
import { measureCpu, measureOf, roleOf, warmUp, withClient, withServer } from './work.js'
import type { Environment, Measure } from './work.js'

export interface Tripping {
  readonly role: Extract<Role, 'echo' | 'plain' | 'open'>
  readonly connections: number
}

const OPTION = { echo: 'echo', plain: 'requests', open: 'opens' } as const

export function tripping(kind: ServerKind, environment: Environment, work: Tripping): Promise<Measure> {
  return withServer(kind, environment, (server) => {
    const args = [...roleOf(server, work.role), `--${OPTION[work.role]}=${work.connections}`, '--size=64']
    return withClient(args, async (client) => {
      const { warmSeconds, warmUnits } = environment
      await warmUp(
        warmUnits,
        () => client.run({ seconds: warmSeconds }),
        ({ delivered }) => delivered,
      )
      const measured = await measureCpu(server, () => client.run({ seconds: environment.seconds }))
      return measureOf(measured, { count: measured.result.delivered, latency: true })
    })
  })
}
