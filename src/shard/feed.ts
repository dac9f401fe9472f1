/**
 * What comes to the shard: bus messages to fan-out, barrier answers to the hub.
 */
import type { Log } from '../base/log.js'
import { decodeBusItem } from '../link/bus-item.js'
import type { BusShardEvents } from '../link/bus.js'
import { C, type Counters } from '../link/counters.js'
import type { Hub } from './hub.js'

export interface FeedOptions {
  readonly hub: Hub
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
    const { hub, counters, log } = this.#options
    const { values } = counters
    try {
      const counter = hub.handleItem(name, () => decodeBusItem(message, name)) ? C.bus_items : C.bus_foreign
      values[counter] = (values[counter] as number) + 1
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
