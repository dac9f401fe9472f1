/**
 * A client's request as its exchange sees it: the head, the route it takes, the body as far as it has come, and the
 * backend request that is made of it.
 *
 * The targets of the route are asked one after the other, as long as the body is there from its start. Answers go to the
 * exchange; what the client gets when no target can be asked, or one has failed, is known here.
 */
import { Readable } from 'node:stream'
import type { Buffer } from 'node:buffer'
import type { BackendExchange, BackendFailure, BackendHandler } from '../backend/types.js'
import { GRIP_REQUEST_BYTES_MAX } from '../base/limits.js'
import type { ClientHead } from '../grip/forwarding.js'
import {
  type HttpAnswer,
  HttpSession,
  badRequest,
  proxyFailed,
  refuseWebSocketEvents,
  routeNotFound,
} from '../grip/http-session.js'
import { type SockJsPath, readSockJsPath } from '../grip/sockjs-request.js'
import { encodePath } from '../routing/path.js'
import { type Route, type Target, TargetKind } from '../routing/types.js'
import { headerValue } from '../wire/headers.js'
import { failsOver } from './backend-results.js'
import { headFault, isChunked } from './client-head.js'
import type { ShardContext } from './context.js'
import { type CrossOriginRequest, crossOriginOf } from './cross-origin.js'
import type { HttpUpload } from './http-upload.js'
import type { AnswerOptions } from './http-writer.js'
import { hostNameOf, matchRoute, routeById } from './match-route.js'
import type { RequestRecord } from './request-record.js'
import type { ResponseSlot } from './response-slot.js'
import type { RequestHead, RouteTraffic } from './route-traffic.js'

export class ClientRequest {
  readonly head: ClientHead
  readonly startedMs: number
  /** Null: there is no body, or the request is sent again. */
  upload: HttpUpload | null = null
  /** Null: there is none, or it has not been looked for. */
  route: Route | null
  /** Null: no CORS and no JSON-P. */
  crossOrigin: CrossOriginRequest | null = null
  /** The client wants the connection to end behind the answer. When it is our idea, the slot knows. */
  isCloseAsked = false
  /**
   * Nothing behind this request is taken for a request: its framing is faulty, or chunked, of which uWebSockets.js
   * reads more than the standard allows. So it is never answered inside the callback in which it came: what follows in
   * the same segment then ends the connection, and so does the answer.
   */
  isLast = false
  /** What is decided about the target that was asked last; null: none was. */
  session: HttpSession | null = null
  /** Under way; null: nothing is. */
  backend: BackendExchange | null = null
  #targetIndex = -1
  /** Of a request that is sent again. */
  readonly #again: RequestRecord | null

  /** `again`: the request has been held, and is sent to its backend once more. */
  constructor(head: ClientHead, startedMs: number, again: RequestRecord | null) {
    this.head = head
    this.startedMs = startedMs
    this.route = again?.route ?? null
    this.#again = again
  }

  get isHead(): boolean {
    return this.head.method === 'HEAD'
  }

  /** Finds the route. An answer: the request ends here. */
  open(context: ShardContext): HttpAnswer | null {
    const malformed = headFault(this.head)
    this.isLast = malformed !== null || isChunked(this.head.headers)
    if (malformed !== null) return badRequest(malformed)
    return this.#openBy(context, matchRoute(context, this.head, 'http'))
  }

  /** The same for one that is sent again: by the route of the same id. */
  openAgain(context: ShardContext): HttpAnswer | null {
    return this.#openBy(context, routeById(context, (this.route as Route).id, this.head, 'http'))
  }

  /** What SockJS reads in it; null: it is not below the SockJS path of its route. */
  sockJsPath(): SockJsPath | null {
    const { route } = this
    return !route?.sockjsPath ? null : readSockJsPath(route, encodePath(this.head.path))
  }

  /** Its body is small enough to be sent again. */
  get isKept(): boolean {
    return this.upload === null || this.upload.receivedBytes <= GRIP_REQUEST_BYTES_MAX
  }

  /** What a hold can send again; null: there is no body, or it is not there from start to end. */
  wholeBody(): Buffer | null {
    return this.upload === null ? (this.#again?.body ?? null) : this.upload.whole()
  }

  /** Asks the next target. An answer: there is none to be asked, and the client gets this. */
  askNext(context: ShardContext, traffic: RouteTraffic | null, handler: BackendHandler): HttpAnswer | null {
    const { upload } = this
    const route = this.route as Route
    const target = route.targets[this.#targetIndex + 1]
    if (target === undefined || (upload !== null && !upload.isWhole)) return this.#exhausted()
    this.#targetIndex++
    const head = this.crossOrigin?.head ?? this.head
    const forwarded = context.forwarding.forward(head, route, target, {
      webSocket: false,
      nowEpochMs: context.epochMs(),
      lastIds: this.#lastIds,
    })
    if (forwarded === null) return proxyFailed(null)
    const refusal = refuseWebSocketEvents(target, forwarded.headers, forwarded.trusted)
    if (refusal !== null) return refusal
    this.session = new HttpSession(context.settings, route, target, forwarded.gripActive)
    const { method } = head
    const { path, headers } = forwarded
    const body = this.#bodyFor(target)
    if (traffic !== null) this.#count(traffic, { method, path, headers })
    const request = { target, method, path, headers, body, routePathBeg: route.pathBeg }
    this.backend = context.backend.request(request, handler)
    return null
  }

  /** What the client gets when the target has failed and no other is to be asked. */
  failedBy(failure: BackendFailure): HttpAnswer {
    if (failsOver(failure) || this.session === null) return this.#exhausted()
    return this.session.handleFailure(failure.kind)
  }

  #exhausted(): HttpAnswer {
    return this.session === null ? proxyFailed(null) : this.session.handleTargetsExhausted()
  }

  /** Gives the backend request up, if one is under way. */
  abort(): void {
    this.backend?.abort()
    this.backend = null
  }

  /** A complete body of declared length is sent in one piece. A chunked one goes out chunked over HTTP, as it came. */
  #bodyFor(target: Target): Buffer | Readable | null {
    if (this.crossOrigin?.body) return this.crossOrigin.body
    const isInChunks = isChunked(this.head.headers)
    const { upload } = this
    if (upload === null) {
      const body = this.#again?.body ?? null
      return body !== null && isInChunks ? Readable.from([body]) : body
    }
    const isHttp = target.kind === TargetKind.Http
    return isHttp && isInChunks ? upload.read(true) : (upload.whole() ?? upload.read(false))
  }

  /** To statistics: what goes to a target; and once what the client has sent, but for the upload, which counts itself. */
  #count(traffic: RouteTraffic, forwarded: RequestHead): void {
    const { crossOrigin, upload } = this
    if (this.#targetIndex === 0 && this.#again === null) {
      traffic.clientRequest(crossOrigin?.head ?? this.head)
      if (crossOrigin?.body) traffic.clientReceived(crossOrigin.body.length)
    }
    traffic.serverRequest(forwarded)
    const body = crossOrigin?.body ?? (upload === null ? this.#again?.body : upload.whole())
    if (body) traffic.serverSent(body.length)
  }

  answerOptions(slot: ResponseSlot): AnswerOptions {
    // An answer before the end of the upload: the rest of it is not waited for.
    const isEarly = this.upload !== null && !this.upload.isComplete
    const { isHead, isCloseAsked } = this
    return { isHead, close: isCloseAsked || slot.isClosing || isEarly, isCloseAsked }
  }

  /** Without the body. */
  record(): RequestRecord {
    const { head, startedMs, route } = this
    const target = route?.targets[this.#targetIndex] ?? null
    return { head, startedMs, route, target, body: null, lastIds: this.#lastIds }
  }

  get #lastIds(): RequestRecord['lastIds'] {
    return this.#again?.lastIds ?? null
  }

  #openBy(context: ShardContext, route: Route | null): HttpAnswer | null {
    this.isCloseAsked = headerValue(this.head.headers, 'connection')?.toLowerCase() === 'close'
    this.route = route
    // SockJS answers for itself.
    this.crossOrigin = this.sockJsPath() === null ? crossOriginOf(context, this.head, route) : null
    const fault = this.crossOrigin?.fault ?? null
    if (fault !== null) return fault
    return route === null ? routeNotFound(hostNameOf(this.head)) : null
  }
}
