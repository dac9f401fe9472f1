/**
 * The socket of a `zhttpreq/` target: a DEALER that workers connect to with REP (reference: ZHTTP targets, sockets).
 *
 * A request for which no worker has room waits, until one has or its session withdraws it.
 */
import { Buffer } from 'node:buffer'
import { Dealer } from 'zeromq'
import {
  ZHTTP_FIRST_PACKETS_MAX,
  ZHTTP_PACKETS_MAX,
  ZHTTP_WAITING_BYTES_MAX,
  ZHTTP_WAITING_MAX,
} from '../base/limits.js'
import { Warnings } from './warnings.js'
import { type ZhttpDoor, type ZhttpDoorOptions, bound, receiveAll } from './zhttp-door.js'
import { bindSocket } from './zmq-bind.js'

const EMPTY = Buffer.alloc(0)
/** ZeroMQ does not say when a worker has room again. */
const RETRY_MS = 50

/** Rejects when the address cannot be bound. */
export function openZhttpReqDoor(options: ZhttpDoorOptions): Promise<ZhttpDoor> {
  return bound(new ReqDoor(options))
}

class ReqDoor implements ZhttpDoor {
  readonly #options: ZhttpDoorOptions
  readonly #name: string
  readonly #warnings: Warnings
  readonly #socket = new Dealer({
    linger: 0,
    sendTimeout: 0,
    sendHighWaterMark: ZHTTP_FIRST_PACKETS_MAX,
    receiveHighWaterMark: ZHTTP_PACKETS_MAX,
  })
  /** Packets by id of their session, in order. */
  readonly #waiting = new Map<string, Buffer>()
  #waitingBytes = 0
  #isSending = false
  #retry: NodeJS.Timeout | null = null
  #loop: Promise<void> = Promise.resolve()

  constructor(options: ZhttpDoorOptions) {
    this.#options = options
    this.#name = `zhttpreq ${options.route.spec}`
    this.#warnings = new Warnings(this.#name, 'skipping', options.log)
  }

  async bind(): Promise<void> {
    const { spec, ipcFileMode } = this.#options.route
    await bindSocket(this.#socket, spec, `route target zhttpreq/${spec}`, ipcFileMode)
    this.#loop = receiveAll(
      this.#socket,
      (parts) => {
        this.#handle(parts)
      },
      (error) => {
        this.#options.log.error({ err: error }, `${this.#name}: the socket failed and takes nothing any more`)
      },
    )
  }

  send(_to: string | null, id: string, packet: Buffer): void {
    if (this.#waiting.size >= ZHTTP_WAITING_MAX || this.#waitingBytes + packet.length > ZHTTP_WAITING_BYTES_MAX) {
      return this.#options.onUnsent(id)
    }
    this.#waiting.set(id, packet)
    this.#waitingBytes += packet.length
    void this.#sendWaiting()
  }

  withdraw(id: string): void {
    const packet = this.#waiting.get(id)
    if (packet === undefined) return
    this.#waiting.delete(id)
    this.#waitingBytes -= packet.length
  }

  async close(): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#waiting.clear()
    this.#socket.close()
    await this.#loop
    this.#warnings.close()
  }

  async #sendWaiting(): Promise<void> {
    if (this.#isSending || this.#retry !== null) return
    this.#isSending = true
    try {
      for (const [id, packet] of this.#waiting) {
        await this.#socket.send([EMPTY, packet])
        this.withdraw(id)
      }
    } catch {
      // No worker has room: nothing is lost, it waits.
      if (!this.#socket.closed) this.#retryLater()
    } finally {
      this.#isSending = false
    }
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => {
      this.#retry = null
      void this.#sendWaiting()
    }, RETRY_MS)
  }

  #handle(parts: readonly Buffer[]): void {
    const fault =
      parts.length === 2 ? this.#options.onMessage(parts[1] as Buffer) : `has ${parts.length} parts instead of 2`
    if (fault === null) return
    this.#warnings.warn(`a message of a worker ${fault}`)
    this.#options.onBad()
  }
}
