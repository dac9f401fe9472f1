/**
 * The decisions about the links of a hold (reference: next links): where a link leads, what a page means, when it is
 * asked for again, and which channels the stream holds after it.
 */
import { LINK_RETRIES_MAX, LINK_RETRY_BASE_MS, LINK_RETRY_JITTER_MS } from '../base/limits.js'
import { EMPTY_BYTES } from '../base/bytes.js'
import { decodeInstruct } from '../wire/grip-instruct.js'
import type { ChannelInstruct, Instruct } from '../wire/instruct-types.js'
import type { ChannelNaming } from './filters.js'
import type { Subscription } from './subscriptions.js'

/** What debug mode shows when a stream ends because of its link. */
export const LinkError = {
  Unretrieved: 'Failed to retrieve next link.',
  NotStream: 'Next link returned non-stream hold.',
} as const

/** The head of a page. */
export type PageHead =
  | { readonly kind: 'page'; readonly instruct: Instruct }
  /** The page is to be asked for again; until then its instruct is in force, which is empty as a rule. */
  | { readonly kind: 'again'; readonly instruct: Instruct }
  /** The stream ends. A byte string. */
  | { readonly kind: 'error'; readonly message: string }

/** The instructions are read before the status: faulty ones end the stream whatever it is. */
export function judgePageHead(status: number, reason: string, headers: readonly string[]): PageHead {
  const { instruct, error } = decodeInstruct({ status, reason, headers, body: EMPTY_BYTES })
  if (instruct === undefined) return { kind: 'error', message: error }
  if (instruct.hold === 'response') return { kind: 'error', message: LinkError.NotStream }
  return { kind: status >= 200 && status < 300 ? 'page' : 'again', instruct }
}

/** Milliseconds until the page is asked for again, after `retries` repetitions; null: never. `random` in [0, 1). */
export function linkRetryDelayMs(retries: number, random: number): number | null {
  if (retries >= LINK_RETRIES_MAX) return null
  return LINK_RETRY_BASE_MS * 2 ** retries + Math.floor(random * LINK_RETRY_JITTER_MS)
}

/** `link` (a byte string) as seen from the page at `base`; null: it leads nowhere. */
export function resolveLink(base: string, link: string): string | null {
  const encoded = link.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)
  if (!URL.canParse(encoded, base)) return null
  const url = new URL(encoded, base)
  url.hash = ''
  return url.href
}

/** Scheme, host and port are the same. */
export function isSameOrigin(uri: string, other: string): boolean {
  return URL.canParse(uri) && URL.canParse(other) && new URL(uri).origin === new URL(other).origin
}

/** The part of a link that streams whose time-outs come together have in common. */
export function withoutQuery(uri: string): string {
  const question = uri.indexOf('?')
  return question === -1 ? uri : uri.slice(0, question)
}

/** A stream that says what it has seen needs a link by which to get the rest: the text of the error, or null. */
export function unlinkedPrevId({
  hold,
  nextLink,
  channels,
}: Pick<Instruct, 'hold' | 'nextLink' | 'channels'>): string | null {
  if (hold !== 'stream' || nextLink !== null) return null
  const unlinked = channels.find(({ prevId }) => prevId !== null)
  return unlinked === undefined ? null : `channel '${unlinked.name}' specifies prev-id, but no next link found`
}

export interface HoldReplacement {
  /** With the route's prefix. Those that are held already get the new prev-id and filters. */
  readonly requests: readonly ChannelInstruct[]
  /** Held, and not named by the page. Implicit channels stay. */
  readonly dropped: readonly string[]
}

/** `channels`: of the page, cut to the cap. */
export function replaceHold(
  held: readonly Subscription[],
  channels: readonly ChannelInstruct[],
  { channelPrefix, implicitChannels }: ChannelNaming,
): HoldReplacement {
  const requests = channels.map((channel) => ({ ...channel, name: channelPrefix + channel.name }))
  const kept = new Set([...implicitChannels, ...requests.map(({ name }) => name)])
  return { requests, dropped: held.map(({ channel }) => channel.name).filter((name) => !kept.has(name)) }
}
