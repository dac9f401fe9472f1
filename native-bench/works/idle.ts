/**
 * What a connection that does nothing takes in memory: more and more of them in steps, so that what the server takes anyway
 * (code, heaps that grew once) drops out. The median step counts: V8 takes and gives back the room for new objects, up to
 * 16 MB a shard, when it sees fit, and a step in which it did says nothing about connections. (To open and close all of
 * them before does not help: what they left is used again, and the count comes out near nothing.)
 */
import type { Ready } from '../load-client.js'
import { socketMemoryBytes, treePssBytes } from '../process-tree.js'
import { median } from '../statistics.js'
import type { Server, ServerKind } from '../servers/server.js'
import { errorsOf, lostOf, roleOf, withClient, withServer } from './work.js'
import type { Environment, Measure } from './work.js'

const SAMPLE_MS = 250
/** Memory that has moved less than this over SETTLED_SAMPLES has settled: garbage collection follows the work. */
const SETTLED_BYTES = 256 * 1024
const SETTLED_SAMPLES = 40
const SAMPLES_MAX = 120
const SAMPLES_MAX_QUICK = 4

/** Counted, behind the first connections. */
const STEPS = 3

export interface Idle {
  readonly receivers: 'ws' | 'stream'
}

export function idle(kind: ServerKind, environment: Environment, work: Idle): Promise<Measure> {
  const step = environment.quick ? 500 : 3_000
  const all = step * (1 + STEPS)
  const settled = (server: Server): Promise<number> =>
    settledPssBytes(server, environment.quick ? SAMPLES_MAX_QUICK : SAMPLES_MAX)
  return withServer(kind, environment, async (server) => {
    const none = treePssBytes(server.program.pid)
    const args = [
      ...roleOf(server, work.receivers),
      work.receivers === 'ws' ? `--ws=${step}` : `--streams=${step}`,
      '--channel=idle',
    ]
    return withClient(args, async (client) => {
      const bytes = [await settled(server)]
      const kernelBase = socketMemoryBytes()
      const counts: Ready[] = []
      for (let taken = 0; taken < STEPS; taken++) {
        counts.push(await client.open(step))
        bytes.push(await settled(server))
      }
      const kernelFull = socketMemoryBytes()
      const ready = counts.at(-1) as Ready
      const steps = bytes.slice(1).map((after, at) => (after - (bytes[at] as number)) / step)
      const remarks = [
        ...lostOf(ready, all),
        `the steps: ${steps.map(kilobytes).join(', ')}; the first ${step}, with what grew once: ${kilobytes(((bytes[0] as number) - none) / step)}`,
      ]
      if (kernelBase !== null && kernelFull !== null) {
        remarks.push(`kernel: ${kilobytes((kernelFull - kernelBase) / (step * STEPS) / 2)} for each end's socket`)
      }
      return {
        cost: median(steps) / 1024,
        rate: null,
        p50: null,
        p99: null,
        clientCores: null,
        remarks,
        faults: errorsOf(ready.errors),
      }
    })
  })
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1024).toPrecision(3)} KB`
}

async function settledPssBytes(server: Server, samplesMax: number): Promise<number> {
  const samples: number[] = []
  while (samples.length < samplesMax) {
    samples.push(treePssBytes(server.program.pid))
    const last = samples.slice(-SETTLED_SAMPLES)
    if (last.length === SETTLED_SAMPLES && Math.max(...last) - Math.min(...last) < SETTLED_BYTES) break
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))
  }
  server.program.assertAlive()
  return samples.at(-1) as number
}
