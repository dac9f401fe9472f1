/**
 * The sockets of a `zhttp/` target: PUSH for first packets, ROUTER for further ones to the worker that has the session
 * (and for answers of workers that use it), SUB for answers (reference: ZHTTP targets, sockets).
 *
 * Sending never waits: a first packet that no worker takes at once is given back, as in Pushpin.
 */
import { Buffer } from 'node:buffer'
import { Push, Router, Subscriber } from 'zeromq'
import { ZHTTP_FIRST_PACKETS_MAX, ZHTTP_LINGER_MS, ZHTTP_PACKETS_MAX } from '../base/limits.js'
import { zhttpAddresses } from '../routing/zhttp-spec.js'
import { Warnings } from './warnings.js'
import { type ZhttpDoor, type ZhttpDoorOptions, bound, receiveAll } from './zhttp-door.js'
import { bindSocket } from './zmq-bind.js'

const EMPTY = Buffer.alloc(0)
const SPACE = 0x20

/** Rejects when one of the addresses cannot be bound. */
export function openZhttpStreamDoor(options: ZhttpDoorOptions): Promise<ZhttpDoor> {
  return bound(new StreamDoor(options))
}

class StreamDoor implements ZhttpDoor {
  readonly #options: ZhttpDoorOptions
  readonly #name: string
  readonly #warnings: Warnings
  readonly #out = new Push({ linger: 0, sendTimeout: 0, sendHighWaterMark: ZHTTP_FIRST_PACKETS_MAX })
  readonly #outStream: Router
  readonly #in = new Subscriber({ linger: 0, receiveHighWaterMark: ZHTTP_PACKETS_MAX })
  #loops: Promise<void>[] = []

  constructor(options: ZhttpDoorOptions) {
    this.#options = options
    const { route, instance, log } = options
    this.#name = `zhttp ${route.spec}`
    this.#warnings = new Warnings(this.#name, 'skipping', log)
    this.#outStream = new Router({
      routingId: instance,
      // Says when a worker has gone; otherwise its packets vanish without a word.
      mandatory: true,
      linger: ZHTTP_LINGER_MS,
      sendTimeout: 0,
      sendHighWaterMark: ZHTTP_PACKETS_MAX,
      receiveHighWaterMark: ZHTTP_PACKETS_MAX,
    })
    this.#in.subscribe(`${instance} `)
  }

  async bind(): Promise<void> {
    const { spec, ipcFileMode } = this.#options.route
    const addresses = zhttpAddresses(spec)
    const setting = `route target zhttp/${spec}`
    await bindSocket(this.#out, addresses.out, setting, ipcFileMode)
    await bindSocket(this.#outStream, addresses.outStream, setting, ipcFileMode)
    await bindSocket(this.#in, addresses.in, setting, ipcFileMode)
    const failed = (error: unknown): void => {
      this.#options.log.error({ err: error }, `${this.#name}: a socket failed and takes nothing any more`)
    }
    this.#loops = [
      receiveAll(this.#outStream, (parts) => this.#handleRouted(parts), failed),
      receiveAll(this.#in, (parts) => this.#handlePublished(parts), failed),
    ]
  }

  send(to: string | null, id: string, packet: Buffer): void {
    if (to === null) {
      this.#out.send(packet).catch(() => {
        this.#options.onUnsent(id)
      })
    } else {
      this.#outStream.send([Buffer.from(to, 'latin1'), EMPTY, packet]).catch(() => {
        this.#options.onUnroutable()
      })
    }
  }

  withdraw(): void {}

  async close(): Promise<void> {
    for (const socket of [this.#out, this.#outStream, this.#in]) socket.close()
    await Promise.all(this.#loops)
    this.#warnings.close()
  }

  #handleRouted(parts: readonly Buffer[]): void {
    if (parts.length === 3) this.#handle('out-stream', parts[2] as Buffer)
    else this.#refuse('out-stream', `has ${parts.length} parts instead of 3`)
  }

  #handlePublished(parts: readonly Buffer[]): void {
    const [message] = parts as [Buffer]
    const space = message.indexOf(SPACE)
    if (parts.length !== 1) this.#refuse('in', `has ${parts.length} parts instead of 1`)
    else if (space === -1) this.#refuse('in', 'has no space behind the instance id')
    else this.#handle('in', message.subarray(space + 1))
  }

  #handle(socket: string, message: Buffer): void {
    const fault = this.#options.onMessage(message)
    if (fault !== null) this.#refuse(socket, fault)
  }

  #refuse(socket: string, fault: string): void {
    this.#warnings.warn(`${socket}: a message of a worker ${fault}`)
    this.#options.onBad()
  }
}
