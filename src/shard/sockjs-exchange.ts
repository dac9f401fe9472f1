/** The shell of one SockJS request over HTTP, on the shard where it came in. It takes the connection over. */
import type { HttpAnswer } from '../grip/http-session.js'
import type { ClientHead } from '../grip/forwarding.js'
import type { SockJsPath } from '../grip/sockjs-request.js'
import { EMPTY_BYTES } from '../base/bytes.js'
import { headerValue } from '../wire/headers.js'
import { hasRequestBody, isChunked } from './client-head.js'
import type { HttpShared, OpenHttp } from './http-shared.js'
import { HttpUpload, type PulsedUpload } from './http-upload.js'
import { writeAnswer } from './http-writer.js'
import type { ResponseSlot, SlotOwner } from './response-slot.js'
import { isTooLarge, type SockJsDoor } from './sockjs-door.js'
import type { SockJsPending } from './sockjs-sessions.js'

export class SockJsExchange implements SlotOwner, OpenHttp, PulsedUpload {
  nextLinked: OpenHttp | null = null
  previousLinked: OpenHttp | null = null
  readonly upload: HttpUpload
  readonly #shared: HttpShared
  readonly #door: SockJsDoor
  readonly #slot: ResponseSlot
  readonly #head: ClientHead
  readonly #path: SockJsPath
  #pending: SockJsPending | null = null
  #isTaken = false
  #isEnded = false

  /** Inside the request callback of uWebSockets.js. */
  constructor(shared: HttpShared, door: SockJsDoor, slot: ResponseSlot, head: ClientHead, path: SockJsPath) {
    this.#shared = shared
    this.#door = door
    this.#slot = slot
    this.#head = head
    this.#path = path
    this.upload = new HttpUpload(slot.res, shared.context.clock.nowMs())
    slot.owner = this
    shared.open.add(this)
  }

  start(): void {
    if (!hasRequestBody(this.#head.headers)) return this.#outside()
    this.#slot.res.onData((lent, isLast) => {
      try {
        if (this.#isTaken) return
        this.upload.handleData(lent, isLast, this.#shared.context.clock.nowMs())
        if (isLast || isTooLarge(this.upload.receivedBytes)) this.#outside()
        else this.#shared.uploads.add(this)
      } catch (error) {
        this.fail(error)
      }
    })
  }

  /** A poll is answered by its session; anything else is about to be. */
  drain(): void {
    this.#slot.isClosing = true
  }

  /** The session counts, not its polls. */
  introduce(): void {}

  handleAborted(): void {
    this.#pending?.abort()
    this.#leave()
  }

  handleWritable(): boolean {
    return true
  }

  handleUploadIdle(): void {
    this.#slot.cut()
  }

  fail(error: unknown): void {
    const { counters, log } = this.#shared.context
    counters.add('callback_errors')
    log.error({ err: error, url: this.#head.path }, 'SockJS request failed')
    this.#pending?.abort()
    this.#leave()
    this.#slot.cut()
  }

  /** A chunked request is never answered inside the callback in which it came; see http-exchange.ts. */
  #outside(): void {
    this.#isTaken = true
    this.#shared.uploads.delete(this)
    if (!isChunked(this.#head.headers)) return this.#take()
    setImmediate(() => {
      try {
        if (!this.#isEnded) this.#take()
      } catch (error) {
        this.fail(error)
      }
    })
  }

  #take(): void {
    const { upload } = this
    const isLarge = isTooLarge(upload.receivedBytes)
    const body = isLarge ? null : upload.receivedBytes === 0 ? EMPTY_BYTES : upload.whole()
    const pending = this.#door.take(this.#head, this.#path, body, (answer) => {
      this.#answer(answer)
    })
    if (!this.#isEnded) this.#pending = pending
  }

  #answer(answer: HttpAnswer): void {
    if (this.#isEnded || !this.#slot.isOpen) return
    const isCloseAsked = headerValue(this.#head.headers, 'connection')?.toLowerCase() === 'close'
    const isEarly = hasRequestBody(this.#head.headers) && !this.upload.isComplete
    writeAnswer(this.#slot, answer, {
      isHead: this.#head.method === 'HEAD',
      close: isCloseAsked || this.#slot.isClosing || isEarly,
      isCloseAsked,
    })
    this.#leave()
  }

  #leave(): void {
    this.#isEnded = true
    this.#pending = null
    this.upload.close(this.#slot.isOpen)
    this.#shared.uploads.delete(this)
    this.#shared.open.delete(this)
  }
}
