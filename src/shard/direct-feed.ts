/**
 * Publishers this shard is connected to by itself (push_in_sub_connect): an XSUB straight to their PUB sockets, so that
 * a publisher sends each shard only what somebody there listens to, and main is not in the way.
 *
 * These items pass no other room: they are decoded, validated, de-duplicated and brought into order here, per shard.
 *
 * An XSUB with no send high-water mark, not a SUB: a SUB loses its own subscriptions above 1,000 when it reconnects.
 */
import { XSubscriber } from 'zeromq'
import { bytesOfByteString } from '../base/bytes.js'
import type { Clock } from '../base/clock.js'
import { DeadlineEntry, type Deadlines } from '../base/deadlines.js'
import type { Log } from '../base/log.js'
import { RecentIds } from '../grip/recent-ids.js'
import { type LastIdTable, Sequencer } from '../grip/sequencer.js'
import { C, type Counters } from '../link/counters.js'
import { decodeZmqItem, isPublishFault } from '../wire/publish-item.js'
import type { PublishItem } from '../wire/publish-types.js'
import type { Hub } from './hub.js'

export interface DirectFeedOptions {
  readonly specs: readonly string[]
  readonly idCacheTtlMs: number
  readonly messageWaitMs: number
  readonly deadlines: Deadlines
  readonly clock: Clock
  readonly counters: Counters
  readonly log: Log
  hub(): Hub
}

const SUBSCRIBE = 1
const UNSUBSCRIBE = 0
/** At most one warning in this time; the counter has them all. */
const WARN_EVERY_MS = 1_000

function subscriptionMessage(kind: number, channel: string): Buffer {
  return Buffer.concat([Buffer.of(kind), bytesOfByteString(channel)])
}

/** Its deadline is that of the item parked longest. */
export class DirectFeed extends DeadlineEntry {
  readonly #options: DirectFeedOptions
  readonly #sequencer: Sequencer
  readonly #socket: XSubscriber
  readonly #recentIds: RecentIds
  #warnedMs = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(options: DirectFeedOptions) {
    super()
    this.#options = options
    this.#sequencer = new Sequencer({
      lastIds: new HubLastIds(options.hub),
      waitMs: options.messageWaitMs,
      release: (item) => {
        this.#release(item)
      },
    })
    this.#recentIds = new RecentIds(options.idCacheTtlMs)
    this.#socket = new XSubscriber({
      sendHighWaterMark: 0,
      sendTimeout: 0,
      linger: 0,
      tcpKeepalive: 1,
      tcpKeepaliveIdle: 30,
      tcpKeepaliveCount: 6,
      tcpKeepaliveInterval: 5,
    })
    for (const spec of options.specs) this.#socket.connect(spec)
  }

  subscribe(channel: string): void {
    this.#send(subscriptionMessage(SUBSCRIBE, channel))
  }

  unsubscribe(channel: string): void {
    this.#sequencer.clear(channel)
    this.#send(subscriptionMessage(UNSUBSCRIBE, channel))
  }

  #send(message: Buffer): void {
    this.#socket.send(message).catch((error: unknown) => {
      if (!this.#closed) this.#options.log.error({ err: error }, 'subscription could not be sent to publishers')
    })
  }

  /** Takes messages until close(). */
  async run(): Promise<void> {
    try {
      while (!this.#closed) this.#handle(await this.#socket.receive())
    } catch (error) {
      if (!this.#closed) this.#options.log.error({ err: error }, 'direct publishers cannot be read any more')
    }
  }

  #handle(parts: Buffer[]): void {
    const { counters, log } = this.#options
    try {
      if (parts.length !== 2) return this.#refuse('received message with parts != 2')
      const [topic, part] = parts as [Buffer, Buffer]
      const item = decodeZmqItem(part, topic.toString('latin1'))
      if (isPublishFault(item)) return this.#refuse(item.error)
      if (item.id !== null && this.#recentIds.isRepeat(item.channel, item.id, this.#options.clock.nowMs())) {
        counters.add('direct_duplicates')
        return
      }
      if (item.noSeq || this.#options.hub().channel(item.channel) === undefined) return this.#release(item)
      this.#sequencer.take(item, this.#options.clock.nowMs())
      if (this.#sequencer.parked > 0) this.#options.deadlines.set(this, this.#sequencer.deadlineMs)
    } catch (error) {
      counters.add('drop_bad_item')
      log.error({ err: error }, 'item of a direct publisher could not be delivered')
    }
  }

  override handleDeadline(nowMs: number): void {
    this.#sequencer.expire(nowMs)
    this.#options.deadlines.set(this, this.#sequencer.deadlineMs)
  }

  #release(item: PublishItem): void {
    const { counters } = this.#options
    const hub = this.#options.hub()
    // ZeroMQ matches by prefix: a longer topic than anybody asked for ends here.
    const counter = hub.handleItem(item.channel, () => item) ? C.direct_items : C.bus_foreign
    counters.values[counter] = (counters.values[counter] as number) + 1
    // Main cannot be asked for it later, as it can for what comes by the bus.
    const channel = hub.channel(item.channel)
    if (channel !== undefined && channel.lastId === undefined && !item.noSeq) channel.lastId = item.id
  }

  #refuse(why: string): void {
    const { counters, clock, log } = this.#options
    counters.add('drop_bad_item')
    const nowMs = clock.nowMs()
    if (nowMs - this.#warnedMs < WARN_EVERY_MS) return
    this.#warnedMs = nowMs
    log.warn(`IN sub: ${why}, skipping`)
  }

  close(): void {
    this.#closed = true
    this.#options.deadlines.clear(this)
    this.#socket.close()
  }
}

/** The last ids of the shard's channels, as a sequencer sees them. */
class HubLastIds implements LastIdTable {
  readonly #hub: () => Hub

  constructor(hub: () => Hub) {
    this.#hub = hub
  }

  get(channel: string): string | null {
    return this.#hub().channel(channel)?.lastId ?? null
  }

  set(channel: string, id: string): void {
    this.#put(channel, id)
  }

  delete(channel: string): void {
    this.#put(channel, null)
  }

  #put(name: string, id: string | null): void {
    const channel = this.#hub().channel(name)
    if (channel !== undefined) channel.lastId = id
  }
}
