/** The channels of a hold and what of them the backend is told when it is asked again (reference: reliable delivery). */
import type { ChannelNaming } from './filters.js'
import type { Subscription } from './subscriptions.js'

/** Last ids by channel, as the backend names it: what Grip-Last says. */
export type GripLast = ReadonlyMap<string, string>

/** `before`: of earlier requests; what it says of other channels stays. */
export function gripLastOf(
  subscriptions: readonly Subscription[],
  naming: ChannelNaming,
  before: GripLast | null,
): GripLast {
  const lastIds = new Map(before ?? [])
  for (const { channel, prevId } of subscriptions) {
    if (prevId !== null) lastIds.set(backendName(channel.name, naming), prevId)
  }
  return lastIds
}

/** Flat list of headers. */
export function gripLastHeaders(lastIds: GripLast): string[] {
  return [...lastIds].flatMap(([channel, id]) => ['Grip-Last', `${channel}; last-id=${id}`])
}

function backendName(channel: string, { channelPrefix, implicitChannels }: ChannelNaming): string {
  return implicitChannels.includes(channel) ? channel : channel.slice(channelPrefix.length)
}

/**
 * Those on which something was published that the backend did not know of when it answered, or that it knew of and we
 * do not: their last ids differ from the prev-ids it gave.
 */
export function conflictsOf(subscriptions: readonly Subscription[]): Subscription[] {
  return subscriptions.filter(({ channel: { lastId }, prevId }) => {
    return prevId !== null && lastId !== null && lastId !== undefined && lastId !== prevId
  })
}
