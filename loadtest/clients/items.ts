/** Publish items (GRIP): everything around the stamp is written once per channel. */
import { channelName } from '../options.js'
import type { LoadOptions } from '../options.js'

/** Of an item as JSON. The stamp between the two needs no escaping. */
export interface ItemFrame {
  readonly before: string
  readonly after: string
}

export type ItemFormat = 'ws-message' | 'http-stream' | 'http-response'

export function formatOf({ scenario, churnKind }: Pick<LoadOptions, 'scenario' | 'churnKind'>): ItemFormat {
  if (scenario === 'streams' || (scenario === 'churn' && churnKind === 'stream')) return 'http-stream'
  return scenario === 'longpoll' ? 'http-response' : 'ws-message'
}

/** Streams and long polls get lines: the line feed is one of the payload's bytes. */
export function stampBytesOf({ payloadBytes }: LoadOptions, format: ItemFormat): number {
  return format === 'ws-message' ? payloadBytes : payloadBytes - 1
}

export function itemFrame(channel: string, format: ItemFormat): ItemFrame {
  const lineFeed = format === 'ws-message' ? '' : '\\n'
  const field = format === 'http-response' ? 'body' : 'content'
  return {
    before: `{"channel":${JSON.stringify(channel)},"formats":{"${format}":{"${field}":"`,
    after: `${lineFeed}"}}}`,
  }
}

/** By channel number. */
export function itemFrames(options: LoadOptions): ItemFrame[] {
  const format = formatOf(options)
  return Array.from({ length: options.channels }, (_, n) => itemFrame(channelName(options, n), format))
}
