/**
 * Items that came while a stream fetches its next link. They wait in order, and are looked at when the page is there.
 *
 * Bus messages come in batches that share memory, so what waits is a copy; one copy serves all streams.
 */
import { LINK_QUEUE_ITEMS_MAX } from '../base/limits.js'
import type { HttpStreamFormat, PublishItem } from '../wire/publish-types.js'
import type { Subscription } from './subscriptions.js'

export interface StreamItem extends PublishItem {
  readonly httpStream: HttpStreamFormat
}

const copies = new WeakMap<PublishItem, StreamItem>()

function copyOf(item: PublishItem, format: HttpStreamFormat): StreamItem {
  let copy = copies.get(item)
  if (copy === undefined) {
    const httpStream = { ...format, content: Buffer.from(format.content) }
    copy = { ...item, httpStream, httpResponse: null, wsMessage: null }
    copies.set(item, copy)
  }
  return copy
}

export class LinkQueue {
  #items: StreamItem[] = []

  get size(): number {
    return this.#items.length
  }

  /** False: there is no room. */
  add(item: PublishItem, format: HttpStreamFormat): boolean {
    if (this.#items.length >= LINK_QUEUE_ITEMS_MAX) return false
    this.#items.push(copyOf(item, format))
    return true
  }

  shift(): StreamItem | null {
    return this.#items.shift() ?? null
  }

  /** How many there were. */
  clear(): number {
    const { length } = this.#items
    this.#items = []
    return length
  }

  /** Drops items from the front up to the first that follows the hold. How many. */
  dropUnfit(held: readonly Subscription[]): number {
    const at = this.#items.findIndex((item) => {
      const subscription = held.find(({ channel }) => channel.name === item.channel)
      return subscription !== undefined && (subscription.prevId === null || subscription.prevId === item.prevId)
    })
    const unfit = at === -1 ? this.#items.length : at
    this.#items.splice(0, unfit)
    return unfit
  }
}
