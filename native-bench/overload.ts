/**
 * `npm run bench:native -- overload`: publishers faster than the machine, receivers of whom some read slowly, for a while.
 * Then it is asked, exactly: has everything published been delivered or counted as dropped? Has memory stayed bounded? How
 * soon is the gateway as quick as before?
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Backend, LoadClient } from './load-client.js'
import type { Result } from './load-client.js'
import type { OverloadOptions } from './overload-arguments.js'
import { treeRssBytes } from './process-tree.js'
import { Ports } from './servers/server.js'
import type { Server } from './servers/server.js'
import { tackboard } from './servers/tackboard.js'
import { errorsOf, roleOf } from './works/work.js'

const WEBSOCKETS = 1_000
const SLOW_WEBSOCKETS = 50
const STREAMS = 200
const RECEIVERS = WEBSOCKETS + STREAMS
/** Large enough that a slow reader's socket is full within seconds: the kernel alone holds some megabytes for it. */
const MESSAGE_BYTES = 256
const SAMPLE_MS = 500
/** Slow receivers stay slow for longer than publishers publish: what waits inside the gateway by then is delivered later. */
const SLOW_TIMES = 1.5
const QUIET_SECONDS = 5
/** Messages. What waits in a publisher goes on coming after it was told to stop: little may, or its end is not the end. */
const PUBLISHER_QUEUE = 50
const PROBE_SECONDS = 0.1
const PROBE_RATE = 20
/** A latency is normal up to so many times the 99th percentile before the overload, and never below this. */
const NORMAL_TIMES = 5
const NORMAL_MS_MIN = 50
/** Memory may grow that much in the second half of the overload before it counts as growing without bound. */
const GROWTH_TIMES_MAX = 1.25
const GROWTH_BYTES_MAX = 64 * 2 ** 20

export interface Verdict {
  readonly what: string
  readonly holds: boolean
  readonly detail: string
}

export interface OverloadReport {
  readonly verdicts: readonly Verdict[]
  /** What happened, for the reader. */
  readonly notes: readonly string[]
}

export async function overload(options: OverloadOptions, say: (line: string) => void): Promise<OverloadReport> {
  const backend = await Backend.start()
  const clients: LoadClient[] = []
  const open = async (...args: string[]): Promise<LoadClient> => {
    const client = await LoadClient.start(args)
    clients.push(client)
    return client
  }
  try {
    const start = { backendPort: backend.port, pubPort: null, conf: options.conf, ports: new Ports(options.basePort) }
    const server = await tackboard.start(start)
    try {
      return await overloadServer(server, open, options, say)
    } finally {
      await Promise.all(clients.map((client) => client.end()))
      await server.stop()
    }
  } finally {
    await backend.end()
  }
}

type Open = (...args: string[]) => Promise<LoadClient>

async function overloadServer(
  server: Server,
  open: Open,
  options: OverloadOptions,
  say: (line: string) => void,
): Promise<OverloadReport> {
  const [ws, push, http] = [roleOf(server, 'ws'), roleOf(server, 'publish'), roleOf(server, 'publish-http')]
  const probes = {
    PUSH: await open(...ws, '--ws=1', '--channel=probe-push', ...push),
    HTTP: await open(...ws, '--ws=1', '--channel=probe-http', ...http),
  }
  const size = `--size=${MESSAGE_BYTES}`
  const receivers = await open(...ws, `--ws=${WEBSOCKETS}`, `--slow=${SLOW_WEBSOCKETS}`, `--streams=${STREAMS}`, size)
  const publishers = {
    PUSH: await open(...push, '--for-both', `--publish-queue=${PUBLISHER_QUEUE}`, size),
    HTTP: await open(...http, '--for-both', '--publish-items=10', '--publish-connections=8', size),
  }
  say('normal latency')
  const normalMs = { PUSH: await normalLatencyMs(probes.PUSH), HTTP: await normalLatencyMs(probes.HTTP) }
  const rssBefore = treeRssBytes(server.program.pid)

  say(`overload for ${options.seconds} s`)
  const { seconds } = options
  const received = receivers.run({ seconds: seconds * SLOW_TIMES, stall: QUIET_SECONDS, settle: true, slow: true })
  const memory = sampleRss(server)
  const published = await Promise.all([
    publishers.PUSH.run({ seconds, stall: 60 }),
    publishers.HTTP.run({ seconds, stall: 60 }),
  ])
  const stoppedMs = performance.now()
  say('recovery')
  const [recoveryPush, recoveryHttp] = await Promise.all([
    recoverySeconds(probes.PUSH, normalMs.PUSH, stoppedMs),
    recoverySeconds(probes.HTTP, normalMs.HTTP, stoppedMs),
  ])
  say('until everything has come')
  const result = await received
  const samples = memory.stop()
  const dropped = await server.dropped()
  server.program.assertAlive()
  return {
    verdicts: [
      exactness(published, result, dropped),
      connections(receivers, result, published),
      boundedness(samples, options.rssMaxMb),
      recovery('PUSH', recoveryPush, normalMs.PUSH, options.recoveryMaxSeconds),
      recovery('HTTP', recoveryHttp, normalMs.HTTP, options.recoveryMaxSeconds),
    ],
    notes: [
      ...(['PUSH', 'HTTP'] as const).map((door, i) => {
        const { published: items = 0, seconds: took = 1 } = published[i] ?? {}
        return `published by ${door}: ${items.toLocaleString('en')} items, ${Math.round(items / took)} a second`
      }),
      `delivered: ${result.delivered.toLocaleString('en')}, ${Math.round(result.delivered / result.seconds)} a second`,
      `memory (RSS): ${megabytes(rssBefore)} before, ${megabytes(samples.at(-1) ?? 0)} after`,
    ],
  }
}

async function normalLatencyMs(probe: LoadClient): Promise<number> {
  await probe.run({ seconds: 1, rate: PROBE_RATE }) // warm
  const { latency_ns: latency } = await probe.run({ seconds: 3, rate: PROBE_RATE })
  return Math.max(NORMAL_MS_MIN, (NORMAL_TIMES * (latency.p99 ?? 0)) / 1e6)
}

/** Seconds from the end of the overload until a message was sent that came in a normal time; null: none in a minute. */
async function recoverySeconds(probe: LoadClient, normalMs: number, stoppedMs: number): Promise<number | null> {
  for (;;) {
    const sinceMs = performance.now() - stoppedMs
    if (sinceMs > 120_000) return null
    const {
      delivered,
      expected,
      latency_ns: latency,
    } = await probe.run({
      seconds: PROBE_SECONDS,
      rate: PROBE_RATE,
      stall: 60,
    })
    if (delivered >= expected && (latency.max ?? Infinity) / 1e6 <= normalMs) return sinceMs / 1000
    await sleep(20)
  }
}

function sampleRss(server: Server): { stop(): number[] } {
  const samples: number[] = []
  const timer = setInterval(() => samples.push(treeRssBytes(server.program.pid)), SAMPLE_MS)
  return {
    stop() {
      clearInterval(timer)
      return samples
    },
  }
}

/** Delivered and counted as dropped make published × receivers, not one more and not one less. */
function exactness(published: readonly Result[], received: Result, dropped: number): Verdict {
  const items = published.reduce((sum, result) => sum + result.published, 0)
  const wanted = items * RECEIVERS
  const off = received.delivered + dropped - wanted
  const sum = `${received.delivered} delivered + ${dropped} dropped`
  return {
    what: 'everything published was delivered or counted as dropped',
    holds: off === 0,
    detail: off === 0 ? `${sum} = ${items} × ${RECEIVERS}` : `${sum} is ${off} off ${items} × ${RECEIVERS}`,
  }
}

function connections(receivers: LoadClient, received: Result, published: readonly Result[]): Verdict {
  const errors = [...errorsOf(received.errors), ...published.flatMap((result) => errorsOf(result.errors))]
  const refused = published.reduce((sum, result) => sum + result.refused, 0)
  if (refused > 0) errors.push(`${refused} items refused`)
  return {
    what: 'no connection was lost, no publish refused',
    holds: receivers.ready.expecting === RECEIVERS && received.receivers === RECEIVERS && errors.length === 0,
    detail: [`${received.receivers} of ${RECEIVERS} receivers are left`, ...errors].join(', '),
  }
}

/** Memory rises to what the limits allow, and then no more. */
export function boundedness(samples: readonly number[], maxMb: number): Verdict {
  const half = samples.length >> 1
  const [first, second] = [Math.max(...samples.slice(0, half)), Math.max(...samples.slice(half))]
  const grows = second > first * GROWTH_TIMES_MAX + GROWTH_BYTES_MAX
  return {
    what: `memory stays bounded, below ${maxMb} MB`,
    holds: samples.length > 1 && !grows && Math.max(first, second) <= maxMb * 2 ** 20,
    detail: `${megabytes(first)} at most in the first half, ${megabytes(second)} in the second`,
  }
}

function recovery(door: string, seconds: number | null, normalMs: number, maxSeconds: number): Verdict {
  return {
    what: `a publish by ${door} arrives within ${normalMs.toFixed(0)} ms again, ${maxSeconds} s after the overload at the latest`,
    holds: seconds !== null && seconds <= maxSeconds,
    detail: seconds === null ? 'not in two minutes' : `after ${seconds.toFixed(2)} s`,
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`
}

export function renderOverload({ verdicts, notes }: OverloadReport): string {
  const lines = verdicts.map(({ what, holds, detail }) => `${holds ? 'ok    ' : 'FAILED'}  ${what}: ${detail}`)
  return [...lines, ...notes.map((note) => `        ${note}`)].join('\n')
}
