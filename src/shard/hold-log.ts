/**
 * Lines of the log about channels: who subscribes, and to how many an item goes. One costs as much as a delivery, so they
 * are there at the level debug only, and the level is asked once.
 */
import type { Log } from '../base/log.js'
import type { Channel } from '../grip/subscriptions.js'
import type { PublishItem } from '../wire/publish-types.js'

export interface HoldLog {
  /** `isRetry`: the request was sent to its backend again. */
  subscribed(url: string, channels: readonly string[], isRetry: boolean): void
  /** Before the item is fanned out; receivers of this shard. */
  published(channel: Channel, item: PublishItem): void
}

/** null: nobody reads the lines. */
export function openHoldLog(log: Pick<Log, 'isLevelEnabled' | 'debug'>): HoldLog | null {
  if (!log.isLevelEnabled('debug')) return null
  return {
    subscribed: (url, channels, isRetry) => {
      for (const channel of channels) log.debug({ url, channel, ...(isRetry ? { retry: true } : {}) }, 'subscribe')
    },
    published: ({ name, responses, streams, ws }, { id, httpResponse, httpStream, wsMessage }) => {
      const receivers =
        (httpResponse === null ? 0 : responses.length) +
        (httpStream === null ? 0 : streams.length) +
        (wsMessage === null ? 0 : ws.length)
      log.debug({ channel: name, id, receivers }, 'publish')
    },
  }
}
