/** Publishing by a ZeroMQ PUSH socket, which answers nothing. */
import { Push } from 'zeromq'
import { messageOf } from '../measure/failures.js'
import type { DoorOptions, OpenDoor } from './publish-door.js'

/** Messages that the socket keeps itself; what is more waits here. */
const HIGH_WATER_MARK = 1_000

interface Waiting {
  readonly n: number
  readonly intendedMs: number
  readonly message: string
}

export class ZmqDoor implements OpenDoor {
  readonly answers = false
  readonly #socket: Push
  readonly #options: DoorOptions
  #queue: Waiting[] = []
  #sending = false

  constructor(endpoint: string, options: DoorOptions) {
    this.#options = options
    this.#socket = new Push({ linger: 0, sendHighWaterMark: HIGH_WATER_MARK, sendTimeout: options.timeoutMs })
    this.#socket.connect(endpoint)
  }

  publish(n: number, intendedMs: number, item: string): void {
    this.#queue.push({ n, intendedMs, message: `J${item}` })
    if (!this.#sending) void this.#send()
  }

  close(): Promise<void> {
    this.#socket.close()
    return Promise.resolve()
  }

  /** One at a time: a ZeroMQ socket takes no second message while a first one waits. */
  async #send(): Promise<void> {
    this.#sending = true
    while (this.#queue.length > 0) {
      const queue = this.#queue
      this.#queue = []
      for (const { n, intendedMs, message } of queue) {
        try {
          await this.#socket.send(message)
          this.#options.handleDone(n, intendedMs, null)
        } catch (error) {
          const kind = 'publish: not taken by the ZeroMQ socket in time'
          this.#options.handleDone(n, intendedMs, { kind, example: messageOf(error) })
        }
      }
    }
    this.#sending = false
  }
}
