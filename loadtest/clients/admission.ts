/** The first message of each connection of churn: published when it is open, and waited for. */
import { Stamper, StampReader } from '../measure/stamp.js'
import type { ClientsContext } from './clients.js'
import { formatOf, itemFrame, stampBytesOf } from './items.js'
import type { ItemFormat } from './items.js'
import { Live } from './protocol.js'
import type { Counts } from './protocol.js'
import { openDoor } from './publish-door.js'
import type { OpenDoor } from './publish-door.js'
import type { Series } from './tally.js'

/** Which connection a message is for is in its number. */
const SOURCE = 0

export class Admission {
  readonly #context: ClientsContext
  readonly #format: ItemFormat
  readonly #firstMessages: Series
  readonly #stamper: Stamper
  readonly #reader: StampReader
  /** Null until open() has resolved. */
  #door: OpenDoor | null = null
  /** Number of the connection → what to do when it is served. */
  readonly #waiting = new Map<number, () => void>()
  #received = 0
  #duplicates = 0

  constructor(context: ClientsContext) {
    const { options, run, epochMs } = context.start
    this.#context = context
    this.#format = formatOf(options)
    this.#firstMessages = context.tally.series('firstMessage')
    this.#stamper = new Stamper(run, SOURCE, epochMs, stampBytesOf(options, this.#format))
    this.#reader = new StampReader(run, epochMs)
  }

  async open(): Promise<void> {
    const { start, tally } = this.#context
    const { publish, timeoutMs, insecure } = start.options
    if (publish === null) throw new Error('nowhere to publish')
    this.#door = await openDoor(publish, {
      timeoutMs,
      insecure,
      handleDone: (n, _intendedMs, failure) => {
        if (failure === null) return
        tally.fail(failure.kind, failure.example)
        this.#serve(n)
      },
    })
  }

  get waiting(): number {
    return this.#waiting.size
  }

  isWaiting(n: number): boolean {
    return this.#waiting.has(n)
  }

  /** Connection `n` is open and listens to `channel`. `handleServed`: its message has come, or cannot come. */
  greet(n: number, channel: string, handleServed: () => void): void {
    this.#waiting.set(n, handleServed)
    const { before, after } = itemFrame(channel, this.#format)
    const nowMs = this.#context.clock.nowMs()
    this.#door?.publish(n, nowMs, before + this.#stamper.stamp(n, nowMs) + after)
  }

  receive(n: number, bytes: Buffer, start: number, end: number): void {
    const { tally, clock } = this.#context
    if (!this.#reader.read(bytes, start, end)) return
    if (this.#reader.number !== n) return tally.fail('message of another channel')
    if (!this.#waiting.has(n)) {
      this.#duplicates += 1
      return tally.fail('duplicate messages')
    }
    this.#received += 1
    tally.count(Live.Received)
    this.#firstMessages.record(this.#reader.intendedMs, clock.nowMs())
    this.#serve(n)
  }

  /** The connection is gone. */
  forget(n: number): void {
    this.#waiting.delete(n)
  }

  counts(): Pick<Counts, 'expected' | 'received' | 'missing' | 'duplicates'> {
    const missing = this.#waiting.size
    const received = this.#received
    return { expected: received + missing, received, missing, duplicates: this.#duplicates }
  }

  async close(): Promise<void> {
    await this.#door?.close()
  }

  #serve(n: number): void {
    const handleServed = this.#waiting.get(n)
    this.#waiting.delete(n)
    handleServed?.()
  }
}
