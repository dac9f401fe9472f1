/**
 * GRIP instructions in a backend's response (GRIP reference: recognising and parsing instructions).
 *
 * isGripResponse and peekHold look at the head as soon as it is there; decodeInstruct needs the whole body.
 */
import { EMPTY_BYTES } from '../base/bytes.js'
import { InstructFault } from './instruct-draft.js'
import type { InstructDraft } from './instruct-draft.js'
import { applyInstructHeaders, exposedHeaders, filtersOf, parseGripStatus } from './instruct-headers.js'
import { applyInstructJson } from './instruct-json.js'
import type { Instruct } from './instruct-types.js'
import { findParameter, headerListWithParameters } from './header-params.js'
import { headerPairs, headerValue, trimBlanks } from './headers.js'
import type { Header } from './publish-types.js'
import { statusReason } from './status-reasons.js'

/** A whole response. `headers` is a flat list of byte strings as received; the reason may be empty. */
export interface InstructSource {
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
  readonly body: Buffer
}

/** `error`: the detail that debug mode shows, a byte string. It is empty where Pushpin has none. */
export type InstructDecoded =
  | { readonly instruct: Instruct; readonly error?: undefined }
  | { readonly error: string; readonly instruct?: undefined }

/** What a response head tells before its body has come. */
export interface HoldPeek {
  /** First Grip-Hold as written; null: absent or empty. Not checked. */
  readonly hold: string | null
  /** Some Grip-Link has rel=next. */
  readonly nextLink: boolean
  /**
   * A body over GRIP_RESPONSE_BYTES_MAX may go to the client as it comes, the instructions being applied when it has
   * passed: a stream hold, or no hold and a next link, without a build-id filter and not in JSON form.
   */
  readonly mayStream: boolean
}

/** Head of a response that is streamed to the client before its instructions are decoded. */
export type StreamedHead =
  | { readonly code: number; readonly reason: string; readonly headers: readonly Header[]; readonly error?: undefined }
  | { readonly error: string }

export const INSTRUCT_TYPE = 'application/grip-instruct'

/** Seconds a response hold lasts when the backend says nothing, and the least it may say. */
const HOLD_TIMEOUT_DEFAULT = 55
const HOLD_TIMEOUT_MIN = 5
const KEEP_ALIVE_TIMEOUT_MIN = 1

/** Whether a response carries instructions: any header that begins with Grip-, or exactly the instruct media type. */
export function isGripResponse(headers: readonly string[]): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    if (isGripName(headers[index] as string)) return true
  }
  const contentType = headerValue(headers, 'content-type')
  return contentType !== null && beforeSemicolon(contentType) === INSTRUCT_TYPE
}

/** See HoldPeek. Never fails: what is wrong in the headers is found by decodeInstruct. */
export function peekHold(headers: readonly string[]): HoldPeek {
  const hold = headerValue(headers, 'grip-hold') || null
  const nextLink = headerListWithParameters(headers, 'grip-link').some(
    (link) => link.length >= 2 && findParameter(link, 'rel') === 'next',
  )
  const buildIdFilter = headerListWithParameters(headers, 'grip-channel').some((channel) =>
    filtersOf(channel).includes('build-id'),
  )
  const mayStream = (hold === 'stream' || (hold === null && nextLink)) && !buildIdFilter && !isJsonForm(headers)
  return { hold, nextLink, mayStream }
}

/**
 * The head that a client gets ahead of a body that HoldPeek.mayStream let pass: Grip-Status applied, what is never
 * relayed removed. Grip-Expose-Headers has no effect there, as in Pushpin.
 */
export function decodeStreamedHead(source: Omit<InstructSource, 'body'>): StreamedHead {
  return orFault(() => {
    const status = parseGripStatus(source.headers) ?? { code: source.status, reason: source.reason }
    const headers = headerPairs(source.headers).filter(([name]) => !isGripName(name) && !isHopName(name))
    return { code: status.code, reason: status.reason || statusReason(status.code), headers }
  })
}

/** Decodes the instructions of a response for which isGripResponse holds. Never throws. */
export function decodeInstruct(source: InstructSource): InstructDecoded {
  return orFault(() => {
    const draft = draftOf(source)
    applyInstructHeaders(draft, source.headers)
    if (isJsonForm(source.headers)) applyInstructJson(draft, source.status, source.body)
    // Pushpin runs the content filters over a body that is not there, and without one fails for no reason.
    const isPlain = draft.hold === 'none' && draft.nextLink === null
    if (draft.body === null && isPlain && !hasBodyFilter(draft)) {
      throw new InstructFault('filter error: ')
    }
    return { instruct: instructOf(draft) }
  })
}

function draftOf(source: InstructSource): InstructDraft {
  const exposed = exposedHeaders(source.headers)
  return {
    hold: 'none',
    channels: new Map(),
    timeout: null,
    keepAlive: null,
    meta: new Map(),
    nextLink: null,
    goneLink: null,
    code: source.status,
    reason: source.reason,
    headers: headerPairs(source.headers).filter(
      ([name]) => !isGripName(name) && (exposed === null || exposed.has(name.toLowerCase())),
    ),
    body: source.body,
  }
}

function hasBodyFilter({ channels }: InstructDraft): boolean {
  return [...channels.values()].some(({ filters }) => filters.includes('build-id'))
}

function instructOf(draft: InstructDraft): Instruct {
  const { hold, keepAlive, nextLink, goneLink, code } = draft
  return {
    hold,
    channels: [...draft.channels.values()],
    timeout: Math.max(draft.timeout ?? HOLD_TIMEOUT_DEFAULT, HOLD_TIMEOUT_MIN),
    keepAlive: keepAlive && { ...keepAlive, timeout: Math.max(keepAlive.timeout, KEEP_ALIVE_TIMEOUT_MIN) },
    meta: recordOf(draft.meta),
    nextLink,
    goneLink,
    response: {
      code,
      reason: draft.reason || statusReason(code),
      headers: draft.headers.filter(([name]) => !isHopName(name)),
      body: draft.body ?? EMPTY_BYTES,
    },
  }
}

/** Without a prototype, so that a meta called `constructor` is only there when it was set. */
function recordOf(meta: ReadonlyMap<string, string>): Record<string, string> {
  const record = Object.create(null) as Record<string, string>
  for (const [name, value] of meta) record[name] = value
  return record
}

/** The one place where a fault turns from an exception into a value. */
function orFault<T>(decode: () => T): T | { readonly error: string } {
  try {
    return decode()
  } catch (fault) {
    if (fault instanceof InstructFault) return { error: fault.message }
    throw fault
  }
}

function isJsonForm(headers: readonly string[]): boolean {
  return trimBlanks(beforeSemicolon(headerValue(headers, 'content-type') ?? '')) === INSTRUCT_TYPE
}

function beforeSemicolon(value: string): string {
  const semicolon = value.indexOf(';')
  return semicolon === -1 ? value : value.slice(0, semicolon)
}

function isGripName(name: string): boolean {
  return name.length >= 5 && name.slice(0, 5).toLowerCase() === 'grip-'
}

/** Headers that concern the backend's connection or framing only; the client's are made anew. */
function isHopName(name: string): boolean {
  return HOP_NAMES.has(name.toLowerCase())
}

const HOP_NAMES: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'content-encoding',
  'transfer-encoding',
  'content-length',
])
