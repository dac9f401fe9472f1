/**
 * Before the load: one client, one message. What does not work for one will not work for thousands, and here it can be
 * said what to do about it (advice.ts).
 */
import http from 'node:http'
import https from 'node:https'
import { lookupOf } from '../clients/connection.js'
import type { Connection } from '../clients/connection.js'
import { formatOf, itemFrame, stampBytesOf } from '../clients/items.js'
import type { Target } from '../clients/protocol.js'
import { openDoor } from '../clients/publish-door.js'
import { connectOf } from '../clients/connect.js'
import { WsConnection } from '../clients/ws-connection.js'
import { machineClock } from '../measure/clock.js'
import { kindOfError } from '../measure/failures.js'
import { newRun, StampReader, Stamper } from '../measure/stamp.js'
import { channelName, pathOf } from '../options.js'
import type { LoadOptions, PublishDoor } from '../options.js'
import { adviceOnBackend, adviceOnDelivery, adviceOnEcho, adviceOnOpening, adviceOnPublishing } from './advice.js'
import type { Backend } from './backend.js'
import { deferred } from './deferred.js'
import { RunError } from './run-error.js'

/** How long the probe's message may take. */
const MESSAGE_DEADLINE_MS = 5_000
/** A long poll says nothing when it is held: the message is sent again until one finds it held. */
const SEND_AGAIN_MS = 500

/** Throws a RunError that says what to do. */
export async function probe(options: LoadOptions, target: Target, backend: Backend | null): Promise<void> {
  try {
    if (options.scenario === 'proxy') await probeRequest(options, target)
    else await probeConnection(options, target)
  } catch (error) {
    if (backend === null || backend.requests > 0) throw error
  }
  if (backend !== null && backend.requests === 0) throw new RunError('backend', adviceOnBackend(options, backend.route))
}

async function probeConnection(options: LoadOptions, target: Target): Promise<void> {
  const client = new ProbeClient(options, target)
  try {
    if (options.connections > 0) await client.opened
    if (options.publish !== null) await publishUntilReceived(options, options.publish, client)
    if (options.scenario === 'ws-echo') await client.echo()
  } finally {
    await client.close()
  }
}

/** One request, as proxy makes them. */
function probeRequest(options: LoadOptions, target: Target): Promise<void> {
  const { origin, path, headers, insecure, timeoutMs } = options
  const fail = (kind: string): RunError => new RunError(kind, adviceOnOpening(kind, options))
  return new Promise((resolve, reject) => {
    const settings = { headers: { ...headers }, lookup: lookupOf(target), rejectUnauthorized: !insecure, agent: false }
    const request = (target.secure ? https : http).get(`${origin}${path}`, { ...settings, timeout: timeoutMs })
    request.on('response', (response) => {
      const status = response.statusCode ?? 0
      response.resume().on('end', () => {
        if (status >= 200 && status < 400) resolve()
        else reject(fail(`answered with status ${String(status)}`))
      })
    })
    request.on('timeout', () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    request.on('error', (error) => reject(fail(kindOfError(error))))
  })
}

class ProbeClient {
  readonly run = newRun(Math.random)
  readonly epochMs = machineClock.nowMs()
  readonly opened: Promise<void>
  readonly received: Promise<void>
  readonly #options: LoadOptions
  readonly #connection: Connection | null

  constructor(options: LoadOptions, target: Target) {
    const reader = new StampReader(this.run, this.epochMs)
    const opening = deferred()
    const receipt = deferred()
    this.#options = options
    this.opened = opening.promise
    this.received = receipt.promise
    const path = pathOf(options.path, channelName(options, 0))
    const connect = options.connections === 0 ? null : connectOf(options)
    this.#connection =
      connect?.({ target, options }, path, {
        opened: () => opening.resolve(),
        message: (bytes, start, end) => {
          if (reader.read(bytes, start, end)) receipt.resolve()
        },
        failed: (kind) => opening.reject(new RunError(kind, adviceOnOpening(kind, options))),
        closed: () => {},
      }) ?? null
  }

  /** Sends a message and waits for it. */
  async echo(): Promise<void> {
    if (!(this.#connection instanceof WsConnection)) return
    const stamper = new Stamper(this.run, 0, this.epochMs, this.#options.payloadBytes)
    this.#connection.send(stamper.stamp(0, machineClock.nowMs()))
    await within(this.received, (seconds) => adviceOnEcho(this.#options, seconds))
  }

  async close(): Promise<void> {
    await this.#connection?.close()
  }
}

async function publishUntilReceived(options: LoadOptions, publish: PublishDoor, client: ProbeClient): Promise<void> {
  const { scenario, timeoutMs, insecure } = options
  const format = formatOf(options)
  const { before, after } = itemFrame(channelName(options, 0), format)
  const stamper = new Stamper(client.run, 0, client.epochMs, stampBytesOf(options, format))
  const answer = deferred()
  const door = await openDoor(publish, {
    timeoutMs,
    insecure,
    handleDone: (_n, _intendedMs, failure) => {
      if (failure === null) return answer.resolve()
      answer.reject(new RunError(failure.kind, adviceOnPublishing(failure.kind, failure.example, publish)))
    },
  })
  let sent = 0
  const send = (): void => {
    const nowMs = machineClock.nowMs()
    door.publish(sent, nowMs, before + stamper.stamp(sent, nowMs) + after)
    sent += 1
  }
  const again = scenario === 'longpoll' ? setInterval(send, SEND_AGAIN_MS) : undefined
  try {
    send()
    await answer.promise
    if (options.connections === 0) return
    await within(client.received, (seconds) => adviceOnDelivery(options, publish, seconds))
  } finally {
    clearInterval(again)
    await door.close()
  }
}

async function within(promise: Promise<void>, advice: (waitedSeconds: number) => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const error = new RunError('missing messages', advice(MESSAGE_DEADLINE_MS / 1_000))
    timer = setTimeout(() => reject(error), MESSAGE_DEADLINE_MS)
  })
  try {
    await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
