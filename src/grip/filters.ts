/**
 * The filters of a subscription: whether an item is for it, and what of its content (reference: filters).
 *
 * A stack is made once for each combination of names and shared by all subscriptions that have it. Names that nobody
 * knows count for nothing. The first filter that drops ends the run. A filter that fails leaves no content, and the
 * item goes on its way empty, as in Pushpin 1.41. Two filters ask the backend: there the run ends with a question, and
 * goes on with its answer.
 */
import { EMPTY_BYTES } from '../base/bytes.js'
import { FormatFault, renderFormat, unknownDirective } from './format.js'
import { IdRenderer, type IdOfChannel } from './id-format.js'
import type { HttpFilterName } from './http-filter.js'
import { type Meta, metaValue } from './meta.js'

/** How a session names its channels: what it is subscribed to has the route's prefix, but for the implicit ones. */
export interface ChannelNaming {
  readonly channelPrefix: string
  readonly implicitChannels: readonly string[]
}

/** What filters see of the session: its meta, and of its subscriptions. */
export interface FilteredSession {
  readonly naming: ChannelNaming
  readonly subMeta: Meta | null
  /** False: its channels have no ids (WebSockets). */
  readonly hasIds: boolean
}

interface HeldChannel {
  readonly channel: { readonly name: string }
  readonly prevId: string | null
}

/** Content to be sent; null: the item is dropped; a fault: it is sent without content. */
export type Filtered = Buffer | null | FormatFault

const NO_NAMES: readonly string[] = []

/** Places in this list are the digits of a stack's key. */
const KNOWN = ['skip-self', 'skip-users', 'require-sub', 'build-id', 'var-subst', 'http-check', 'http-modify'] as const
type KnownFilter = (typeof KNOWN)[number]

const CONTENT_FILTERS: ReadonlySet<string> = new Set<KnownFilter>(['build-id', 'var-subst', 'http-modify'])

/** A run that waits for the backend to say whether the item goes on, and with what content. */
export class FilterQuestion {
  readonly stack: FilterStack
  /** The filter that asks, by its place in the stack. */
  readonly place: number
  readonly content: Buffer
  /** Of a filter before it. */
  readonly fault: FormatFault | null

  constructor(stack: FilterStack, place: number, content: Buffer, fault: FormatFault | null) {
    this.stack = stack
    this.place = place
    this.content = content
    this.fault = fault
  }

  get name(): HttpFilterName {
    return this.stack.names[this.place] as HttpFilterName
  }
}

export class FilterStack {
  /** Known ones, in order. */
  readonly names: readonly string[]
  /** Those of them that content-filters of an item speak of. */
  readonly contentNames: readonly string[]
  /** A run may end with a question. */
  readonly asksBackend: boolean

  /** @internal See filterStackOf. */
  constructor(names: readonly string[]) {
    this.names = names
    this.contentNames = names.filter((name) => CONTENT_FILTERS.has(name))
    this.asksBackend = names.some((name) => name === 'http-check' || name === 'http-modify')
  }

  get isEmpty(): boolean {
    return this.names.length === 0
  }

  /** Whether an item that demands these content filters is for the subscription; null: it demands nothing. */
  hasContentFilters(demanded: readonly string[] | null): boolean {
    if (demanded === null) return true
    const { contentNames } = this
    if (demanded.length !== contentNames.length) return false
    for (let at = 0; at < demanded.length; at++) if (demanded[at] !== contentNames[at]) return false
    return true
  }

  /** `held`: all subscriptions of the session; their ids are those before the item. */
  apply(
    content: Buffer,
    session: FilteredSession,
    held: readonly HeldChannel[],
    pubMeta: Meta | null,
  ): Filtered | FilterQuestion {
    return this.#run(0, content, null, session, held, pubMeta)
  }

  /** The backend lets the item pass, with other content unless it is null. */
  resume(
    question: FilterQuestion,
    content: Buffer | null,
    session: FilteredSession,
    held: readonly HeldChannel[],
    pubMeta: Meta | null,
  ): Filtered | FilterQuestion {
    const fault = content === null ? question.fault : null
    return this.#run(question.place + 1, content ?? question.content, fault, session, held, pubMeta)
  }

  #run(
    first: number,
    content: Buffer,
    faultBefore: FormatFault | null,
    session: FilteredSession,
    held: readonly HeldChannel[],
    pubMeta: Meta | null,
  ): Filtered | FilterQuestion {
    let result = content
    let fault = faultBefore
    for (let place = first; place < this.names.length; place++) {
      switch (this.names[place] as KnownFilter) {
        case 'skip-self':
          if (isFromItself(session.subMeta, pubMeta)) return null
          break
        case 'skip-users':
          if (isForOthers(session.subMeta, pubMeta)) return null
          break
        case 'require-sub':
          if (lacksChannel(session.naming, held, pubMeta)) return null
          break
        case 'build-id': {
          const built = buildId(result, session, held)
          if (built instanceof FormatFault) [result, fault] = [EMPTY_BYTES, built]
          else result = built
          break
        }
        case 'var-subst': {
          const substituted = substitute(result, session.subMeta)
          if (substituted instanceof FormatFault) [result, fault] = [EMPTY_BYTES, substituted]
          else result = substituted
          break
        }
        case 'http-check':
        case 'http-modify':
          return new FilterQuestion(this, place, result, fault)
      }
    }
    return fault ?? result
  }
}

export const NO_FILTERS = new FilterStack(NO_NAMES)

/** By the names' places in KNOWN as digits: so many keys as there are combinations of up to five, whatever clients ask for. */
const stacks = new Map<number, FilterStack>()

/** `names`: at most CHANNEL_FILTERS_MAX. */
export function filterStackOf(names: readonly string[]): FilterStack {
  if (names.length === 0) return NO_FILTERS
  let key = 0
  for (const name of names) {
    const place = (KNOWN as readonly string[]).indexOf(name)
    if (place !== -1) key = key * (KNOWN.length + 1) + place + 1
  }
  if (key === 0) return NO_FILTERS
  let stack = stacks.get(key)
  if (stack === undefined) {
    stack = new FilterStack(names.filter((name) => (KNOWN as readonly string[]).includes(name)))
    stacks.set(key, stack)
  }
  return stack
}

/** What debug mode says when an item demands other content filters than the subscription has. */
export function contentFilterMismatch(stack: FilterStack, demanded: readonly string[]): string {
  return `content filter mismatch: subscription=${stack.contentNames.join(',')} message=${demanded.join(',')}`
}

function isFromItself(subMeta: Meta | null, pubMeta: Meta | null): boolean {
  const user = metaValue(subMeta, 'user')
  return user !== null && user !== '' && user === metaValue(pubMeta, 'sender')
}

function isForOthers(subMeta: Meta | null, pubMeta: Meta | null): boolean {
  const user = metaValue(subMeta, 'user')
  const skipped = metaValue(pubMeta, 'skip_users')
  if (user === null || user === '' || skipped === null) return false
  return skipped.split(',').some((name) => name.trim() === user)
}

function lacksChannel(naming: ChannelNaming, held: readonly HeldChannel[], pubMeta: Meta | null): boolean {
  const required = metaValue(pubMeta, 'require_sub')
  return required !== null && required !== '' && findChannel(naming, held, required) === undefined
}

/** The subscription to a channel by its name without prefix. */
function findChannel(naming: ChannelNaming, held: readonly HeldChannel[], name: string): HeldChannel | undefined {
  const prefixed = naming.channelPrefix + name
  return held.find(({ channel }) =>
    naming.implicitChannels.includes(channel.name) ? channel.name === name : channel.name === prefixed,
  )
}

function buildId(content: Buffer, session: FilteredSession, held: readonly HeldChannel[]): Buffer | FormatFault {
  const idOf: IdOfChannel = (name) => findChannel(session.naming, held, name)?.prevId ?? null
  const renderer = IdRenderer.open(session.subMeta, session.hasIds ? idOf : null)
  if (renderer instanceof FormatFault) return named('build-id', renderer)
  if (!content.includes(PERCENT)) return content
  return rendered('build-id', renderer.render(content.toString('latin1')))
}

function substitute(content: Buffer, subMeta: Meta | null): Buffer | FormatFault {
  if (!content.includes(PERCENT)) return content
  const text = renderFormat(content.toString('latin1'), (letter, argument) => {
    if (letter !== 's') return unknownDirective(letter)
    if (argument === null) return new FormatFault("Directive 's' requires argument")
    return metaValue(subMeta, argument) ?? new FormatFault(`No such variable '${argument}'`)
  })
  return rendered('var-subst', text)
}

const PERCENT = 0x25

function rendered(name: KnownFilter, text: string | FormatFault): Buffer | FormatFault {
  return text instanceof FormatFault ? named(name, text) : Buffer.from(text, 'latin1')
}

function named(name: KnownFilter, fault: FormatFault): FormatFault {
  return new FormatFault(`${name}: ${fault.message}`)
}
