/** The filters of HTTP holds: what becomes of an item between the hold's channels and its client. */
import type { Route, Target } from '../routing/types.js'
import type { Instruct } from '../wire/instruct-types.js'
import type { PublishItem } from '../wire/publish-types.js'
import {
  type FilterQuestion,
  type Filtered,
  type FilteredSession,
  contentFilterMismatch,
  filterStackOf,
} from './filters.js'
import type { Subscription } from './subscriptions.js'

/** What a hold keeps for its filters. */
export interface HoldFilters extends FilteredSession {
  readonly debug: boolean
}

/** The item demands other content filters than the subscription has: the session does not get it. */
export class ContentMismatch {
  /** In debug mode the session fails with this; null: the item is just dropped. */
  readonly message: string | null

  constructor(message: string | null) {
    this.message = message
  }
}

/** Null for most holds: they have neither filters nor debug mode. */
export function holdFilters(
  hold: {
    readonly route: Pick<Route, 'prefix'>
    readonly target: Pick<Target, 'implicitChannels'>
    readonly debug: boolean
  },
  instruct: Pick<Instruct, 'channels' | 'meta'>,
): HoldFilters | null {
  if (!hold.debug && instruct.channels.every(({ filters }) => filterStackOf(filters).isEmpty)) return null
  return {
    naming: { channelPrefix: hold.route.prefix, implicitChannels: hold.target.implicitChannels },
    subMeta: instruct.meta,
    hasIds: true,
    debug: hold.debug,
  }
}

/**
 * `content` as this subscription gets it. The item's prev-id has been checked, and the subscription's is still the one
 * before it: it moves on whatever comes out but for a ContentMismatch, and with a FilterQuestion only when that has been
 * answered.
 */
export function filterHeldItem(
  item: PublishItem,
  contentFilters: readonly string[] | null,
  content: Buffer,
  subscription: Subscription,
  filters: HoldFilters | null,
): Filtered | FilterQuestion | ContentMismatch {
  const stack = subscription.filters
  if (!stack.hasContentFilters(contentFilters)) {
    const isShown = filters !== null && filters.debug
    return new ContentMismatch(isShown ? contentFilterMismatch(stack, contentFilters ?? []) : null)
  }
  if (filters === null || stack.isEmpty) return content
  return stack.apply(content, filters, subscription.receiver.subscriptions, item.meta)
}
