/**
 * The shell of one HTTP exchange: uWebSockets.js on one side, a backend on the other, the decisions of
 * grip/http-session.ts in between.
 *
 * Life: head → (body) → backend → relayed answer, or a GRIP answer that is collected and then answers or holds. A hold
 * is an object of its own (held-stream.ts, held-response.ts) that takes the connection over.
 *
 * Here is what happens when: callbacks come in, and the state says what they mean. What is done then stands elsewhere:
 * targets are asked by client-request.ts, an answer is passed on by relay.ts, one with instructions by grip-answer.ts.
 *
 * Every callback, native or undici's, is a boundary: what throws there ends this exchange and nothing else.
 */
import type uWS from 'uWebSockets.js'
import type { BackendFailure, BackendHandler } from '../backend/types.js'
import { ANSWER_BYTES_PER_TURN, GRIP_RESPONSE_BYTES_MAX } from '../base/limits.js'
import { type HttpAnswer, type HttpSession, proxyFailed, requestFailed } from '../grip/http-session.js'
import { countBackendFailure, failsOver } from './backend-results.js'
import { BackendAnswer } from './backend-answer.js'
import { type ClientDoor, copyClientHead, hasRequestBody } from './client-head.js'
import { ClientRequest } from './client-request.js'
import type { ShardContext } from './context.js'
import {
  type BeginHold,
  type GripAnswer,
  afterStreamed,
  appendFailure,
  endingOf,
  startStreamed,
} from './grip-answer.js'
import type { HttpShared, OpenHttp } from './http-shared.js'
import { HttpUpload, type PulsedUpload } from './http-upload.js'
import { HttpWriter, hasNoBody, writeAnswer } from './http-writer.js'
import { statsRouteOf } from './match-route.js'
import type { Report } from './report.js'
import { type Relay, endRelay, relayChunk, relayWhole, startRelay } from './relay.js'
import { type RequestRecord, reportAccess } from './request-record.js'
import { ResponseSlot, type SlotOwner } from './response-slot.js'
import { SockJsExchange } from './sockjs-exchange.js'
import type { AtTurnEnd } from './turn-end.js'

const State = {
  /** The backend has not answered. */
  Requesting: 'requesting',
  /** Its head is there and nothing has been written: the rest may come, or has come, within this turn. */
  Answered: 'answered',
  /** Its body goes to the client as it comes. */
  Relaying: 'relaying',
  /** A GRIP answer is kept until it is whole. */
  Collecting: 'collecting',
  /** A GRIP answer too large to keep goes to the client; its instructions come after it. */
  Streaming: 'streaming',
  /** Over, or taken over by a hold. */
  Ended: 'ended',
} as const
type State = (typeof State)[keyof typeof State]

export class HttpExchange implements SlotOwner, BackendHandler, OpenHttp, PulsedUpload, AtTurnEnd {
  nextLinked: OpenHttp | null = null
  previousLinked: OpenHttp | null = null
  readonly #shared: HttpShared
  readonly #context: ShardContext
  readonly #slot: ResponseSlot
  readonly #client: ClientRequest
  #state: State = State.Requesting
  // The backend's answer.
  readonly #received = new BackendAnswer()
  #isWhole = false
  #awaitsTurnEnd = false
  #writer: HttpWriter | null = null

  /** A new request: inside the request callback of uWebSockets.js only, `req` is gone afterwards. Or one to be retried. */
  constructor(shared: HttpShared, client: NewClient | WaitingClient) {
    this.#shared = shared
    this.#context = shared.context
    if ('res' in client) {
      // First of all: a response without an abort handler ends the process.
      this.#slot = new ResponseSlot(client.res, this)
      const head = copyClientHead(client.res, client.req, client.door, this.#context)
      // Told to the log in milliseconds, and otherwise where an upload idles from.
      const { access, clock, deadlines } = this.#context
      this.#client = new ClientRequest(head, access === null ? deadlines.tickedMs : clock.nowMs(), null)
      this.#slot.ssl = head.ssl
      this.#context.counters.add('requests')
    } else {
      const { slot, record } = client
      this.#slot = slot
      slot.owner = this
      this.#client = new ClientRequest(record.head, record.startedMs, record)
    }
    shared.open.add(this)
  }

  /** To be called once, inside the same callback. */
  start(): void {
    try {
      const answer = this.#client.open(this.#context)
      this.#slot.isClosing = this.#client.isLast
      const sockJs = answer === null ? this.#sockJs() : null
      if (sockJs !== null) {
        this.#end()
        sockJs.start()
        return
      }
      if (this.#context.report.wantsRequests) this.#report()
      if (answer !== null) {
        this.#outside(() => {
          this.#answer(answer, 'error')
        })
      } else if (hasRequestBody(this.#client.head.headers)) this.#receive()
      else this.#requestNext()
    } catch (error) {
      this.fail(error)
    }
  }

  /** The client waits already, and its request goes to the backend again, by the route of the same id. */
  retry(): void {
    const { counters, report } = this.#context
    counters.add('hold_retries')
    this.#guard(() => {
      const answer = this.#client.openAgain(this.#context)
      if (report.wantsActivity && answer === null) report.active(statsRouteOf(this.#client.route))
      if (answer === null) this.#requestNext()
      else this.#answer(answer, 'error')
    })
  }

  /** Refuses the request at the door: the gateway is shutting down. */
  refuse(): void {
    this.#slot.isClosing = true
    this.#guard(() => {
      this.#answer(requestFailed(), 'error')
    })
  }

  drain(): void {
    // What is under way may finish; the connection ends behind it.
    this.#slot.isClosing = true
  }

  introduce(report: Report): void {
    const { route } = this.#client
    if (route !== null) this.#slot.introduce(report, statsRouteOf(route))
  }

  fail(error: unknown): void {
    const { counters, log } = this.#context
    counters.add('callback_errors')
    log.error({ err: error, url: this.#client.head.path }, 'HTTP exchange failed')
    const wasEnded = this.#state === State.Ended
    this.#end()
    this.#slot.cut()
    if (!wasEnded) this.#access(0, 0, 'error')
  }

  // From uWebSockets.js, through the slot.

  handleAborted(): void {
    if (this.#state === State.Ended) return
    const bytes = this.#writer?.bytes ?? 0
    if (this.#client.backend !== null) this.#context.counters.add('backend_aborted')
    this.#end()
    this.#access(this.#writer === null ? 0 : this.#received.head.status, bytes, 'aborted')
  }

  handleWritable(offset: number): boolean {
    const writer = this.#writer
    if (writer === null) return true
    const open = writer.handleWritable(offset)
    if (this.#isWhole && !this.#slot.isOpen) this.#finishRelay()
    return open
  }

  get upload(): HttpUpload {
    return this.#client.upload as HttpUpload
  }

  handleUploadIdle(): void {
    this.#slot.cut()
  }

  // From the backend.

  handleHead(status: number, reason: string, headers: string[]): void {
    this.#guard(() => {
      this.#received.head = { status, reason, headers }
      this.#slot.traffic?.serverAnswer(this.#received.head)
      const verdict = (this.#client.session as HttpSession).handleHead(headers, this.#client.isKept)
      if (verdict.kind === 'answer') return this.#refuseAnswer(verdict.answer)
      if (verdict.kind === 'collect') {
        this.#state = State.Collecting
        return
      }
      this.#state = State.Answered
      // A small answer comes whole within the turn, and is then written in one go.
      this.#awaitTurnEnd()
    })
  }

  handleData(chunk: Buffer): boolean {
    try {
      this.#slot.traffic?.serverReceived(chunk.length)
      return this.#handleData(chunk)
    } catch (error) {
      this.fail(error)
      return true
    }
  }

  handleEnd(): void {
    this.#guard(() => {
      this.#client.backend = null
      this.#isWhole = true
      this.#context.counters.add('backend_ok')
      switch (this.#state) {
        case State.Answered:
          return this.#awaitTurnEnd()
        case State.Relaying:
          return this.#endRelay()
        case State.Collecting:
          return this.#decide()
        case State.Streaming:
          // What the client has not taken comes before the hold.
          if (!(this.#writer as HttpWriter).isPending) this.#decideStreamed()
          return
        case State.Requesting:
        case State.Ended:
          return
      }
    })
  }

  handleTurnEnd(): void {
    this.#awaitsTurnEnd = false
    if (this.#state !== State.Answered) return
    this.#guard(() => {
      if (this.#isWhole) this.#relayWhole()
      else this.#startRelay()
    })
  }

  handleFailure(failure: BackendFailure): void {
    this.#guard(() => {
      this.#client.backend = null
      countBackendFailure(this.#context.counters, failure)
      const { target } = this.#client.session as HttpSession
      this.#context.log.debug({ failure, target: target.name, url: this.#client.head.path }, 'backend request failed')
      switch (this.#state) {
        case State.Requesting:
          if (failsOver(failure)) return this.#requestNext()
          return this.#answer(this.#client.failedBy(failure), 'error')
        case State.Answered:
        case State.Collecting:
          return this.#answer(this.#client.failedBy(failure), 'error')
        case State.Relaying:
          return this.#cutRelay()
        case State.Streaming:
          appendFailure(this.#client.session as HttpSession, this.#writer as HttpWriter, proxyFailed(null))
          return this.#cutRelay()
        case State.Ended:
          return
      }
    })
  }

  /** A request below the SockJS path of its route; null: it is none. */
  #sockJs(): SockJsExchange | null {
    const { sockJs } = this.#shared
    const path = sockJs === null ? null : this.#client.sockJsPath()
    if (sockJs === null || path === null) return null
    return new SockJsExchange(this.#shared, sockJs, this.#slot, this.#client.head, path)
  }

  /** To statistics: a new request. One without a route does not count (reference: stats PUB). */
  #report(): void {
    const { head, route } = this.#client
    if (route === null) return
    const { report, forwarding } = this.#context
    const statsRoute = statsRouteOf(route)
    this.#slot.traffic = report.traffic(statsRoute)
    this.#slot.reported = report.began(null, {
      type: 'http',
      route: statsRoute,
      peerAddress: forwarding.clientAddress(head, this.#context.epochMs()) ?? '',
      ssl: head.ssl,
    })
  }

  #outside(run: () => void): void {
    if (!this.#client.isLast) return run()
    setImmediate(() => {
      if (this.#state !== State.Ended) this.#guard(run)
    })
  }

  #receive(): void {
    const { res } = this.#slot
    const upload = new HttpUpload(res, this.#client.startedMs)
    upload.traffic = this.#slot.traffic
    this.#client.upload = upload
    let isStarted = false
    res.onData((lent, isLast) => {
      try {
        upload.handleData(lent, isLast, this.#context.clock.nowMs())
        // uWebSockets.js calls at once with what came with the head, so a small body goes out in one piece.
        if (isStarted) return
        isStarted = true
        if (!isLast) this.#shared.uploads.add(this)
        this.#outside(() => {
          this.#requestNext()
        })
      } catch (error) {
        this.fail(error)
      }
    })
  }

  #requestNext(): void {
    const answer = this.#client.askNext(this.#context, this.#slot.traffic, this)
    if (answer !== null) this.#answer(answer, 'error')
  }

  #handleData(chunk: Buffer): boolean {
    switch (this.#state) {
      case State.Answered:
        this.#received.add(chunk)
        if (this.#received.bodyBytes < ANSWER_BYTES_PER_TURN) return true
        this.#startRelay()
        return this.#writer?.isPending !== true
      case State.Relaying:
      case State.Streaming:
        if (this.#client.isHead) return true
        this.#slot.traffic?.clientSent(chunk.length)
        return relayChunk(this.#writer as HttpWriter, this.#received, chunk)
      case State.Collecting:
        this.#received.add(chunk)
        return this.#received.bodyBytes <= GRIP_RESPONSE_BYTES_MAX || this.#overflow()
      case State.Requesting:
      case State.Ended:
        return true
    }
  }

  // Relaying.

  /** The whole answer has come before anything was written. */
  #relayWhole(): void {
    this.#writer = new HttpWriter(this.#slot, null, () => {})
    this.#closeUpload()
    relayWhole(this.#relay(), this.#writer)
    this.#finishRelay()
  }

  #awaitTurnEnd(): void {
    if (this.#awaitsTurnEnd) return
    this.#awaitsTurnEnd = true
    this.#shared.turnEnd.add(this)
  }

  #startRelay(): void {
    if (this.#client.isHead || hasNoBody(this.#received.head.status)) return
    this.#state = State.Relaying
    this.#writer = startRelay(this.#relay(), () => {
      this.#client.backend?.resume()
    })
  }

  #relay(): Relay {
    return { client: this.#client, slot: this.#slot, received: this.#received }
  }

  #endRelay(): void {
    this.#closeUpload()
    endRelay(this.#writer as HttpWriter, this.#received)
    if (!this.#slot.isOpen) this.#finishRelay()
  }

  #finishRelay(): void {
    if (this.#state === State.Ended) return
    const bytes = this.#writer?.bytes ?? 0
    this.#end()
    this.#access(this.#received.head.status, bytes, 'relayed')
  }

  /** The backend failed in the middle of an answer: no clean end, so that the client does not take it for whole. */
  #cutRelay(): void {
    const writer = this.#writer as HttpWriter
    const bytes = writer.bytes
    this.#end()
    this.#slot.cut()
    this.#access(this.#received.head.status, bytes, 'error')
  }

  // GRIP.

  #overflow(): boolean {
    const writer = startStreamed(this.#grip(), () => {
      if (this.#isWhole) this.#decideStreamed()
      else this.#client.backend?.resume()
    })
    if (!(writer instanceof HttpWriter)) {
      this.#refuseAnswer(writer)
      return true
    }
    this.#state = State.Streaming
    this.#writer = writer
    return !writer.isPending
  }

  #decide(): void {
    const ending = endingOf(this.#grip())
    switch (ending.kind) {
      case 'answer':
        return this.#answer(ending.answer, ending.failed ? 'error' : 'relayed')
      case 'stream':
        return this.#write(ending.answer, 'relayed')
      case 'hold':
        return this.#leaveTo(ending.begin)
    }
  }

  #decideStreamed(): void {
    const begin = afterStreamed(this.#grip(), this.#writer as HttpWriter)
    if (begin === null) this.#endRelay()
    else this.#leaveTo(begin)
  }

  /** The connection is the hold's from now on. */
  #leaveTo(begin: BeginHold): void {
    this.#end()
    begin()
  }

  #grip(): GripAnswer {
    return { shared: this.#shared, client: this.#client, slot: this.#slot, received: this.#received }
  }

  // The end.

  #refuseAnswer(answer: HttpAnswer): void {
    this.#client.abort()
    this.#answer(answer, 'error')
  }

  #answer(answer: HttpAnswer, outcome: string): void {
    const crossOrigin = this.#client.crossOrigin?.crossOrigin
    const shown = outcome === 'error' ? crossOrigin?.error(answer) : crossOrigin?.answer(answer)
    this.#write(shown ?? answer, outcome)
  }

  #write(answer: HttpAnswer, outcome: string): void {
    if (this.#state === State.Ended || !this.#slot.isOpen) return
    const options = this.#client.answerOptions(this.#slot)
    const { traffic } = this.#slot
    this.#end()
    const bytes = writeAnswer(this.#slot, answer, options)
    // The gateway's own words are not the route's.
    if (traffic !== null && outcome !== 'error') traffic.wholeAnswer(answer, bytes)
    this.#access(answer.status, bytes, outcome)
  }

  #closeUpload(): void {
    const { upload } = this.#client
    if (upload === null) return
    upload.close(this.#slot.isOpen)
    this.#shared.uploads.delete(this)
  }

  #end(): void {
    if (this.#state === State.Ended) return
    this.#state = State.Ended
    this.#client.abort()
    this.#closeUpload()
    this.#shared.open.delete(this)
  }

  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.fail(error)
    }
  }

  #access(status: number, bytes: number, outcome: string): void {
    if (this.#context.access !== null) reportAccess(this.#context, this.#client.record(), status, bytes, outcome)
  }
}

interface NewClient {
  readonly res: uWS.HttpResponse
  readonly req: uWS.HttpRequest
  readonly door: ClientDoor
}

interface WaitingClient {
  readonly slot: ResponseSlot
  readonly record: RequestRecord
}
