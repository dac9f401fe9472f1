/** A promise layer over `ws`: a client that collects what comes and waits for it. */
import { WebSocket } from 'ws'
import type { ClientOptions } from 'ws'
import { EVENT_DEADLINE_MS, Waiters, withDeadline } from './wait.js'

export interface WsMessage {
  readonly data: Buffer
  readonly isBinary: boolean
}

export interface WsClose {
  readonly code: number
  readonly reason: string
}

/** The server answered the upgrade with something else than 101. */
export class WsRejected extends Error {
  override readonly name = 'WsRejected'
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string

  constructor(status: number, headers: Readonly<Record<string, string | string[] | undefined>>, body: string) {
    super(`rejected with ${status}: ${body}`)
    this.status = status
    this.headers = headers
    this.body = body
  }
}

export interface WsClientOptions extends ClientOptions {
  readonly protocols?: readonly string[]
  /** The host to ask for by SNI, when it is not the URL's. */
  readonly servername?: string
  readonly deadlineMs?: number
}

export class WsClient {
  readonly socket: WebSocket
  readonly messages: WsMessage[] = []
  readonly pings: Buffer[] = []
  readonly pongs: Buffer[] = []
  /** Resolves when the connection is gone; 1006: without a close frame. */
  readonly closed: Promise<WsClose>
  /** Headers of the 101. */
  upgradeHeaders: Readonly<Record<string, string | string[] | undefined>> = {}
  readonly #waiters = new Waiters()
  readonly #deadlineMs: number
  #close: WsClose | null = null

  private constructor(socket: WebSocket, deadlineMs: number) {
    this.socket = socket
    this.#deadlineMs = deadlineMs
    // Listeners stand before the socket opens: a message may share its segment with the 101.
    socket.on('message', (data, isBinary) => {
      this.messages.push({ data: data as Buffer, isBinary })
      this.#waiters.changed()
    })
    socket.on('ping', (data) => {
      this.pings.push(data)
      this.#waiters.changed()
    })
    socket.on('pong', (data) => {
      this.pongs.push(data)
      this.#waiters.changed()
    })
    socket.on('upgrade', (response) => {
      this.upgradeHeaders = response.headers
    })
    socket.on('error', () => {}) // 'close' follows, or connect() has failed
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.#close = { code, reason: reason.toString() }
        this.#waiters.changed()
        resolve(this.#close)
      })
    })
  }

  /** Fails with WsRejected when the upgrade is answered with another status. */
  static async connect(url: string, options: WsClientOptions = {}): Promise<WsClient> {
    const { protocols, deadlineMs = EVENT_DEADLINE_MS, ...rest } = options
    const socket = new WebSocket(url, [...(protocols ?? [])], { perMessageDeflate: false, ...rest })
    const client = new WsClient(socket, deadlineMs)
    const opened = new Promise<void>((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
      socket.once('unexpected-response', (_request, response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('close', () => {
          reject(new WsRejected(response.statusCode ?? 0, response.headers, Buffer.concat(chunks).toString('latin1')))
        })
      })
    })
    try {
      await withDeadline(opened, () => `${url} opens`, deadlineMs)
      return client
    } catch (error) {
      socket.terminate()
      throw error
    }
  }

  /** What came, as text. */
  get texts(): string[] {
    return this.messages.map(({ data }) => data.toString())
  }

  send(data: string | Buffer): void {
    this.socket.send(data)
  }

  /** Sends `message` again and again, each when the one before has been written, until the connection has ended. */
  async sendUntilClosed(message: Buffer, timesMax: number): Promise<void> {
    const { socket } = this
    for (let count = 0; count < timesMax && socket.readyState === socket.OPEN; count++) {
      await new Promise<void>((resolve) => socket.send(message, () => resolve()))
    }
  }

  /** The first `count` messages, now or when they have come. */
  async waitFor(count: number): Promise<string[]> {
    await this.#until(() => this.messages.length >= count, `${count} messages`)
    return this.texts.slice(0, count)
  }

  /** The first message that is, or is matched by, `wanted`. */
  async waitForText(wanted: string | RegExp): Promise<string> {
    const matches = (text: string): boolean => (typeof wanted === 'string' ? text === wanted : wanted.test(text))
    await this.#until(() => this.texts.some(matches), String(wanted))
    return this.texts.find(matches) as string
  }

  async waitForPings(count: number): Promise<Buffer[]> {
    await this.#until(() => this.pings.length >= count, `${count} pings`)
    return this.pings.slice(0, count)
  }

  async waitForPongs(count: number): Promise<Buffer[]> {
    await this.#until(() => this.pongs.length >= count, `${count} pongs`)
    return this.pongs.slice(0, count)
  }

  /** With a close frame; resolves with how the connection ended. */
  close(code?: number, reason?: string): Promise<WsClose> {
    this.socket.close(code, reason)
    return withDeadline(this.closed, () => 'the connection closes', this.#deadlineMs)
  }

  /** Without a close frame. */
  terminate(): void {
    this.socket.terminate()
  }

  async #until(holds: () => boolean, wanted: string): Promise<void> {
    const story = (): string =>
      `${wanted}; there are ${JSON.stringify(this.texts.slice(-50).map((text) => text.slice(0, 200)))}`
    await this.#waiters.until(
      () => {
        if (holds()) return true
        if (this.#close !== null)
          throw new Error(`closed (${this.#close.code} ${this.#close.reason}) before ${story()}`)
        return undefined
      },
      story,
      this.#deadlineMs,
    )
  }
}
