/** The works of raw uWebSockets.js, to which the gateway is compared: µs CPU of its process per unit. */
import type { LoadCommand } from './load-protocol.js'
import { RawRig } from './rig.js'
import { CONTENT, costOf, FAN_OUT_CONNECTIONS, FRAME_BYTES, pause } from './work-shapes.js'
import { ROUND_TRIP_CONNECTIONS, SaturatedPublishing } from './work-shapes.js'

const WARM_UP_MS = 500
const MEASURE_MS = 2_000

export type ReferenceName = 'fan-out' | 'echo' | 'http'

export const REFERENCES: Readonly<Record<ReferenceName, () => Promise<number>>> = {
  'fan-out': fanOut,
  echo: () => roundTrips({ kind: 'echo', connections: ROUND_TRIP_CONNECTIONS, path: '/echo', content: CONTENT }),
  http: () => roundTrips({ kind: 'requests', connections: ROUND_TRIP_CONNECTIONS, path: '/plain' }),
}

async function withRawRig<T>(use: (rig: RawRig) => Promise<T>): Promise<T> {
  const rig = await RawRig.start()
  try {
    return await use(rig)
  } finally {
    await rig.stop()
  }
}

function fanOut(): Promise<number> {
  const connections = FAN_OUT_CONNECTIONS
  return withRawRig(async (rig) => {
    await rig.load.run({ kind: 'receive', connections, path: '/ws', frameBytes: FRAME_BYTES })
    const publishing = new SaturatedPublishing(rig.load, connections, 1)
    const publish = (): Promise<void> => rig.publish(CONTENT)
    await publishing.run(WARM_UP_MS, publish)
    return costOf(await rig.measure(() => publishing.run(MEASURE_MS, publish))).cost
  })
}

function roundTrips(command: LoadCommand): Promise<number> {
  return withRawRig(async (rig) => {
    await rig.load.run(command)
    await pause(WARM_UP_MS)
    const measure = await rig.measure(async () => {
      await pause(MEASURE_MS)
      await rig.load.run({ kind: 'finish' })
    })
    return costOf(measure).cost
  })
}
