/**
 * The statistics socket: an XPUB, so that it is known which types of packets somebody listens to.
 *
 * A listener that reads too slowly loses packets above the high-water mark, and only it does: the first packet that would
 * be lost is refused by the socket (`noDrop`), so that it is known. From then on ZeroMQ loses them without a word, until
 * listeners come or go.
 */
import type { Buffer } from 'node:buffer'
import { XPublisher } from 'zeromq'
import { STATS_PACKETS_MAX } from '../base/limits.js'
import type { Log } from '../base/log.js'
import { encodeStatsPacket, type StatsFormat, type StatsPacket, type StatsType } from '../wire/stats-packet.js'
import { StatsSubscriptions } from '../wire/stats-subscriptions.js'
import { freeSocketPath } from './socket-path.js'
import { bindSocket } from './zmq-bind.js'

export interface StatsPublisherOptions {
  readonly spec: string
  /** Mode bits for the file of an ipc:// spec, or null. */
  readonly ipcFileMode: number | null
  readonly format: StatsFormat
  /** Name of this gateway in the packets. */
  readonly from: string
  readonly log: Pick<Log, 'debug' | 'warn' | 'error' | 'isLevelEnabled'>
  /** Somebody began or ceased to listen. */
  onWanted(types: ReadonlySet<StatsType>): void
  /** Default: STATS_PACKETS_MAX. */
  readonly packetsMax?: number
}

/** So many packets are sent before others get their turn of the loop. */
const TURN_PACKETS = 500

export class StatsPublisher {
  readonly #options: StatsPublisherOptions
  readonly #socket: XPublisher
  readonly #subscriptions = new StatsSubscriptions()
  #queue: Buffer[] = []
  #isSending = false
  #isClosed = false
  /** A listener reads too slowly, and what it loses is not told. */
  #isLossy = false
  #reading: Promise<void> = Promise.resolve()
  /** Where it is bound; a wildcard port is filled in. */
  endpoint = ''
  sent = 0
  /** Packets that were not sent because too many waited. */
  lost = 0
  /** Times a listener was found to read too slowly. */
  slow = 0

  private constructor(options: StatsPublisherOptions) {
    this.#options = options
    const sendHighWaterMark = options.packetsMax ?? STATS_PACKETS_MAX
    this.#socket = new XPublisher({ sendHighWaterMark, sendTimeout: 0, linger: 0, receiveHighWaterMark: 0 })
    this.#socket.noDrop = true
  }

  /** Rejects with an error that names the setting and the spec when the socket cannot be bound. */
  static async open(options: StatsPublisherOptions): Promise<StatsPublisher> {
    const publisher = new StatsPublisher(options)
    try {
      await freeOldSocket(options.spec)
      publisher.endpoint = await bindSocket(publisher.#socket, options.spec, 'stats_spec', options.ipcFileMode)
    } catch (error) {
      await publisher.close()
      throw error
    }
    publisher.#reading = publisher.#readSubscriptions()
    return publisher
  }

  isWanted(type: StatsType): boolean {
    return this.#subscriptions.wanted.has(type)
  }

  /** Costs nothing when nobody listens to packets of that type. */
  publish(packet: StatsPacket): void {
    if (!this.#subscriptions.wanted.has(packet.type)) return
    if (this.#queue.length >= (this.#options.packetsMax ?? STATS_PACKETS_MAX)) {
      this.lost++
      return
    }
    const { from, format } = this.#options
    this.#queue.push(encodeStatsPacket(packet, from, format))
    if (this.#isSending || this.#isClosed) return
    this.#isSending = true
    void this.#drain()
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#queue = []
    this.#socket.close()
    await this.#reading
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, TURN_PACKETS)
      for (const packet of batch) {
        if (this.#isClosed) return
        await this.#send(packet)
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#isSending = false
  }

  async #send(packet: Buffer): Promise<void> {
    const { log } = this.#options
    if (log.isLevelEnabled('debug')) log.debug(`stats: OUT ${packet.toString('latin1')}`)
    this.sent++
    try {
      await this.#socket.send(packet)
    } catch (error) {
      if (this.#isClosed) return
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN')
        log.error({ err: error }, 'stats: a packet could not be sent')
      else await this.#sendToOthers(packet)
    }
  }

  /** Somebody's queue is full: it loses packets from now on, the others none. */
  async #sendToOthers(packet: Buffer): Promise<void> {
    this.slow++
    this.#options.log.warn('stats: a listener reads too slowly and loses packets')
    this.#setLossy(true)
    try {
      await this.#socket.send(packet)
    } catch (error) {
      if (!this.#isClosed) this.#options.log.error({ err: error }, 'stats: a packet could not be sent')
    }
  }

  /** zeromq.js warns that this takes effect later; libzmq takes it at once. */
  #setLossy(isLossy: boolean): void {
    this.#isLossy = isLossy
    this.#socket.noDrop = !isLossy
  }

  async #readSubscriptions(): Promise<void> {
    try {
      for await (const [message] of this.#socket) {
        if (message !== undefined && message.length > 0) this.#handleSubscription(message)
      }
    } catch (error) {
      if (!this.#isClosed) this.#options.log.error({ err: error }, 'stats: listeners are not seen any more')
    }
  }

  #handleSubscription(message: Buffer): void {
    if (this.#isLossy) this.#setLossy(false)
    if (this.#subscriptions.handleFrame(message)) this.#options.onWanted(this.#subscriptions.wanted)
  }
}

/** ZeroMQ would take the path from whoever listens there. */
async function freeOldSocket(spec: string): Promise<void> {
  if (!spec.startsWith('ipc://') || spec.startsWith('ipc://@')) return
  const taken = await freeSocketPath(spec.slice('ipc://'.length))
  if (taken !== null) throw new Error(`stats_spec: cannot bind ${spec}: ${taken}`)
}
