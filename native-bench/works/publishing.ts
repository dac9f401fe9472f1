/** Works in which a publisher publishes to receivers, and works in which nobody receives. */
import type { LoadClient, Result } from '../load-client.js'
import type { Role, Server, ServerKind } from '../servers/server.js'
import { measureCpu, measureOf, roleOf, warmUp, withClient, withReceivers, withServer } from './work.js'
import type { Environment, Measure } from './work.js'

export interface Publishing {
  readonly receivers: 'ws' | 'stream'
  readonly connections: number
  /** Receivers are spread over them evenly. */
  readonly channels: number
  readonly door: Extract<Role, 'publish' | 'publish-pub' | 'publish-http'>
  /** Messages per second; absent: saturated. */
  readonly rate?: number
  /** Publishes under way at most, whatever --window says. */
  readonly windowMax?: number
  /** Further arguments of the load client. */
  readonly args?: readonly string[]
}

const MESSAGE_BYTES = 64
/** Receivers of one channel that may be missing: the cost of a delivery does not depend on them. */
const MISSING_SHARE = 0.01
/** A publish with receivers warms more than one without. */
const WARM_FANOUT = 10

export async function publishing(kind: ServerKind, environment: Environment, work: Publishing): Promise<Measure> {
  const pubPort = work.door === 'publish-pub' ? { pubPort: await environment.ports.take() } : {}
  return withServer(kind, environment, (server) => publishTo(server, environment, work), pubPort)
}

function publishTo(server: Server, environment: Environment, work: Publishing): Promise<Measure> {
  const { connections, channels } = work
  const args = [
    ...roleOf(server, work.receivers),
    work.receivers === 'ws' ? `--ws=${connections}` : `--streams=${connections}`,
    ...roleOf(server, work.door),
    `--channels=${channels}`,
    `--size=${MESSAGE_BYTES}`,
    ...(work.args ?? []),
  ]
  const tolerated = channels === 1 ? Math.floor(connections * MISSING_SHARE) : 0
  return withReceivers(args, { count: connections, tolerated }, async (client, openingFaults) => {
    const window = Math.min(environment.window, work.windowMax ?? environment.window)
    const phase = (seconds: number): Promise<Result> =>
      client.run({ seconds, ...(work.rate === undefined ? { window } : { rate: work.rate }) })
    // What a paced work leaves cold, it leaves cold in production too.
    const units = work.rate === undefined ? environment.warmUnits / WARM_FANOUT : 0
    await warmUp(
      units,
      () => phase(environment.warmSeconds),
      ({ published }) => published,
    )
    const measured = await measureCpu(server, () => phase(environment.seconds))
    const { result } = measured
    const { remarks, faults } = await lossesOf(server, result)
    return measureOf(measured, {
      count: result.delivered,
      latency: true,
      remarks,
      faults: [...openingFaults, ...faults],
    })
  })
}

/** Compares what has not come with what the server says it has dropped, since the client's start. */
async function lossesOf(server: Server, result: Result): Promise<{ remarks: string[]; faults: string[] }> {
  const missing = result.published_total * result.receivers_per_channel - result.delivered_total
  const dropped = await server.dropped()
  const remarks = dropped > 0 ? [`${dropped} dropped and counted`] : []
  const faults = missing === dropped ? [] : [`${missing} deliveries missing, ${dropped} counted as dropped`]
  if (missing === 0 && result.per_receiver_min !== result.per_receiver_max && result.receivers_per_channel > 1) {
    faults.push(`receivers got from ${result.per_receiver_min} to ${result.per_receiver_max} messages`)
  }
  return { remarks, faults }
}

export interface Unheard {
  readonly items: number
  /** Requests at a time. */
  readonly connections: number
}

/** POST /publish/ to a channel that nobody holds. */
export function publishUnheard(kind: ServerKind, environment: Environment, work: Unheard): Promise<Measure> {
  return withServer(kind, environment, (server) => {
    const args = [
      ...roleOf(server, 'publish-http'),
      `--publish-items=${work.items}`,
      `--publish-connections=${work.connections}`,
      `--size=${MESSAGE_BYTES}`,
    ]
    return withClient(args, async (client: LoadClient) => {
      const { warmSeconds, warmUnits } = environment
      await warmUp(
        warmUnits,
        () => client.run({ seconds: warmSeconds }),
        ({ published }) => published,
      )
      const measured = await measureCpu(server, () => client.run({ seconds: environment.seconds }))
      const { published, refused } = measured.result
      const faults = refused > 0 ? [`${refused} items refused`] : []
      return measureOf(measured, { count: published, latency: false, faults })
    })
  })
}
