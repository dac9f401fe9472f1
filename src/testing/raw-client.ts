/**
 * A TCP client that sends exact bytes and waits for exact bytes. Bytes read are consumed in order; what is not asked for
 * stays for the next read. A read that fails shows what was sent and what came instead.
 */
import { once } from 'node:events'
import net from 'node:net'
import { EVENT_DEADLINE_MS, Waiters, withDeadline } from './wait.js'

export interface HttpHead {
  readonly version: string
  readonly status: number
  readonly reason: string
  /** As on the wire, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** The value of the first header with this name (any case), or null. */
  get(name: string): string | null
}

export interface HttpAnswer extends HttpHead {
  readonly body: Buffer
}

export interface RawClientOptions {
  readonly host?: string
  readonly deadlineMs?: number
  /** True: end our direction only when told to (half-open). Default false. */
  readonly allowHalfOpen?: boolean
}

export class RawClient {
  readonly socket: net.Socket
  /** Resolves when the connection is gone: `true` when by a reset or another error. */
  readonly closed: Promise<boolean>
  readonly #deadlineMs: number
  readonly #waiters = new Waiters()
  readonly #sent: Buffer[] = []
  #received: Buffer = Buffer.alloc(0)
  #ended = false

  private constructor(socket: net.Socket, deadlineMs: number) {
    this.socket = socket
    this.#deadlineMs = deadlineMs
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      this.#waiters.changed()
    })
    socket.on('end', () => this.#end())
    socket.on('error', () => this.#end())
    this.closed = new Promise((resolve) => {
      socket.once('close', (hadError) => {
        this.#end()
        resolve(hadError)
      })
    })
  }

  static async connect(port: number, options: RawClientOptions = {}): Promise<RawClient> {
    const socket = net.connect({
      port,
      host: options.host ?? '127.0.0.1',
      allowHalfOpen: options.allowHalfOpen ?? false,
    })
    await withDeadline(once(socket, 'connect'), () => `connect to port ${port}`)
    return new RawClient(socket, options.deadlineMs ?? EVENT_DEADLINE_MS)
  }

  /** Text is sent as latin1. Resolves when the kernel has taken it. */
  async send(data: string | Buffer): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
    this.#sent.push(bytes)
    await new Promise<void>((resolve, reject) => {
      this.socket.write(bytes, (error) => {
        if (error instanceof Error) reject(error)
        else resolve()
      })
    })
  }

  /** Each byte in a segment of its own. */
  async sendByteByByte(data: string | Buffer): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
    for (let at = 0; at < bytes.length; at += 1) {
      await this.send(bytes.subarray(at, at + 1))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** What has come and was not consumed. */
  get pending(): Buffer {
    return this.#received
  }

  /** Consumes up to and including `marker`, or as many bytes as the function says (null: not yet). */
  async readUntil(marker: string | ((received: Buffer) => number | null)): Promise<Buffer> {
    const measure =
      typeof marker === 'function'
        ? marker
        : (received: Buffer): number | null => {
            const at = received.indexOf(marker, 0, 'latin1')
            return at === -1 ? null : at + marker.length
          }
    const wanted = typeof marker === 'function' ? 'the expected bytes' : JSON.stringify(marker)
    return this.#waiters.until(
      () => {
        const length = measure(this.#received)
        if (length !== null) return this.#consume(length)
        if (this.#ended) throw new Error(`the connection ended before ${wanted}\n${this.#story()}`)
        return undefined
      },
      () => `${wanted}\n${this.#story()}`,
      this.#deadlineMs,
    )
  }

  readExactly(length: number): Promise<Buffer> {
    return this.readUntil((received) => (received.length >= length ? length : null))
  }

  /** Everything until the peer ends the connection. */
  async readToEnd(): Promise<Buffer> {
    return this.#waiters.until(
      () => (this.#ended ? this.#consume(this.#received.length) : undefined),
      () => `the end of the connection\n${this.#story()}`,
      this.#deadlineMs,
    )
  }

  async readHead(): Promise<HttpHead> {
    return parseHead((await this.readUntil('\r\n\r\n')).toString('latin1'))
  }

  /** Head and body, by Content-Length, chunks or the end of the connection. `noBody`: the answer to a HEAD. */
  async readAnswer(options: { readonly noBody?: boolean } = {}): Promise<HttpAnswer> {
    const head = await this.readHead()
    return { ...head, body: await this.#readBody(head, options.noBody ?? false) }
  }

  /** One chunk of a chunked body; empty: the last one, trailers consumed. */
  async readChunk(): Promise<Buffer> {
    const size = parseInt((await this.readUntil('\r\n')).toString('latin1'), 16)
    const chunk = await this.readExactly(size + 2)
    return chunk.subarray(0, size)
  }

  /** Stops reading, so that the peer's buffers fill. */
  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  /** Ends our direction. */
  end(): void {
    this.socket.end()
  }

  /** Both directions, without waiting. */
  destroy(): void {
    this.socket.destroy()
  }

  /** With a RST. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  async #readBody(head: HttpHead, noBody: boolean): Promise<Buffer> {
    if (noBody || head.status < 200 || head.status === 204 || head.status === 304) return Buffer.alloc(0)
    if (/\bchunked\b/i.test(head.get('transfer-encoding') ?? '')) {
      const chunks: Buffer[] = []
      for (;;) {
        const chunk = await this.readChunk()
        if (chunk.length === 0) return Buffer.concat(chunks)
        chunks.push(chunk)
      }
    }
    const length = head.get('content-length')
    return length === null ? this.readToEnd() : this.readExactly(Number(length))
  }

  #consume(length: number): Buffer {
    const bytes = this.#received.subarray(0, length)
    this.#received = this.#received.subarray(length)
    return bytes
  }

  #end(): void {
    this.#ended = true
    this.#waiters.changed()
  }

  #story(): string {
    const show = (bytes: Buffer): string => JSON.stringify(bytes.subarray(-2_000).toString('latin1'))
    return `sent: ${show(Buffer.concat(this.#sent))}\nreceived: ${show(this.#received)}${this.#ended ? ' and the end' : ''}`
  }
}

export function parseHead(text: string): HttpHead {
  const [startLine = '', ...lines] = text.replace(/\r\n\r\n$/, '').split('\r\n')
  const match = /^(HTTP\/\d\.\d) (\d{3}) ?(.*)$/.exec(startLine)
  if (match === null) throw new Error(`not a status line: ${JSON.stringify(startLine)}`)
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
  })
  return {
    version: match[1] ?? '',
    status: Number(match[2]),
    reason: match[3] ?? '',
    headers,
    get: (name) => headers.find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1] ?? null,
  }
}
