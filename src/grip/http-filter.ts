/**
 * The filters http-check and http-modify (reference: filters): what is asked of the backend about an item, and what its
 * answer means. Plain values; shard/filtered-items.ts asks.
 */
import { HTTP_FILTER_ANSWER_BYTES_MAX } from '../base/limits.js'
import type { Meta } from './meta.js'
import { metaValue } from './meta.js'
import { resolveLink } from './next-link.js'

/** A check decides whether the item is for the subscription; modify may put other content in its place, too. */
export type HttpFilterName = 'http-check' | 'http-modify'

/** The filter has come to no decision: the item is not for the subscription. */
export class HttpFilterFailure {
  /** For debug mode, a byte string. */
  readonly message: string

  constructor(message: string) {
    this.message = `filter error: ${message}`
  }
}

/** `content` null: the item's own. */
export type HttpFilterAnswer = { readonly kind: 'send'; readonly content: Buffer | null } | { readonly kind: 'drop' }

/** What the meta `url` of the subscription means at the page at `currentUri`. */
export function httpFilterUrl(subMeta: Meta | null, currentUri: string): string | HttpFilterFailure {
  const url = metaValue(subMeta, 'url')
  if (url === null || url === '') return new HttpFilterFailure('missing url value')
  return resolveLink(currentUri, url) ?? new HttpFilterFailure('invalid url value')
}

/** Flat list. Both metas are there also when they are empty. */
export function httpFilterHeaders(subMeta: Meta | null, pubMeta: Meta | null): string[] {
  return ['Sub-Meta', metaJson(subMeta), 'Pub-Meta', metaJson(pubMeta)]
}

/** The names in order, without blanks. Of byte strings, so the JSON is one too. */
function metaJson(meta: Meta | null): string {
  const sorted = Object.entries(meta ?? {}).sort(([one], [other]) => (one < other ? -1 : 1))
  // Built by hand: an object would put names that are numbers first.
  const members = sorted.map(([name, value]) => `${jsonText(name)}:${jsonText(value)}`)
  return `{${members.join(',')}}`
}

/** JSON leaves DEL as it is, which no header may contain. */
function jsonText(text: string): string {
  return JSON.stringify(text).replaceAll('\x7f', '\\u007f')
}

/** Why an answer with this status is none; null: it is one. */
export function httpFilterStatusFault(status: number): HttpFilterFailure | null {
  return status === 200 || status === 204 ? null : unexpectedStatus(status)
}

/** Nobody answered. Pushpin's proxy makes a 502 of it, whatever the reason, and that is what its filter sees. */
export function httpFilterUnanswered(): HttpFilterFailure {
  return unexpectedStatus(502)
}

function unexpectedStatus(status: number): HttpFilterFailure {
  return new HttpFilterFailure(`unexpected network request status: code=${String(status)}`)
}

export function httpFilterCutOff(): HttpFilterFailure {
  return new HttpFilterFailure('network request failed: disconnected')
}

export function httpFilterTimedOut(): HttpFilterFailure {
  return new HttpFilterFailure('network request failed: request timed out')
}

export function httpFilterTooLarge(): HttpFilterFailure {
  return new HttpFilterFailure(`network response exceeded ${String(HTTP_FILTER_ANSWER_BYTES_MAX)} bytes`)
}

/** Too many wait for their turn to ask. */
export function httpFilterLimited(): HttpFilterFailure {
  return new HttpFilterFailure('network request limit reached')
}

/** An answer that has come whole, with status 200 or 204. `action`: the header of that name. */
export function judgeHttpFilterAnswer(
  name: HttpFilterName,
  { status, action, body }: { readonly status: number; readonly action: string | null; readonly body: Buffer },
): HttpFilterAnswer {
  if (action === 'drop') return { kind: 'drop' }
  return { kind: 'send', content: name === 'http-modify' && status !== 204 ? body : null }
}
