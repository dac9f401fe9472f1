/**
 * Requests to HTTP backends, over undici's dispatch.
 *
 * A backend's failure is a value (BackendFailure), classified as the routes' failover and the WebSocket-over-HTTP retry
 * need it; nothing here throws at its caller, and no handler is called before request() has returned.
 *
 * Silent backends are found by our deadlines, not by undici's time-outs: those make a timer object for each request and
 * keep it for half a second, which was a third of all that outlived a scavenge.
 */
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { assert } from '../base/assert.js'
import { byteStringOfText } from '../base/bytes.js'
import { DeadlineEntry, type Deadlines, TICK_MS } from '../base/deadlines.js'
import { BACKEND_HEADERS_MAX } from '../base/limits.js'
import { hasHeader } from '../wire/headers.js'
import { statusReason } from '../wire/status-reasons.js'
import { bodyChunks } from './body-chunks.js'
import { type BackendSettings, ConnectError, HttpPools } from './http-pools.js'
import { KnownStrings } from './known-strings.js'
import { FailureKind } from './types.js'
import type { BackendClient, BackendExchange, BackendFailure, BackendHandler, BackendRequest } from './types.js'
import type { Pool } from './undici-parts.js'

export interface HttpBackendClientOptions {
  readonly settings: BackendSettings
  readonly deadlines: Deadlines
}

/** How long a backend may say nothing, and who watches. */
interface Silence {
  readonly limitMs: number
  readonly deadlines: Deadlines
}

export class HttpBackendClient implements BackendClient {
  readonly #pools: HttpPools
  readonly #silence: Silence
  #closed = false

  constructor({ settings, deadlines }: HttpBackendClientOptions) {
    this.#pools = new HttpPools(settings)
    this.#silence = { limitMs: settings.proxy.backendTimeout * 1000, deadlines }
  }

  request(request: BackendRequest, handler: BackendHandler): BackendExchange {
    const exchange = new HttpBackendExchange(request, handler, this.#silence)
    exchange.start(this.#closed ? null : this.#pools.poolFor(request))
    return exchange
  }

  /** Looks at client_cert and client_key of targets again; what is wrong with them, one text each. */
  reloadCertificates(): readonly string[] {
    return this.#pools.reloadCertificates()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#pools.close()
  }
}

/** Of all backends. */
const STRINGS = new KnownStrings()

function failureKind(error: Error): FailureKind {
  return error instanceof ConnectError ? error.kind : FailureKind.Generic
}

/**
 * Of a reason phrase that came in several segments undici hands over the last piece only. When that can be the end of
 * the standard phrase it is taken for it; with another phrase the piece has to do.
 */
function wholeReason(status: number, reason: string): string {
  const standard = statusReason(status)
  if (reason === standard) return standard
  const phrase = byteStringOfText(reason)
  return standard.endsWith(phrase) ? standard : phrase
}

/** One request: BackendExchange to its session, dispatch handler to undici, and the deadline of the backend's silence. */
class HttpBackendExchange extends DeadlineEntry implements BackendExchange, Dispatcher.DispatchHandler {
  readonly #request: BackendRequest
  readonly #silence: Silence
  /** Null: over. */
  #handler: BackendHandler | null
  #abort: ((error?: Error) => void) | null = null
  #resume: (() => void) | null = null
  #starting = true
  #bodySent = false
  #headSeen = false
  /** When bytes were last seen to move, at the latest. */
  #movedMs = 0
  /** It is not the backend that we wait for. */
  #isPaused = false

  constructor(request: BackendRequest, handler: BackendHandler, silence: Silence) {
    super()
    this.#request = request
    this.#handler = handler
    this.#silence = silence
  }

  start(pool: Pool | null): void {
    if (pool === null) {
      this.#fail({ kind: FailureKind.Generic, bodySent: false, message: 'the gateway is shutting down' })
    } else {
      const { target, method, path, headers, body } = this.#request
      const options: Dispatcher.DispatchOptions = {
        path,
        method: method,
        headers,
        body: Array.isArray(body) ? this.#joined(body as Buffer[]) : (body as Buffer | Readable | null),
      }
      if (target.ssl && target.trustConnectHost) Object.assign(options, { servername: target.host })
      pool.dispatch(options, this)
    }
    this.#starting = false
  }

  #joined(slices: readonly Buffer[]): Buffer {
    const body = bodyChunks(slices)
    if (Buffer.isBuffer(body)) return body
    // Chunks go out with the Content-Length that the headers carry; without one undici would not tell it.
    if (!hasHeader(this.#request.headers, 'content-length')) return Buffer.concat(body)
    // undici takes iterables too; its types do not say so.
    return body as unknown as Buffer
  }

  abort(): void {
    if (this.#handler === null) return
    this.#over()
    this.#abort?.()
    this.#releaseBody()
  }

  resume(): void {
    this.#isPaused = false
    this.#moved()
    this.#resume?.()
  }

  override handleDeadline(nowMs: number): void {
    const { deadlines, limitMs } = this.#silence
    const waitsForUs = this.#isPaused || this.#waitsForClient()
    if (waitsForUs || nowMs - this.#movedMs < limitMs) {
      deadlines.set(this, (waitsForUs ? nowMs : this.#movedMs) + limitMs)
      return
    }
    // A silent backend counts as a connection that timed out (reference: errors shown to clients).
    const message = `the backend has been silent for ${String(limitMs / 1000)} s`
    const abort = this.#abort
    this.#fail({ kind: FailureKind.ConnectTimeout, bodySent: this.#bodySent, message })
    abort?.()
  }

  onConnect(abort: (error?: Error) => void): void {
    // Given up while the connection was made.
    if (this.#handler === null) return abort()
    this.#abort = abort
    const { deadlines, limitMs } = this.#silence
    this.#moved()
    deadlines.set(this, this.#movedMs + limitMs)
  }

  /** A piece of the upload has gone out. */
  onBodySent(): void {
    this.#moved()
  }

  onRequestSent(): void {
    this.#bodySent = true
    // One without a body has gone out as its connection was found.
    if (this.#request.body !== null) this.#moved()
  }

  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean {
    if (status < 200 || this.#handler === null) return true
    assert(!this.#headSeen, 'a response has one final head')
    if (rawHeaders.length > BACKEND_HEADERS_MAX * 2) {
      this.#fail({ kind: FailureKind.Generic, bodySent: this.#bodySent, message: 'too many response headers' })
      this.#abort?.()
      return true
    }
    this.#headSeen = true
    this.#resume = resume
    this.#moved()
    const headers = new Array<string>(rawHeaders.length)
    for (let index = 0; index < rawHeaders.length; index++) headers[index] = STRINGS.get(rawHeaders[index] as Buffer)
    this.#handler.handleHead(status, wholeReason(status, reason), headers)
    return true
  }

  onData(chunk: Buffer): boolean {
    const handler = this.#handler
    if (handler === null) return true
    this.#moved()
    const takesMore = handler.handleData(chunk)
    if (!takesMore) this.#isPaused = true
    return takesMore
  }

  onComplete(): void {
    const handler = this.#handler
    if (handler === null) return
    this.#over()
    handler.handleEnd()
  }

  onError(error: Error): void {
    this.#fail({ kind: failureKind(error), bodySent: this.#bodySent, message: error.message })
  }

  #fail(failure: BackendFailure): void {
    const handler = this.#handler
    if (handler === null) return
    if (this.#starting) {
      setImmediate(() => {
        this.#starting = false
        this.#fail(failure)
      })
      return
    }
    this.#over()
    this.#releaseBody()
    handler.handleFailure(failure)
  }

  #over(): void {
    this.#handler = null
    this.#resume = null
    this.#silence.deadlines.clear(this)
  }

  #moved(): void {
    this.#movedMs = this.#silence.deadlines.tickedMs + TICK_MS
  }

  /** The upload is not whole, and what there is of it has been taken: its client has a time limit of its own. */
  #waitsForClient(): boolean {
    const { body } = this.#request
    return !this.#bodySent && body !== null && 'isPaused' in body && !body.isPaused()
  }

  /** An upload that nobody will read any more. */
  #releaseBody(): void {
    const body = this.#request.body
    if (body !== null && 'destroy' in body) body.destroy()
  }
}
