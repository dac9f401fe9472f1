/**
 * Main's end of the bus to one shard: a ZeroMQ XPUB of its own, so that main knows which shard a subscription is of, and
 * what is on its way out.
 *
 * What is put in one turn of the loop leaves together: as it is when it is one message, else as a batch
 * (bus-batch.ts). Large messages go alone, so that they are not copied.
 */
import type { Buffer } from 'node:buffer'
import { XPublisher } from 'zeromq'
import { BUS_BATCH_BYTES_MAX, BUS_BATCHED_MESSAGE_BYTES_MAX } from '../base/limits.js'
import { encodeBatch } from './bus-batch.js'

export interface BusPipeEvents {
  /** First byte 1 (subscribed) or 0, then the topic. */
  onSubscription(message: Buffer): void
  onError(error: Error): void
}

export class BusPipe {
  /** The position of what was put last. */
  #position = 0
  /** The position before the oldest message that the shard may not have taken. */
  #base = 0
  readonly #socket: XPublisher
  readonly #batchTopic: Buffer
  readonly #events: BusPipeEvents
  #pending: Buffer[] = []
  #pendingBytes = 0
  #isScheduled = false
  #isClosed = false

  private constructor(socket: XPublisher, batchTopic: Buffer, events: BusPipeEvents) {
    this.#socket = socket
    this.#batchTopic = batchTopic
    this.#events = events
  }

  static async open(address: string, batchTopic: Buffer, events: BusPipeEvents): Promise<BusPipe> {
    const socket = new XPublisher({
      verbosity: 'allSubsUnsubs',
      // No limit: 10,000 subscriptions in one turn must all arrive, and lag is bounded by position.
      receiveHighWaterMark: 0,
      sendHighWaterMark: 0,
      // With no high-water mark a send never waits; 0 makes every send complete inside the call.
      sendTimeout: 0,
      linger: 0,
    })
    await socket.bind(address)
    const pipe = new BusPipe(socket, batchTopic, events)
    void pipe.#readSubscriptions()
    return pipe
  }

  /**
   * Puts `message` behind all that was put before. It must not change any more. It carries `position`, as counted over all
   * shards, weighs `blocks`, and the shard has taken all up to `taken`.
   */
  put(message: Buffer, position: number, blocks: number, taken: number): void {
    if (taken === this.#position) this.#base = (position - blocks) >>> 0
    this.#position = position
    if (message.length > BUS_BATCHED_MESSAGE_BYTES_MAX) {
      this.#flush()
      this.#send(message)
      return
    }
    this.#pending.push(message)
    this.#pendingBytes += message.length
    if (this.#pendingBytes >= BUS_BATCH_BYTES_MAX) this.#flush()
    else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(this.#flushScheduled)
    }
  }

  /**
   * Blocks that the shard has still to take, or more: what was put for others in between counts, but not what was put
   * before its oldest message.
   */
  lagBlocks(taken: number): number {
    const lag = (this.#position - taken) >>> 0
    return lag < 0x8000_0000 ? Math.min(lag, (this.#position - this.#base) >>> 0) : 0
  }

  close(): void {
    this.#isClosed = true
    this.#socket.close()
  }

  readonly #flushScheduled = (): void => {
    this.#isScheduled = false
    this.#flush()
  }

  #flush(): void {
    const pending = this.#pending
    if (pending.length === 0 || this.#isClosed) return
    this.#send(
      pending.length === 1 ? (pending[0] as Buffer) : encodeBatch(this.#batchTopic, pending, this.#pendingBytes),
    )
    this.#pending = []
    this.#pendingBytes = 0
  }

  #send(message: Buffer): void {
    this.#socket.send(message).catch((error: unknown) => {
      if (!this.#isClosed) this.#events.onError(error as Error)
    })
  }

  async #readSubscriptions(): Promise<void> {
    try {
      while (!this.#isClosed) {
        const [message] = await this.#socket.receive()
        this.#events.onSubscription(message as Buffer)
      }
    } catch (error) {
      if (!this.#isClosed) this.#events.onError(error as Error)
    }
  }
}
