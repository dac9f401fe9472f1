/** A long poll: a request that is answered by the first publish, or by the backend's own answer when its time is up. */
import { DeadlineEntry } from '../base/deadlines.js'
import type { CrossOrigin } from '../grip/cross-origin.js'
import { ContentMismatch, type HoldFilters, filterHeldItem } from '../grip/hold-filters.js'
import { type HttpAnswer, acceptUnavailable, proxyFailed } from '../grip/http-session.js'
import { ReceiverKind, type ResponseReceiver } from '../grip/receiver.js'
import { ResponseVerdict, judgeResponse, publishedAnswer, publishedBody } from '../grip/response-hold.js'
import type { Subscription } from '../grip/subscriptions.js'
import { unreachable } from '../base/assert.js'
import type { HttpResponseFormat, PublishItem } from '../wire/publish-types.js'
import { filteredContent, patchedBody } from './filtered-content.js'
import type { HttpShared, OpenHttp } from './http-shared.js'
import { type AnswerOptions, writeAnswer } from './http-writer.js'
import type { ResponseSlot, SlotOwner } from './response-slot.js'

export interface HeldResponseStart {
  /** What the client gets when nothing is published. */
  readonly answer: HttpAnswer
  /** Null: the answer goes out as it is. */
  readonly crossOrigin: CrossOrigin | null
  readonly timeoutMs: number
  readonly filters: HoldFilters | null
  readonly options: AnswerOptions
  /** Reports to the access log. */
  readonly answered: (status: number, bytes: number, outcome: string) => void
}

export class HeldResponse extends DeadlineEntry implements ResponseReceiver, SlotOwner, OpenHttp {
  readonly kind = ReceiverKind.Response
  subscriptions: Subscription[] = []
  readonly #shared: HttpShared
  readonly #slot: ResponseSlot
  readonly #start: HeldResponseStart
  #isHolding = false
  #isEnded = false

  constructor(shared: HttpShared, slot: ResponseSlot, start: HeldResponseStart) {
    super()
    this.#shared = shared
    this.#slot = slot
    this.#start = start
    slot.owner = this
    shared.open.add(this)
  }

  handleLive(ok: boolean): void {
    if (this.#isEnded) return
    if (!ok) return this.#answer(acceptUnavailable(), 'error')
    this.#isHolding = true
    const { counters, deadlines, clock } = this.#shared.context
    counters.add('response_holds', 1)
    deadlines.set(this, clock.nowMs() + this.#start.timeoutMs)
  }

  deliverResponse(item: PublishItem, format: HttpResponseFormat, subscription: Subscription): void {
    if (this.#isEnded) return
    const { counters } = this.#shared.context
    const verdict = judgeResponse(item, format, subscription)
    if (verdict === ResponseVerdict.WrongPrevId) return counters.add('drop_prev_id')
    const published = patchedBody(this.#shared.context, publishedBody(this.#start.answer, format))
    const filtered = filterHeldItem(item, format.contentFilters, published, subscription, this.#start.filters)
    if (filtered instanceof ContentMismatch) return this.#mismatched(filtered)
    if (subscription.prevId !== null) subscription.prevId = item.id
    if (filtered === null) return counters.add('drop_filter')
    switch (verdict) {
      case ResponseVerdict.Answer: {
        counters.add('responses_out')
        const body = filteredContent(this.#shared.context, filtered)
        return this.#answer({ ...publishedAnswer(this.#start.answer, format), body }, 'held')
      }
      case ResponseVerdict.Ignore:
        return
      default:
        return unreachable(verdict)
    }
  }

  #mismatched({ message }: ContentMismatch): void {
    this.#shared.context.counters.add('drop_filter')
    if (message !== null) this.#answer(proxyFailed(message), 'error')
  }

  requestUpdate(): void {}

  override handleDeadline(): void {
    try {
      this.#answer(this.#start.answer, 'held')
    } catch (error) {
      this.fail(error)
    }
  }

  drain(): void {
    this.#answer(this.#start.answer, 'held')
  }

  handleAborted(): void {
    if (this.#isEnded) return
    this.#start.answered(0, 0, 'aborted')
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
    const { crossOrigin, options, answered } = this.#start
    const isEarly = outcome === 'error' && !this.#isHolding
    const shown = isEarly ? crossOrigin?.error(answer) : crossOrigin?.held(answer)
    const bytes = writeAnswer(this.#slot, shown ?? answer, options)
    answered((shown ?? answer).status, bytes, outcome)
    this.#leave()
  }

  #leave(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const { hub, deadlines, counters } = this.#shared.context
    if (this.#isHolding) counters.add('response_holds', -1)
    hub.leave(this)
    deadlines.clear(this)
    this.#shared.open.delete(this)
  }
}
