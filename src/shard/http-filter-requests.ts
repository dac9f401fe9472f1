/**
 * The requests of the filters http-check and http-modify of one shard. No more than so many begin in a second; the others
 * wait for their turn, and URLs take turns, so that a slow or busy one holds up no other.
 *
 * One timer while something waits, none otherwise.
 */
import type {
  BackendClient,
  BackendExchange,
  BackendFailure,
  BackendHandler,
  BackendRequest,
} from '../backend/types.js'
import { EMPTY_BYTES } from '../base/bytes.js'
import type { Clock } from '../base/clock.js'
import { DeadlineEntry, type Deadlines } from '../base/deadlines.js'
import { HTTP_FILTER_ANSWER_BYTES_MAX, HTTP_FILTER_RATE, HTTP_FILTER_TIMEOUT_MS } from '../base/limits.js'
import type { Log } from '../base/log.js'
import {
  type HttpFilterAnswer,
  type HttpFilterFailure,
  type HttpFilterName,
  httpFilterCutOff,
  httpFilterLimited,
  httpFilterStatusFault,
  httpFilterTimedOut,
  httpFilterTooLarge,
  httpFilterUnanswered,
  judgeHttpFilterAnswer,
} from '../grip/http-filter.js'
import { PublishLimiter } from '../grip/publish-limiter.js'
import type { Counters } from '../link/counters.js'
import { headerValue } from '../wire/headers.js'
import { countBackendFailure, failsOver } from './backend-results.js'
import { LimiterPulse } from './limiter-pulse.js'

export interface HttpFilterRequestsOptions {
  /** Each has an equal part of the rate, as it has of the clients. */
  readonly shards: number
  readonly backend: BackendClient
  readonly deadlines: Deadlines
  readonly clock: Clock
  readonly counters: Counters
  readonly log: Log
}

export interface HttpFilterCall {
  readonly filter: HttpFilterName
  readonly url: string
  /** Made when it is its turn: one for each target that may be tried, in this order. */
  readonly attempts: () => BackendRequest[]
  /** Called once, and not before `add` has returned. Must not throw. */
  readonly onAnswer: (answer: HttpFilterAnswer | HttpFilterFailure) => void
}

export class HttpFilterRequests {
  readonly #options: HttpFilterRequestsOptions
  readonly #limiter: PublishLimiter<HttpFilterRequest>
  /** What begins together takes turns from the first request on. */
  readonly #pulse: LimiterPulse

  constructor(options: HttpFilterRequestsOptions) {
    this.#options = options
    this.#limiter = new PublishLimiter({ rate: HTTP_FILTER_RATE / options.shards, hwm: -1 }, (request) =>
      request.start(),
    )
    this.#pulse = new LimiterPulse(this.#limiter)
  }

  add(call: HttpFilterCall): HttpFilterRequest {
    const request = new HttpFilterRequest(this.#options, call)
    if (this.#limiter.add(call.url, request, 1)) this.#pulse.schedule()
    else request.refuse()
    return request
  }

  close(): void {
    this.#pulse.close()
  }
}

export class HttpFilterRequest extends DeadlineEntry implements BackendHandler {
  readonly #options: HttpFilterRequestsOptions
  readonly #call: HttpFilterCall
  #attempts: BackendRequest[] = []
  #exchange: BackendExchange | null = null
  #head: { readonly status: number; readonly action: string | null } | null = null
  #body: Buffer[] = []
  #bodyBytes = 0
  #isOver = false

  constructor(options: HttpFilterRequestsOptions, call: HttpFilterCall) {
    super()
    this.#options = options
    this.#call = call
  }

  /** @internal Its turn has come. False: nobody waits for it any more. */
  start(): boolean {
    if (this.#isOver) return false
    const { clock, counters, deadlines } = this.#options
    counters.add('filter_requests')
    deadlines.set(this, clock.nowMs() + HTTP_FILTER_TIMEOUT_MS)
    try {
      this.#attempts = this.#call.attempts()
      if (this.#attempts.length > 0) this.#send()
      else this.#failSoon(httpFilterUnanswered(), 'its URL leads nowhere')
    } catch (error) {
      counters.add('callback_errors')
      this.#options.log.error({ err: error, url: this.#call.url }, 'a filter could not ask its backend')
      this.#failSoon(httpFilterUnanswered(), 'an error of the gateway')
    }
    return true
  }

  /** @internal It will not have a turn. */
  refuse(): void {
    this.#failSoon(httpFilterLimited(), 'too many wait')
  }

  /** Nobody waits for the answer any more. Idempotent. */
  cancel(): void {
    this.#end()
  }

  override handleDeadline(): void {
    this.#fail(httpFilterTimedOut(), 'no answer in time')
  }

  // From the backend.

  handleHead(status: number, _reason: string, headers: string[]): void {
    this.#head = { status, action: headerValue(headers, 'action') }
    const fault = httpFilterStatusFault(status)
    if (fault !== null) this.#fail(fault, `status ${String(status)}`)
  }

  handleData(chunk: Buffer): boolean {
    if (this.#isOver || this.#call.filter === 'http-check') return true
    this.#bodyBytes += chunk.length
    if (this.#bodyBytes > HTTP_FILTER_ANSWER_BYTES_MAX) this.#fail(httpFilterTooLarge(), 'too large')
    else this.#body.push(chunk)
    return true
  }

  handleEnd(): void {
    this.#exchange = null
    if (this.#isOver || this.#head === null) return
    this.#options.counters.add('backend_ok')
    const body = this.#bodyBytes === 0 ? EMPTY_BYTES : Buffer.concat(this.#body)
    this.#end()
    this.#call.onAnswer(judgeHttpFilterAnswer(this.#call.filter, { ...this.#head, body }))
  }

  handleFailure(failure: BackendFailure): void {
    this.#exchange = null
    if (this.#isOver) return
    countBackendFailure(this.#options.counters, failure)
    if (this.#head !== null) this.#fail(httpFilterCutOff(), failure.message)
    else if (failsOver(failure) && this.#attempts.length > 0) this.#send()
    else this.#fail(httpFilterUnanswered(), failure.message)
  }

  #send(): void {
    this.#exchange = this.#options.backend.request(this.#attempts.shift() as BackendRequest, this)
  }

  #failSoon(failure: HttpFilterFailure, why: string): void {
    setImmediate(() => {
      this.#fail(failure, why)
    })
  }

  #fail(failure: HttpFilterFailure, why: string): void {
    if (this.#isOver) return
    this.#end()
    const { filter, url } = this.#call
    this.#options.log.debug({ url, why }, `${filter} failed`)
    this.#call.onAnswer(failure)
  }

  #end(): void {
    this.#isOver = true
    this.#options.deadlines.clear(this)
    this.#exchange?.abort()
    this.#exchange = null
    this.#body = []
  }
}
