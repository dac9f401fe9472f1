/**
 * Writes one response to a client: whole, or streamed with back-pressure.
 *
 * A body of known length goes out by tryEnd, which takes what the socket takes. Any other goes out in chunks, and
 * there uWebSockets.js takes everything and keeps the rest. Once drains are watched (ResponseSlot.watch) that rest only
 * moves with the next write, so from then on the last byte of what is to be written is held back until the rest is
 * gone: there is always something to write when the socket becomes writable.
 */
import type uWS from 'uWebSockets.js'
import { Buffer } from 'node:buffer'
import type { HttpAnswer } from '../grip/http-session.js'
import { nativeString, writeHeaders } from './native-headers.js'
import type { ResponseSlot } from './response-slot.js'

/** Largest part of a chunked body written at once: what may be left in uWebSockets.js is at most one such part. */
const PART_BYTES_MAX = 15_000

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
    writeHeaders(res, headers)
    endWhole(res, status, body, body.length, options)
  })
  slot.ended()
  return options.isHead || hasNoBody(status) ? 0 : body.length
}

function endWhole(
  res: uWS.HttpResponse,
  status: number,
  body: Buffer,
  length: number | null,
  { isHead, close, isCloseAsked }: AnswerOptions,
): void {
  const hasBody = !isHead && !hasNoBody(status)
  // res.end() says it itself when the client did not ask for it.
  if (isCloseAsked || (close && !hasBody)) res.writeHeader('Connection', 'close')
  if (hasBody) {
    res.end(body, close)
    return
  }
  // Without arguments only: given a length, uWebSockets.js lets no further request on the connection; given undefined,
  // it writes a length of its own. So there is no way to close here, which the client then does.
  if (isHead && length !== null && !hasNoBody(status)) res.writeHeader('Content-Length', String(length))
  res.endWithoutBody()
}

export function writeStatus(res: uWS.HttpResponse, status: number, reason: string): void {
  res.writeStatus(nativeString(`${String(status).padStart(3, '0')} ${reason}`))
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

  /** `drained`: after write() returned false, everything has been taken. */
  constructor(slot: ResponseSlot, total: number | null, drained: () => void) {
    this.#slot = slot
    this.#total = total
    this.#drained = drained
  }

  /** Some of what was given to it has not been taken. */
  get isPending(): boolean {
    return this.#pending !== null
  }

  /** Ends the response in one go. `length`: what Content-Length says; null: unknown (HEAD only). */
  whole(head: ResponseHead, body: Buffer, length: number | null, options: AnswerOptions): void {
    const { res } = this.#slot
    res.cork(() => {
      writeStatus(res, head.status, head.reason)
      writeFlatHeaders(res, head.headers)
      endWhole(res, head.status, body, length, options)
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
      open = this.#total === null ? this.#writeChunks(first) : this.#tryEnd(first, this.#total)
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
    return this.#total === null ? this.#writeChunks(chunk) : this.#tryEnd(chunk, this.#total)
  }

  /** The body is complete. With a Content-Length the last byte has ended it already. */
  end(): void {
    if (this.#pending !== null) this.#ending = true
    else if (this.#slot.isOpen) this.#finish()
  }

  /** From the slot's owner. */
  handleWritable(offset: number): boolean {
    const pending = this.#pending
    if (pending === null) return true
    this.#pending = null
    const open =
      this.#total === null
        ? this.#writeChunks(pending)
        : this.#tryEnd(pending.subarray(offset - this.#pendingFrom), this.#total)
    if (!open) return false
    if (this.#ending && this.#slot.isOpen) this.#finish()
    else if (!this.#ending) this.#drained()
    return true
  }

  #finish(): void {
    const { res } = this.#slot
    // A body that ended short of its length cannot be ended cleanly.
    if (this.#total !== null) return this.#slot.cut()
    res.cork(() => {
      res.end()
    })
    this.#slot.ended()
  }

  #tryEnd(chunk: Buffer, total: number): boolean {
    const { res } = this.#slot
    const from = res.getWriteOffset()
    const [taken, done] = res.tryEnd(chunk, total)
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

  #writeChunks(chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length;) {
      const isWatching = this.#slot.isWatching
      const most = Math.min(at + PART_BYTES_MAX, chunk.length)
      // The byte held back; see the head of this file.
      const end = isWatching && most === chunk.length && most - at > 1 ? most - 1 : most
      const taken = this.#writePart(chunk.subarray(at, end), isWatching)
      at = end
      if (taken || at === chunk.length) continue
      this.#pending = chunk.subarray(at)
      this.#slot.watch()
      return false
    }
    return true
  }

  #writePart(part: Buffer, isWatching: boolean): boolean {
    const { res } = this.#slot
    this.bytes += part.length
    // Inside a cork the answer comes one write late, which is too late once the last byte counts.
    if (isWatching) return res.write(part)
    let taken = true
    res.cork(() => {
      taken = res.write(part)
    })
    return taken
  }
}
