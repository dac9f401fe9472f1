/**
 * What comes to the shard: bus messages to fan-out, barrier answers to the hub.
 */
import { Buffer } from 'node:buffer'
import type { Log } from '../base/log.js'
import { type ChannelNote, decodeBusItem, positionOffset } from '../link/bus-item.js'
import type { BusShardEvents } from '../link/bus.js'
import { C, type Counters } from '../link/counters.js'
import type { Hub } from './hub.js'
import type { Report } from './report.js'

export interface FeedOptions {
  readonly hub: Hub
  readonly counters: Counters
  readonly report: Pick<Report, 'wantsItems' | 'beginItem' | 'endItem'>
  readonly log: Log
  onFatal(message: string): void
  /** Every HTTP session is to ask its backend again. */
  onRecover(): void
}

export class Feed implements BusShardEvents {
  readonly #options: FeedOptions

  constructor(options: FeedOptions) {
    this.#options = options
  }

  onItem(message: Buffer, name: string): void {
    const { hub, counters, report, log } = this.#options
    const { values } = counters
    try {
      if (report.wantsItems) report.beginItem(message.readUInt32BE(positionOffset(name)))
      const isHeld = hub.handleItem(name, (isKept) => decodeBusItem(isKept ? Buffer.from(message) : message, name))
      const counter = isHeld ? C.bus_items : C.bus_foreign
      values[counter] = (values[counter] as number) + 1
    } catch (error) {
      counters.add('drop_bad_item')
      log.error({ err: error, channel: name }, 'bus item could not be delivered')
    }
    if (report.wantsItems) report.endItem()
  }

  onNote(channel: string, note: ChannelNote): void {
    this.#guard(() => {
      this.#options.hub.handleNote(channel, note)
    }, 'note of main could not be handled')
  }

  onBarrier(number: number, lastIds: readonly (string | null)[]): void {
    this.#guard(() => {
      this.#options.hub.handleBarrier(number, lastIds)
    }, 'barrier answer could not be handled')
  }

  onRecover(): void {
    this.#guard(() => {
      this.#options.hub.handleRecover()
      this.#options.onRecover()
    }, 'recovery could not be started')
  }

  #guard(run: () => void, failure: string): void {
    try {
      run()
    } catch (error) {
      this.#options.counters.add('callback_errors')
      this.#options.log.error({ err: error }, failure)
    }
  }

  onError(error: Error): void {
    this.#options.onFatal(`bus: ${error.message}`)
  }
}
