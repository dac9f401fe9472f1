/**
 * One request to a worker of a `zhttpreq/` target: one packet each way, without numbers, credits or keep-alives
 * (reference: ZHTTP targets). A request waits for a worker until it expires.
 */
import { DeadlineEntry } from '../base/deadlines.js'
import { ZHTTP_REQUEST_BYTES_MAX, ZHTTP_SESSION_EXPIRE_MS } from '../base/limits.js'
import type { Target } from '../routing/types.js'
import { type ZhttpResponse, ZhttpType, encodeZhttpRequest } from '../wire/zhttp.js'
import type { BackendExchange, BackendHandler, BackendRequest } from './types.js'
import { FailureKind } from './types.js'
import { ZhttpAnswer } from './zhttp-answer.js'
import { ZhttpBody } from './zhttp-body.js'
import { type ZhttpHost, type ZhttpSessionHandle, failureOf, headPacket } from './zhttp-host.js'

export class ZhttpReqExchange extends DeadlineEntry implements BackendExchange, ZhttpSessionHandle {
  readonly id: string
  readonly target: Target
  readonly #host: ZhttpHost
  readonly #request: BackendRequest
  readonly #handler: BackendHandler
  readonly #answer: ZhttpAnswer
  #body: ZhttpBody | null = null
  #isSent = false
  #isOver = false

  constructor(host: ZhttpHost, id: string, request: BackendRequest, handler: BackendHandler) {
    super()
    this.#host = host
    this.id = id
    this.target = request.target
    this.#request = request
    this.#handler = handler
    this.#answer = new ZhttpAnswer(handler, request.method, () => {})
  }

  start(): void {
    this.#body = new ZhttpBody(
      this.#request.body,
      Number.POSITIVE_INFINITY,
      () => {
        this.#sendWhenComplete()
      },
      (message) => {
        this.#fail(FailureKind.Generic, message)
      },
    )
    this.#sendWhenComplete()
  }

  abort(): void {
    this.#answer.abort()
    this.#finish()
  }

  resume(): void {
    if (this.#isOver) return
    this.#answer.resume()
    this.#endWhenDelivered()
  }

  handlePacket(_seq: number | null, packet: ZhttpResponse): void {
    if (this.#answer.isWhole) return
    const { type, condition, more } = packet
    if (type === ZhttpType.Error) {
      const failure = failureOf(condition, this.#isSent)
      return this.#fail(failure.kind, failure.message)
    }
    if (type === ZhttpType.Cancel) return this.#fail(FailureKind.Generic, 'the worker has cancelled')
    const fault = type !== ZhttpType.Data || more ? 'is not one data packet' : this.#answer.handlePacket(packet)
    if (this.#isOver) return
    if (fault !== null) {
      const { log } = this.#host.options
      log.warn(`zhttp client req: ${this.target.name}: request ${this.id}: the answer ${fault}`)
      return this.#fail(FailureKind.Generic, `the answer ${fault}`)
    }
    this.#host.options.deadlines.clear(this)
    this.#endWhenDelivered()
  }

  handleUnsent(): void {
    this.#fail(FailureKind.Unavailable, 'too many requests wait for a worker')
  }

  shutDown(): void {
    this.#fail(FailureKind.Aborted, 'the gateway is closing')
  }

  override handleDeadline(): void {
    this.#fail(FailureKind.SessionTimeout, 'no worker has answered')
  }

  #sendWhenComplete(): void {
    const body = this.#body
    if (body === null || this.#isOver || this.#isSent) return
    if (body.bytes > ZHTTP_REQUEST_BYTES_MAX) {
      this.#later(() => {
        this.#fail(FailureKind.Generic, 'the request body does not fit one packet')
      })
      return
    }
    if (!body.isComplete) return
    this.#isSent = true
    const { target } = this
    const { method, headers, path } = this.#request
    const content = body.take(ZHTTP_REQUEST_BYTES_MAX)
    const packet = encodeZhttpRequest({
      ...headPacket(target, headers, target.ssl ? 'https' : 'http', path),
      ...{ from: this.#host.options.instance, ids: [{ id: this.id, seq: null }] },
      ...{ method, maxSize: ZHTTP_REQUEST_BYTES_MAX, ...(content.length > 0 ? { body: content } : {}) },
    })
    this.#host.send(target.name, null, this.id, packet)
    const { deadlines, clock } = this.#host.options
    deadlines.set(this, clock.nowMs() + ZHTTP_SESSION_EXPIRE_MS)
  }

  /** The request was made a moment ago, and its handler must not be called before that has returned. */
  #later(action: () => void): void {
    setImmediate(() => {
      if (!this.#isOver) action()
    })
  }

  #endWhenDelivered(): void {
    if (this.#isOver || !this.#answer.isDelivered) return
    this.#finish()
    this.#handler.handleEnd()
  }

  #fail(kind: FailureKind, message: string): void {
    if (this.#isOver) return
    const bodySent = this.#isSent
    this.#finish()
    this.#handler.handleFailure({ kind, bodySent, message })
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    const { wire, deadlines } = this.#host.options
    deadlines.clear(this)
    this.#host.forget(this)
    if (this.#isSent && !this.#answer.isWhole) wire.withdraw(this.target.name, this.id)
    this.#body?.release()
  }
}
