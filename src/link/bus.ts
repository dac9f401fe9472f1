/**
 * The bus: published items from main to the shards, subscriptions from the shards to main.
 *
 * ZeroMQ XPUB (main) and SUB (each shard) over inproc; topics in bus-item.ts. Private topics exist besides the
 * channels, all of them 0xffff, kind, u16 shard:
 *
 *   barrier  kind 1 and a u32 number. A shard subscribes to it after its channels; main sees it after them (one pipe,
 *            in order) and answers on it. When the answer is here, the channels are live: everything main puts on
 *            the bus from then on arrives.
 *   ask      kind 3 and a u32 number. A barrier whose answer carries the last ids of channels that the shard names by
 *            its MessagePort (barrier-answers.ts).
 *   mark     kind 2. Main asks a shard that has not taken anything for long to confirm how far it has read.
 *   recover  kind 4. All last ids are forgotten, and every HTTP session is to ask its backend again.
 *
 * Back-pressure: ZeroMQ drops at a high-water mark without a word, so there is none (0 = no limit) and main bounds
 * what is under way itself: each message carries the position (blocks put so far), a shard writes the position
 * of the last message it took into shared memory, main pauses its publishers while a shard lags too far.
 */
import { Subscriber, XPublisher } from 'zeromq'
import { BUS_BLOCK_BYTES, BUS_IN_FLIGHT_BLOCKS_MAX } from '../base/limits.js'
import type { PublishItem } from '../wire/publish-types.js'
import { BarrierAnswers, decodeLastIds, encodeLastIds } from './barrier-answers.js'
import {
  type ChannelNote,
  channelNoteOf,
  channelOfTopic,
  encodeBusItem,
  encodeChannelNote,
  isPrivateTopic,
  positionOffset,
  topicOfChannel,
} from './bus-item.js'

const KIND_BARRIER = 1
const KIND_MARK = 2
const KIND_ASK = 3
const KIND_RECOVER = 4
const KIND_OFFSET = 2
const SHARD_OFFSET = 3
const BARRIER_NUMBER_OFFSET = 5
const MARK_BYTES = 5
const BARRIER_BYTES = 9

function privateTopic(kind: number, shard: number): Buffer {
  const topic = Buffer.alloc(isBarrierKind(kind) ? BARRIER_BYTES : MARK_BYTES)
  topic.writeUInt16BE(0xffff, 0)
  topic.writeUInt8(kind, KIND_OFFSET)
  topic.writeUInt16BE(shard, SHARD_OFFSET)
  return topic
}

function isBarrierKind(kind: number | undefined): boolean {
  return kind === KIND_BARRIER || kind === KIND_ASK
}

/** Per shard: [position taken, channels held]. */
export class BusProgress {
  readonly #cells: Int32Array

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory)
  }

  static allocate(shards: number): SharedArrayBuffer {
    return new SharedArrayBuffer(shards * 8)
  }

  setTaken(shard: number, position: number): void {
    Atomics.store(this.#cells, shard * 2, position | 0)
  }

  taken(shard: number): number {
    return Atomics.load(this.#cells, shard * 2)
  }

  setChannels(shard: number, channels: number): void {
    Atomics.store(this.#cells, shard * 2 + 1, channels)
  }

  channels(shard: number): number {
    return Atomics.load(this.#cells, shard * 2 + 1)
  }
}

export interface BusMainEvents {
  /** The first shard subscribed to `channel`, or the last one left it. */
  onChannel(channel: string, subscribed: boolean): void
  /** Of the item put last to `channel`; null: none is known. */
  lastId(channel: string): string | null
  /** The socket failed: nothing can be delivered any more. */
  onError(error: Error): void
}

/** Main's end. */
export class BusMain {
  readonly #socket: XPublisher
  readonly #progress: BusProgress
  readonly #shards: number
  readonly #events: BusMainEvents
  /** Shards that subscribe to a channel. */
  readonly #subscribers = new Map<string, number>()
  /** By shard. */
  readonly #answers: readonly BarrierAnswers[]
  /** Blocks put so far, modulo 2^32. */
  #position = 0
  #nextMark = 0
  #closed = false
  /** Barriers answered. */
  barriers = 0

  private constructor(socket: XPublisher, progress: BusProgress, shards: number, events: BusMainEvents) {
    this.#socket = socket
    this.#progress = progress
    this.#shards = shards
    this.#events = events
    this.#answers = Array.from(
      { length: shards },
      () =>
        new BarrierAnswers((topic, channels) => {
          this.barriers++
          this.#answer(topic, encodeLastIds(channels.map((channel) => events.lastId(channel))))
        }),
    )
  }

  static async open(address: string, shards: number, progress: BusProgress, events: BusMainEvents): Promise<BusMain> {
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
    const bus = new BusMain(socket, progress, shards, events)
    void bus.#readSubscriptions()
    return bus
  }

  /** Channels with a subscriber on any shard. */
  get channels(): number {
    return this.#subscribers.size
  }

  isSubscribed(channel: string): boolean {
    return this.#subscribers.has(channel)
  }

  /** Puts `item` on the bus. False when no shard holds its channel: then nothing was sent. */
  put(item: PublishItem): boolean {
    if (!this.#subscribers.has(item.channel)) return false
    this.#put(item.channel, encodeBusItem(item))
    return true
  }

  /** Tells the shards that hold `channel`. */
  note(channel: string, note: ChannelNote): void {
    if (this.#subscribers.has(channel)) this.#put(channel, encodeChannelNote(channel, note))
  }

  #put(channel: string, message: Buffer): void {
    this.#position = (this.#position + 1 + Math.floor(message.length / BUS_BLOCK_BYTES)) >>> 0
    message.writeUInt32BE(this.#position, positionOffset(channel))
    this.#send(message)
  }

  /** Tells every shard. */
  recover(): void {
    for (let shard = 0; shard < this.#shards; shard++) this.#answer(privateTopic(KIND_RECOVER, shard))
  }

  /** A shard named the channels of its barrier `number` (kind ask). */
  handleQuestion(shard: number, number: number, channels: readonly string[]): void {
    this.#answers[shard]?.handleQuestion(number, channels)
  }

  /** Blocks that the slowest shard has still to take. A shard without channels gets nothing and cannot lag. */
  lagBlocks(): number {
    let worst = 0
    for (let shard = 0; shard < this.#shards; shard++) {
      if (this.#progress.channels(shard) === 0) continue
      const lag = (this.#position - this.#progress.taken(shard)) >>> 0
      // A shard that has just read a newer position than a racing caller knows shows as a huge lag: none.
      if (lag < 0x8000_0000 && lag > worst) worst = lag
    }
    return worst
  }

  /**
   * True when publishers are to be held back. A shard lags also when nothing put lately was for it; it is then asked
   * to confirm its position, once per quarter of the limit.
   */
  isFull(): boolean {
    const lag = this.lagBlocks()
    if (lag > BUS_IN_FLIGHT_BLOCKS_MAX / 2) this.#mark()
    return lag > BUS_IN_FLIGHT_BLOCKS_MAX
  }

  #mark(): void {
    if ((this.#position - this.#nextMark) >>> 0 > 0x8000_0000) return
    this.#nextMark = (this.#position + BUS_IN_FLIGHT_BLOCKS_MAX / 4) >>> 0
    for (let shard = 0; shard < this.#shards; shard++) this.#answer(privateTopic(KIND_MARK, shard))
  }

  /** A private message: topic, what it says, and the position at its end. */
  #answer(topic: Buffer, tail?: Buffer): void {
    const tailBytes = tail?.length ?? 0
    const message = Buffer.allocUnsafe(topic.length + tailBytes + 4)
    message.set(topic)
    if (tail !== undefined) message.set(tail, topic.length)
    message.writeUInt32BE(this.#position, topic.length + tailBytes)
    this.#send(message)
  }

  #send(message: Buffer): void {
    this.#socket.send(message).catch((error: unknown) => {
      if (!this.#closed) this.#events.onError(error as Error)
    })
  }

  async #readSubscriptions(): Promise<void> {
    try {
      while (!this.#closed) {
        const [message] = await this.#socket.receive()
        this.#handleSubscription(message as Buffer)
      }
    } catch (error) {
      if (!this.#closed) this.#events.onError(error as Error)
    }
  }

  #handleSubscription(message: Buffer): void {
    const subscribed = message[0] === 1
    const topic = message.subarray(1)
    if (isPrivateTopic(topic)) {
      const kind = topic[KIND_OFFSET]
      if (!subscribed || !isBarrierKind(kind)) return
      const answers = this.#answers[topic.readUInt16BE(SHARD_OFFSET)]
      answers?.handleBarrier(topic, topic.readUInt32BE(BARRIER_NUMBER_OFFSET), kind === KIND_ASK)
      return
    }
    const channel = channelOfTopic(topic)
    const count = (this.#subscribers.get(channel) ?? 0) + (subscribed ? 1 : -1)
    if (count > 0) this.#subscribers.set(channel, count)
    else this.#subscribers.delete(channel)
    if (count === (subscribed ? 1 : 0)) this.#events.onChannel(channel, subscribed)
  }

  close(): void {
    this.#closed = true
    this.#socket.close()
  }
}

export interface BusShardEvents {
  /** A published item's message; `channel` is read from it already (decodeBusItem wants both). Must not throw. */
  onItem(message: Buffer, channel: string): void
  onNote(channel: string, note: ChannelNote): void
  /**
   * The answer to barrier `number`: everything subscribed before it is live. `lastIds`: of the channels it asked for, in
   * that order. Must not throw.
   */
  onBarrier(number: number, lastIds: readonly (string | null)[]): void
  /** See BusMain.recover. Must not throw. */
  onRecover(): void
  onError(error: Error): void
}

/** A shard's end. */
export class BusShard {
  readonly #socket: Subscriber
  readonly #progress: BusProgress
  readonly #shard: number
  #closed = false

  constructor(address: string, shard: number, progress: BusProgress) {
    this.#socket = new Subscriber({ receiveHighWaterMark: 0, linger: 0 })
    this.#shard = shard
    this.#progress = progress
    this.#socket.connect(address)
    this.#socket.subscribe(privateTopic(KIND_MARK, shard))
    this.#socket.subscribe(privateTopic(KIND_RECOVER, shard))
  }

  subscribe(channel: string): void {
    this.#socket.subscribe(topicOfChannel(channel))
  }

  unsubscribe(channel: string): void {
    this.#socket.unsubscribe(topicOfChannel(channel))
  }

  /** Asks main to confirm that everything subscribed so far is in force. `asks`: see BusMain.handleQuestion. */
  sendBarrier(number: number, asks = false): void {
    this.#socket.subscribe(this.#barrierTopic(asks ? KIND_ASK : KIND_BARRIER, number))
  }

  #barrierTopic(kind: number, number: number): Buffer {
    const topic = privateTopic(kind, this.#shard)
    topic.writeUInt32BE(number >>> 0, BARRIER_NUMBER_OFFSET)
    return topic
  }

  /** Takes messages until close(). */
  async run(events: BusShardEvents): Promise<void> {
    try {
      while (!this.#closed) {
        const [message] = await this.#socket.receive()
        this.#handle(message as Buffer, events)
      }
    } catch (error) {
      if (!this.#closed) events.onError(error as Error)
    }
  }

  #handle(message: Buffer, events: BusShardEvents): void {
    if (!isPrivateTopic(message)) {
      const channel = channelOfTopic(message)
      const note = channelNoteOf(message, channel)
      if (note === null) events.onItem(message, channel)
      else events.onNote(channel, note)
      this.#progress.setTaken(this.#shard, message.readUInt32BE(positionOffset(channel)))
      return
    }
    this.#progress.setTaken(this.#shard, message.readUInt32BE(message.length - 4))
    const kind = message[KIND_OFFSET] as number
    if (kind === KIND_RECOVER) return events.onRecover()
    if (!isBarrierKind(kind)) return
    const number = message.readUInt32BE(BARRIER_NUMBER_OFFSET)
    this.#socket.unsubscribe(this.#barrierTopic(kind, number))
    events.onBarrier(number, decodeLastIds(message.subarray(BARRIER_BYTES, -4)))
  }

  close(): void {
    this.#closed = true
    this.#socket.close()
  }
}
