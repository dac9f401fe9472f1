/**
 * WebSockets that are opened and stay open. (Those that are closed again are a work of round trips: `ws-open-close`.)
 */
import { treeCpuSeconds } from '../process-tree.js'
import type { Server, ServerKind } from '../servers/server.js'
import { errorsOf, lostOf, measureCpu, roleOf, warmUp, withClient, withServer } from './work.js'
import type { Environment, Measure } from './work.js'

/** The load client opens 32 at a time. */
const COUNT = 12_000
const COUNT_QUICK = 1_000

export function opening(kind: ServerKind, environment: Environment): Promise<Measure> {
  const count = environment.quick ? COUNT_QUICK : COUNT
  return withServer(kind, environment, async (server) => {
    const args = [...roleOf(server, 'ws'), '--channel=open']
    await warm(server, environment, [...args, `--ws=${count}`])
    // Not even the closings of the warm ones are to be counted.
    await untilQuiet(server)
    return withClient([...args, '--ws=1'], async (client) => {
      const startedMs = performance.now()
      const { result: ready, cpuSeconds } = await measureCpu(server, () => client.open(count))
      const seconds = (performance.now() - startedMs) / 1000
      const lost = lostOf(ready, count + 1)
      return {
        cost: (cpuSeconds * 1e6) / count,
        rate: count / seconds,
        p50: null,
        p99: null,
        clientCores: null,
        remarks: lost,
        faults: errorsOf(ready.errors),
      }
    })
  })
}

/** As for round trips, where the server opens and closes at will; else by as many as are measured. */
async function warm(server: Server, { warmUnits, warmSeconds }: Environment, args: readonly string[]): Promise<void> {
  if (server.roles.open === undefined) return withClient(args, () => Promise.resolve())
  await withClient([...roleOf(server, 'open'), '--opens=32'], (client) =>
    warmUp(
      warmUnits,
      () => client.run({ seconds: warmSeconds }),
      ({ delivered }) => delivered,
    ),
  )
}

const SAMPLE_MS = 250
const QUIET_CPU_SECONDS = 0.02
const SAMPLES_MAX = 40

async function untilQuiet(server: Server): Promise<void> {
  let before = treeCpuSeconds(server.program.pid)
  for (let sample = 0; sample < SAMPLES_MAX; sample++) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))
    const now = treeCpuSeconds(server.program.pid)
    if (now - before < QUIET_CPU_SECONDS) return
    before = now
  }
}
