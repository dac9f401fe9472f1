/**
 * The shell of one HTTP exchange: uWebSockets.js on one side, a backend on the other, the decisions of
 * grip/http-session.ts in between.
 *
 * Life: head → (body) → backend → relayed answer, or a GRIP answer that is collected and then answers or holds. A hold
 * is an object of its own (held-stream.ts, held-response.ts) that takes the connection over.
 *
 * Every callback, native or undici's, is a boundary: what throws there ends this exchange and nothing else.
 */
import type uWS from 'uWebSockets.js'
import type { BackendExchange, BackendFailure, BackendHandler } from '../backend/types.js'
import { GRIP_RESPONSE_BYTES_MAX } from '../base/limits.js'
import { EMPTY_BYTES } from '../base/bytes.js'
import { relayedHeaders } from '../grip/forwarding.js'
import {
  type HttpAnswer,
  HttpSession,
  type InstructVerdict,
  answerOf,
  proxyFailed,
  refuseWebSocketEvents,
  requestFailed,
} from '../grip/http-session.js'
import type { Route, Target } from '../routing/types.js'
import { countBackendFailure, failsOver } from './backend-results.js'
import { BackendAnswer } from './backend-answer.js'
import { type AnsweredRequest, prepareHold, streamedInstruct } from './begin-hold.js'
import { type ClientDoor, copyClientHead, hasRequestBody } from './client-head.js'
import { ClientRequest } from './client-request.js'
import type { ShardContext } from './context.js'
import { tellGoneAtOnce } from './gone-link.js'
import type { HttpShared, OpenHttp } from './http-shared.js'
import { HttpUpload, type PulsedUpload } from './http-upload.js'
import { HttpWriter, hasNoBody, writeAnswer } from './http-writer.js'
import { statsRouteOf } from './match-route.js'
import type { Report } from './report.js'
import { type Relay, endRelay, relayChunk, relayWhole, startRelay } from './relay.js'
import { type RequestRecord, reportAccess } from './request-record.js'
import { ResponseSlot, type SlotOwner } from './response-slot.js'
import { SockJsExchange } from './sockjs-exchange.js'

const State = {
  /** The backend has not answered. */
  Requesting: 'requesting',
  /** Its head is there and nothing has been written: the rest may come within this turn. */
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

export class HttpExchange implements SlotOwner, BackendHandler, OpenHttp, PulsedUpload {
  nextLinked: OpenHttp | null = null
  previousLinked: OpenHttp | null = null
  readonly #shared: HttpShared
  readonly #context: ShardContext
  readonly #slot: ResponseSlot
  readonly #client: ClientRequest
  #targetIndex = -1
  #session: HttpSession | null = null
  #backend: BackendExchange | null = null
  #state: State = State.Requesting
  // The backend's answer.
  readonly #received = new BackendAnswer()
  #isWhole = false
  #writer: HttpWriter | null = null

  /** A new request: inside the request callback of uWebSockets.js only, `req` is gone afterwards. Or one to be retried. */
  constructor(shared: HttpShared, client: NewClient | WaitingClient) {
    this.#shared = shared
    this.#context = shared.context
    if ('res' in client) {
      // First of all: a response without an abort handler ends the process.
      this.#slot = new ResponseSlot(client.res, this)
      const head = copyClientHead(client.res, client.req, client.door)
      this.#client = new ClientRequest(head, this.#context.clock.nowMs(), null)
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
    if (this.#backend !== null) this.#context.counters.add('backend_aborted')
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
      const verdict = (this.#session as HttpSession).handleHead(headers, this.#client.isKept)
      if (verdict.kind === 'answer') return this.#refuseAnswer(verdict.answer)
      if (verdict.kind === 'collect') {
        this.#state = State.Collecting
        return
      }
      this.#state = State.Answered
      // undici hands over all it has read in this turn; a small answer is then written in one go.
      queueMicrotask(() => {
        this.#guard(() => {
          if (this.#state === State.Answered) this.#startRelay()
        })
      })
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
      this.#backend = null
      this.#isWhole = true
      this.#context.counters.add('backend_ok')
      switch (this.#state) {
        case State.Answered:
          return this.#relayWhole()
        case State.Relaying:
          return this.#endRelay()
        case State.Collecting:
          return this.#decide(false)
        case State.Streaming:
          // What the client has not taken comes before the hold.
          if (!(this.#writer as HttpWriter).isPending) this.#decide(true)
          return
        case State.Requesting:
        case State.Ended:
          return
      }
    })
  }

  handleFailure(failure: BackendFailure): void {
    this.#guard(() => {
      this.#backend = null
      countBackendFailure(this.#context.counters, failure)
      const target = this.#target()
      this.#context.log.debug({ failure, target: target.name, url: this.#client.head.path }, 'backend request failed')
      switch (this.#state) {
        case State.Requesting:
          if (failsOver(failure)) return this.#requestNext()
          return this.#answer(this.#proxyFailed(failure), 'error')
        case State.Answered:
        case State.Collecting:
          return this.#answer(this.#proxyFailed(failure), 'error')
        case State.Relaying:
          return this.#cutRelay()
        case State.Streaming:
          this.#appendFailure(proxyFailed(null))
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
    const client = this.#client
    const { upload, crossOrigin } = client
    const route = client.route as Route
    const target = route.targets[this.#targetIndex + 1]
    if (target === undefined || (upload !== null && !upload.isWhole)) {
      return this.#answer(this.#exhausted(), 'error')
    }
    this.#targetIndex++
    const head = crossOrigin?.head ?? client.head
    const forwarded = this.#context.forwarding.forward(head, route, target, {
      webSocket: false,
      nowEpochMs: this.#context.epochMs(),
      lastIds: client.lastIds,
    })
    if (forwarded === null) return this.#answer(proxyFailed(null), 'error')
    const refusal = refuseWebSocketEvents(target, forwarded.headers, forwarded.trusted)
    if (refusal !== null) return this.#answer(refusal, 'error')
    this.#session = new HttpSession(this.#context.settings, route, target, forwarded.gripActive)
    const { method } = head
    const { path, headers } = forwarded
    const body = client.bodyFor(target)
    const { traffic } = this.#slot
    if (traffic !== null) this.#client.countRequest(traffic, { method, path, headers }, this.#targetIndex === 0)
    this.#backend = this.#context.backend.request(
      { target, method, path, headers, body, routePathBeg: route.pathBeg },
      this,
    )
  }

  #exhausted(): HttpAnswer {
    return this.#session === null ? proxyFailed(null) : this.#session.handleTargetsExhausted()
  }

  #proxyFailed(failure: BackendFailure): HttpAnswer {
    if (failsOver(failure) || this.#session === null) return this.#exhausted()
    return this.#session.handleFailure(failure.kind)
  }

  #handleData(chunk: Buffer): boolean {
    switch (this.#state) {
      case State.Answered:
        this.#received.add(chunk)
        return true
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

  #startRelay(): void {
    if (this.#client.isHead || hasNoBody(this.#received.head.status)) return
    this.#state = State.Relaying
    this.#writer = startRelay(this.#relay(), () => {
      this.#backend?.resume()
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
    const { status, reason, headers } = this.#received.head
    const verdict = (this.#session as HttpSession).handleOverflow({ status, reason, headers })
    if (verdict.kind === 'answer') {
      this.#refuseAnswer(verdict.answer)
      return true
    }
    const { code, headers: kept } = verdict.head
    this.#state = State.Streaming
    const shown = this.#client.crossOrigin?.crossOrigin.streamed(kept) ?? kept
    const head = { status: code, reason: verdict.head.reason, headers: relayedHeaders(shown.flat()) }
    const writer = new HttpWriter(this.#slot, null, () => {
      if (this.#isWhole) this.#decide(true)
      else this.#backend?.resume()
    })
    this.#writer = writer
    this.#slot.traffic?.wholeAnswer({ status: code, reason: head.reason, headers: kept }, this.#received.bodyBytes)
    return writer.start(head, this.#received.takeBody())
  }

  #decide(isStreamed: boolean): void {
    const { status, reason, headers } = this.#received.head
    const body = isStreamed ? EMPTY_BYTES : this.#received.takeBody()
    const verdict = (this.#session as HttpSession).handleWhole({ status, reason, headers, body }, isStreamed)
    if (isStreamed) this.#decideStreamed(verdict)
    else this.#decideWhole(verdict)
  }

  #decideWhole(verdict: InstructVerdict): void {
    switch (verdict.kind) {
      case 'answer':
        return this.#answer(verdict.answer, verdict.failed ? 'error' : 'relayed')
      case 'end-stream': {
        tellGoneAtOnce(this.#context, verdict.instruct, this.#record())
        const answer = answerOf(streamedInstruct(verdict.instruct, this.#client))
        return this.#write({ ...answer, body: Buffer.concat([answer.body, verdict.text]) }, 'relayed')
      }
      case 'hold':
        // Nothing can follow the head of an answer to HEAD.
        if (this.#client.isHead) return this.#answer(answerOf(verdict.instruct), 'relayed')
        return this.#hold(verdict, false)
    }
  }

  #decideStreamed(verdict: InstructVerdict): void {
    const writer = this.#writer as HttpWriter
    if (verdict.kind === 'hold') return this.#hold(verdict, true)
    if (verdict.kind === 'end-stream') {
      tellGoneAtOnce(this.#context, verdict.instruct, this.#record())
      if (verdict.text.length > 0) writer.write(verdict.text)
      this.#slot.traffic?.clientSent(verdict.text.length)
    }
    if (verdict.kind === 'answer' && verdict.failed) this.#appendFailure(verdict.answer)
    this.#endRelay()
  }

  /** Debug mode shows behind a body that had begun what would have been the answer instead of it. */
  #appendFailure(answer: HttpAnswer): void {
    if (!(this.#session as HttpSession).debug) return
    ;(this.#writer as HttpWriter).write(Buffer.concat([Buffer.from('\n\n'), answer.body]))
  }

  #hold(verdict: InstructVerdict & { kind: 'hold' }, isStreamed: boolean): void {
    // Looks at the upload, which the end of the exchange closes.
    const begin = prepareHold(this.#shared, this.#slot, this.#answered(), verdict, isStreamed)
    this.#end()
    begin()
  }

  #answered(): AnsweredRequest {
    const session = this.#session as HttpSession
    return { client: this.#client, session, record: this.#record() }
  }

  // The end.

  #refuseAnswer(answer: HttpAnswer): void {
    this.#backend?.abort()
    this.#backend = null
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
    this.#backend?.abort()
    this.#backend = null
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

  #target(): Target {
    return (this.#client.route as Route).targets[this.#targetIndex] as Target
  }

  #access(status: number, bytes: number, outcome: string): void {
    reportAccess(this.#context, this.#record(), status, bytes, outcome)
  }

  /** Without the body. */
  #record(): RequestRecord {
    return this.#client.record(this.#client.route?.targets[this.#targetIndex] ?? null)
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
