/**
 * An HTTP stream that is held open. It keeps only what a hold needs; the exchange it came from is gone.
 *
 * A client that reads slowly: uWebSockets.js keeps what the socket does not take and sends it by itself, without
 * saying when. So what was written while it was behind is counted, up to a limit; above it items are dropped and
 * counted, but for one now and then, which shows by its verdict whether the client has caught up.
 */
import { DeadlineEntry, NO_DEADLINE } from '../base/deadlines.js'
import {
  STREAM_BACKLOG_BYTES_MAX,
  STREAM_BACKLOG_CUT_BYTES,
  STREAM_BACKLOG_ITEMS_MAX,
  STREAM_PROBE_MS,
  STREAM_PROBE_MS_MAX,
} from '../base/limits.js'
import { FilterQuestion, type Filtered, filterStackOf } from '../grip/filters.js'
import { HttpFilterFailure } from '../grip/http-filter.js'
import { acceptUnavailable } from '../grip/http-session.js'
import { ContentMismatch, type HoldFilters, filterHeldItem } from '../grip/hold-filters.js'
import { keptItem } from '../grip/kept-items.js'
import { ReceiverKind } from '../grip/receiver.js'
import { keepAliveDelayMs, keepAliveDueMs, openingChunk } from '../grip/stream-hold.js'
import type { Subscription } from '../grip/subscriptions.js'
import { C } from '../link/counters.js'
import type { Instruct, KeepAliveInstruct } from '../wire/instruct-types.js'
import { type HttpStreamFormat, PublishAction, type PublishItem } from '../wire/publish-types.js'
import { FilteredItems, type FilteredReceiver, type LinkPlace } from './filtered-items.js'
import { filteredContent } from './filtered-content.js'
import { type GoneLink, goneLinkOf, tellGone } from './gone-link.js'
import type { HttpShared, OpenHttp } from './http-shared.js'
import { writeAnswer, writeStatus } from './http-writer.js'
import { writeHeaders } from './native-headers.js'
import { statsRouteOf } from './match-route.js'
import type { Report } from './report.js'
import { type RequestRecord, reportAccess, reportSubscribed } from './request-record.js'
import { type LinkOrigin, originOf } from './link-request.js'
import type { ResponseSlot, SlotOwner } from './response-slot.js'
import { type LinkedStream, StreamLink } from './stream-link.js'

/** What a stream needs until its first byte. */
interface Opening {
  readonly instruct: Instruct
  /** Head and first body have gone out already. */
  readonly isStreamed: boolean
  readonly filters: HoldFilters | null
  readonly record: RequestRecord
}

export class HeldStream extends DeadlineEntry implements LinkedStream, SlotOwner, OpenHttp, FilteredReceiver {
  nextLinked: OpenHttp | null = null
  previousLinked: OpenHttp | null = null
  readonly kind = ReceiverKind.Stream
  readonly statsRoute: string
  subscriptions: Subscription[] = []
  readonly #shared: HttpShared
  readonly #slot: ResponseSlot
  #keepAlive: KeepAliveInstruct | null
  #filters: HoldFilters | null
  /** Null for most: they have no next link. */
  readonly #link: StreamLink | null
  readonly #gone: GoneLink | null
  /** Kept for filters that ask the backend, where there are any and no link that keeps it, too. */
  readonly #origin: LinkOrigin | null
  /** Null until a filter asks the backend. */
  #filtered: FilteredItems | null = null
  #opening: Opening | null
  #isHolding = false
  #isEnded = false
  #lastWriteMs = 0
  #delayMs = 0
  /** Written since a write last said that the socket is behind; 0: it is not. */
  #backlogItems = 0
  #backlogBytes = 0
  #probeAtMs = 0
  #probeMs = STREAM_PROBE_MS

  constructor(shared: HttpShared, slot: ResponseSlot, opening: Opening) {
    super()
    this.#shared = shared
    this.#slot = slot
    this.#keepAlive = opening.instruct.keepAlive
    this.#filters = opening.filters
    this.statsRoute = statsRouteOf(opening.record.route)
    this.#opening = opening
    this.#link = this.#linkOf(opening)
    this.#origin = this.#link === null && asksBackend(opening.instruct) ? originOf(opening.record) : null
    this.#gone = goneLinkOf(opening.instruct, opening.record)
    slot.owner = this
    shared.open.add(this)
  }

  get wantsItems(): boolean {
    return this.#link !== null
  }

  handleLive(ok: boolean): void {
    if (this.#isEnded) return
    const opening = this.#opening
    if (opening === null) return this.#link?.handleLive(ok)
    this.#opening = null
    if (!ok) return this.#refuse(opening)
    const { counters, clock } = this.#shared.context
    this.#isHolding = true
    counters.add('stream_holds', 1)
    const first = opening.isStreamed ? null : this.#start(opening.instruct)
    this.#report(opening, opening.instruct.response.code, first?.length ?? 0, 'held')
    reportSubscribed(this.#shared.context, opening.record, this.subscriptions)
    this.#lastWriteMs = clock.nowMs()
    if (this.#link === null) this.handleHeld()
    else this.#link.start()
  }

  handleHeld(): void {
    const { clock, random, deadlines } = this.#shared.context
    if (this.#keepAlive === null) return deadlines.clear(this)
    // One that runs since before a page without a body goes on.
    if (this.deadlineMs !== NO_DEADLINE) return
    this.#delayMs = keepAliveDelayMs(this.#keepAlive, random())
    deadlines.set(this, clock.nowMs() + this.#delayMs)
  }

  deliverChunk(chunk: Buffer, items: number): void {
    const written = this.#write(chunk, items)
    const { values } = this.#shared.context.counters
    const counter = written ? C.stream_items_out : C.drop_stream_backlog
    values[counter] = (values[counter] as number) + items
  }

  deliverItem(item: PublishItem, format: HttpStreamFormat, subscription: Subscription): void {
    if (this.#link?.takes(item) === true || this.#filtered?.takes(item) === true) return
    this.process(item, format, subscription)
  }

  process(published: PublishItem, publishedFormat: HttpStreamFormat, subscription: Subscription): void {
    // What filters ask about has to wait.
    const item = subscription.filters.asksBackend ? keptItem(published) : published
    const format = item.httpStream ?? publishedFormat
    if (subscription.prevId !== null && subscription.prevId !== item.prevId) return this.#missed(subscription)
    const filtered = filterHeldItem(item, format.contentFilters, format.content, subscription, this.#filters)
    if (filtered instanceof ContentMismatch) return this.#mismatched(filtered)
    if (filtered instanceof FilterQuestion) this.#ask(item, subscription, filtered)
    else this.#pass(item, format, subscription, filtered)
  }

  /** An item that its filters have let pass (or dropped: null). */
  #pass(item: PublishItem, format: HttpStreamFormat, subscription: Subscription, filtered: Filtered): void {
    if (subscription.prevId !== null) subscription.prevId = item.id
    if (filtered === null) this.#shared.context.counters.add('drop_filter')
    else if (format.action === PublishAction.Close) this.#finish()
    else if (format.action === PublishAction.Hint) this.#hinted()
    else if (format.action === PublishAction.Send) {
      this.deliverChunk(filteredContent(this.#shared.context, filtered), 1)
      this.#link?.noteItem()
    }
  }

  get isAsking(): boolean {
    return this.#filtered?.isAsking ?? false
  }

  #ask(item: PublishItem, subscription: Subscription, question: FilterQuestion): void {
    this.#filtered ??= new FilteredItems(this.#shared.context, this)
    this.#filtered.ask(item, subscription, this.#filters as HoldFilters, question)
    if (this.isAsking) this.#link?.handleAsking()
  }

  linkPlace(): LinkPlace | null {
    if (this.#link !== null) return this.#link.place
    return this.#origin === null ? null : { origin: this.#origin, uri: this.#origin.uri }
  }

  handleFiltered(item: PublishItem, subscription: Subscription, filtered: Filtered | HttpFilterFailure): void {
    if (!(filtered instanceof HttpFilterFailure)) {
      return this.#pass(item, item.httpStream as HttpStreamFormat, subscription, filtered)
    }
    this.#shared.context.counters.add('drop_filter_failed')
    if (this.#filters?.debug === true) this.endWith(filtered.message)
  }

  handleTurn(item: PublishItem, subscription: Subscription): void {
    this.process(item, item.httpStream as HttpStreamFormat, subscription)
  }

  handleIdle(): void {
    this.#link?.handleAnswered()
  }

  /** Something was published before the item that came, or what came is old. */
  #missed({ channel }: Subscription): void {
    const { counters, hub } = this.#shared.context
    counters.add('drop_prev_id')
    hub.forgetLastId(channel)
    this.#link?.dropWaiting()
    this.#link?.requestUpdate('soon')
  }

  #hinted(): void {
    this.#link?.dropWaiting()
    this.#link?.requestUpdate('now')
  }

  #mismatched({ message }: ContentMismatch): void {
    this.#shared.context.counters.add('drop_filter')
    if (message === null) return
    this.#write(Buffer.from(`\n\n${message}\n`, 'latin1'), 0)
    this.#finish()
  }

  requestUpdate(): void {
    this.#link?.requestUpdate('soon')
  }

  usePage(keepAlive: KeepAliveInstruct | null, filters: HoldFilters | null): void {
    this.#keepAlive = keepAlive
    this.#filters = filters
  }

  writePage(chunk: Buffer): boolean {
    if (this.#isEnded || chunk.length === 0) return true
    const { clock, deadlines } = this.#shared.context
    deadlines.clear(this)
    if (this.#send(chunk, 1, clock.nowMs())) return true
    this.#slot.watch()
    return false
  }

  get isRead(): boolean {
    if (this.#backlogItems === 0) return true
    this.#slot.watch()
    return false
  }

  endWith(message: string | null): void {
    if (message !== null && (this.#filters?.debug ?? false)) {
      this.#write(Buffer.from(`\n\n${message}\n`, 'latin1'), 0)
    }
    this.#finish()
  }

  override handleDeadline(nowMs: number): void {
    try {
      this.#keepAliveDue(nowMs)
    } catch (error) {
      this.fail(error)
    }
  }

  introduce(report: Report): void {
    this.#slot.introduce(report, this.statsRoute)
  }

  drain(): void {
    const opening = this.#opening
    if (opening !== null) this.#refuse(opening)
    else this.#finish()
  }

  handleAborted(): void {
    if (this.#opening !== null) this.#report(this.#opening, 0, 0, 'aborted')
    this.#leave()
  }

  handleWritable(): boolean {
    if (this.#isEnded) return true
    this.#forgetBacklog()
    this.#link?.handleWritable()
    return true
  }

  fail(error: unknown): void {
    const { counters, log } = this.#shared.context
    counters.add('callback_errors')
    log.error({ err: error }, 'held stream failed')
    this.#slot.cut()
    this.#leave()
  }

  #linkOf({ instruct, record, filters }: Opening): StreamLink | null {
    const origin = instruct.nextLink === null ? null : originOf(record)
    if (origin === null) return null
    this.#shared.context.counters.add('updatable_holds', 1)
    return new StreamLink(this.#shared, this, origin, instruct, filters?.debug ?? false)
  }

  #start(instruct: Instruct): Buffer {
    const { res } = this.#slot
    const { code, reason, headers } = instruct.response
    // Without a hold the page behind the link follows at once, and nothing may stand in between.
    const first = instruct.hold === 'none' ? instruct.response.body : openingChunk(instruct)
    this.#slot.traffic?.wholeAnswer({ status: code, reason, headers }, first.length)
    res.cork(() => {
      writeStatus(res, code, reason)
      writeHeaders(
        res,
        headers.filter(([name]) => name.toLowerCase() !== 'date'),
      )
      if (this.#slot.isClosing) res.writeHeader('Connection', 'close')
      res.write(first)
    })
    return first
  }

  #keepAliveDue(nowMs: number): void {
    const keepAlive = this.#keepAlive
    if (keepAlive === null || this.#isEnded) return
    const { deadlines, random, report } = this.#shared.context
    const dueMs = keepAliveDueMs(keepAlive, this.#lastWriteMs, this.#delayMs, nowMs)
    if (dueMs > nowMs) return deadlines.set(this, dueMs)
    if (this.#backlogItems === 0 || nowMs >= this.#probeAtMs) this.#write(keepAlive.content, 1)
    if (report.wantsActivity) report.active(this.statsRoute)
    this.#delayMs = keepAliveDelayMs(keepAlive, random())
    deadlines.set(this, nowMs + this.#delayMs)
  }

  /** False: dropped, because the client is too far behind. */
  #write(chunk: Buffer, items: number): boolean {
    if (this.#isEnded || chunk.length === 0) return true
    const nowMs = this.#shared.context.clock.nowMs()
    if (this.#isFull() && nowMs < this.#probeAtMs) return false
    this.#send(chunk, items, nowMs)
    return true
  }

  /** False: the socket is behind. */
  #send(chunk: Buffer, items: number, nowMs: number): boolean {
    const { res, traffic } = this.#slot
    let taken = true
    res.cork(() => {
      taken = res.write(chunk)
    })
    traffic?.clientSent(chunk.length)
    this.#lastWriteMs = nowMs
    if (taken) {
      this.#forgetBacklog()
      return true
    }
    this.#backlogItems += items
    this.#backlogBytes += chunk.length
    this.#probeAtMs = nowMs + this.#probeMs
    if (this.#isFull()) this.#probeMs = Math.min(this.#probeMs * 2, STREAM_PROBE_MS_MAX)
    // Whoever never reads again is let go before the probes have filled the memory.
    if (this.#backlogBytes > STREAM_BACKLOG_CUT_BYTES) this.#cut()
    return false
  }

  #forgetBacklog(): void {
    this.#backlogItems = 0
    this.#backlogBytes = 0
    this.#probeMs = STREAM_PROBE_MS
  }

  #isFull(): boolean {
    return this.#backlogItems >= STREAM_BACKLOG_ITEMS_MAX || this.#backlogBytes >= STREAM_BACKLOG_BYTES_MAX
  }

  #cut(): void {
    const { counters, log } = this.#shared.context
    counters.add('stream_dropped_backlog')
    log.debug({ bytes: this.#backlogBytes }, 'stream ended: its client reads nothing')
    this.#slot.cut()
  }

  #refuse(opening: Opening): void {
    this.#opening = null
    if (opening.isStreamed) return this.#finish()
    const bytes = writeAnswer(this.#slot, acceptUnavailable(), {
      isHead: false,
      close: this.#slot.isClosing,
      isCloseAsked: false,
    })
    this.#report(opening, 500, bytes, 'error')
    this.#leave()
  }

  /** The opening, to the access log. */
  #report({ record }: Opening, status: number, bytes: number, outcome: string): void {
    reportAccess(this.#shared.context, record, status, bytes, outcome)
  }

  #finish(): void {
    if (!this.#slot.isOpen) return
    const { res } = this.#slot
    // A client that sees the end and asks for the metrics must not find its hold counted still.
    this.#leave()
    this.#slot.ending()
    res.cork(() => {
      res.end()
    })
    this.#slot.ended()
  }

  #leave(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const { hub, deadlines, counters } = this.#shared.context
    if (this.#isHolding) counters.add('stream_holds', -1)
    this.#filtered?.leave()
    hub.leave(this)
    deadlines.clear(this)
    this.#shared.open.delete(this)
    if (this.#gone !== null) tellGone(this.#shared.context, this.#gone)
    if (this.#link === null) return
    this.#link.leave()
    counters.add('updatable_holds', -1)
  }
}

function asksBackend({ channels }: Instruct): boolean {
  return channels.some(({ filters }) => filterStackOf(filters).asksBackend)
}
