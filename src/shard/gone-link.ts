/**
 * The gone link of a hold (reference: gone links): when the hold is over, however it ended, its backend is told by an
 * empty POST. Once: what the backend answers changes nothing. So many at a time, because clients may leave all at once.
 */
import type { BackendExchange, BackendFailure, BackendHandler, BackendRequest } from '../backend/types.js'
import { DeadlineEntry } from '../base/deadlines.js'
import { GONE_WAIT_MS } from '../base/limits.js'
import { resolveLink } from '../grip/next-link.js'
import type { Instruct } from '../wire/instruct-types.js'
import { countBackendFailure, failsOver } from './backend-results.js'
import type { ShardContext } from './context.js'
import type { HttpShared, OpenHttp } from './http-shared.js'
import { type LinkOrigin, linkRequests, linkTraffic, originOf, reportLink } from './link-request.js'
import { statsRouteOf } from './match-route.js'
import type { Report } from './report.js'
import { type RequestRecord, reportAccess } from './request-record.js'
import type { ResponseSlot, SlotOwner } from './response-slot.js'

/** Kept as long as the hold lives. */
export interface GoneLink {
  readonly origin: LinkOrigin
  readonly uri: string
}

/** That of the hold's first answer; null: it has none. */
export function goneLinkOf({ goneLink }: Instruct, record: RequestRecord): GoneLink | null {
  const origin = goneLink === null ? null : originOf(record)
  return goneLink === null || origin === null ? null : { origin, uri: resolveLink(origin.uri, goneLink.uri) ?? '' }
}

/** `onOver`: the backend has answered, or cannot be told. Not called before tellGone has returned. */
export function tellGone(context: ShardContext, link: GoneLink, onOver = (): void => {}): void {
  const isTaken = context.goneGate.enter(() => {
    new GoneCall(context, link, onOver).start()
  })
  if (isTaken) return
  context.counters.add('drop_gone_link')
  setImmediate(() => {
    proceed(context, onOver)
  })
}

/** Of a stream that ends as it begins. */
export function tellGoneAtOnce(context: ShardContext, instruct: Instruct, record: RequestRecord): void {
  const gone = goneLinkOf(instruct, record)
  if (gone !== null && (instruct.hold !== 'none' || instruct.nextLink !== null)) tellGone(context, gone)
}

function proceed({ counters, log }: ShardContext, onOver: () => void): void {
  try {
    onOver()
  } catch (error) {
    counters.add('callback_errors')
    log.error({ err: error }, 'what follows a gone link failed')
  }
}

class GoneCall implements BackendHandler {
  readonly #context: ShardContext
  readonly #link: GoneLink
  readonly #onOver: () => void
  #backend: BackendExchange | null = null
  #attempts: BackendRequest[] = []
  #startedMs = 0
  #status = 0

  constructor(context: ShardContext, link: GoneLink, onOver: () => void) {
    this.#context = context
    this.#link = link
    this.#onOver = onOver
  }

  start(): void {
    const { counters, clock } = this.#context
    counters.add('gone_links')
    this.#startedMs = clock.nowMs()
    const { origin, uri } = this.#link
    this.#attempts = linkRequests(this.#context, origin, uri, { method: 'POST', lastIds: null })
    this.#send()
  }

  #send(): void {
    const next = this.#attempts.shift()
    if (next !== undefined) {
      linkTraffic(this.#context, this.#link.origin)?.serverRequest(next)
      this.#backend = this.#context.backend.request(next, this)
    } else setImmediate(() => this.#over('it leads nowhere'))
  }

  handleHead(status: number, reason: string, headers: string[]): void {
    linkTraffic(this.#context, this.#link.origin)?.serverAnswer({ status, reason, headers })
    this.#status = status
  }

  handleData(): boolean {
    // There should be none, and nobody waits for its end.
    this.#backend?.abort()
    this.#over('its answer has a body')
    return true
  }

  handleEnd(): void {
    this.#context.counters.add('backend_ok')
    this.#over(this.#status >= 200 && this.#status < 300 ? null : 'its answer is no success')
  }

  handleFailure(failure: BackendFailure): void {
    countBackendFailure(this.#context.counters, failure)
    if (this.#status === 0 && failsOver(failure) && this.#attempts.length > 0) this.#send()
    else this.#over(failure.message)
  }

  #over(fault: string | null): void {
    const context = this.#context
    if (fault !== null) context.counters.add('gone_link_failures')
    const { origin, uri } = this.#link
    reportLink(context, origin, { method: 'POST', uri, status: this.#status, startedMs: this.#startedMs, fault })
    context.goneGate.leave()
    proceed(context, this.#onOver)
  }
}

/** A request between its old hold and its repetition: until the backend knows of the end of the one, or has had its time. */
export class GoneWait extends DeadlineEntry implements SlotOwner, OpenHttp {
  nextLinked: OpenHttp | null = null
  previousLinked: OpenHttp | null = null
  readonly #shared: HttpShared
  readonly #slot: ResponseSlot
  readonly #record: RequestRecord
  #isOver = false

  /** `record`: of the repetition. */
  constructor(shared: HttpShared, slot: ResponseSlot, record: RequestRecord, gone: GoneLink) {
    super()
    this.#shared = shared
    this.#slot = slot
    this.#record = record
    slot.owner = this
    shared.open.add(this)
    const { context } = shared
    context.deadlines.set(this, context.clock.nowMs() + GONE_WAIT_MS)
    tellGone(context, gone, () => {
      this.#proceed()
    })
  }

  override handleDeadline(): void {
    try {
      this.#proceed()
    } catch (error) {
      this.fail(error)
    }
  }

  drain(): void {
    this.#slot.isClosing = true
    this.#proceed()
  }

  handleAborted(): void {
    if (this.#isOver) return
    this.#end()
    reportAccess(this.#shared.context, this.#record, 0, 0, 'aborted')
  }

  introduce(report: Report): void {
    this.#slot.introduce(report, statsRouteOf(this.#record.route))
  }

  handleWritable(): boolean {
    return true
  }

  fail(error: unknown): void {
    const { counters, log } = this.#shared.context
    counters.add('callback_errors')
    log.error({ err: error }, 'a request could not be sent again')
    this.#end()
    this.#slot.cut()
  }

  #proceed(): void {
    if (this.#isOver) return
    this.#end()
    this.#shared.retry(this.#slot, this.#record)
  }

  #end(): void {
    this.#isOver = true
    this.#shared.context.deadlines.clear(this)
    this.#shared.open.delete(this)
  }
}
