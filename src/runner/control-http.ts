/**
 * The control port (5561): POST /publish, POST /recover, GET /metrics, GET /health.
 *
 * Requests are read as Pushpin reads them (wire/control-request.ts) and answered byte for byte as it answers (reference:
 * HTTP control API): one request per connection, HTTP/1.0 answered as HTTP/1.0, bodies with Content-Length only. Ours: a
 * client that sends `Connection: keep-alive` keeps its connection, so that a busy publisher needs no new one each time.
 *
 * At most `connectionsMax` connections are worked on; further ones wait, unread, as they wait in Pushpin's listen queue.
 */
import { Buffer } from 'node:buffer'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { assert, unreachable } from '../base/assert.js'
import { CONTROL_TIMEOUT_MS, CONTROL_WAITING_MAX } from '../base/limits.js'
import { type Linked, LinkedSet } from '../base/linked-set.js'
import type { Log } from '../base/log.js'
import { type ControlRequest, ControlRequestReader, type HttpVersion } from '../wire/control-request.js'
import { headerValues } from '../wire/headers.js'
import { decodePublishBody, isPublishFault } from '../wire/publish-item.js'
import type { PublishItem } from '../wire/publish-types.js'
import { type ControlAnswer, messageAnswer, routeControl, textAnswer } from './control-routes.js'

export interface ControlHandlers {
  /** The 200 is written when it returns, or when its promise resolves: that holds publishers back under load. */
  publish(items: PublishItem[]): void | Promise<void>
  recover(): void | Promise<void>
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>
  health(): { readonly ok: boolean; readonly body: string }
}

export interface ControlHttpOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly headersBytesMax: number
  readonly bodyBytesMax: number
  readonly connectionsMax: number
  readonly handlers: ControlHandlers
  readonly log: Pick<Log, 'debug' | 'error' | 'isLevelEnabled'>
  /** Milliseconds a client may take for a request, or to read an answer, or to idle on a kept connection. */
  readonly timeoutMs?: number
}

export interface ControlHttp {
  readonly address: AddressInfo
  /** Stops listening, lets requests in hand finish for `graceMs`, then cuts. */
  close(graceMs?: number): Promise<void>
}

/** Rejects with an error that names the settings when the address cannot be had. */
export async function openControlHttp(options: ControlHttpOptions): Promise<ControlHttp> {
  const server = new ControlServer(options)
  return { address: await server.listen(), close: (graceMs = 1000) => server.close(graceMs) }
}

/** A refused client may still be sending; cutting at once would reset the connection under the answer. */
const LINGER_MS = 2000

interface Connection extends Linked<Connection> {
  readonly socket: Socket
  readonly reader: ControlRequestReader
  /** Since when we wait for the client, anew at the first bytes of a request; Infinity while it waits for us. */
  clientSinceMs: number
  /** The request that is being answered; null: none. */
  current: ControlRequest | null
  /** The last answer has been written; nothing more is taken from this client. */
  isLast: boolean
  /** The client has closed its half. */
  isEnded: boolean
}

class ControlServer {
  readonly #options: ControlHttpOptions
  readonly #timeoutMs: number
  readonly #server: Server
  readonly #open = new LinkedSet<Connection>()
  readonly #waiting: Socket[] = []
  #sweep: NodeJS.Timeout | undefined
  #closing = false

  constructor(options: ControlHttpOptions) {
    this.#options = options
    this.#timeoutMs = options.timeoutMs ?? CONTROL_TIMEOUT_MS
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#handleSocket(socket),
    )
    this.#server.maxConnections = options.connectionsMax + CONTROL_WAITING_MAX
  }

  listen(): Promise<AddressInfo> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void => {
        const why = error.code ?? error.message
        reject(new Error(`push_in_http_addr, push_in_http_port: cannot listen on ${host}:${port}: ${why}`))
      }
      this.#server.once('error', fail)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', fail)
        this.#server.on('error', (error) => this.#options.log.error(`control: ${error.message}`))
        this.#sweep = setInterval(() => this.#checkTimeouts(), Math.min(this.#timeoutMs / 4, 5000))
        this.#sweep.unref()
        resolve(this.#server.address() as AddressInfo)
      })
    })
  }

  close(graceMs: number): Promise<void> {
    assert(!this.#closing, 'a control server is closed once')
    this.#closing = true
    clearInterval(this.#sweep)
    return new Promise((resolve) => {
      const cut = setTimeout(() => {
        for (const { socket } of this.#open) socket.destroy()
      }, graceMs)
      // Called when the last connection is gone.
      this.#server.close(() => {
        clearTimeout(cut)
        resolve()
      })
      for (const socket of this.#waiting.splice(0)) socket.destroy()
      for (const { socket, current, isLast } of this.#open) {
        if (current === null && !isLast) socket.destroy()
      }
    })
  }

  #handleSocket(socket: Socket): void {
    // A reset is no news: 'close' follows.
    socket.on('error', () => undefined)
    if (this.#closing) socket.destroy()
    else if (this.#open.size < this.#options.connectionsMax) this.#start(socket)
    else this.#waiting.push(socket)
  }

  #start(socket: Socket): void {
    const { headersBytesMax, bodyBytesMax } = this.#options
    const connection: Connection = {
      nextLinked: null,
      previousLinked: null,
      socket,
      reader: new ControlRequestReader({ headersBytesMax, bodyBytesMax }),
      clientSinceMs: performance.now(),
      current: null,
      isLast: false,
      isEnded: false,
    }
    this.#open.add(connection)
    socket.on('close', () => {
      this.#open.delete(connection)
      const next = this.#waiting.shift()
      if (next !== undefined) this.#start(next)
    })
    socket.on('data', (chunk: Buffer) => {
      if (connection.isLast) return
      if (connection.current === null && !connection.reader.isWithin) connection.clientSinceMs = performance.now()
      connection.reader.push(chunk)
      this.#advance(connection)
    })
    socket.on('end', () => {
      connection.isEnded = true
      this.#advance(connection)
    })
    socket.on('drain', () => this.#goOn(connection))
    socket.resume()
  }

  /**
   * Works on what has been read, one request after the other. While one is being answered no more is read, nor while the
   * client leaves answers unread.
   */
  #advance(connection: Connection): void {
    const { socket, reader } = connection
    while (connection.current === null && !connection.isLast && !socket.writableNeedDrain) {
      const reading = reader.next()
      switch (reading.kind) {
        case 'more':
          // In the middle of a request, or behind all of them.
          if (connection.isEnded) socket.destroySoon()
          return
        case 'continue':
          socket.write(`HTTP/${reading.version} 100 Continue\r\n\r\n`)
          break
        case 'fault': {
          const { code, reason, text } = reading.fault
          this.#refuse(connection, reading.version, textAnswer(code, reason, `${text}\n`))
          return
        }
        case 'request':
          this.#begin(connection, reading.request)
          break
        default:
          unreachable(reading)
      }
    }
  }

  #begin(connection: Connection, request: ControlRequest): void {
    connection.current = request
    connection.clientSinceMs = Number.POSITIVE_INFINITY
    const failed = (error: unknown): void => {
      this.#options.log.error({ err: error }, `control: ${request.method} ${request.target} failed`)
      this.#answer(connection, request, textAnswer(500, 'Internal Server Error', 'Internal server error.\n'))
    }
    try {
      const performed = this.#perform(connection, request)
      if (performed === undefined) return
      // Of a last request nothing more is wanted, but its client may leave.
      if (request.keepAlive) connection.socket.pause()
      performed.catch(failed).finally(() => this.#goOn(connection))
    } catch (error) {
      failed(error)
    }
  }

  /** Undefined: it has been answered. */
  #perform(connection: Connection, request: ControlRequest): Promise<void> | undefined {
    const { handlers } = this.#options
    const accept = headerValues(request.headers, 'accept')
    const call = routeControl(request.method, request.target, accept.length === 0 ? undefined : accept)
    switch (call.kind) {
      case 'answer':
        this.#answer(connection, request, call.answer)
        return undefined
      case 'publish': {
        const items = decodePublishBody(request.body)
        if (isPublishFault(items)) {
          this.#answer(connection, request, textAnswer(400, 'Bad Request', `${items.error}\n`))
          return undefined
        }
        const done = (): void => {
          this.#answer(connection, request, messageAnswer('Published', call.json), items.length)
        }
        return after(handlers.publish(items), done)
      }
      case 'recover':
        return after(handlers.recover(), () => {
          this.#answer(connection, request, messageAnswer('Updated', call.json))
        })
      case 'metrics':
        return handlers.metrics().then(({ contentType, body }) => {
          this.#answer(connection, request, { ...textAnswer(200, 'OK', body), contentType })
        })
      case 'health': {
        const { ok, body } = handlers.health()
        const answer = ok ? textAnswer(200, 'OK', body) : textAnswer(503, 'Service Unavailable', body)
        this.#answer(connection, request, answer)
        return undefined
      }
      default:
        return unreachable(call)
    }
  }

  #answer(connection: Connection, request: ControlRequest, answer: ControlAnswer, items = -1): void {
    // It may have been answered with its failure.
    if (connection.current !== request) return
    connection.current = null
    connection.clientSinceMs = performance.now()
    const { socket } = connection
    const keepAlive = request.keepAlive && !this.#closing
    // Pushpin sends a body to HEAD, too; on a connection that goes on it would be taken for the next answer.
    const withBody = !keepAlive || request.method !== 'HEAD'
    const bytes = bytesOfAnswer(request.version, answer, keepAlive, withBody)
    if (keepAlive) {
      if (!socket.write(bytes)) socket.pause()
    } else {
      connection.isLast = true
      socket.end(bytes)
      socket.destroySoon()
    }
    if (!this.#options.log.isLevelEnabled('debug')) return
    const count = items < 0 ? '' : ` items=${items}`
    const { method, target } = request
    this.#options.log.debug(
      `control: ${method} ${target} code=${answer.code} ${Buffer.byteLength(answer.body)}${count}`,
    )
  }

  /** A request has been answered, or the client has read what was written to it. */
  #goOn(connection: Connection): void {
    const { socket, current } = connection
    if (current !== null || socket.writableNeedDrain) return
    socket.resume()
    this.#advance(connection)
  }

  /** Last words: the rest of what the client sends is read and dropped for a while, so that it can read them. */
  #refuse(connection: Connection, version: HttpVersion, answer: ControlAnswer): void {
    const { socket } = connection
    connection.isLast = true
    connection.clientSinceMs = performance.now()
    socket.end(bytesOfAnswer(version, answer, false, true))
    socket.resume()
    const cut = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(cut))
  }

  #checkTimeouts(): void {
    const limitMs = performance.now() - this.#timeoutMs
    for (const connection of this.#open) {
      if (connection.clientSinceMs > limitMs) continue
      const { socket, isLast, reader } = connection
      if (isLast || !reader.isWithin) socket.destroy()
      else this.#refuse(connection, '1.1', textAnswer(408, 'Request Timeout', 'Request timed out.\n'))
    }
  }
}

/** Calls `then` at once when there is nothing to wait for. */
function after(done: void | Promise<void>, then: () => void): Promise<void> | undefined {
  if (done !== undefined) return done.then(then)
  then()
  return undefined
}

function bytesOfAnswer(version: HttpVersion, answer: ControlAnswer, keepAlive: boolean, withBody: boolean): Buffer {
  const { code, reason, allow, contentType, body } = answer
  const head =
    `HTTP/${version} ${code} ${reason}\r\n${allow === null ? '' : `Allow: ${allow}\r\n`}` +
    `Content-Type: ${contentType}\r\nConnection: ${keepAlive ? 'keep-alive' : 'close'}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`
  return Buffer.from(withBody ? head + body : head)
}
