/**
 * A long poll: a request that is answered by the first publish, or by the backend's own answer when its time is up.
 *
 * When something was or may have been missed, the request is sent to the backend again while the client waits
 * (reference: retry mechanics). Until its turn to do so has come the hold goes on, and a publish may still answer it.
 */
import { DeadlineEntry } from '../base/deadlines.js'
import type { CrossOrigin } from '../grip/cross-origin.js'
import { FilterQuestion, type Filtered } from '../grip/filters.js'
import { ContentMismatch, type HoldFilters, filterHeldItem } from '../grip/hold-filters.js'
import { conflictsOf, gripLastOf } from '../grip/hold-channels.js'
import { HttpFilterFailure } from '../grip/http-filter.js'
import { type HttpAnswer, acceptUnavailable, proxyFailed } from '../grip/http-session.js'
import { keptItem } from '../grip/kept-items.js'
import { ReceiverKind, type ResponseReceiver } from '../grip/receiver.js'
import { ResponseVerdict, judgeResponse, publishedAnswer, publishedBody } from '../grip/response-hold.js'
import type { Subscription } from '../grip/subscriptions.js'
import { unreachable } from '../base/assert.js'
import type { HttpResponseFormat, PublishItem } from '../wire/publish-types.js'
import { FilteredItems, type FilteredReceiver, type LinkPlace } from './filtered-items.js'
import { filteredContent, patchedBody } from './filtered-content.js'
import { type GoneLink, GoneWait, tellGone } from './gone-link.js'
import type { HttpShared, OpenHttp } from './http-shared.js'
import { type AnswerOptions, writeAnswer } from './http-writer.js'
import { originOf } from './link-request.js'
import { statsRouteOf } from './match-route.js'
import type { Report } from './report.js'
import { type RequestRecord, reportAccess, reportSubscribed } from './request-record.js'
import type { ResponseSlot, SlotOwner } from './response-slot.js'
import type { UpdatedSession } from './updates.js'

export interface HeldResponseStart {
  /** What the client gets when nothing is published. */
  readonly answer: HttpAnswer
  /** Null: the answer goes out as it is. */
  readonly crossOrigin: CrossOrigin | null
  readonly timeoutMs: number
  readonly filters: HoldFilters | null
  readonly options: AnswerOptions
  readonly record: RequestRecord
  readonly gone: GoneLink | null
  /** False: the request cannot be sent again, because its body had not come whole when the backend answered. */
  readonly isRetriable: boolean
}

export class HeldResponse
  extends DeadlineEntry
  implements ResponseReceiver, SlotOwner, OpenHttp, UpdatedSession, FilteredReceiver
{
  nextLinked: OpenHttp | null = null
  previousLinked: OpenHttp | null = null
  readonly kind = ReceiverKind.Response
  subscriptions: Subscription[] = []
  readonly #shared: HttpShared
  readonly #slot: ResponseSlot
  readonly #start: HeldResponseStart
  #isHolding = false
  #isEnded = false
  /** In the queue of those who ask their backend again. */
  #isQueued = false
  /** Null until a filter asks the backend. */
  #filtered: FilteredItems | null = null
  /** It has had its turn to ask again while a filter was asking. */
  #isRetryDue = false

  constructor(shared: HttpShared, slot: ResponseSlot, start: HeldResponseStart) {
    super()
    this.#shared = shared
    this.#slot = slot
    this.#start = start
    slot.owner = this
    shared.open.add(this)
    shared.context.counters.add('updatable_holds', 1)
  }

  get statsRoute(): string {
    return statsRouteOf(this.#start.record.route)
  }

  handleLive(ok: boolean): void {
    if (this.#isEnded) return
    if (!ok) return this.#answer(acceptUnavailable(), 'error')
    const { counters, deadlines, clock, hub } = this.#shared.context
    const conflicts = conflictsOf(this.subscriptions)
    for (const { channel } of conflicts) hub.forgetLastId(channel)
    if (conflicts.length > 0 && this.#start.isRetriable) return this.#retry()
    this.#isHolding = true
    counters.add('response_holds', 1)
    reportSubscribed(this.#shared.context, this.#start.record, this.subscriptions)
    deadlines.set(this, clock.nowMs() + this.#start.timeoutMs)
  }

  deliverResponse(item: PublishItem, format: HttpResponseFormat, subscription: Subscription): void {
    if (this.#isEnded || this.#filtered?.takes(item) === true) return
    this.#process(item, format, subscription)
  }

  #process(published: PublishItem, publishedFormat: HttpResponseFormat, subscription: Subscription): void {
    // What filters ask about has to wait.
    const item = subscription.filters.asksBackend ? keptItem(published) : published
    const format = item.httpResponse ?? publishedFormat
    const verdict = judgeResponse(item, format, subscription)
    if (verdict === ResponseVerdict.WrongPrevId) return this.#missed(subscription)
    const body = patchedBody(this.#shared.context, publishedBody(this.#start.answer, format))
    const filtered = filterHeldItem(item, format.contentFilters, body, subscription, this.#start.filters)
    if (filtered instanceof ContentMismatch) return this.#mismatched(filtered)
    if (filtered instanceof FilterQuestion) this.#ask(item, subscription, filtered)
    else this.#pass(item, format, subscription, filtered)
  }

  /** An item that its filters have let pass (or dropped: null). */
  #pass(item: PublishItem, format: HttpResponseFormat, subscription: Subscription, filtered: Filtered): void {
    const { counters } = this.#shared.context
    const verdict = judgeResponse(item, format, subscription)
    if (subscription.prevId !== null) subscription.prevId = item.id
    if (filtered === null) return counters.add('drop_filter')
    switch (verdict) {
      case ResponseVerdict.Answer: {
        counters.add('responses_out')
        const body = filteredContent(this.#shared.context, filtered)
        return this.#answer({ ...publishedAnswer(this.#start.answer, format), body }, 'held')
      }
      case ResponseVerdict.Retry:
        return this.#retry()
      case ResponseVerdict.Ignore:
      case ResponseVerdict.WrongPrevId:
        return
      default:
        return unreachable(verdict)
    }
  }

  #ask(item: PublishItem, subscription: Subscription, question: FilterQuestion): void {
    this.#filtered ??= new FilteredItems(this.#shared.context, this)
    this.#filtered.ask(item, subscription, this.#start.filters as HoldFilters, question)
  }

  linkPlace(): LinkPlace | null {
    const origin = originOf(this.#start.record)
    return origin === null ? null : { origin, uri: origin.uri }
  }

  handleFiltered(item: PublishItem, subscription: Subscription, filtered: Filtered | HttpFilterFailure): void {
    if (!(filtered instanceof HttpFilterFailure)) {
      return this.#pass(item, item.httpResponse as HttpResponseFormat, subscription, filtered)
    }
    this.#shared.context.counters.add('drop_filter_failed')
    if (this.#start.filters?.debug === true) this.#answer(proxyFailed(filtered.message), 'error')
  }

  handleTurn(item: PublishItem, subscription: Subscription): void {
    this.#process(item, item.httpResponse as HttpResponseFormat, subscription)
  }

  handleIdle(): void {
    if (this.#isRetryDue) this.#retry()
  }

  #mismatched({ message }: ContentMismatch): void {
    this.#shared.context.counters.add('drop_filter')
    if (message !== null) this.#answer(proxyFailed(message), 'error')
  }

  /** Something was published before the item that came, or what came is old. */
  #missed({ channel }: Subscription): void {
    const { counters, hub } = this.#shared.context
    counters.add('drop_prev_id')
    hub.forgetLastId(channel)
    this.requestUpdate()
  }

  requestUpdate(): void {
    if (!this.#isHolding || this.#isEnded || this.#isQueued || !this.#start.isRetriable) return
    this.#isQueued = true
    // All long polls have one key: each of them asks for itself, so nothing is gained by order.
    this.#shared.updates.add(this, '')
  }

  handleUpdateDue(): void {
    this.#isQueued = false
    // The item that is asked about may answer it.
    this.#isRetryDue = this.#filtered?.isAsking ?? false
    if (this.#isRetryDue) return
    try {
      this.#retry()
    } catch (error) {
      this.fail(error)
    }
  }

  override handleDeadline(): void {
    try {
      this.#answer(this.#start.answer, 'held')
    } catch (error) {
      this.fail(error)
    }
  }

  introduce(report: Report): void {
    this.#slot.introduce(report, this.statsRoute)
  }

  drain(): void {
    this.#answer(this.#start.answer, 'held')
  }

  handleAborted(): void {
    if (this.#isEnded) return
    reportAccess(this.#shared.context, this.#start.record, 0, 0, 'aborted')
    this.#leave()
  }

  handleWritable(): boolean {
    return true
  }

  fail(error: unknown): void {
    const { counters, log } = this.#shared.context
    counters.add('callback_errors')
    log.error({ err: error }, 'held response failed')
    this.#slot.cut()
    this.#leave()
  }

  #answer(answer: HttpAnswer, outcome: string): void {
    if (this.#isEnded || !this.#slot.isOpen) return
    const { crossOrigin, options, record } = this.#start
    const isEarly = outcome === 'error' && !this.#isHolding
    const shown = isEarly ? crossOrigin?.error(answer) : crossOrigin?.held(answer)
    // A client that has the answer and asks for the metrics must not find its hold counted still.
    this.#leave()
    const bytes = writeAnswer(this.#slot, shown ?? answer, options)
    this.#slot.traffic?.wholeAnswer(shown ?? answer, bytes)
    reportAccess(this.#shared.context, record, (shown ?? answer).status, bytes, outcome)
  }

  #retry(): void {
    const { record, gone, isRetriable } = this.#start
    if (this.#isEnded || !this.#slot.isOpen || !isRetriable) return
    const { route, target } = record
    const naming = { channelPrefix: route?.prefix ?? '', implicitChannels: target?.implicitChannels ?? [] }
    const lastIds = gripLastOf(this.subscriptions, naming, record.lastIds)
    const again = { ...record, lastIds }
    const slot = this.#slot
    this.#end()
    if (gone === null) this.#shared.retry(slot, again)
    else new GoneWait(this.#shared, slot, again, gone)
  }

  #leave(): void {
    if (this.#isEnded) return
    this.#end()
    if (this.#start.gone !== null) tellGone(this.#shared.context, this.#start.gone)
  }

  #end(): void {
    this.#isEnded = true
    const { hub, deadlines, counters } = this.#shared.context
    if (this.#isHolding) counters.add('response_holds', -1)
    if (this.#isQueued) this.#shared.updates.delete(this)
    counters.add('updatable_holds', -1)
    this.#filtered?.leave()
    hub.leave(this)
    deadlines.clear(this)
    this.#shared.open.delete(this)
  }
}
