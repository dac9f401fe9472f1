/** Items that came while a stream fetches its next link. They wait in order, and are looked at when the page is there. */
import { LINK_QUEUE_ITEMS_MAX } from '../base/limits.js'
import type { HttpStreamFormat, PublishItem } from '../wire/publish-types.js'
import { KeptItems } from './kept-items.js'
import type { Subscription } from './subscriptions.js'

export interface StreamItem extends PublishItem {
  readonly httpStream: HttpStreamFormat
}

export class LinkQueue extends KeptItems<StreamItem> {
  constructor() {
    super(LINK_QUEUE_ITEMS_MAX)
  }

  /** Drops items from the front up to the first that follows the hold. How many. */
  dropUnfit(held: readonly Subscription[]): number {
    const at = this.items.findIndex((item) => {
      const subscription = held.find(({ channel }) => channel.name === item.channel)
      return subscription !== undefined && (subscription.prevId === null || subscription.prevId === item.prevId)
    })
    const unfit = at === -1 ? this.items.length : at
    this.items.splice(0, unfit)
    return unfit
  }
}
