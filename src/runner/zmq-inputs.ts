/**
 * The ZeroMQ doors of main: PULL (5560) and, when publishers connect to us, XSUB (5562)
 * (reference: GRIP publishing, ZeroMQ input).
 *
 * A PULL message has one part, an item; an XSUB message has two, channel and item. Subscriptions go up to the
 * publishers as XSUB messages: with a send high-water mark of 0 none of them is ever lost, which a SUB socket cannot
 * promise. The caller counts references: subscribe() and unsubscribe() are called for the first and last holder.
 *
 * While paused nothing is handed out and nothing more is taken, so pushers feel it by ZeroMQ's own back-pressure.
 * A PUB publisher drops on its side then; ZeroMQ has no more to give.
 */
import { Buffer } from 'node:buffer'
import { Pull, XSubscriber } from 'zeromq'
import { assert } from '../base/assert.js'
import { ZMQ_INPUT_BUFFER_BYTES, ZMQ_INPUT_MESSAGES_MAX } from '../base/limits.js'
import type { Log } from '../base/log.js'
import { decodeZmqItem, isPublishFault } from '../wire/publish-item.js'
import type { PublishItem } from '../wire/publish-types.js'
import { Warnings } from './warnings.js'
import { bindSocket } from './zmq-bind.js'

export const ZmqDoor = { Pull: 'pull', Sub: 'sub' } as const
export type ZmqDoor = (typeof ZmqDoor)[keyof typeof ZmqDoor]

export interface ZmqInputsOptions {
  readonly pullSpecs: readonly string[]
  /** Bound; empty when publishers bind and the shards connect to them. */
  readonly subSpecs: readonly string[]
  /** Mode bits for the files of ipc:// specs, or null. */
  readonly ipcFileMode: number | null
  readonly log: Pick<Log, 'warn' | 'error'>
  onItem(item: PublishItem, door: ZmqDoor): void
  /** A message that was dropped; the log names the reason of some of them. */
  onBad(door: ZmqDoor): void
}

export interface ZmqInputs {
  /** Where the sockets are bound, PULLs first: `tcp://127.0.0.1:5560` (a wildcard port is filled in). */
  readonly endpoints: readonly string[]
  /** Byte strings, the route's prefix included. */
  subscribe(channel: string): void
  unsubscribe(channel: string): void
  /** Idempotent. */
  pause(): void
  resume(): void
  close(): Promise<void>
}

/** Rejects with an error that names the setting and the spec when a socket cannot be bound. */
export async function openZmqInputs(options: ZmqInputsOptions): Promise<ZmqInputs> {
  const inputs = new Inputs(options)
  try {
    for (const spec of options.pullSpecs) await inputs.bind(ZmqDoor.Pull, spec)
    for (const spec of options.subSpecs) await inputs.bind(ZmqDoor.Sub, spec)
  } catch (error) {
    await inputs.close()
    throw error
  }
  return inputs
}

const SETTING = { pull: 'push_in_spec', sub: 'push_in_sub_specs' } as const
const PARTS = { pull: 1, sub: 2 } as const

class Inputs implements ZmqInputs {
  readonly endpoints: string[] = []
  readonly #options: ZmqInputsOptions
  readonly #sockets: (Pull | XSubscriber)[] = []
  readonly #subscribers: SubscriptionSender[] = []
  readonly #loops: Promise<void>[] = []
  readonly #warnings: Record<ZmqDoor, Warnings>
  /** Set while paused; resolved by resume(). */
  #resumed: Promise<void> | null = null
  #release: () => void = () => undefined
  #closed = false

  constructor(options: ZmqInputsOptions) {
    this.#options = options
    const { log } = options
    this.#warnings = {
      pull: new Warnings('IN pull', 'skipping', log),
      sub: new Warnings('IN sub', 'skipping', log),
    }
  }

  async bind(door: ZmqDoor, spec: string): Promise<void> {
    const common = {
      linger: 0,
      receiveHighWaterMark: ZMQ_INPUT_MESSAGES_MAX,
      receiveBufferSize: ZMQ_INPUT_BUFFER_BYTES,
    }
    const socket = door === ZmqDoor.Pull ? new Pull(common) : new XSubscriber({ ...common, sendHighWaterMark: 0 })
    this.#sockets.push(socket)
    this.endpoints.push(await bindSocket(socket, spec, SETTING[door], this.#options.ipcFileMode))
    if (socket instanceof XSubscriber) this.#subscribers.push(new SubscriptionSender(socket, this.#options.log))
    this.#loops.push(this.#receive(socket, door))
  }

  subscribe(channel: string): void {
    const frame = subscriptionFrame(1, channel)
    for (const subscriber of this.#subscribers) subscriber.send(frame)
  }

  unsubscribe(channel: string): void {
    const frame = subscriptionFrame(0, channel)
    for (const subscriber of this.#subscribers) subscriber.send(frame)
  }

  pause(): void {
    this.#resumed ??= new Promise((resolve) => (this.#release = resolve))
  }

  resume(): void {
    this.#resumed = null
    this.#release()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.resume()
    for (const subscriber of this.#subscribers) subscriber.close()
    for (const socket of this.#sockets) socket.close()
    await Promise.all(this.#loops)
    this.#warnings.pull.close()
    this.#warnings.sub.close()
  }

  async #receive(socket: Pull | XSubscriber, door: ZmqDoor): Promise<void> {
    while (!this.#closed) {
      let parts: Buffer[]
      try {
        parts = await socket.receive()
      } catch (error) {
        if (this.#isClosed()) return
        // A receive fails only when the socket is gone; going on would spin.
        this.#options.log.error({ err: error }, `IN ${door}: the socket failed and takes nothing any more`)
        return
      }
      // A message that was on its way when the pause began waits here.
      while (this.#resumed !== null) await this.#resumed
      if (this.#isClosed()) return
      this.#handle(parts, door)
    }
  }

  /** For the places where close() may have been called during an await. */
  #isClosed(): boolean {
    return this.#closed
  }

  #handle(parts: readonly Buffer[], door: ZmqDoor): void {
    if (parts.length !== PARTS[door]) {
      this.#refuse(door, `received message with parts != ${PARTS[door]}`)
      return
    }
    const topic = door === ZmqDoor.Sub ? (parts[0] as Buffer).toString('latin1') : ''
    const item = decodeZmqItem(parts[PARTS[door] - 1] as Buffer, topic)
    if (isPublishFault(item)) {
      this.#refuse(door, item.error)
      return
    }
    try {
      this.#options.onItem(item, door)
    } catch (error) {
      // A mistake of ours with one item must not stop the door for all others.
      this.#options.log.error({ err: error }, `IN ${door}: item for ${item.channel} failed`)
      this.#options.onBad(door)
    }
  }

  #refuse(door: ZmqDoor, reason: string): void {
    this.#warnings[door].warn(reason)
    this.#options.onBad(door)
  }
}

/** Sends subscriptions in order: a socket takes one send at a time. */
class SubscriptionSender {
  readonly #socket: XSubscriber
  readonly #log: Pick<Log, 'error'>
  #queue: Buffer[] = []
  #sending = false
  #closed = false

  constructor(socket: XSubscriber, log: Pick<Log, 'error'>) {
    this.#socket = socket
    this.#log = log
  }

  send(frame: Buffer): void {
    this.#queue.push(frame)
    if (this.#sending || this.#closed) return
    this.#sending = true
    this.#drain().catch((error: unknown) => {
      if (!this.#closed) this.#log.error({ err: error }, 'IN sub: a subscription could not be sent')
    })
  }

  close(): void {
    this.#closed = true
    this.#queue = []
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const batch = this.#queue
        this.#queue = []
        for (const frame of batch) {
          if (this.#closed) return
          await this.#socket.send(frame)
        }
      }
    } finally {
      this.#sending = false
    }
  }
}

function subscriptionFrame(subscribe: 0 | 1, channel: string): Buffer {
  const frame = Buffer.allocUnsafeSlow(1 + channel.length)
  frame[0] = subscribe
  const written = frame.write(channel, 1, 'latin1')
  assert(written === channel.length, 'a channel is a byte string')
  return frame
}
