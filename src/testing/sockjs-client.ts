/** The real sockjs-client in Node, as its users have it: a session that collects what comes and waits for it. */
import { createRequire } from 'node:module'
import { EVENT_DEADLINE_MS, Waiters, withDeadline } from './wait.js'

export interface SockJsEnd {
  readonly code: number
  readonly reason: string
  /** The server said why. */
  readonly wasClean: boolean
}

/** What these tests use of it; the package is CommonJS without types. */
interface SockJs {
  readonly transport: string | null
  onopen: (() => void) | null
  onmessage: ((event: { readonly data: string }) => void) | null
  onclose: ((event: SockJsEnd) => void) | null
  send(text: string): void
  close(code?: number, reason?: string): void
}

type SockJsConstructor = new (
  url: string,
  protocols: null,
  options: { readonly transports: readonly string[]; readonly timeout: number },
) => SockJs

const require = createRequire(import.meta.url)

/** Its bundle for browsers, for pages and for the frame of the iframe transports. */
export const SOCKJS_BUNDLE_PATH = require.resolve('sockjs-client/dist/sockjs.min.js')

export class SockJsClient {
  /** The transport it settled on. */
  transport = ''
  readonly messages: string[] = []
  /** Resolves when the session is over, whoever ended it. */
  readonly closed: Promise<SockJsEnd>
  readonly #socket: SockJs
  readonly #waiters = new Waiters()
  #end: SockJsEnd | null = null
  #isOpen = false

  /**
   * `transports`: those it may use, in its own order. `timeoutMs`: for each of them; by itself it gives some 600 ms, which
   * a busy machine can take. Nothing is awaited.
   */
  constructor(url: string, transports: readonly string[], timeoutMs = EVENT_DEADLINE_MS) {
    const Constructor = require('sockjs-client') as SockJsConstructor
    const socket = new Constructor(url, null, { transports, timeout: timeoutMs })
    this.#socket = socket
    socket.onopen = () => {
      this.#isOpen = true
      this.transport = socket.transport ?? ''
      this.#waiters.changed()
    }
    socket.onmessage = ({ data }) => {
      this.messages.push(data)
      this.#waiters.changed()
    }
    this.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason, wasClean }) => {
        this.#end = { code, reason, wasClean }
        this.#waiters.changed()
        resolve(this.#end)
      }
    })
  }

  /** Resolves when it is open. */
  static async open(url: string, ...transports: readonly string[]): Promise<SockJsClient> {
    const client = new SockJsClient(url, transports)
    await client.#until(() => client.#isOpen, 'it is open')
    return client
  }

  send(text: string): void {
    this.#socket.send(text)
  }

  /** The first `count` messages, now or when they have come. */
  async waitFor(count: number): Promise<string[]> {
    await this.#until(() => this.messages.length >= count, `${count} messages`)
    return this.messages.slice(0, count)
  }

  /** Until this message has come. */
  async waitForText(text: string): Promise<void> {
    await this.#until(() => this.messages.includes(text), text)
  }

  /** Resolves with what the client itself is told. */
  close(code?: number, reason?: string): Promise<SockJsEnd> {
    this.#socket.close(code, reason)
    return this.ended()
  }

  ended(): Promise<SockJsEnd> {
    return withDeadline(this.closed, () => `the session ends; it has ${this.#story()}`, EVENT_DEADLINE_MS)
  }

  async #until(holds: () => boolean, wanted: string): Promise<void> {
    await this.#waiters.until(
      () => {
        if (holds()) return true
        if (this.#end !== null)
          throw new Error(`over (${JSON.stringify(this.#end)}) before ${wanted}; ${this.#story()}`)
        return undefined
      },
      () => `${wanted}; there are ${this.#story()}`,
    )
  }

  #story(): string {
    return JSON.stringify(this.messages.slice(-20).map((text) => text.slice(0, 100)))
  }
}
