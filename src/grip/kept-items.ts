/**
 * Items that have to wait. Bus messages come in batches that share memory, so what waits is a copy; one copy serves all
 * who keep the item.
 */
import { FILTER_QUEUE_ITEMS_MAX } from '../base/limits.js'
import type { PublishItem } from '../wire/publish-types.js'

const copies = new WeakMap<PublishItem, PublishItem>()

/** The item with memory of its own. That of a copy is the copy. */
export function keptItem(item: PublishItem): PublishItem {
  let copy = copies.get(item)
  if (copy === undefined) {
    copy = copyOf(item)
    copies.set(item, copy)
    copies.set(copy, copy)
  }
  return copy
}

function copyOf(item: PublishItem): PublishItem {
  const { httpStream, httpResponse, wsMessage } = item
  return {
    ...item,
    httpStream: httpStream === null ? null : { ...httpStream, content: Buffer.from(httpStream.content) },
    httpResponse: httpResponse === null ? null : { ...httpResponse, body: Buffer.from(httpResponse.body) },
    wsMessage: wsMessage === null ? null : { ...wsMessage, content: Buffer.from(wsMessage.content) },
  }
}

/** Items of one session that wait, first in, first out: behind one whose filter is asking, unless something else is said. */
export class KeptItems<Item extends PublishItem = PublishItem> {
  protected items: Item[] = []
  readonly #max: number

  constructor(max = FILTER_QUEUE_ITEMS_MAX) {
    this.#max = max
  }

  get size(): number {
    return this.items.length
  }

  /** One of that kind. False: there is no room. */
  add(item: PublishItem): boolean {
    if (this.items.length >= this.#max) return false
    this.items.push(keptItem(item) as Item)
    return true
  }

  shift(): Item | null {
    return this.items.shift() ?? null
  }

  /** How many there were. */
  clear(): number {
    const { length } = this.items
    this.items = []
    return length
  }
}
