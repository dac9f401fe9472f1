/**
 * Writes one response to a client: whole, or streamed with back-pressure.
 *
 * A body of known length goes out by tryEnd, which takes what the socket takes. Any other goes out in chunks, and
 * there uWebSockets.js takes everything, keeps the rest and says so: the backend is then paused until the socket is
 * writable again. So what is kept for a slow client is one chunk of the backend, 64 KB as a rule.
 */
import type uWS from 'uWebSockets.js'
import { Buffer } from 'node:buffer'
import { isNeverRelayed } from '../grip/forwarding.js'
import type { HttpAnswer } from '../grip/http-session.js'
import { nativeString, writeHeaders } from './native-headers.js'
import type { ResponseSlot } from './response-slot.js'

/** Status and headers of a response; headers flat, without framing headers. */
export interface ResponseHead {
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
}

export function hasNoBody(status: number): boolean {
  return status === 204 || status === 304 || status < 200
}

export interface AnswerOptions {
  /** The method was HEAD. */
  readonly isHead: boolean
  /** The connection ends behind the answer. */
  readonly close: boolean
  /** The client asked for that; uWebSockets.js says it only when it was our idea. */
  readonly isCloseAsked: boolean
}

/** Writes a whole response and ends it. Returns the body bytes written. */
export function writeAnswer(slot: ResponseSlot, answer: HttpAnswer, options: AnswerOptions): number {
  const { res } = slot
  const { status, reason, headers, body } = answer
  res.cork(() => {
    writeStatus(res, status, reason)
    writeHeaders(
      res,
      headers.filter(([name]) => !isNeverRelayed(name)),
    )
    endWhole(slot, status, body, body.length, options)
  })
  slot.ended()
  return options.isHead || hasNoBody(status) ? 0 : body.length
}

function endWhole(
  slot: ResponseSlot,
  status: number,
  body: Buffer,
  length: number | null,
  { isHead, close, isCloseAsked }: AnswerOptions,
): void {
  const { res } = slot
  const hasBody = !isHead && !hasNoBody(status)
  // res.end() says it itself when the client did not ask for it.
  if (isCloseAsked || (close && !hasBody)) res.writeHeader('Connection', 'close')
  if (hasBody) {
    res.end(body, close)
    return
  }
  // Without arguments only: given a length, uWebSockets.js lets no further request on the connection; given undefined,
  // it writes a length of its own. So there is no way to close here.
  slot.ending()
  if (isHead && length !== null && !hasNoBody(status)) res.writeHeader('Content-Length', String(length))
  res.endWithoutBody()
}

// Most answers say the same as the one before.
let lastStatus = 0
let lastReason = ''
let lastLine: string | Uint8Array = ''

export function writeStatus(res: uWS.HttpResponse, status: number, reason: string): void {
  if (status !== lastStatus || reason !== lastReason) {
    lastLine = nativeString(`${String(status).padStart(3, '0')} ${reason}`)
    lastStatus = status
    lastReason = reason
  }
  res.writeStatus(lastLine)
}

export function writeFlatHeaders(res: uWS.HttpResponse, headers: readonly string[]): void {
  for (let index = 0; index < headers.length; index += 2) {
    res.writeHeader(nativeString(headers[index] as string), nativeString(headers[index + 1] as string))
  }
}

export class HttpWriter {
  /** Body bytes taken so far. */
  bytes = 0
  readonly #slot: ResponseSlot
  /** Content-Length, or null: chunked. */
  readonly #total: number | null
  readonly #drained: () => void
  #pending: Buffer | null = null
  /** Body offset of the first pending byte. */
  #pendingFrom = 0
  #ending = false
  /** A chunk was not taken whole. */
  #isWaiting = false

  /** `drained`: after write() returned false, everything has been taken. */
  constructor(slot: ResponseSlot, total: number | null, drained: () => void) {
    this.#slot = slot
    this.#total = total
    this.#drained = drained
  }

  /** Some of what was given to it has not been taken. */
  get isPending(): boolean {
    return this.#pending !== null || this.#isWaiting
  }

  /** Ends the response in one go. `length`: what Content-Length says; null: unknown (HEAD only). */
  whole(head: ResponseHead, body: Buffer, length: number | null, options: AnswerOptions): void {
    const { res } = this.#slot
    res.cork(() => {
      writeStatus(res, head.status, head.reason)
      writeFlatHeaders(res, head.headers)
      endWhole(this.#slot, head.status, body, length, options)
    })
    this.bytes = options.isHead || hasNoBody(head.status) ? 0 : body.length
    this.#slot.ended()
  }

  /** Head and first bytes. False: wait for `drained`. */
  start(head: ResponseHead, first: Buffer): boolean {
    const { res } = this.#slot
    let open = true
    res.cork(() => {
      writeStatus(res, head.status, head.reason)
      writeFlatHeaders(res, head.headers)
      open = this.#total === null ? this.#writeChunk(first) : this.#tryEnd(first, this.#total)
    })
    return open
  }

  write(chunk: Buffer): boolean {
    if (!this.#slot.isOpen) return true
    if (this.#pending !== null) {
      // Came in the turn in which the backend could not be paused yet.
      this.#pending = Buffer.concat([this.#pending, chunk])
      return false
    }
    return this.#total === null ? this.#writeChunk(chunk) : this.#tryEnd(chunk, this.#total)
  }

  /** The body is complete. With a Content-Length the last byte has ended it already. */
  end(): void {
    if (this.#pending !== null) this.#ending = true
    else if (this.#slot.isOpen) this.#finish()
  }

  /** From the slot's owner. */
  handleWritable(offset: number): boolean {
    const pending = this.#pending
    this.#pending = null
    if (pending !== null && !this.#tryEnd(pending.subarray(offset - this.#pendingFrom), this.#total as number)) {
      return false
    }
    const wasWaiting = pending !== null || this.#isWaiting
    this.#isWaiting = false
    if (this.#ending && this.#slot.isOpen) this.#finish()
    else if (wasWaiting && !this.#ending) this.#drained()
    return true
  }

  #finish(): void {
    const { res } = this.#slot
    // A body that ended short of its length cannot be ended cleanly.
    if (this.#total !== null) return this.#slot.cut()
    this.#slot.ending()
    res.cork(() => {
      res.end()
    })
    this.#slot.ended()
  }

  #tryEnd(chunk: Buffer, total: number): boolean {
    const { res } = this.#slot
    const from = res.getWriteOffset()
    if (from + chunk.length === total) this.#slot.ending()
    let taken = true
    let done = false
    // Corked, or uWebSockets.js complains on stderr. A small chunk that the kernel does not take is then kept by it
    // (at most its cork buffer, 16 KB) and the next call says so.
    res.cork(() => {
      ;[taken, done] = res.tryEnd(chunk, total)
    })
    if (done) {
      this.bytes = total
      this.#slot.ended()
      return true
    }
    this.bytes = from + chunk.length
    if (taken) return true
    this.#pending = chunk
    this.#pendingFrom = from
    this.#slot.watch()
    return false
  }

  #writeChunk(chunk: Buffer): boolean {
    // An empty chunk would end the body.
    if (chunk.length === 0) return true
    const { res } = this.#slot
    let taken = true
    res.cork(() => {
      taken = res.write(chunk)
    })
    this.bytes += chunk.length
    if (taken) return true
    this.#isWaiting = true
    this.#slot.watch()
    return false
  }
}
