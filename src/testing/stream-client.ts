/**
 * A client of held responses on a socket of its own: reads the head, then a chunked body as it comes. A chunk counts
 * when its content is there: the line break behind it may come with the next one.
 */
import net from 'node:net'
import { parseHead } from './raw-client.js'
import type { HttpHead } from './raw-client.js'
import { EVENT_DEADLINE_MS, Waiters } from './wait.js'

export interface StreamClientOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Called once, inside the very event that brings the first byte of the answer. */
  readonly onFirstByte?: () => void
  readonly deadlineMs?: number
}

export class StreamClient {
  readonly socket: net.Socket
  /** The body so far, as a byte string. */
  text = ''
  /** The last chunk has come. */
  ended = false
  /** The connection is gone. */
  closed = false
  #head: HttpHead | null = null
  #pending = ''
  /** Content bytes of the chunk being read that are still to come; 0: a size line comes next. */
  #left = 0
  readonly #waiters = new Waiters()
  readonly #deadlineMs: number

  private constructor(port: number, path: string, options: StreamClientOptions) {
    const { headers = {}, onFirstByte } = options
    this.#deadlineMs = options.deadlineMs ?? EVENT_DEADLINE_MS
    const lines = Object.entries({ Host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    this.socket.setEncoding('latin1')
    this.socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
    if (onFirstByte !== undefined) this.socket.once('data', onFirstByte)
    this.socket.on('data', (data: string) => {
      this.#pending += data
      this.#parse()
      this.#waiters.changed()
    })
    this.socket.on('error', () => {}) // 'close' follows
    this.socket.on('close', () => {
      this.closed = true
      this.#waiters.changed()
    })
  }

  /** The request is on its way; nothing has been waited for. */
  static send(port: number, path: string, options: StreamClientOptions = {}): StreamClient {
    return new StreamClient(port, path, options)
  }

  /** Resolves when the head is there. */
  static async open(port: number, path: string, options: StreamClientOptions = {}): Promise<StreamClient> {
    const client = new StreamClient(port, path, options)
    await client.headArrived()
    return client
  }

  get head(): HttpHead {
    if (this.#head === null) throw new Error('no head yet')
    return this.#head
  }

  async headArrived(): Promise<HttpHead> {
    return this.#until(() => this.#head ?? undefined, 'a head')
  }

  /** Resolves when the body so far contains `wanted`. */
  async waitForText(wanted: string): Promise<void> {
    await this.#until(() => this.text.includes(wanted) || undefined, JSON.stringify(wanted))
  }

  /** Resolves when `holds` is true of the body so far. */
  async waitUntil(holds: (text: string) => boolean): Promise<void> {
    await this.#until(() => holds(this.text) || undefined, 'the expected text')
  }

  /** Resolves with the whole body when its last chunk has come (or its last byte, with Content-Length). */
  async waitForEnd(): Promise<string> {
    await this.#until(() => this.ended || undefined, 'the end of the body')
    return this.text
  }

  /** Resolves when the connection is gone, however it went. */
  async waitForClose(): Promise<void> {
    await this.#waiters.until(
      () => this.closed || undefined,
      () => `the end of the connection; body: ${JSON.stringify(this.text.slice(-500))}`,
      this.#deadlineMs,
    )
  }

  /** With a RST, so that thousands of clients leave no connections behind. */
  destroy(): void {
    this.socket.resetAndDestroy()
  }

  async #until<T>(take: () => T | undefined, wanted: string): Promise<T> {
    const story = (): string => `${wanted}; body: ${JSON.stringify(this.text.slice(-500))}`
    return this.#waiters.until(
      () => {
        const value = take()
        if (value === undefined && this.closed) throw new Error(`the connection ended before ${story()}`)
        return value
      },
      story,
      this.#deadlineMs,
    )
  }

  #parse(): void {
    if (this.#head === null) {
      const end = this.#pending.indexOf('\r\n\r\n')
      if (end === -1) return
      this.#head = parseHead(this.#pending.slice(0, end + 4))
      this.#pending = this.#pending.slice(end + 4)
      const length = this.#head.get('content-length')
      if (length !== null) this.#left = Number(length)
    }
    if (this.#head.get('content-length') !== null) this.#take()
    else this.#parseChunks()
    if (this.#head.get('content-length') !== null && this.#left === 0) this.ended = true
  }

  #parseChunks(): void {
    while (!this.ended) {
      this.#take()
      if (this.#left > 0) return
      if (this.#pending.startsWith('\r\n')) this.#pending = this.#pending.slice(2)
      const lineEnd = this.#pending.indexOf('\r\n')
      if (lineEnd === -1) return
      const size = this.#pending.slice(0, lineEnd)
      if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`not the size of a chunk: ${JSON.stringify(size)}`)
      this.#left = parseInt(size, 16)
      this.#pending = this.#pending.slice(lineEnd + 2)
      if (this.#left === 0) this.ended = true
    }
  }

  #take(): void {
    this.text += this.#pending.slice(0, this.#left)
    const taken = Math.min(this.#left, this.#pending.length)
    this.#left -= taken
    this.#pending = this.#pending.slice(taken)
  }
}
