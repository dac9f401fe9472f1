/**
 * The bus: published items from main to the shards, subscriptions from the shards to main.
 *
 * One ZeroMQ XPUB in main for each shard (bus-pipe.ts), one SUB in the shard, over inproc; topics in bus-item.ts. Private
 * topics exist besides the channels, all of them 0xffff, kind, u16 shard:
 *
 *   barrier  kind 1 and a u32 number. A shard subscribes to it after its channels; main sees it after them (one pipe,
 *            in order) and answers on it. When the answer is here, the channels are live: everything main puts on
 *            the bus from then on arrives.
 *   ask      kind 3 and a u32 number. A barrier whose answer carries the last ids of channels that the shard names by
 *            its MessagePort (barrier-answers.ts).
 *   recover  kind 4. All last ids are forgotten, and every HTTP session is to ask its backend again.
 *   batch    kind 5. Several messages of one turn in one (bus-batch.ts).
 *
 * Back-pressure: ZeroMQ drops at a high-water mark without a word, so there is none (0 = no limit) and main bounds
 * what is under way itself: each message carries the position (blocks put so far), a shard writes the position
 * of the last message it took into shared memory, main pauses its publishers while a shard lags too far (in-flight.ts).
 */
import { Subscriber } from 'zeromq'
import { BUS_BLOCK_BYTES } from '../base/limits.js'
import type { PublishItem } from '../wire/publish-types.js'
import { forEachOfBatch } from './bus-batch.js'
import { BusPipe } from './bus-pipe.js'
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
import { InFlightLimit } from './in-flight.js'
import { ChannelShards } from './channel-shards.js'

const KIND_BARRIER = 1
const KIND_ASK = 3
const KIND_RECOVER = 4
const KIND_BATCH = 5
const KIND_OFFSET = 2
const SHARD_OFFSET = 3
const BARRIER_NUMBER_OFFSET = 5
const PRIVATE_BYTES = 5
const BARRIER_BYTES = 9

function privateTopic(kind: number, shard: number): Buffer {
  const topic = Buffer.alloc(isBarrierKind(kind) ? BARRIER_BYTES : PRIVATE_BYTES)
  topic.writeUInt16BE(0xffff, 0)
  topic.writeUInt8(kind, KIND_OFFSET)
  topic.writeUInt16BE(shard, SHARD_OFFSET)
  return topic
}

const NO_MESSAGE = Buffer.alloc(0)

function pipeAddress(address: string, shard: number): string {
  return `${address}-${String(shard)}`
}

function isBarrierKind(kind: number | undefined): boolean {
  return kind === KIND_BARRIER || kind === KIND_ASK
}

/** Per shard: the position up to which it has taken what was put. */
export class BusProgress {
  readonly #cells: Int32Array

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory)
  }

  static allocate(shards: number): SharedArrayBuffer {
    return new SharedArrayBuffer(shards * 4)
  }

  setTaken(shard: number, position: number): void {
    Atomics.store(this.#cells, shard, position | 0)
  }

  taken(shard: number): number {
    return Atomics.load(this.#cells, shard) >>> 0
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
  readonly #pipes: BusPipe[] = []
  readonly #progress: BusProgress
  readonly #shards: number
  readonly #events: BusMainEvents
  readonly #channels: ChannelShards
  /** By shard. */
  readonly #answers: readonly BarrierAnswers[]
  /** Blocks put so far, modulo 2^32. */
  #position = 0
  readonly #inFlight = new InFlightLimit()
  #outgoing: Buffer = NO_MESSAGE
  #outgoingBlocks = 0
  /** Barriers answered. */
  barriers = 0

  private constructor(progress: BusProgress, shards: number, events: BusMainEvents) {
    this.#progress = progress
    this.#shards = shards
    this.#events = events
    this.#channels = new ChannelShards(shards)
    this.#answers = Array.from(
      { length: shards },
      (_, shard) =>
        new BarrierAnswers((topic, channels) => {
          this.barriers++
          this.#answer(shard, topic, encodeLastIds(channels.map((channel) => events.lastId(channel))))
        }),
    )
  }

  static async open(address: string, shards: number, progress: BusProgress, events: BusMainEvents): Promise<BusMain> {
    const bus = new BusMain(progress, shards, events)
    try {
      for (let shard = 0; shard < shards; shard++) {
        const pipe = await BusPipe.open(pipeAddress(address, shard), privateTopic(KIND_BATCH, shard), {
          onSubscription: (message) => {
            bus.#handleSubscription(shard, message)
          },
          onError: (error) => {
            events.onError(error)
          },
        })
        bus.#pipes.push(pipe)
      }
    } catch (error) {
      bus.close()
      throw error
    }
    return bus
  }

  /** Channels with a subscriber on any shard. */
  get channels(): number {
    return this.#channels.size
  }

  /** What is put last stands there on the bus. */
  get position(): number {
    return this.#position
  }

  shardsOf(channel: string): number {
    return this.#channels.count(channel)
  }

  isSubscribed(channel: string): boolean {
    return this.#channels.has(channel)
  }

  /** Puts `item` on the bus. False when no shard holds its channel: then nothing was sent. */
  put(item: PublishItem): boolean {
    if (!this.#channels.has(item.channel)) return false
    this.#put(item.channel, encodeBusItem(item))
    return true
  }

  /** Tells the shards that hold `channel`. */
  note(channel: string, note: ChannelNote): void {
    if (this.#channels.has(channel)) this.#put(channel, encodeChannelNote(channel, note))
  }

  #put(channel: string, message: Buffer): void {
    this.#outgoingBlocks = 1 + Math.floor(message.length / BUS_BLOCK_BYTES)
    this.#position = (this.#position + this.#outgoingBlocks) >>> 0
    message.writeUInt32BE(this.#position, positionOffset(channel))
    this.#outgoing = message
    this.#channels.forEach(channel, this.#putOutgoing)
  }

  /** A function made once: nothing is allocated per item and shard. */
  readonly #putOutgoing = (shard: number): void => {
    this.#pipes[shard]?.put(this.#outgoing, this.#position, this.#outgoingBlocks, this.#progress.taken(shard))
  }

  /** Tells every shard. */
  recover(): void {
    for (let shard = 0; shard < this.#shards; shard++) this.#answer(shard, privateTopic(KIND_RECOVER, shard))
  }

  /** A shard named the channels of its barrier `number` (kind ask). */
  handleQuestion(shard: number, number: number, channels: readonly string[]): void {
    this.#answers[shard]?.handleQuestion(number, channels)
  }

  /** Blocks that the slowest shard has still to take. */
  lagBlocks(): number {
    return this.#lagOf(this.#slowest())
  }

  /** True when publishers are to be held back. */
  isFull(nowMs: number): boolean {
    const slowest = this.#slowest()
    const lag = this.#lagOf(slowest)
    this.#inFlight.observe(slowest, lag, this.#progress.taken(slowest), nowMs)
    return lag > this.#inFlight.blocks
  }

  #slowest(): number {
    let slowest = 0
    let worst = 0
    for (let shard = 0; shard < this.#pipes.length; shard++) {
      const lag = this.#lagOf(shard)
      if (lag <= worst) continue
      worst = lag
      slowest = shard
    }
    return slowest
  }

  #lagOf(shard: number): number {
    return (this.#pipes[shard] as BusPipe).lagBlocks(this.#progress.taken(shard))
  }

  /** A private message: topic, what it says, and the position at its end. */
  #answer(shard: number, topic: Buffer, tail?: Buffer): void {
    const tailBytes = tail?.length ?? 0
    const message = Buffer.allocUnsafe(topic.length + tailBytes + 4)
    message.set(topic)
    if (tail !== undefined) message.set(tail, topic.length)
    message.writeUInt32BE(this.#position, topic.length + tailBytes)
    this.#pipes[shard]?.put(message, this.#position, 0, this.#progress.taken(shard))
  }

  #handleSubscription(shard: number, message: Buffer): void {
    const subscribed = message[0] === 1
    const topic = message.subarray(1)
    if (isPrivateTopic(topic)) {
      const kind = topic[KIND_OFFSET]
      if (!subscribed || !isBarrierKind(kind)) return
      this.#answers[shard]?.handleBarrier(topic, topic.readUInt32BE(BARRIER_NUMBER_OFFSET), kind === KIND_ASK)
      return
    }
    const channel = channelOfTopic(topic)
    const isTurn = subscribed ? this.#channels.add(channel, shard) : this.#channels.remove(channel, shard)
    if (isTurn) this.#events.onChannel(channel, subscribed)
  }

  close(): void {
    for (const pipe of this.#pipes) pipe.close()
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
    this.#socket.connect(pipeAddress(address, shard))
    this.#socket.subscribe(privateTopic(KIND_RECOVER, shard))
    this.#socket.subscribe(privateTopic(KIND_BATCH, shard))
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
    const kind = message[KIND_OFFSET] as number
    if (kind === KIND_BATCH) {
      forEachOfBatch(message, PRIVATE_BYTES, (one) => {
        this.#handle(one, events)
      })
      return
    }
    this.#progress.setTaken(this.#shard, message.readUInt32BE(message.length - 4))
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
