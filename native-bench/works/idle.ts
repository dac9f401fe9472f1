/**
 * What a connection that does nothing takes in memory: two counts, so that what the server takes anyway (code, heaps that
 * grew once) drops out.
 */
import { socketMemoryBytes, treePssBytes } from '../process-tree.js'
import type { Server, ServerKind, ServerName } from '../servers/server.js'
import { errorsOf, lostOf, roleOf, withClient, withServer } from './work.js'
import type { Environment, Measure } from './work.js'

const SAMPLE_MS = 250
/** Memory that has moved less than this over SETTLED_SAMPLES has settled: garbage collection follows the work. */
const SETTLED_BYTES = 256 * 1024
const SETTLED_SAMPLES = 40
/** V8 collects what a busy phase has left in several steps, the first of which comes after some eight idle seconds. */
const SETTLED_SAMPLES_V8 = 100
const SAMPLES_MAX = 240
const SAMPLES_MAX_QUICK = 10
const ON_V8: readonly ServerName[] = ['tackboard', 'uws']

export interface Idle {
  readonly receivers: 'ws' | 'stream'
}

export function idle(kind: ServerKind, environment: Environment, work: Idle): Promise<Measure> {
  const [first, all] = environment.quick ? [500, 2_000] : [3_000, 12_000]
  const settled = (server: Server): Promise<number> => {
    if (environment.quick) return settledPssBytes(server, SETTLED_SAMPLES, SAMPLES_MAX_QUICK)
    return settledPssBytes(server, ON_V8.includes(kind.name) ? SETTLED_SAMPLES_V8 : SETTLED_SAMPLES, SAMPLES_MAX)
  }
  return withServer(kind, environment, async (server) => {
    const none = treePssBytes(server.program.pid)
    const args = [
      ...roleOf(server, work.receivers),
      work.receivers === 'ws' ? `--ws=${first}` : `--streams=${first}`,
      '--channel=idle',
    ]
    return withClient(args, async (client) => {
      const base = await settled(server)
      const kernelBase = socketMemoryBytes()
      const ready = await client.open(all - first)
      const full = await settled(server)
      const kernelFull = socketMemoryBytes()
      const lost = lostOf(ready, all)
      const remarks = [
        ...lost,
        `the first ${first} took ${kilobytes((base - none) / first)} each, fixed growth included`,
      ]
      if (kernelBase !== null && kernelFull !== null) {
        remarks.push(`kernel: ${kilobytes((kernelFull - kernelBase) / (all - first) / 2)} for each end's socket`)
      }
      return {
        cost: (full - base) / (all - first) / 1024,
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

async function settledPssBytes(server: Server, settledSamples: number, samplesMax: number): Promise<number> {
  const samples: number[] = []
  while (samples.length < samplesMax) {
    samples.push(treePssBytes(server.program.pid))
    const last = samples.slice(-settledSamples)
    if (last.length === settledSamples && Math.max(...last) - Math.min(...last) < SETTLED_BYTES) break
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))
  }
  server.program.assertAlive()
  return samples.at(-1) as number
}
