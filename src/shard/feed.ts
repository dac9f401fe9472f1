/**
 * What comes to the shard: bus messages to fan-out, barrier answers to the hub.
 */
import type { Log } from '../base/log.js'
import { decodeBusItem } from '../link/bus-item.js'
import type { BusShardEvents } from '../link/bus.js'
import { C, type Counters } from '../link/counters.js'
import type { Fanout } from './fanout.js'
import type { Hub } from './hub.js'

export interface FeedOptions {
  readonly hub: Hub
  readonly fanout: Fanout
  readonly counters: Counters
  readonly log: Log
  onFatal(message: string): void
}

export class Feed implements BusShardEvents {
  readonly #options: FeedOptions

  constructor(options: FeedOptions) {
    this.#options = options
  }

  onItem(message: Buffer, name: string): void {
    const { hub, fanout, counters, log } = this.#options
    const { values } = counters
    try {
      const channel = hub.channel(name)
      if (channel === undefined || channel.subscribers === 0) {
        values[C.bus_foreign] = (values[C.bus_foreign] as number) + 1
        return
      }
      values[C.bus_items] = (values[C.bus_items] as number) + 1
      fanout.deliver(channel, decodeBusItem(message, name))
    } catch (error) {
      counters.add('drop_bad_item')
      log.error({ err: error, channel: name }, 'bus item could not be delivered')
    }
  }

  onBarrier(number: number): void {
    try {
      this.#options.hub.handleBarrier(number)
    } catch (error) {
      this.#options.counters.add('callback_errors')
      this.#options.log.error({ err: error }, 'barrier answer could not be handled')
    }
  }

  onError(error: Error): void {
    this.#options.onFatal(`bus: ${error.message}`)
  }
}
