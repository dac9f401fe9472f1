/** The body of a request on its way to a worker, in pieces of the size that the worker has room for. */
import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import { EMPTY_BYTES } from '../base/bytes.js'
import type { BackendRequest } from './types.js'

export class ZhttpBody {
  /** Of what has come from a stream and was not taken yet. */
  readonly #bytesMax: number
  readonly #slices: Buffer[] = []
  #bytes = 0
  #stream: Readable | null = null
  readonly #handleChange: () => void
  readonly #handleFailure: (message: string) => void

  /** `change`: there is more to take, or the end is there. A stream that has more than `bytesMax` ready is paused. */
  constructor(body: BackendRequest['body'], bytesMax: number, change: () => void, failure: (message: string) => void) {
    this.#bytesMax = bytesMax
    this.#handleChange = change
    this.#handleFailure = failure
    if (body instanceof Readable) this.#read(body)
    else if (body !== null) for (const slice of Buffer.isBuffer(body) ? [body] : body) this.#push(slice)
  }

  /** Bytes that can be taken now. */
  get bytes(): number {
    return this.#bytes
  }

  /** Nothing will come any more. */
  get isComplete(): boolean {
    return this.#stream === null
  }

  /** At most `bytesMax` bytes, empty when there is nothing. */
  take(bytesMax: number): Buffer {
    const taken: Buffer[] = []
    let room = bytesMax
    while (room > 0) {
      const slice = this.#slices[0]
      if (slice === undefined) break
      if (slice.length <= room) this.#slices.shift()
      else this.#slices[0] = slice.subarray(room)
      taken.push(slice.subarray(0, room))
      room -= Math.min(room, slice.length)
    }
    this.#bytes -= bytesMax - room
    if (this.#bytes < this.#bytesMax) this.#stream?.resume()
    return taken.length === 1 ? (taken[0] as Buffer) : taken.length === 0 ? EMPTY_BYTES : Buffer.concat(taken)
  }

  /** Nobody takes any more. */
  release(): void {
    this.#slices.length = 0
    const stream = this.#stream
    if (stream === null) return
    this.#leave(stream)
    stream.destroy()
  }

  #push(slice: Buffer): void {
    if (slice.length > 0) this.#slices.push(slice)
    this.#bytes += slice.length
  }

  #read(stream: Readable): void {
    this.#stream = stream
    // What is there already.
    while (this.#bytes < this.#bytesMax) {
      const chunk = stream.read() as Buffer | null
      if (chunk === null) break
      this.#push(chunk)
    }
    stream.on('data', this.#handleData)
    stream.on('end', this.#handleEnd)
    stream.on('error', this.#handleError)
    stream.on('close', this.#handleClose)
  }

  readonly #handleData = (chunk: Buffer): void => {
    this.#push(chunk)
    if (this.#bytes >= this.#bytesMax) this.#stream?.pause()
    this.#handleChange()
  }

  readonly #handleEnd = (): void => {
    this.#leave(this.#stream as Readable)
    this.#handleChange()
  }

  /** Stays when the others are taken off: an error event without a listener would be thrown. */
  readonly #handleError = (error: Error): void => {
    const stream = this.#stream
    if (stream === null) return
    this.#leave(stream)
    this.#handleFailure(`the request body failed: ${error.message}`)
  }

  readonly #handleClose = (): void => {
    this.#leave(this.#stream as Readable)
    this.#handleFailure('the request body ended early')
  }

  #leave(stream: Readable): void {
    this.#stream = null
    stream.off('data', this.#handleData)
    stream.off('end', this.#handleEnd)
    stream.off('close', this.#handleClose)
  }
}
