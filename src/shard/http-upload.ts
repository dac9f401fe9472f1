/**
 * A client's request body on its way to a backend.
 *
 * Small bodies are kept whole, so that the next target can have them too; larger ones are dropped as they are read.
 * A backend that does not read pauses the client.
 */
import { Readable } from 'node:stream'
import type uWS from 'uWebSockets.js'
import { assert } from '../base/assert.js'
import { copyOfArrayBuffer } from '../base/bytes.js'
import { DeadlineEntry, type Deadlines } from '../base/deadlines.js'
import type { Clock } from '../base/clock.js'
import { GRIP_REQUEST_BYTES_MAX, UPLOAD_PULSE_MS, UPLOAD_UNREAD_BYTES_MAX } from '../base/limits.js'
import type { RouteTraffic } from './route-traffic.js'

export class HttpUpload {
  receivedBytes = 0
  isComplete = false
  /** Nothing has been dropped: the body can be read from its start again. */
  isWhole = true
  lastDataMs: number
  /** For statistics; null: they are not wanted. */
  traffic: RouteTraffic | null = null
  readonly #res: uWS.HttpResponse
  #chunks: Buffer[] = []
  #reader: UploadReader | null = null
  /** Chunks the reader has taken. */
  #read = 0
  #unreadBytes = 0
  #isPaused = false
  #isClosed = false

  constructor(res: uWS.HttpResponse, nowMs: number) {
    this.#res = res
    this.lastDataMs = nowMs
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** From uWebSockets.js, which lends the chunk. */
  handleData(lent: ArrayBuffer, isLast: boolean, nowMs: number): void {
    if (this.#isClosed) return
    this.lastDataMs = nowMs
    if (isLast) this.isComplete = true
    if (lent.byteLength > 0) {
      const chunk = copyOfArrayBuffer(lent)
      this.receivedBytes += chunk.length
      this.traffic?.clientReceived(chunk.length)
      this.#unreadBytes += chunk.length
      this.#chunks.push(chunk)
    }
    this.#reader?.pump()
    this.#balance()
  }

  /** The whole body, when it is complete and kept; else null. */
  whole(): Buffer | null {
    if (!this.isComplete || !this.isWhole) return null
    return this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
  }

  /** The body from its start; the reader before is forgotten. `isChunked`: it is not to be measured by who reads it. */
  read(isChunked: boolean): Readable {
    assert(this.isWhole, 'a body that was dropped is not read again')
    this.#read = 0
    this.#unreadBytes = this.receivedBytes
    this.#reader = new UploadReader(this, isChunked)
    return this.#reader
  }

  /** @internal The next chunk for `reader`; undefined: not there yet, null: the end. */
  next(reader: UploadReader): Buffer | null | undefined {
    if (reader !== this.#reader || this.#isClosed) return undefined
    const chunk = this.#chunks[this.#read]
    if (chunk === undefined) return this.isComplete ? null : undefined
    this.#unreadBytes -= chunk.length
    this.traffic?.serverSent(chunk.length)
    if (this.receivedBytes > GRIP_REQUEST_BYTES_MAX) {
      this.isWhole = false
      this.#chunks.splice(0, this.#read + 1)
      this.#read = 0
    } else this.#read++
    this.#balance()
    return chunk
  }

  /** Nobody reads any more: what still comes is thrown away, so that the connection can go on. */
  close(isOpen: boolean): void {
    this.#isClosed = true
    this.#chunks = []
    this.#reader?.destroy()
    this.#reader = null
    if (isOpen && this.#isPaused) this.#res.resume()
    this.#isPaused = false
  }

  /** Keeps uWebSockets.js from giving the upload up. */
  pulse(): void {
    if (this.#isPaused) {
      this.#res.resume()
      this.#res.pause()
    } else {
      this.#res.pause()
      this.#res.resume()
    }
  }

  #balance(): void {
    if (this.#isClosed || (this.isComplete && !this.#isPaused)) return
    if (!this.#isPaused && this.#unreadBytes > UPLOAD_UNREAD_BYTES_MAX) {
      this.#isPaused = true
      this.#res.pause()
    } else if (this.#isPaused && this.#unreadBytes <= UPLOAD_UNREAD_BYTES_MAX / 2) {
      this.#isPaused = false
      this.#res.resume()
    }
  }
}

class UploadReader extends Readable {
  readonly #upload: HttpUpload
  #wanted = false
  #ended = false

  constructor(upload: HttpUpload, isChunked: boolean) {
    // undici asks byte streams for their length and would send it; it does not ask object streams.
    super(isChunked ? { objectMode: true, highWaterMark: 2 } : { highWaterMark: 65_536 })
    this.#upload = upload
    // Whoever destroys it says why to the session by other ways; an error without a listener would be thrown.
    this.on('error', () => {})
  }

  override _read(): void {
    this.#wanted = true
    this.pump()
  }

  pump(): void {
    while (this.#wanted && !this.#ended) {
      const chunk = this.#upload.next(this)
      if (chunk === undefined) return
      if (chunk === null) this.#ended = true
      this.#wanted = this.push(chunk)
    }
  }
}

/** An upload under way, as the pulse sees it. */
export interface PulsedUpload {
  readonly upload: HttpUpload
  /** The client has sent nothing for too long. */
  handleUploadIdle(): void
}

/** One deadline for all uploads of a shard. Pausing and resuming one starts the clock of uWebSockets.js for it anew. */
export class UploadPulse extends DeadlineEntry {
  readonly #uploads = new Set<PulsedUpload>()
  readonly #deadlines: Deadlines
  readonly #clock: Clock
  readonly #idleMs: number

  constructor(deadlines: Deadlines, clock: Clock, idleMs: number) {
    super()
    this.#deadlines = deadlines
    this.#clock = clock
    this.#idleMs = idleMs
  }

  add(entry: PulsedUpload): void {
    if (this.#uploads.size === 0) this.#deadlines.set(this, this.#clock.nowMs() + UPLOAD_PULSE_MS)
    this.#uploads.add(entry)
  }

  delete(entry: PulsedUpload): void {
    this.#uploads.delete(entry)
    if (this.#uploads.size === 0) this.#deadlines.clear(this)
  }

  override handleDeadline(nowMs: number): void {
    for (const entry of [...this.#uploads]) {
      const { upload } = entry
      if (upload.isComplete) this.#uploads.delete(entry)
      else if (!upload.isPaused && nowMs - upload.lastDataMs >= this.#idleMs) entry.handleUploadIdle()
      else upload.pulse()
    }
    if (this.#uploads.size > 0) this.#deadlines.set(this, nowMs + UPLOAD_PULSE_MS)
  }
}
