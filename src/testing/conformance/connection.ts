/** A WebSocket client on a raw socket that writes down what it gets, frame by frame, as readable lines. */
import { createHash } from 'node:crypto'
import net from 'node:net'
import { once } from 'node:events'
import { parseHead } from '../raw-client.js'
import type { HttpHead } from '../raw-client.js'
import { EVENT_DEADLINE_MS, Waiters, withDeadline } from '../wait.js'
import { Opcode, clientFrame, parseServerFrames } from '../websocket-frames.js'
import type { ClientFrameOptions, Frame } from '../websocket-frames.js'

/** Longer lines of a transcript are cut and told by their length and a hash. */
const SHOWN_LENGTH_MAX = 300

export interface ConnectionOptions {
  /** False: a close frame of the server is not answered. */
  readonly answersClose?: boolean
}

export class Connection {
  /**
   * `text hello`, `binary …`, `ping …`, `pong …` (messages whole, latin1), `close 1000 bye`, `close` (empty), `drop` (the
   * end without a close frame).
   */
  readonly events: string[] = []
  /** Number of frames of each data message, in order. */
  readonly framesPerMessage: number[] = []
  head: HttpHead | null = null
  /** Head as it came. */
  headText = ''
  readonly socket: net.Socket
  readonly #waiters = new Waiters()
  readonly #answersClose: boolean
  #received: Buffer = Buffer.alloc(0)
  #fragments: Frame[] = []
  #ended = false
  #sawClose = false
  #sentClose = false
  #leftByUs = false

  private constructor(socket: net.Socket, options: ConnectionOptions) {
    this.socket = socket
    this.#answersClose = options.answersClose ?? true
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#read()
    })
    socket.on('end', () => this.#end())
    socket.on('error', () => this.#end())
    socket.on('close', () => this.#end())
  }

  /** Sends `request` (latin1) as soon as the connection is there. */
  static async open(port: number, request: string | Buffer, options: ConnectionOptions = {}): Promise<Connection> {
    const socket = net.connect({ port, host: '127.0.0.1' })
    await withDeadline(once(socket, 'connect'), () => `connect to port ${port}`)
    const connection = new Connection(socket, options)
    socket.write(typeof request === 'string' ? Buffer.from(request, 'latin1') : request)
    return connection
  }

  /** Waits for the 101; fails on anything else. */
  async opened(): Promise<void> {
    const head = await this.answered()
    if (head.status !== 101) throw new Error(`not opened: ${this.headText}${this.#received.toString('latin1')}`)
  }

  async answered(): Promise<HttpHead> {
    return this.#waiters.until(
      () => {
        if (this.head === null && this.#ended) throw new Error('the connection ended before an answer')
        return this.head ?? undefined
      },
      () => 'an answer to the upgrade',
    )
  }

  /** The whole answer as text, when it is no 101: everything until the end of the connection. */
  async rejection(): Promise<string> {
    await this.answered()
    await this.ended()
    return this.headText + this.#received.toString('latin1')
  }

  text(content: string): void {
    this.frame(Opcode.Text, Buffer.from(content, 'latin1'))
  }

  binary(content: string): void {
    this.frame(Opcode.Binary, Buffer.from(content, 'latin1'))
  }

  ping(content = ''): void {
    this.frame(Opcode.Ping, content)
  }

  pong(content = ''): void {
    this.frame(Opcode.Pong, content)
  }

  close(code?: number, reason = ''): void {
    this.#sentClose = true
    this.frame(Opcode.Close, code === undefined ? '' : closePayload(code, reason))
  }

  frame(opcode: number, payload: Buffer | string, options: ClientFrameOptions = {}): void {
    this.write(clientFrame(opcode, payload, options))
  }

  write(bytes: Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes)
  }

  /** Ends TCP without a close frame. */
  drop(): void {
    this.#leftByUs = true
    this.socket.end()
  }

  /** With a RST. */
  reset(): void {
    this.#leftByUs = true
    this.socket.resetAndDestroy()
  }

  destroy(): void {
    this.#leftByUs = true
    this.socket.destroy()
  }

  /** Until this many events have come. */
  async got(count: number): Promise<void> {
    await this.#waiters.until(
      () => this.events.length >= count || undefined,
      () => `${count} events at the client; there are ${JSON.stringify(this.events)}`,
    )
  }

  /** Until this many text messages have come: pongs come by themselves. */
  async gotTexts(count: number): Promise<void> {
    await this.#waiters.until(
      () => this.events.filter((event) => event.startsWith('text ')).length >= count || undefined,
      () => `${count} texts at the client; there are ${JSON.stringify(this.events)}`,
    )
  }

  /** Until the TCP connection is over. */
  async ended(deadlineMs = EVENT_DEADLINE_MS): Promise<void> {
    await this.#waiters.until(
      () => this.#ended || undefined,
      () => `the end of the connection; events: ${JSON.stringify(this.events)}`,
      deadlineMs,
    )
  }

  #read(): void {
    if (this.head === null) {
      const end = this.#received.indexOf('\r\n\r\n')
      if (end === -1) return
      this.headText = this.#received.toString('latin1', 0, end + 4)
      this.head = parseHead(this.headText)
      this.#received = this.#received.subarray(end + 4)
    }
    if (this.head.status === 101) this.#readFrames()
    this.#waiters.changed()
  }

  #readFrames(): void {
    const { frames, consumed } = parseServerFrames(this.#received)
    this.#received = this.#received.subarray(consumed)
    for (const frame of frames) {
      if (frame.opcode === Opcode.Close) this.#takeClose(frame.payload)
      else if (frame.opcode === Opcode.Ping) this.events.push(line('ping', frame.payload))
      else if (frame.opcode === Opcode.Pong) this.events.push(line('pong', frame.payload))
      else this.#takeFragment(frame)
    }
  }

  #takeFragment(frame: Frame): void {
    const isFirst = this.#fragments.length === 0
    if (isFirst === (frame.opcode === Opcode.Continuation)) this.events.push(`frame out of order: ${frame.opcode}`)
    this.#fragments.push(frame)
    if (!frame.fin) return
    const type = this.#fragments[0]?.opcode === Opcode.Text ? 'text' : 'binary'
    this.events.push(line(type, Buffer.concat(this.#fragments.map(({ payload }) => payload))))
    this.framesPerMessage.push(this.#fragments.length)
    this.#fragments = []
  }

  #takeClose(payload: Buffer): void {
    this.#sawClose = true
    this.events.push(
      payload.length < 2 ? 'close' : `close ${payload.readUInt16BE(0)} ${payload.toString('latin1', 2)}`.trimEnd(),
    )
    if (this.#answersClose && !this.#sentClose) {
      this.#sentClose = true
      this.frame(Opcode.Close, payload)
    }
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    if (!this.#sawClose && !this.#leftByUs) this.events.push('drop')
    this.#waiters.changed()
  }
}

export function closePayload(code: number, reason = ''): Buffer {
  const bytes = Buffer.from(`\0\0${reason}`)
  bytes.writeUInt16BE(code)
  return bytes
}

/** A line of a transcript (latin1) as it is compared and printed. */
export function shown(text: string): string {
  if (text.length <= SHOWN_LENGTH_MAX) return text
  const hash = createHash('sha1').update(text, 'latin1').digest('hex').slice(0, 8)
  return `${text.slice(0, 40)}… (${text.length}, ${hash})`
}

function line(type: string, payload: Buffer): string {
  return shown(`${type} ${payload.toString('latin1')}`)
}
