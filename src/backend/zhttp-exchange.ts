/**
 * One request to a worker of a `zhttp/` target: body and answer in as many packets as it takes, each side as fast as the
 * other has room (reference: ZHTTP targets).
 *
 * What fits the window of a body that is there already goes with the first packet; the rest waits until the worker has
 * answered and given credits.
 */
import { ZHTTP_WINDOW_BYTES } from '../base/limits.js'
import { type ZhttpRequest, type ZhttpResponse, ZhttpType } from '../wire/zhttp.js'
import type { BackendExchange, BackendFailure, BackendHandler, BackendRequest } from './types.js'
import { FailureKind } from './types.js'
import { ZhttpAnswer } from './zhttp-answer.js'
import { ZhttpBody } from './zhttp-body.js'
import { type ZhttpHost, headPacket } from './zhttp-host.js'
import { ZhttpSession } from './zhttp-session.js'

export class ZhttpExchange extends ZhttpSession implements BackendExchange {
  readonly #request: BackendRequest
  readonly #handler: BackendHandler
  readonly #answer: ZhttpAnswer
  #body: ZhttpBody | null = null
  /** The end of the body has been said. */
  #isBodySent = false
  /** The worker has answered. */
  #isAcknowledged = false
  /** Bytes the worker has room for. */
  #credits = 0

  constructor(host: ZhttpHost, id: string, request: BackendRequest, handler: BackendHandler) {
    super(host, id, request.target)
    this.#request = request
    this.#handler = handler
    this.#answer = new ZhttpAnswer(handler, request.method, (bytes) => {
      if (!this.#answer.isWhole) this.oweCredits(bytes)
    })
  }

  start(): void {
    const { target, method, path, headers, body, bodyOnceAcknowledged = false } = this.#request
    const pending = new ZhttpBody(
      body,
      ZHTTP_WINDOW_BYTES,
      () => {
        this.#pump()
      },
      (message) => {
        this.cancel()
        this.fail(FailureKind.Generic, message)
      },
    )
    this.#body = pending
    const first: Partial<ZhttpRequest> = {
      ...headPacket(target, headers, target.ssl ? 'https' : 'http', path),
      ...{ method, stream: true, routerResp: true, multi: true, credits: ZHTTP_WINDOW_BYTES },
    }
    this.#writeBody(first, bodyOnceAcknowledged ? 0 : ZHTTP_WINDOW_BYTES)
  }

  abort(): void {
    this.#answer.abort()
    this.cancel()
    this.finish()
  }

  resume(): void {
    if (this.isOver) return
    this.#answer.resume()
    this.#endWhenDelivered()
  }

  /** An answer that is whole is still given to a handler that pauses; its worker may be gone by then. */
  override handleDeadline(nowMs: number): void {
    if (!this.#answer.isWhole) super.handleDeadline(nowMs)
  }

  protected override get isAllSent(): boolean {
    return this.#isBodySent
  }

  protected override get isWorkerDone(): boolean {
    return this.#answer.isWhole
  }

  protected override handleInTurn(packet: ZhttpResponse): void {
    this.#isAcknowledged = true
    if (packet.credits !== null && packet.credits > 0) this.#credits += packet.credits
    if (packet.type === ZhttpType.Data && !this.#answer.isWhole) {
      const fault = this.#answer.handlePacket(packet)
      if (this.isOver) return
      if (fault !== null) return this.violated(`the answer ${fault}`)
      this.#endWhenDelivered()
    }
    if (this.isOver || this.#answer.isWhole) return
    if (this.worker === '') return this.violated("the first packet has no 'from'")
    this.#pump()
  }

  protected override handleError(failure: BackendFailure): void {
    this.#handler.handleFailure(failure)
  }

  protected override release(): void {
    this.#body?.release()
  }

  #endWhenDelivered(): void {
    if (this.isOver || !this.#answer.isDelivered) return
    this.finish()
    this.#handler.handleEnd()
  }

  /** Sends of the body what there is and the worker has room for. */
  #pump(): void {
    const body = this.#body as ZhttpBody
    if (this.isOver || !this.#isAcknowledged || this.#isBodySent || this.#answer.isWhole) return
    while (this.#credits > 0 && body.bytes > 0) this.#credits -= this.#writeBody({}, this.#credits)
    // The end needs no room.
    if (body.isComplete && body.bytes === 0 && !this.#isSent()) this.#writeBody({}, 0)
  }

  /** A method, so that the compiler does not believe that it cannot have changed. */
  #isSent(): boolean {
    return this.#isBodySent
  }

  /** Returns the bytes of the body that went with it. */
  #writeBody(packet: Partial<ZhttpRequest>, bytesMax: number): number {
    const body = this.#body as ZhttpBody
    const content = body.take(bytesMax)
    this.#isBodySent = body.isComplete && body.bytes === 0
    this.write({ ...packet, more: !this.#isBodySent, ...(content.length > 0 ? { body: content } : {}) })
    return content.length
  }
}
