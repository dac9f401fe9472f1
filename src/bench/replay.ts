/**
 * `npm run bench -- replay`: what it costs to offer held-back content again and again, per byte written to the backend.
 *
 * The session machine and the HTTP client run in this process, and their CPU is measured; the backend is another one.
 * Both must be flat: 64,000 retained messages cost per byte what 1,000 do, and 8 MB taken 64 KB at a time what 1 MB does.
 * The limits of the gateway are raised here, because a client may send neither.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { systemClock } from '../base/clock.js'
import { Deadlines } from '../base/deadlines.js'
import { HttpBackendClient } from '../backend/http-client.js'
import { assert } from '../base/assert.js'
import type { WsRequestEffect } from '../grip/ws-request.js'
import { WsSession, type WsResponse } from '../grip/ws-session.js'
import { targetOf } from '../routing/target.js'
import type { Target } from '../routing/types.js'

const CONTENT_BYTES = 64
const MESSAGE_COUNTS = [1_000, 4_000, 16_000, 64_000]
const MEGABYTE = 1 << 20
const LARGE_MEGABYTES = [1, 2, 4, 8]
const STEP_BYTES = 65_536
/** Written per measurement. */
const GOAL_BYTES = 256 * MEGABYTE
/** The best of these many counts: what else runs on the machine only adds. */
const REPEATS = 3
const EVENTS_TYPE = ['Content-Type', 'application/websocket-events']

const SESSION_CONFIG = {
  channelPrefix: '',
  implicitChannels: [],
  gripAllowed: false,
  oneEvent: false,
  debug: false,
  subscriptionMax: 0,
  messageBytesMax: Infinity,
  bufferBytesMax: Infinity,
  random: Math.random,
}

/** Answers a request of the session; `accepted`: null for OPEN. */
type Backend = (request: WsRequestEffect, accepted: number | null) => WsResponse | Promise<WsResponse>

export async function benchReplay(): Promise<void> {
  const sink = fork(new URL('./replay-sink.js', import.meta.url), { execArgv: [] })
  const [port] = (await once(sink, 'message')) as [number]
  const client = new HttpBackendClient({
    settings: {
      proxy: { backendTimeout: 60, backendKeepAlive: 60, backendConnectionsMax: 1 },
      runner: { clientBufferSize: 8_192 },
    },
    deadlines: new Deadlines(systemClock.nowMs()),
  })
  const target = targetOf({ value: `127.0.0.1:${String(port)}`, props: [['over_http', '']] }, () => {})
  const backends: readonly [string, Backend][] = [
    ['session machine alone', answerHere],
    ['machine and HTTP client', overHttp(client, target)],
  ]
  try {
    for (const [title, backend] of backends) {
      console.log(`${title}, ns CPU per byte written to the backend`)
      await series('retained messages of 64 bytes', MESSAGE_COUNTS, (count) => retained(backend, count))
      await series('MB of one message, taken 64 KB at a time', LARGE_MEGABYTES, (size) => large(backend, size))
    }
  } finally {
    await client.close()
    sink.disconnect()
  }
}

async function series(
  title: string,
  sizes: readonly number[],
  measure: (size: number) => Promise<number>,
): Promise<void> {
  console.log(`  ${title}`)
  const costs: number[] = []
  for (const size of sizes) {
    let best = Infinity
    for (let repeat = 0; repeat < REPEATS; repeat++) best = Math.min(best, await measure(size))
    costs.push(best)
    console.log(`    ${size.toLocaleString('en').padStart(7)}  ${best.toFixed(3)}`)
  }
  const [first = 0, last = 0] = [costs[0], costs.at(-1)]
  console.log(`    slope: × ${(last / first).toFixed(2)} from the smallest to the largest`)
}

/** Every request offers all messages; the backend accepts none. */
async function retained(backend: Backend, count: number): Promise<number> {
  const session = await open(backend)
  for (let n = 0; n < count; n++) session.handleClientMessage(Buffer.alloc(CONTENT_BYTES, 'x'), false, 0)
  // New content goes out in portions; from then on it is all offered at once.
  for (let offered = -1; offered < count * CONTENT_BYTES;) {
    const request = nextRequest(session)
    offered = request.replayedBytes
    session.handleResponse(await backend(request, 0), 0)
  }
  return costPerByte(async () => round(session, backend, 0))
}

/** One message after the other, each taken in steps. */
async function large(backend: Backend, megabytes: number): Promise<number> {
  const session = await open(backend)
  const size = megabytes * MEGABYTE
  return costPerByte(async () => {
    session.handleClientMessage(Buffer.alloc(size), true, 0)
    let bytes = 0
    for (let left = size; left > 0; left -= STEP_BYTES) bytes += await round(session, backend, STEP_BYTES)
    return bytes
  })
}

/** One request and its answer; returns the bytes of its body. */
async function round(session: WsSession, backend: Backend, accepted: number): Promise<number> {
  const request = nextRequest(session)
  session.handleResponse(await backend(request, accepted), 0)
  return request.bodyBytes
}

async function open(backend: Backend): Promise<WsSession> {
  const session = new WsSession(SESSION_CONFIG)
  session.handleOpen(0)
  session.handleResponse(await backend(nextRequest(session), null), 0)
  const accept = session.poll()
  assert(accept?.kind === 'accept' && session.poll() === null, 'the backend accepts')
  return session
}

/** The next request is made by itself, or driven by a published refresh. */
function nextRequest(session: WsSession): WsRequestEffect {
  session.handleRefresh(0)
  const effect = session.poll()
  assert(effect?.kind === 'request', 'the session asks its backend')
  return effect
}

/** `work` returns how many bytes it has written. Nanoseconds of this process. */
async function costPerByte(work: () => Promise<number>): Promise<number> {
  await work()
  const before = process.cpuUsage()
  let bytes = 0
  while (bytes < GOAL_BYTES) bytes += await work()
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / bytes
}

function answerHere(_request: WsRequestEffect, accepted: number | null): WsResponse {
  const headers = accepted === null ? EVENTS_TYPE : [...EVENTS_TYPE, 'Content-Bytes-Accepted', String(accepted)]
  return { status: 200, reason: 'OK', headers, body: Buffer.from(accepted === null ? 'OPEN\r\n' : '') }
}

function overHttp(client: HttpBackendClient, target: Target): Backend {
  return ({ body, bodyBytes }, accepted) =>
    new Promise((resolve, reject) => {
      const path = accepted === null ? '/open' : `/${String(accepted)}`
      const headers = ['Host', 'backend', 'Content-Length', String(bodyBytes), ...EVENTS_TYPE]
      let head: Omit<WsResponse, 'body'> | null = null
      const chunks: Buffer[] = []
      client.request(
        { target, method: 'POST', path, headers, body },
        {
          handleHead: (status, reason, answerHeaders) => {
            head = { status, reason, headers: answerHeaders }
          },
          handleData: (chunk) => {
            chunks.push(chunk)
            return true
          },
          handleEnd: () => {
            assert(head !== null, 'a response has a head')
            resolve({ ...head, body: Buffer.concat(chunks) })
          },
          handleFailure: ({ message }) => {
            reject(new Error(message))
          },
        },
      )
    })
}
