/**
 * The control port (5561): POST /publish, POST /recover, GET /metrics, GET /health.
 *
 * Answers are Pushpin's, byte for byte where node's HTTP parser lets a request through (reference: HTTP control
 * API): one request per connection, HTTP/1.0 answered as HTTP/1.0, bodies with Content-Length only. Ours: a client
 * that sends `Connection: keep-alive` keeps its connection, so that a busy publisher needs no new one each time.
 *
 * A plain TCP server accepts and hands at most `connectionsMax` sockets at a time to the HTTP server; further ones
 * wait, unread, as they wait in Pushpin's listen queue.
 */
import { Buffer } from 'node:buffer'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { assert } from '../base/assert.js'
import { CONTROL_PIPELINED_MAX, CONTROL_TIMEOUT_MS, CONTROL_WAITING_MAX } from '../base/limits.js'
import type { Log } from '../base/log.js'
import { decodePublishBody, isPublishFault } from '../wire/publish-item.js'
import type { PublishItem } from '../wire/publish-types.js'
import { type ControlAnswer, messageAnswer, routeControl, textAnswer } from './control-routes.js'
import { speakHttp10 } from './http10.js'

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

/** One request and its answer. */
interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly keepAlive: boolean
  readonly hasLength: boolean
  readonly chunks: Buffer[]
  phase: 'body' | 'handler' | 'answered' | 'cancelled'
}

interface Connection {
  readonly socket: Socket
  /** In order; the first is the one being answered. */
  readonly exchanges: Exchange[]
  /** Since when we wait for the client; Infinity while it waits for us. */
  clientSinceMs: number
  /** What had been read when the last exchange was over: more means that a request has begun. */
  bytesReadBefore: number
  /** Nothing more is taken from this client. */
  refused: boolean
  /** To be written when the exchanges before it are over. */
  refusal: Buffer | null
}

class ControlServer {
  readonly #options: ControlHttpOptions
  readonly #timeoutMs: number
  readonly #http: Server
  readonly #tcp: TcpServer
  readonly #open = new Map<Duplex, Connection>()
  readonly #waiting: Socket[] = []
  #sweep: NodeJS.Timeout | undefined
  #closing = false

  constructor(options: ControlHttpOptions) {
    this.#options = options
    this.#timeoutMs = options.timeoutMs ?? CONTROL_TIMEOUT_MS
    this.#http = createServer({
      // Bare line feeds and the like, which Pushpin takes. Nothing stands in front of this port that could disagree.
      insecureHTTPParser: true,
      requireHostHeader: false,
      maxHeaderSize: options.headersBytesMax,
      // node's own time-outs need a listening HTTP server; #checkTimeouts does their work.
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
    })
    this.#http.on('request', (request, response) => this.#handleRequest(request, response))
    this.#http.on('checkContinue', (request, response) => this.#handleRequest(request, response))
    this.#http.on('checkExpectation', (request, response) => this.#handleRequest(request, response))
    this.#http.on('connect', (request, socket) => this.#handleConnect(request, socket))
    this.#http.on('clientError', (error, socket) => this.#handleClientError(error, socket))
    this.#tcp = createTcpServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#handleSocket(socket),
    )
    this.#tcp.maxConnections = options.connectionsMax + CONTROL_WAITING_MAX
  }

  listen(): Promise<AddressInfo> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      const fail = (error: NodeJS.ErrnoException): void => {
        const why = error.code ?? error.message
        reject(new Error(`push_in_http_addr, push_in_http_port: cannot listen on ${host}:${port}: ${why}`))
      }
      this.#tcp.once('error', fail)
      this.#tcp.listen({ host, port }, () => {
        this.#tcp.off('error', fail)
        this.#tcp.on('error', (error) => this.#options.log.error(`control: ${error.message}`))
        this.#sweep = setInterval(() => this.#checkTimeouts(), Math.min(this.#timeoutMs / 4, 5000))
        this.#sweep.unref()
        resolve(this.#tcp.address() as AddressInfo)
      })
    })
  }

  close(graceMs: number): Promise<void> {
    assert(!this.#closing, 'a control server is closed once')
    this.#closing = true
    clearInterval(this.#sweep)
    return new Promise((resolve) => {
      const cut = setTimeout(() => {
        for (const socket of this.#open.keys()) socket.destroy()
      }, graceMs)
      // Called when the last connection is gone.
      this.#tcp.close(() => {
        clearTimeout(cut)
        resolve()
      })
      for (const socket of this.#waiting.splice(0)) socket.destroy()
      for (const connection of this.#open.values()) {
        if (connection.exchanges.length === 0) connection.socket.destroy()
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
    const connection: Connection = {
      socket,
      exchanges: [],
      clientSinceMs: performance.now(),
      bytesReadBefore: 0,
      refused: false,
      refusal: null,
    }
    this.#open.set(socket, connection)
    socket.on('close', () => {
      this.#open.delete(socket)
      const next = this.#waiting.shift()
      if (next !== undefined) this.#start(next)
    })
    this.#http.emit('connection', socket)
    socket.resume()
  }

  #handleRequest(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#open.get(request.socket)
    const last = connection?.exchanges.at(-1)
    if (connection === undefined || connection.refused || (last !== undefined && !last.keepAlive)) {
      request.resume()
      if (last !== undefined) this.#handleExcess(connection as Connection, last)
      return
    }
    const fault = this.#faultOfHead(request)
    if (fault !== null) {
      request.resume()
      this.#refuse(connection, request.httpVersion, fault)
      return
    }
    const exchange: Exchange = {
      request,
      response,
      keepAlive: wantsKeepAlive(request.headers.connection),
      hasLength: request.headers['content-length'] !== undefined,
      chunks: [],
      phase: 'body',
    }
    connection.exchanges.push(exchange)
    connection.clientSinceMs = performance.now()
    if (connection.exchanges.length >= CONTROL_PIPELINED_MAX) connection.socket.pause()
    this.#readBody(connection, exchange)
  }

  #readBody(connection: Connection, exchange: Exchange): void {
    const { request, response } = exchange
    request.on('data', (chunk: Buffer) => exchange.chunks.push(chunk))
    request.on('end', () => {
      if (exchange.phase !== 'body') return
      exchange.phase = 'handler'
      if (connection.exchanges[0] === exchange) connection.clientSinceMs = Number.POSITIVE_INFINITY
      this.#perform(connection, exchange).catch((error: unknown) => {
        this.#options.log.error({ err: error }, `control: ${request.method} ${request.url} failed`)
        this.#answer(connection, exchange, textAnswer(500, 'Internal Server Error', 'Internal server error.\n'))
      })
    })
    response.on('close', () => this.#handleAnswered(connection, exchange))
    response.on('error', () => undefined)
    if (!/(?:^|\W)100-continue(?:$|\W)/i.test(request.headers.expect ?? '')) return
    if (request.httpVersion === '1.0') connection.socket.write('HTTP/1.0 100 Continue\r\n\r\n')
    else response.writeContinue()
  }

  async #perform(connection: Connection, exchange: Exchange): Promise<void> {
    const { request, chunks } = exchange
    const { handlers } = this.#options
    const call = routeControl(request.method as string, request.url as string, request.headersDistinct.accept)
    switch (call.kind) {
      case 'answer':
        return this.#answer(connection, exchange, call.answer)
      case 'publish': {
        const items = decodePublishBody(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks))
        if (isPublishFault(items)) {
          return this.#answer(connection, exchange, textAnswer(400, 'Bad Request', `${items.error}\n`))
        }
        const published = handlers.publish(items)
        if (published !== undefined) await published
        return this.#answer(connection, exchange, messageAnswer('Published', call.json), items.length)
      }
      case 'recover':
        await handlers.recover()
        return this.#answer(connection, exchange, messageAnswer('Updated', call.json))
      case 'metrics': {
        const { contentType, body } = await handlers.metrics()
        return this.#answer(connection, exchange, { ...textAnswer(200, 'OK', body), contentType })
      }
      case 'health': {
        const { ok, body } = handlers.health()
        const answer = ok ? textAnswer(200, 'OK', body) : textAnswer(503, 'Service Unavailable', body)
        return this.#answer(connection, exchange, answer)
      }
    }
  }

  #answer(connection: Connection, exchange: Exchange, answer: ControlAnswer, items = -1): void {
    const { request, response } = exchange
    // The client may have gone while the handler worked.
    if (exchange.phase !== 'handler' || response.destroyed) return
    exchange.phase = 'answered'
    connection.clientSinceMs = performance.now()
    const keepAlive = exchange.keepAlive && !this.#closing
    response.sendDate = false
    response.writeHead(answer.code, answer.reason, headOf(answer, keepAlive ? 'keep-alive' : 'close'))
    if (request.httpVersion === '1.0') speakHttp10(response)
    response.end(answer.body)
    if (!this.#options.log.isLevelEnabled('debug')) return
    const count = items < 0 ? '' : ` items=${items}`
    const { method, url } = request
    this.#options.log.debug(`control: ${method} ${url} code=${answer.code} ${Buffer.byteLength(answer.body)}${count}`)
  }

  /** The answer is written, or the connection is gone. */
  #handleAnswered(connection: Connection, exchange: Exchange): void {
    const index = connection.exchanges.indexOf(exchange)
    if (index === -1) return
    connection.exchanges.splice(index, 1)
    const { socket } = connection
    if (socket.destroyed) return
    connection.bytesReadBefore = socket.bytesRead
    if (connection.exchanges[0]?.phase === 'handler') connection.clientSinceMs = Number.POSITIVE_INFINITY
    if (connection.refusal !== null && connection.exchanges.length === 0) endWith(socket, connection.refusal)
    else if (this.#closing && connection.exchanges.length === 0) socket.destroySoon()
    else if (connection.exchanges.length === CONTROL_PIPELINED_MAX - 1) socket.resume()
  }

  /** What keeps a request from being read, as an answer; null: nothing. */
  #faultOfHead(request: IncomingMessage): ControlAnswer | null {
    if (headBytes(request) > this.#options.headersBytesMax) return refusal('Request header too large.')
    const length = request.headers['content-length']
    if (length === undefined) {
      if (request.headers['transfer-encoding'] === undefined && !assumesBody(request.method as string)) return null
      return textAnswer(411, 'Length Required', 'Request requires Content-Length.\n')
    }
    // Two lengths for one body: RFC 9112 §6.3 calls it an attack. Pushpin goes by Content-Length.
    if (request.headers['transfer-encoding'] !== undefined) return refusal('Failed to parse request header.')
    if (Number(length) > 0x7fff_ffff) return refusal('Bad Content-Length.')
    return Number(length) > this.#options.bodyBytesMax ? refusal('Request body too large.') : null
  }

  /** Bytes behind the body of a request that is the only one of its connection. */
  #handleExcess(connection: Connection, exchange: Exchange): void {
    if (connection.refused) return
    // Without a Content-Length, and once the request is being worked on, Pushpin does not look at them either.
    if (!exchange.hasLength || exchange.phase !== 'body') return
    this.#refuse(connection, exchange.request.httpVersion, refusal('Request body exceeded Content-Length.'))
  }

  #handleConnect(request: IncomingMessage, socket: Duplex): void {
    const connection = this.#open.get(socket)
    if (connection === undefined) return
    const fault = this.#faultOfHead(request) ?? textAnswer(404, 'Not Found', 'Not Found\n')
    this.#refuse(connection, request.httpVersion, fault)
  }

  #handleClientError(error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex): void {
    const connection = this.#open.get(socket)
    if (connection === undefined || connection.refused || !socket.writable) {
      socket.destroy()
      return
    }
    const last = connection.exchanges.at(-1)
    if (last !== undefined && !last.keepAlive && last.phase !== 'body') return
    if (last !== undefined && !last.keepAlive && last.request.complete) this.#handleExcess(connection, last)
    // The client closed, or was cut off, in the middle of a request.
    else if (error.code === 'HPE_INVALID_EOF_STATE' || !error.code?.startsWith('HPE_')) socket.destroy()
    else this.#refuse(connection, versionOf(error.rawPacket), refusal(textOfParseError(error)))
  }

  /** Answers outside of node's ServerResponse, after the exchanges in hand, and ends the connection. */
  #refuse(connection: Connection, version: string, answer: ControlAnswer): void {
    connection.refused = true
    const { exchanges } = connection
    for (let at = exchanges.length - 1; at >= 0; at--) {
      const exchange = exchanges[at] as Exchange
      // A complete request that was sent ahead still gets its answer, unless it is the one at fault.
      if (exchange.phase !== 'body' || (exchange.keepAlive && exchange.request.complete)) continue
      exchange.phase = 'cancelled'
      exchanges.splice(at, 1)
    }
    const bytes = bytesOfAnswer(version, answer)
    if (exchanges.length > 0) connection.refusal = bytes
    else endWith(connection.socket, bytes)
  }

  #checkTimeouts(): void {
    const limitMs = performance.now() - this.#timeoutMs
    for (const connection of this.#open.values()) {
      if (connection.clientSinceMs > limitMs) continue
      const { socket, exchanges } = connection
      const begun = exchanges.length > 0 || socket.bytesRead > connection.bytesReadBefore
      const answered = exchanges.some(({ phase }) => phase === 'answered')
      if (connection.refused || answered || !begun) socket.destroy()
      else this.#refuse(connection, '1.1', textAnswer(408, 'Request Timeout', 'Request timed out.\n'))
    }
  }
}

function refusal(text: string): ControlAnswer {
  return textAnswer(400, 'Bad Request', `${text}\n`)
}

function textOfParseError({ code = '', rawPacket }: NodeJS.ErrnoException & { rawPacket?: Buffer }): string {
  if (code === 'HPE_HEADER_OVERFLOW') return 'Request header too large.'
  if (code.endsWith('_CONTENT_LENGTH')) {
    // A negative length is a number to Pushpin, and whatever follows is more than that.
    const isNegative = /\ncontent-length:[ \t]*-\d+[ \t]*\r?\n/i.test(rawPacket?.toString('latin1') ?? '')
    return isNegative ? 'Request body exceeded Content-Length.' : 'Bad Content-Length.'
  }
  return 'Failed to parse request header.'
}

function assumesBody(method: string): boolean {
  return method !== 'HEAD' && method !== 'GET' && method !== 'DELETE' && method !== 'OPTIONS'
}

function wantsKeepAlive(connection: string | undefined): boolean {
  if (connection === undefined || connection === 'close') return false
  if (connection === 'keep-alive') return true
  const tokens = connection
    .toLowerCase()
    .split(',')
    .map((token) => token.trim())
  return tokens.includes('keep-alive') && !tokens.includes('close')
}

/** node counts names and values only; Pushpin counts the head as it was sent. */
function headBytes(request: IncomingMessage): number {
  let bytes = `${request.method} ${request.url} HTTP/1.1\r\n\r\n`.length
  for (const text of request.rawHeaders) bytes += text.length + 2
  return bytes
}

function headOf(answer: ControlAnswer, connection: string): string[] {
  const head = answer.allow === null ? [] : ['Allow', answer.allow]
  head.push('Content-Type', answer.contentType, 'Connection', connection)
  head.push('Content-Length', String(Buffer.byteLength(answer.body)))
  return head
}

function bytesOfAnswer(version: string, answer: ControlAnswer): Buffer {
  const head = headOf(answer, 'close')
  let text = `HTTP/${version === '1.0' ? '1.0' : '1.1'} ${answer.code} ${answer.reason}\r\n`
  for (let at = 0; at < head.length; at += 2) text += `${head[at]}: ${head[at + 1]}\r\n`
  return Buffer.from(`${text}\r\n${answer.body}`)
}

/** The version in the first line of what could not be parsed. */
function versionOf(packet: Buffer | undefined): string {
  return packet !== undefined && /^[^\r\n]* HTTP\/1\.0\r?\n/.test(packet.toString('latin1')) ? '1.0' : '1.1'
}

/** Last words: the rest of what the client sends is read and dropped for a while, so that it can read them. */
function endWith(socket: Socket, bytes: Buffer): void {
  socket.end(bytes)
  socket.resume()
  const cut = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(cut))
}
