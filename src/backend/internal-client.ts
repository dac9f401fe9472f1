/**
 * The built-in targets (kinds `test` and `demo`) behind the same door as real backends.
 *
 * A request's body is collected, the target's function is asked, and its answer is handed over on a later turn of the
 * loop. The answer carries a Content-Length, as a backend's would.
 */
import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import { assert } from '../base/assert.js'
import { EMPTY_BYTES } from '../base/bytes.js'
import { TargetKind } from '../routing/types.js'
import type { PublishItem } from '../wire/publish-types.js'
import { answerDemo } from './demo-target.js'
import type { DemoAnswer } from './demo-target.js'
import { TEST_REQUEST_BYTES_MAX, answerTest } from './test-target.js'
import { FailureKind } from './types.js'
import type { BackendClient, BackendExchange, BackendHandler, BackendRequest } from './types.js'

/** Takes what the demo page publishes; must not throw. */
export type PublishSink = (items: readonly PublishItem[]) => void

export class InternalBackendClient implements BackendClient {
  readonly #publish: PublishSink
  readonly #exchanges = new Set<InternalExchange>()
  #closed = false

  constructor(publish: PublishSink) {
    this.#publish = publish
  }

  /** The target's kind must be `test` or `demo`. */
  request(request: BackendRequest, handler: BackendHandler): BackendExchange {
    const { kind } = request.target
    assert(kind === TargetKind.Test || kind === TargetKind.Demo, 'only built-in targets are answered inside')
    const exchange = new InternalExchange(request, handler, this.#publish, () => this.#exchanges.delete(exchange))
    this.#exchanges.add(exchange)
    if (this.#closed) exchange.fail(FailureKind.Aborted, 'the gateway is closing')
    else exchange.start()
    return exchange
  }

  close(): Promise<void> {
    this.#closed = true
    for (const exchange of [...this.#exchanges]) exchange.fail(FailureKind.Aborted, 'the gateway is closing')
    return Promise.resolve()
  }
}

const State = {
  /** The request's body is coming in. */
  Collecting: 'collecting',
  /** Head and body of the answer are being handed over. */
  Answering: 'answering',
  /** The handler wants no more for now; the end is still owed. */
  Paused: 'paused',
  /** The handler has had its end or failure, or has aborted. */
  Done: 'done',
} as const
type State = (typeof State)[keyof typeof State]

class InternalExchange implements BackendExchange {
  readonly #request: BackendRequest
  readonly #handler: BackendHandler
  readonly #publish: PublishSink
  readonly #forget: () => void
  readonly #chunks: Buffer[] = []
  #state: State = State.Collecting
  #bodyBytes = 0
  #stream: Readable | null = null

  constructor(request: BackendRequest, handler: BackendHandler, publish: PublishSink, forget: () => void) {
    this.#request = request
    this.#handler = handler
    this.#publish = publish
    this.#forget = forget
  }

  start(): void {
    const { body } = this.#request
    if (body instanceof Readable) this.#collect(body)
    else this.#answerSoon(bodyOf(body), true)
  }

  abort(): void {
    this.#finish()
  }

  resume(): void {
    if (this.#state !== State.Paused) return
    this.#state = State.Answering
    this.#soon(() => {
      this.#end()
    })
  }

  /** Fails on a later turn, unless the exchange is done by then. */
  fail(kind: FailureKind, message: string): void {
    this.#soon(() => {
      this.#finish()
      this.#handler.handleFailure({ kind, bodySent: false, message })
    })
  }

  #collect(stream: Readable): void {
    this.#stream = stream
    stream.on('data', this.#handleChunk)
    stream.on('end', this.#handleBodyEnd)
    stream.on('error', this.#handleBodyError)
    stream.on('close', this.#handleBodyClose)
  }

  readonly #handleChunk = (chunk: Buffer): void => {
    this.#chunks.push(chunk)
    this.#bodyBytes += chunk.length
    if (this.#bodyBytes > TEST_REQUEST_BYTES_MAX) this.#answerSoon(Buffer.concat(this.#chunks), false)
  }

  readonly #handleBodyEnd = (): void => {
    this.#answerSoon(Buffer.concat(this.#chunks), true)
  }

  readonly #handleBodyError = (error: Error): void => {
    if (this.#state !== State.Collecting) return
    this.#leaveStream()
    this.fail(FailureKind.Generic, `the request body failed: ${error.message}`)
  }

  readonly #handleBodyClose = (): void => {
    this.#leaveStream()
    this.fail(FailureKind.Generic, 'the request body ended early')
  }

  /** Lets go of the request's body. What still comes is read and dropped, so that its sender is not left waiting. */
  #leaveStream(): void {
    const stream = this.#stream
    if (stream === null) return
    this.#stream = null
    stream.off('data', this.#handleChunk)
    stream.off('end', this.#handleBodyEnd)
    stream.off('close', this.#handleBodyClose)
    // handleBodyError stays, as an error event without a listener would be thrown; by then it does nothing.
    stream.resume()
  }

  /** `complete`: the whole request is in `body`; otherwise it is only known to be too large. */
  #answerSoon(body: Buffer, complete: boolean): void {
    this.#leaveStream()
    this.#state = State.Answering
    this.#soon(() => {
      this.#answer(body, complete)
    })
  }

  #answer(body: Buffer, complete: boolean): void {
    const { target, method, path, headers, routePathBeg = '' } = this.#request
    const request = { method, path, headers, body, routePathBeg }
    const answer: DemoAnswer = target.kind === TargetKind.Demo ? answerDemo(request) : answerTest(request)
    if (answer.publish !== undefined) this.#publish(answer.publish)
    // Pushpin does not say the length of an answer that it gives before the request has ended.
    const length = complete ? ['Content-Length', String(answer.body.length)] : []
    this.#handler.handleHead(answer.status, answer.reason, [...answer.headers, ...length])
    if (this.#isDone()) return
    const hasBody = method !== 'HEAD' && answer.body.length > 0
    if (hasBody && !this.#handler.handleData(answer.body)) {
      if (!this.#isDone()) this.#state = State.Paused
      return
    }
    this.#end()
  }

  #end(): void {
    if (this.#isDone()) return
    this.#finish()
    this.#handler.handleEnd()
  }

  #finish(): void {
    this.#state = State.Done
    this.#leaveStream()
    this.#chunks.length = 0
    this.#forget()
  }

  /** Not a microtask: those may still run inside the native callback that made the request. */
  #soon(action: () => void): void {
    setImmediate(() => {
      if (!this.#isDone()) action()
    })
  }

  #isDone(): boolean {
    return this.#state === State.Done
  }
}

function bodyOf(body: null | Buffer | readonly Buffer[]): Buffer {
  if (body === null) return EMPTY_BYTES
  return Buffer.isBuffer(body) ? body : Buffer.concat(body)
}
