/**
 * The next link of one held stream (reference: next links; session states). Streams without a link have none of these.
 *
 * While a page is awaited the items published to the stream wait too. Its head says what is held after it: those channels
 * are joined at once, and the page goes to the client as it comes, but not before they are live, so that nothing is
 * lost that is published behind what the client sees. Then the items that follow are delivered.
 */
import { unreachable } from '../base/assert.js'
import { STREAM_BACKLOG_CUT_BYTES } from '../base/limits.js'
import { type BodyFilter, type FilteredBody, bodyFilterOf } from '../grip/body-filter.js'
import type { ChannelNaming } from '../grip/filters.js'
import { FormatFault } from '../grip/format.js'
import { conflictsOf, gripLastOf } from '../grip/hold-channels.js'
import { type HoldFilters, holdFilters } from '../grip/hold-filters.js'
import { LinkQueue, type StreamItem } from '../grip/link-queue.js'
import {
  type HoldReplacement,
  type PageHead,
  replaceHold,
  resolveLink,
  unlinkedPrevId,
  withoutQuery,
} from '../grip/next-link.js'
import type { StreamReceiver } from '../grip/receiver.js'
import type { Subscription } from '../grip/subscriptions.js'
import type { ChannelInstruct, Instruct, KeepAliveInstruct } from '../wire/instruct-types.js'
import type { HttpStreamFormat, PublishItem } from '../wire/publish-types.js'
import type { LinkPlace } from './filtered-items.js'
import type { HttpShared } from './http-shared.js'
import { type LinkFetch, type PageFollower, type PageRequest, pageKey } from './link-fetch.js'
import type { LinkOrigin } from './link-request.js'
import type { LinkBucket, TimedStream } from './link-timeouts.js'
import { logTooManySubscriptions } from './route-log.js'
import type { UpdatedSession } from './updates.js'

/** The stream as its link sees it. */
export interface LinkedStream extends StreamReceiver {
  /** Keep-alives and filters from now on. */
  usePage(keepAlive: KeepAliveInstruct | null, filters: HoldFilters | null): void
  /** Bytes of a page. False: no more until StreamLink.handleWritable(). */
  writePage(chunk: Buffer): boolean
  /** False: the client is behind, and StreamLink.handleWritable() will come. */
  readonly isRead: boolean
  /** An item whose turn has come. */
  process(item: PublishItem, format: HttpStreamFormat, subscription: Subscription): void
  /** A filter asks the backend about an item: those behind it wait here until StreamLink.handleAnswered(). */
  readonly isAsking: boolean
  /** The hold begins, or goes on after a page. */
  handleHeld(): void
  /** Debug mode shows `message` (a byte string) in front of the end; null: there is none. */
  endWith(message: string | null): void
}

const State = {
  /** The stream has not begun. */
  Opening: 'opening',
  Holding: 'holding',
  /** Its turn to ask has not come. */
  Waiting: 'waiting',
  /** A page is on its way. */
  Fetching: 'fetching',
  /** What has waited is delivered. */
  Delivering: 'delivering',
  Ended: 'ended',
} as const
type State = (typeof State)[keyof typeof State]

/** What a stream ends with when its channels cannot be made live. */
const NOT_LIVE = 'Accept service unavailable.'

/** At once, or together with others in a moment. */
export type Urgency = 'now' | 'soon'

export class StreamLink implements PageFollower, UpdatedSession, TimedStream {
  linkBucket: LinkBucket | null = null
  readonly #shared: HttpShared
  readonly #stream: LinkedStream
  readonly #origin: LinkOrigin
  readonly #naming: ChannelNaming
  readonly #isDebug: boolean
  readonly #queue = new LinkQueue()
  #state: State = State.Opening
  // Of the instruct in force: the whole of it would keep the first body in memory.
  #hold: Instruct['hold']
  #nextLink: Instruct['nextLink']
  /** Of a page, until its hold begins. */
  #channels: readonly ChannelInstruct[] = []
  /** The channels of the page are not all live: what comes of it waits. */
  #isJoining = false
  /** Another head has come meanwhile, because the page was asked for again: its channels are joined next. */
  #isJoinWanted = false
  #early: Buffer[] = []
  #earlyBytes = 0
  #isEndEarly = false
  #currentUri: string
  /** Null: the stream holds, and never asks again. */
  #nextUri: string | null
  #fetch: LinkFetch | null = null
  #bodyFilter: BodyFilter | null = null
  /** The next page is to be fetched when the client has read this one. */
  #isHeldBack = false
  /** Something asked for a page while one was under way. */
  #wanted: Urgency | null = null

  constructor(shared: HttpShared, stream: LinkedStream, origin: LinkOrigin, instruct: Instruct, isDebug: boolean) {
    this.#shared = shared
    this.#stream = stream
    this.#origin = origin
    this.#naming = { channelPrefix: origin.route.prefix, implicitChannels: origin.target.implicitChannels }
    this.#isDebug = isDebug
    this.#hold = instruct.hold
    this.#nextLink = instruct.nextLink
    this.#currentUri = origin.uri
    this.#nextUri = this.#resolved()
  }

  /** The stream has begun, and its first channels are live. */
  start(): void {
    if (this.#hold === 'none') return this.#requestWhenRead()
    const { hub } = this.#shared.context
    const conflicts = conflictsOf(this.#stream.subscriptions)
    for (const { channel } of conflicts) hub.forgetLastId(channel)
    if (conflicts.length === 0) return this.#deliverWaiting()
    this.#state = State.Holding
    this.requestUpdate('soon')
  }

  /** The channels of a page are live. */
  handleLive(ok: boolean): void {
    if (!this.#isJoining) return
    this.#isJoining = false
    if (ok && this.#isJoinWanted) return this.#join()
    const takesMore = this.#writeEarly()
    if (this.#isEnded()) return
    if (!ok) this.#stream.endWith(NOT_LIVE)
    else if (this.#isEndEarly) this.handlePageEnd()
    else if (takesMore) this.#fetch?.resume(this)
  }

  /** True: the item waits (or was dropped), because a page is awaited, or the answer to a filter. */
  takes(item: PublishItem): boolean {
    const isHeld = this.#state === State.Holding || this.#state === State.Delivering
    if (isHeld && !this.#stream.isAsking) return false
    if (!this.#queue.add(item)) this.#shared.context.counters.add('drop_link_queue')
    return true
  }

  /** What a stream asks about is delivered, or not, before the next page is asked for. */
  handleAsking(): void {
    if (this.#state === State.Holding) this.#state = State.Delivering
  }

  handleAnswered(): void {
    if (this.#state === State.Delivering) this.#deliverWaiting()
  }

  /** For the URLs of filters. */
  get place(): LinkPlace {
    return { origin: this.#origin, uri: this.#currentUri }
  }

  requestUpdate(urgency: Urgency): void {
    switch (this.#state) {
      case State.Fetching:
      case State.Delivering:
        if (this.#wanted !== 'now') this.#wanted = urgency
        return
      case State.Holding:
        return this.#update(urgency)
      case State.Opening:
      case State.Waiting:
      case State.Ended:
        return
      default:
        return unreachable(this.#state)
    }
  }

  /** Items that wait are behind what was missed, or in the page that will be fetched. */
  dropWaiting(): void {
    const dropped = this.#queue.clear()
    if (dropped > 0) this.#shared.context.counters.add('drop_link_queue', dropped)
  }

  /** An item has been written. */
  noteItem(): void {
    // As in Pushpin, which forgets what it has noted of several channels with each item.
    if (this.#stream.subscriptions.length === 1) this.#shared.linkTimeouts.noteActive(this)
  }

  handleWritable(): void {
    this.#fetch?.resume(this)
    if (!this.#isHeldBack) return
    this.#isHeldBack = false
    this.#request()
  }

  leave(): void {
    this.#state = State.Ended
    this.#shared.updates.delete(this)
    this.#shared.linkTimeouts.unregister(this)
    const fetch = this.#fetch
    this.#fetch = null
    fetch?.leave(this)
    this.#early = []
    this.#queue.clear()
  }

  fail(error: unknown): void {
    this.#stream.fail(error)
  }

  handleLinkTimeout(): void {
    this.#guard(() => {
      this.requestUpdate('soon')
    })
  }

  handleUpdateDue(): void {
    this.#guard(() => {
      this.#request()
    })
  }

  // From the fetch.

  handlePageHead(head: PageHead): void {
    if (head.kind === 'error') {
      this.#fetch = null
      this.#shared.context.counters.add('link_failures')
      this.#writeEarly()
      return this.#stream.endWith(head.message)
    }
    const { instruct } = head
    this.#hold = instruct.hold
    this.#nextLink = instruct.nextLink
    this.#channels = instruct.channels
    const { route, target } = this.#origin
    const filters = holdFilters({ route, target, debug: this.#isDebug }, instruct)
    this.#stream.usePage(instruct.hold === 'stream' ? instruct.keepAlive : null, filters)
    this.#bodyFilter = bodyFilterOf(instruct)
    if (head.kind === 'page' && instruct.hold === 'stream' && unlinkedPrevId(instruct) === null) this.#join()
  }

  handlePageData(chunk: Buffer): boolean {
    if (!this.#isJoining) return this.#writeData(chunk)
    this.#early.push(chunk)
    this.#earlyBytes += chunk.length
    // The page is stopped unless others go on with it.
    if (this.#earlyBytes > STREAM_BACKLOG_CUT_BYTES) {
      this.#shared.context.counters.add('link_failures')
      this.#stream.endWith(NOT_LIVE)
    }
    return false
  }

  handlePageEnd(): void {
    this.#isEndEarly = this.#isJoining
    if (this.#isJoining) return
    this.#fetch = null
    // As in Pushpin, also of a page without a body.
    if (this.#bodyFilter !== null) this.#writeFiltered(this.#bodyFilter.finish())
    if (this.#isEnded()) return
    this.#bodyFilter = null
    this.#currentUri = this.#nextUri as string
    this.#nextUri = this.#resolved()
    if (this.#hold === 'stream') this.#holdPage()
    else if (this.#nextUri === null) this.#stream.endWith(null)
    else this.#requestWhenRead()
  }

  #writeData(chunk: Buffer): boolean {
    return this.#bodyFilter === null
      ? this.#stream.writePage(chunk)
      : this.#writeFiltered(this.#bodyFilter.update(chunk))
  }

  /** What came of the page before its channels were live. False: the client is behind. */
  #writeEarly(): boolean {
    const early = this.#early
    this.#early = []
    this.#earlyBytes = 0
    let takesMore = true
    for (const chunk of early) if (!this.#isEnded()) takesMore = this.#writeData(chunk)
    return takesMore
  }

  #writeFiltered(filtered: FilteredBody): boolean {
    if (!(filtered instanceof FormatFault)) return this.#stream.writePage(filtered)
    this.#shared.context.counters.add('link_failures')
    this.#stream.endWith(filtered.message)
    return true
  }

  /** Joins the channels of the page at hand; those of the hold before it stay until the page has ended. */
  #join(): void {
    this.#isJoinWanted = this.#isJoining
    if (this.#isJoining) return
    this.#isJoining = true
    const { context } = this.#shared
    const max = context.settings.handler.connectionSubscriptionMax
    if (this.#channels.length > max) logTooManySubscriptions(context, this.#origin.route, 'httpsession')
    context.hub.subscribe(this.#stream, this.#replacement(max).requests)
  }

  /** The hold behind the page takes the place of the one before it. */
  #holdPage(): void {
    const fault = unlinkedPrevId({ hold: this.#hold, nextLink: this.#nextLink, channels: this.#channels })
    if (fault !== null) return this.#stream.endWith(fault)
    const { counters, hub, settings } = this.#shared.context
    const { dropped } = this.#replacement(settings.handler.connectionSubscriptionMax)
    this.#channels = []
    for (const name of dropped) hub.unsubscribe(this.#stream, name)
    const unfit = this.#queue.dropUnfit(this.#stream.subscriptions)
    if (unfit > 0) counters.add('drop_prev_id', unfit)
    this.#deliverWaiting()
  }

  #replacement(max: number): HoldReplacement {
    return replaceHold(this.#stream.subscriptions, this.#channels.slice(0, max), this.#naming)
  }

  #deliverWaiting(): void {
    this.#state = State.Delivering
    let item: StreamItem | null
    while (this.#state === State.Delivering && !this.#stream.isAsking && (item = this.#queue.shift()) !== null) {
      const { channel } = item
      const subscription = this.#stream.subscriptions.find((candidate) => candidate.channel.name === channel)
      if (subscription !== undefined) this.#stream.process(item, item.httpStream, subscription)
    }
    if (this.#isEnded() || this.#stream.isAsking) return
    this.#state = State.Holding
    this.#stream.handleHeld()
    if (this.#nextUri !== null && this.#nextLink !== null) {
      this.#shared.linkTimeouts.register(this, withoutQuery(this.#nextUri), this.#nextLink.timeout * 1000)
    }
    if (this.#wanted !== null) this.#update(this.#wanted)
  }

  #update(urgency: Urgency): void {
    this.#wanted = null
    if (this.#nextUri === null) return
    this.#shared.linkTimeouts.unregister(this)
    if (urgency === 'now') return this.#request()
    this.#state = State.Waiting
    this.#shared.updates.add(this, pageKey(this.#page()), true)
  }

  /** Page after page, but not faster than the client reads. */
  #requestWhenRead(): void {
    this.#state = State.Fetching
    if (this.#stream.isRead) this.#request()
    else this.#isHeldBack = true
  }

  #request(): void {
    if (this.#isEnded()) return
    this.#state = State.Fetching
    this.#fetch = this.#shared.linkFetches.follow(this.#page(), this)
  }

  #page(): PageRequest {
    const lastIds = gripLastOf(this.#stream.subscriptions, this.#naming, null)
    return { origin: this.#origin, uri: this.#nextUri ?? '', lastIds }
  }

  /** A link that leads nowhere fails when it is followed. */
  #resolved(): string | null {
    return this.#nextLink === null ? null : (resolveLink(this.#currentUri, this.#nextLink.uri) ?? '')
  }

  /** In its own words, because calls in between change the state. */
  #isEnded(): boolean {
    return this.#state === State.Ended
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.fail(error)
    }
  }
}
