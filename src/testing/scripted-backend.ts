/**
 * A backend whose answers are a function. It records every request raw, can answer late, in halves or with a reset, and
 * can be stopped and started again on the same port.
 */
import { once } from 'node:events'
import http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Waiters } from './wait.js'

export type BackendScript = (exchange: BackendCall) => void | Promise<void>

export interface ScriptedBackendOptions {
  /** Default: any free port. */
  readonly port?: number
  /** True: the script runs when the head is there, and reads the body itself. Default false: when the body is there. */
  readonly streaming?: boolean
}

/** One request and the means to answer it. */
export class BackendCall {
  /** From 0, over the life of the backend, restarts included. */
  readonly index: number
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  /** Path and query as sent. */
  readonly url: string
  /** name, value, name, value … as sent */
  readonly rawHeaders: readonly string[]
  /** The body so far; whole when `complete`. */
  body: Buffer = Buffer.alloc(0)
  complete = false
  /** Resolves with the whole body; fails when the request is cut off before its end. */
  readonly bodyRead: Promise<Buffer>
  /** Resolves when the exchange is over: true when the peer went before the answer was written. */
  readonly over: Promise<boolean>

  constructor(index: number, request: IncomingMessage, response: ServerResponse) {
    this.index = index
    this.request = request
    this.response = response
    this.method = request.method ?? ''
    this.url = request.url ?? ''
    this.rawHeaders = request.rawHeaders
    this.bodyRead = readBody(request, (body) => {
      this.body = body
    }).then((body) => {
      this.complete = true
      return body
    })
    this.bodyRead.catch(() => {})
    this.over = once(response, 'close').then(() => !response.writableFinished)
  }

  /** The value of the first header with this name (any case), or null. */
  header(name: string): string | null {
    const at = this.rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name.toLowerCase())
    return at === -1 ? null : (this.rawHeaders[at + 1] ?? null)
  }

  /** `headers`: an object, or name, value, name, value … for exact order and duplicates. */
  answer(
    status: number,
    headers: Readonly<Record<string, string>> | readonly string[],
    body: string | Buffer = '',
  ): void {
    this.response.writeHead(status, [
      ...(Array.isArray(headers) ? headers : Object.entries(headers).flat()),
    ] as string[])
    this.response.end(body)
  }

  /** Writes exact bytes to the connection, around node:http. Text is latin1. */
  writeRaw(bytes: string | Buffer): void {
    this.#socket().write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Exact bytes, then the end of the connection: half an answer, or a malformed one. */
  endRaw(bytes: string | Buffer): void {
    this.#socket().end(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Cuts the connection with a RST. */
  reset(): void {
    this.#socket().resetAndDestroy()
  }

  #socket(): Socket {
    return this.request.socket
  }
}

export class ScriptedBackend {
  /** Replaceable in the middle of a test. */
  script: BackendScript
  readonly calls: BackendCall[] = []
  port: number
  readonly #streaming: boolean
  readonly #waiters = new Waiters()
  readonly #sockets = new Set<Socket>()
  #server: http.Server | null = null

  private constructor(script: BackendScript, options: ScriptedBackendOptions) {
    this.script = script
    this.port = options.port ?? 0
    this.#streaming = options.streaming ?? false
  }

  static async start(script: BackendScript, options: ScriptedBackendOptions = {}): Promise<ScriptedBackend> {
    const backend = new ScriptedBackend(script, options)
    await backend.start()
    return backend
  }

  /** `127.0.0.1:PORT`, as in a route. */
  get target(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Connections open now. */
  get connections(): number {
    return this.#sockets.size
  }

  /** After stop(): on the same port again. */
  async start(): Promise<void> {
    const server = http.createServer((request, response) => {
      this.#handle(new BackendCall(this.calls.length, request, response))
    })
    server.keepAliveTimeout = 0
    server.requestTimeout = 0
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => {
        this.#sockets.delete(socket)
        this.#waiters.changed()
      })
      this.#waiters.changed()
    })
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address !== null && typeof address === 'object') this.port = address.port
    this.#server = server
  }

  /** Cuts every connection and stops listening: a crash. */
  async stop(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(server, 'close')
  }

  /** Stops listening and lets answers under way end: a polite restart. */
  async drain(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    server.close()
    server.closeIdleConnections()
    await once(server, 'close')
  }

  /** The first `count` calls (matching, when `matches` is given), now or when they have come. */
  received(count: number, matches: (call: BackendCall) => boolean = () => true): Promise<BackendCall[]> {
    return this.#waiters.until(
      () => {
        const found = this.calls.filter(matches)
        return found.length >= count ? found.slice(0, count) : undefined
      },
      () => `${count} backend requests; there are\n${this.calls.map(describeCall).join('\n')}`,
    )
  }

  /** Until this many connections are open. */
  async connectionsAre(count: number): Promise<void> {
    await this.#waiters.until(
      () => this.#sockets.size === count || undefined,
      () => `${count} backend connections; there are ${this.#sockets.size}`,
    )
  }

  #handle(call: BackendCall): void {
    call.response.on('error', () => {}) // the peer went: `over` tells
    const run = async (): Promise<void> => {
      if (!this.#streaming) await call.bodyRead
      this.calls.push(call)
      this.#waiters.changed()
      await this.script(call)
    }
    run().catch((error: unknown) => {
      if (call.request.destroyed && !call.complete) return // cut off before its end: bodyRead tells
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
      process.stderr.write(`script of the backend failed: ${message}\n`)
      if (!call.response.headersSent) call.answer(500, {}, 'script failed')
      else call.reset()
    })
  }
}

function describeCall(call: BackendCall): string {
  return `${call.index}: ${call.method} ${call.url} ${JSON.stringify(call.body.toString('latin1').slice(0, 200))}`
}

function readBody(request: IncomingMessage, progress: (body: Buffer) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      length += chunk.length
      // Joined as long as that is cheap; a huge upload is only joined at its end.
      if (length < 1_000_000) progress(Buffer.concat(chunks))
    })
    request.once('end', () => {
      const body = Buffer.concat(chunks)
      progress(body)
      resolve(body)
    })
    request.once('error', reject)
    request.once('close', () => {
      reject(new Error('the request was cut off'))
    })
  })
}
