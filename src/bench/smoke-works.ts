/**
 * The works of the smoke benchmark. Each warms up, measures a few seconds, and stops the clock when everything it began
 * has ended.
 */
import { encodeItem, PushPublisher, wsItem } from '../testing/publish.js'
import { median } from './baseline.js'
import { pssBytes } from './process-cost.js'
import type { LoadCommand } from './load-protocol.js'
import type { ReferenceName } from './reference-works.js'
import { Rig } from './rig.js'
import { CONTENT, costOf, FAN_OUT_CONNECTIONS, FRAME_BYTES, pause } from './work-shapes.js'
import { ROUND_TRIP_CONNECTIONS, SaturatedPublishing } from './work-shapes.js'

const SHARDS = 2
const WARM_UP_MS = 1_000
const MEASURE_MS = 3_000
const IDLE_STEP = 3_000
/** Counted, behind the first connections. */
const IDLE_STEPS = 3

export interface WorkResult {
  /** Units per second; null where there is no rate. */
  readonly rate: number | null
  /** In `costUnit` of the work. */
  readonly cost: number
  /** Units the gateway counted as dropped. */
  readonly dropped: number
  /** What else is worth knowing; empty: nothing. */
  readonly remark: string
}

export interface Work {
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly costUnit: 'µs CPU' | 'KB'
  /** What the cost should be at most. */
  readonly expected: number
  /** The same shape on raw uWebSockets.js, to which the cost is compared; null: there is none. */
  readonly reference: ReferenceName | null
  run(): Promise<WorkResult>
}

export const WORKS: readonly Work[] = [
  {
    name: 'fan-out',
    title: 'fan-out: 1 channel, 1,000 WebSockets, 64 B, saturated',
    unit: 'delivery',
    costUnit: 'µs CPU',
    expected: 1,
    reference: 'fan-out',
    run: () => publishing({ connections: FAN_OUT_CONNECTIONS, channels: 1 }),
  },
  {
    name: 'unicast',
    title: 'unicast: 1,000 channels, 1 WebSocket each, PUSH 64 B',
    unit: 'delivery',
    costUnit: 'µs CPU',
    expected: 60,
    // A publish and its one delivery are a receipt and a sending, as a round trip is.
    reference: 'echo',
    run: () => publishing({ connections: 1_000, channels: 1_000 }),
  },
  {
    name: 'echo',
    title: 'WebSocket-over-HTTP echo, 64 connections, 64 B',
    unit: 'round trip',
    costUnit: 'µs CPU',
    expected: 150,
    reference: 'echo',
    run: () => roundTrips({ kind: 'echo', connections: ROUND_TRIP_CONNECTIONS, path: '/echo', content: CONTENT }),
  },
  {
    name: 'proxy',
    title: 'plain proxy, 64 keep-alive connections, 100 B',
    unit: 'request',
    costUnit: 'µs CPU',
    expected: 100,
    reference: 'http',
    run: () => roundTrips({ kind: 'requests', connections: ROUND_TRIP_CONNECTIONS, path: '/plain' }),
  },
  {
    name: 'idle',
    title: 'idle WebSocket, each further one above 3,000',
    unit: 'connection',
    costUnit: 'KB',
    expected: 5,
    reference: null,
    run: idle,
  },
]

async function withRig<T>(use: (rig: Rig) => Promise<T>): Promise<T> {
  const rig = await Rig.start(SHARDS)
  let result: T
  try {
    result = await use(rig)
  } catch (error) {
    await rig.load.stop()
    await rig.gateway.kill()
    await rig.stop().catch(() => {}) // the first error tells more
    throw error
  }
  await rig.stop()
  return result
}

interface Publishing {
  readonly connections: number
  readonly channels: number
}

function publishing({ connections, channels }: Publishing): Promise<WorkResult> {
  return withRig(async (rig) => {
    const path = channels === 1 ? '/ws?channel=bench-0' : '/ws?channel=bench-{n}'
    await rig.load.run({ kind: 'receive', connections, path, frameBytes: FRAME_BYTES })
    const publisher = PushPublisher.connect(rig.gateway.ports.pull)
    const receivers = connections / channels
    const items = Array.from({ length: channels }, (_, n) => encodeItem(wsItem(`bench-${n}`, CONTENT)))
    const publishing = new SaturatedPublishing(rig.load, receivers, channels)
    const publish = (n: number): Promise<void> => publisher.sendRaw(items[n % channels] as Buffer)
    await publishing.run(WARM_UP_MS, publish)
    const measure = await rig.measure(() => publishing.run(MEASURE_MS, publish))
    const { published } = publishing
    const dropped = (await rig.gateway.metrics()).sumOf(/(^|_)drop_/)
    const missing = published * receivers - rig.load.units
    publisher.close()
    if (missing !== dropped) {
      throw new Error(`${published} published × ${receivers} receivers: ${missing} not delivered, ${dropped} counted`)
    }
    const spread = await rig.load.run({ kind: 'finish' })
    if (dropped === 0 && spread.perConnectionMin !== spread.perConnectionMax) {
      throw new Error(`connections got from ${spread.perConnectionMin} to ${spread.perConnectionMax} frames`)
    }
    const remark = dropped === 0 ? '' : `${dropped} dropped and counted`
    return { ...costOf(measure), dropped, remark }
  })
}

function roundTrips(command: LoadCommand): Promise<WorkResult> {
  return withRig(async (rig) => {
    await rig.load.run(command)
    await pause(WARM_UP_MS)
    const measure = await rig.measure(async () => {
      await pause(MEASURE_MS)
      await rig.load.run({ kind: 'finish' })
    })
    return { ...costOf(measure), dropped: 0, remark: '' }
  })
}

/**
 * Memory that each further connection takes, in three steps of which the median counts: V8 takes and gives back room for new
 * objects when it sees fit. What grows once (compiled code, connections to the backend) is paid by the first connections; the
 * remark shows what they took, all included.
 */
function idle(): Promise<WorkResult> {
  return withRig(async (rig) => {
    const opened = async (): Promise<number> => {
      await rig.load.run({ kind: 'receive', connections: IDLE_STEP, path: '/ws?channel=idle', frameBytes: FRAME_BYTES })
      return settledKilobytes(rig.gateway.pid)
    }
    const none = await settledKilobytes(rig.gateway.pid)
    let before = await opened()
    const first = ((before - none) / IDLE_STEP).toPrecision(3)
    const steps: number[] = []
    while (steps.length < IDLE_STEPS) {
      const after = await opened()
      steps.push((after - before) / IDLE_STEP)
      before = after
    }
    const shown = steps.map((step) => step.toPrecision(3)).join(', ')
    const remark = `the steps: ${shown} KB; the first ${IDLE_STEP.toLocaleString('en')} took ${first} KB each, fixed growth included`
    return { rate: null, cost: median(steps), dropped: 0, remark }
  })
}

/** Memory when it has stopped moving (garbage collection follows the work), or after four seconds. */
async function settledKilobytes(pid: number): Promise<number> {
  const samples: number[] = []
  while (samples.length < 16) {
    samples.push(pssBytes(pid))
    const last = samples.slice(-8)
    if (last.length === 8 && Math.max(...last) - Math.min(...last) < 256 * 1024) break
    await pause(250)
  }
  return (samples.at(-1) as number) / 1024
}
