/**
 * The answer of a worker, from packets to a BackendHandler: head checked, Content-Length kept, and what the handler
 * cannot take yet kept for it.
 */
import { ZHTTP_UNREAD_BYTES_MAX } from '../base/limits.js'
import { headerValue } from '../wire/headers.js'
import { responseHeadFault } from '../wire/response-head.js'
import type { ZhttpResponse } from '../wire/zhttp.js'
import type { BackendHandler } from './types.js'

export class ZhttpAnswer {
  readonly #handler: BackendHandler
  readonly #isHead: boolean
  readonly #taken: (bytes: number) => void
  #hasHead = false
  /** Body bytes still to come by the Content-Length; null: it says nothing. */
  #dueBytes: number | null = null
  #isWhole = false
  #isPaused = false
  /** Taken by the handler, which has asked for a pause with it. */
  #heldBytes = 0
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #isAborted = false

  /** `taken` is told of body bytes that the handler has room for again. */
  constructor(handler: BackendHandler, method: string, taken: (bytes: number) => void) {
    this.#handler = handler
    this.#isHead = method === 'HEAD'
    this.#taken = taken
  }

  /** The handler has had everything. */
  get isDelivered(): boolean {
    return this.#isWhole && !this.#isPaused
  }

  get isWhole(): boolean {
    return this.#isWhole
  }

  /**
   * Takes a data packet. A fault: what is wrong with it, nothing of it has been handed over, and the handler still waits
   * for its failure. The end is not told to the handler: that is for who owns the exchange, once `isDelivered`.
   */
  handlePacket(packet: ZhttpResponse): string | null {
    const fault = this.#faultOf(packet)
    if (fault !== null) return fault
    if (!packet.more) this.#isWhole = true
    if (!this.#hasHead) {
      this.#hasHead = true
      this.#handler.handleHead(packet.code as number, packet.reason, [...packet.headers])
    }
    if (packet.body !== null && packet.body.length > 0) this.#give(packet.body)
    return null
  }

  /** The handler can take more. */
  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#taken(this.#heldBytes)
    this.#heldBytes = 0
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const chunk of waiting) this.#give(chunk)
  }

  abort(): void {
    this.#isAborted = true
    this.#waiting = []
  }

  #faultOf({ code, reason, headers, body, more }: ZhttpResponse): string | null {
    if (!this.#hasHead) {
      const fault = responseHeadFault(code, reason, headers)
      if (fault !== null) return fault
      const due = dueBytesOf(headers)
      if (due === undefined) return 'has a Content-Length that is none'
      if (!this.#isHead && code !== 204 && code !== 304) this.#dueBytes = due
    }
    const bytes = body?.length ?? 0
    if (this.#waitingBytes + bytes > ZHTTP_UNREAD_BYTES_MAX) return 'comes faster than it is read'
    if (this.#dueBytes === null) return null
    this.#dueBytes -= bytes
    return this.#dueBytes < 0 || (this.#dueBytes > 0 && !more) ? 'has another length than its Content-Length' : null
  }

  #give(chunk: Buffer): void {
    if (this.#isAborted) return
    if (this.#isPaused) {
      this.#waiting.push(chunk)
      this.#waitingBytes += chunk.length
    } else if (this.#handler.handleData(chunk)) this.#taken(chunk.length)
    else {
      this.#isPaused = true
      this.#heldBytes = chunk.length
    }
  }
}

/** null: no Content-Length, undefined: one that is none. */
function dueBytesOf(headers: readonly string[]): number | null | undefined {
  const text = headerValue(headers, 'content-length')
  if (text === null) return null
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
