/**
 * A WebSocket to a backend, over the client of `ws`.
 *
 * What `ws` would decide for itself is taken from it: the request head goes out as it was built, subprotocol and
 * extensions of the answer are the session's business, pings are answered by nobody, a refusal is handed over with its
 * body.
 *
 * With permessage-deflate `ws` compresses and inflates on the threads of libuv: what came in one piece is then handed
 * over bit by bit, and what is sent waits with `ws` before it waits with the socket.
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import net from 'node:net'
import type { Writable } from 'node:stream'
import tls from 'node:tls'
import { type ClientOptions, type PerMessageDeflateOptions, WebSocket } from 'ws'
import { unreachable } from '../base/assert.js'
import { bytesOfByteString } from '../base/bytes.js'
import {
  WS_BACKEND_MESSAGE_BYTES_MAX,
  WS_DEFLATE_BACKLOG_BYTES,
  WS_DEFLATE_CONCURRENCY_MAX,
  WS_QUEUED_MESSAGE_BYTES,
  WS_REJECT_RELAY_BYTES_MAX,
} from '../base/limits.js'
import type { Target } from '../routing/types.js'
import { DeflateAnswer, deflateAnswer } from '../wire/deflate-answer.js'
import { PERMESSAGE_DEFLATE } from '../wire/websocket-extensions.js'
import { CONNECT_TIMEOUT_MS, clientCertificate, connectFailureKind } from './connecting.js'
import { policyFault, policyOptions } from './internal-addresses.js'
import type { BackendSocket, BackendSocketHandler, BackendSocketRequest } from './socket-types.js'
import { FailureKind } from './types.js'

/** A backend that has closed the WebSocket is to hang up within this time; then we do. */
const HANG_UP_MS = 1_000

/** The head of the answer; more is a malformed one. Twice Pushpin's default, so nothing it takes fails. */
const RESPONSE_HEAD_BYTES_MAX = 16_384

const NORMAL = 1000
const NO_CODE = 1005
const NO_CLOSE_FRAME = 1006

/**
 * Messages of every length are compressed, as in Pushpin. What zlib keeps for a connection it keeps until the end; the
 * window is smaller than the backend allows, because a gateway has many of them. The backend need not know it.
 */
const DEFLATE: PerMessageDeflateOptions = {
  threshold: 0,
  concurrencyLimit: WS_DEFLATE_CONCURRENCY_MAX,
  clientMaxWindowBits: 13,
  zlibDeflateOptions: { memLevel: 6 },
}

export class BackendWebSocket implements BackendSocket {
  readonly #request: BackendSocketRequest
  readonly #offersDeflate: boolean
  #handler: BackendSocketHandler | null
  #ws: WebSocket | null = null
  #socket: net.Socket | null = null
  #isConnected = false
  #hasTimedOut = false
  #connectTimer: NodeJS.Timeout | null = null
  #hangUpTimer: NodeJS.Timeout | null = null
  #headers: readonly string[] = []
  /** The 101 has been accepted. */
  #isOpen = false
  /** A close frame has been sent. */
  #isClosing = false
  /** permessage-deflate has been agreed on. */
  #isDeflated = false
  /** Came since the last pause: `ws` goes on with what it has, and a little on the wire may be much. */
  #pausedBytes = 0
  /** Messages handed to the socket and not yet to the kernel. */
  #queuedMessages = 0
  /** One for all messages. */
  readonly #written = (): void => {
    if (--this.#queuedMessages === 0) this.#handler?.handleSocketWritten()
  }

  constructor(request: BackendSocketRequest, handler: BackendSocketHandler, offersDeflate: boolean) {
    this.#request = request
    this.#handler = handler
    this.#offersDeflate = offersDeflate
  }

  connect(): void {
    try {
      // The address is a stand-in: connection, path and headers are made below.
      const ws = new WebSocket('ws://backend/', [], this.#options())
      this.#ws = ws
      ws.on('upgrade', (response) => {
        this.#takeAnswer(response)
      })
      ws.on('unexpected-response', (request, response) => {
        this.#takeRejection(request, response)
      })
      ws.on('open', () => {
        this.#opened()
      })
      ws.on('error', (error) => {
        this.#failed(error)
      })
      ws.on('close', (code, reason) => {
        this.#closed(code, reason)
      })
    } catch (error) {
      setImmediate(() => {
        this.#failed(error as Error)
      })
    }
  }

  /** Bytes that wait for the kernel, a fixed sum per message included. */
  get bufferedBytes(): number {
    return this.#queuedMessages === 0 ? 0 : this.#waitingBytes() + this.#queuedMessages * WS_QUEUED_MESSAGE_BYTES
  }

  /** Without permessage-deflate `ws` compresses nothing, whatever it is told. */
  send(content: Buffer, isBinary: boolean): void {
    const compress = !this.#isDeflated || this.#waitingBytes() < WS_DEFLATE_BACKLOG_BYTES
    this.#queuedMessages++
    this.#ws?.send(content, { binary: isBinary, compress }, this.#written)
  }

  ping(content: Buffer): void {
    this.#queuedMessages++
    this.#ws?.ping(content, true, this.#written)
  }

  pong(content: Buffer): void {
    this.#queuedMessages++
    this.#ws?.pong(content, true, this.#written)
  }

  /** Sends a close frame, with 1000 in place of no code and of one that none may carry. Closed or gone follows. */
  close(code: number | null, reason: string): void {
    this.#isClosing = true
    this.#ws?.close(code !== null && isSendable(code) ? code : NORMAL, bytesOfByteString(reason))
  }

  terminate(): void {
    this.#handler = null
    this.#clearTimers()
    this.#ws?.terminate()
  }

  pause(): void {
    this.#pausedBytes = 0
    this.#ws?.pause()
  }

  resume(): void {
    this.#ws?.resume()
  }

  #options(): ClientOptions {
    return {
      autoPong: false,
      perMessageDeflate: this.#offersDeflate ? DEFLATE : false,
      // Text is passed on as it is, as Pushpin does.
      skipUTF8Validation: true,
      maxPayload: WS_BACKEND_MESSAGE_BYTES_MAX,
      handshakeTimeout: this.#request.handshakeTimeoutMs,
      createConnection: () => this.#connect(),
      finishRequest: (request) => {
        this.#writeHead(request)
      },
      ...{ maxHeaderSize: RESPONSE_HEAD_BYTES_MAX },
    }
  }

  #connect(): net.Socket {
    const { target } = this.#request
    const { host, port } = target
    const blocked = policyFault(target)
    if (blocked !== null) throw blocked
    const socket = target.ssl
      ? tls.connect({
          host,
          port,
          servername: serverName(target, this.#request.host),
          rejectUnauthorized: !target.insecure,
          ALPNProtocols: ['http/1.1'],
          ...policyOptions(target),
          ...clientCertificate(target),
        })
      : net.connect({ host, port, ...policyOptions(target) })
    this.#socket = socket
    // What `ws` calls handshakeTimeout only listens for it; with the 101 it turns it off.
    socket.setTimeout(this.#request.handshakeTimeoutMs)
    this.#connectTimer = setTimeout(() => {
      this.#hasTimedOut = true
      socket.destroy(new Error('the connection was not made in time'))
    }, CONNECT_TIMEOUT_MS)
    socket.once(target.ssl ? 'secureConnect' : 'connect', () => {
      this.#isConnected = true
      this.#clearTimers()
    })
    return socket
  }

  /** Runs inside the constructor of `ws`, which has set what belongs to the handshake. */
  #writeHead(request: ClientRequest): void {
    request.once('timeout', () => {
      this.#hasTimedOut = true
    })
    try {
      const { headers, path } = this.#request
      if (!PATH.test(path)) throw new Error('the path cannot be sent')
      request.path = path
      const own = HANDSHAKE.flatMap((name) => [name, String(request.getHeader(name))])
      if (this.#offersDeflate) own.push(EXTENSIONS, PERMESSAGE_DEFLATE)
      for (const name of request.getHeaderNames()) request.removeHeader(name)
      // Host, the handshake, the rest: Pushpin's order.
      for (const [name, values] of grouped([...headers.slice(0, 2), ...own, ...headers.slice(2)])) {
        request.setHeader(name, values.length === 1 ? (values[0] as string) : values)
      }
      request.end()
    } catch (error) {
      request.destroy(error as Error)
    }
  }

  /** `ws` would refuse a subprotocol or extension it did not offer itself: it sees what the answer comes to. */
  #takeAnswer({ headers, rawHeaders }: IncomingMessage): void {
    this.#headers = rawHeaders
    delete headers['sec-websocket-protocol']
    const answer = deflateAnswer(rawHeaders, this.#offersDeflate)
    switch (answer) {
      case DeflateAnswer.None:
        delete headers['sec-websocket-extensions']
        break
      case DeflateAnswer.Agreed:
        this.#isDeflated = true
        headers['sec-websocket-extensions'] = PERMESSAGE_DEFLATE
        break
      case DeflateAnswer.AgreedWithoutContext:
        this.#isDeflated = true
        headers['sec-websocket-extensions'] = `${PERMESSAGE_DEFLATE}; client_no_context_takeover`
        break
      case DeflateAnswer.Invalid:
        // Which it refuses.
        headers['sec-websocket-extensions'] = ''
        break
      default:
        unreachable(answer)
    }
  }

  #takeRejection(request: ClientRequest, response: IncomingMessage): void {
    if (deflateAnswer(response.rawHeaders, this.#offersDeflate) === DeflateAnswer.Invalid) {
      this.#fail(FailureKind.Generic, 'a refusal with an invalid Sec-WebSocket-Extensions')
      request.destroy()
      return
    }
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= WS_REJECT_RELAY_BYTES_MAX) chunks.push(chunk)
      else {
        this.#fail(FailureKind.Generic, 'the body of the refusal is too large')
        request.destroy()
      }
    })
    response.once('end', () => {
      const handler = this.#take()
      handler?.handleSocketRejected({
        status: response.statusCode ?? 0,
        reason: response.statusMessage ?? '',
        headers: response.rawHeaders,
        body: Buffer.concat(chunks),
      })
      request.destroy()
    })
    // `ws` no longer listens for what ends the answer early.
    response.once('error', (error) => {
      this.#fail(FailureKind.Generic, error.message)
    })
  }

  #opened(): void {
    this.#isOpen = true
    const ws = this.#ws as WebSocket
    ws.on('message', (data, isBinary) => {
      if (this.#isDeflated && this.#isTooMuch(ws, data as Buffer)) return
      this.#handler?.handleSocketMessage(data as Buffer, isBinary)
    })
    ws.on('ping', (data) => {
      this.#handler?.handleSocketPing(data)
    })
    ws.on('pong', (data) => {
      this.#handler?.handleSocketPong(data)
    })
    const turn = (): void => {
      if (this.#handler === null) return
      this.#handler.handleSocketTurn()
      if (ws.readyState === WebSocket.CLOSING && !this.#isClosing) this.#expectHangUp(ws)
    }
    // Behind the listener of `ws`, so everything in the chunk has been handed over. Only here is it to be seen that a
    // close frame came: `ws` says so when the connection has ended.
    const receiver = this.#isDeflated ? receiverOf(ws) : null
    this.#socket?.on('data', () => {
      if (receiver === null || receiver.writableLength === 0) turn()
      // Nothing, behind what is still to be inflated: it is written when that has been handed over.
      else if (!receiver.writableEnded) receiver.write(NOTHING, turn)
    })
    this.#handler?.handleSocketOpen(this.#headers)
    this.#headers = []
  }

  /** What a backend sends compressed to a client that does not read ends the session when it is too much to keep. */
  #isTooMuch(ws: WebSocket, content: Buffer): boolean {
    if (!ws.isPaused) return false
    this.#pausedBytes += content.length
    if (this.#pausedBytes <= WS_BACKEND_MESSAGE_BYTES_MAX) return false
    this.#failed(new Error('too much was compressed into what came before the backend was held up'))
    return true
  }

  /** Content that waits for the kernel, and before that to be compressed. */
  #waitingBytes(): number {
    const ws = this.#ws
    // Once it closes `ws` also counts what comes too late to be sent.
    if (this.#isDeflated && ws?.readyState === WebSocket.OPEN) return ws.bufferedAmount
    return this.#socket?.writableLength ?? 0
  }

  #expectHangUp(ws: WebSocket): void {
    this.#isClosing = true
    this.#hangUpTimer = setTimeout(() => {
      ws.terminate()
    }, HANG_UP_MS)
  }

  #failed(error: Error): void {
    if (this.#isOpen) {
      this.#take()?.handleSocketGone(error.message)
      this.#ws?.terminate()
      return
    }
    const kind = this.#hasTimedOut
      ? FailureKind.ConnectTimeout
      : this.#isConnected || this.#socket === null
        ? FailureKind.Generic
        : connectFailureKind(error, this.#request.target.ssl)
    this.#fail(kind, error.message)
  }

  #fail(kind: FailureKind, message: string): void {
    this.#take()?.handleSocketFailure({ kind, bodySent: this.#isConnected, message })
  }

  #closed(code: number, reason: Buffer): void {
    const handler = this.#take()
    if (code === NO_CLOSE_FRAME) handler?.handleSocketGone('the connection ended without a close frame')
    else handler?.handleSocketClosed(code === NO_CODE ? null : code, reason.toString('latin1'))
  }

  /** The handler, for its last call. */
  #take(): BackendSocketHandler | null {
    const handler = this.#handler
    this.#handler = null
    this.#clearTimers()
    return handler
  }

  #clearTimers(): void {
    if (this.#connectTimer !== null) clearTimeout(this.#connectTimer)
    if (this.#hangUpTimer !== null) clearTimeout(this.#hangUpTimer)
    this.#connectTimer = null
    this.#hangUpTimer = null
  }
}

const PATH = /^\/[\x21-\xff]*$/
const EXTENSIONS = 'Sec-WebSocket-Extensions'
const NOTHING = Buffer.alloc(0)
const HANDSHAKE = ['Upgrade', 'Connection', 'Sec-WebSocket-Version', 'Sec-WebSocket-Key']

/** What `ws` writes that comes to: it is done with a chunk when the chunk's messages have been handed over. */
function receiverOf(ws: WebSocket): Writable {
  return (ws as unknown as { readonly _receiver: Writable })._receiver
}

/** Values by name, in the order in which names came first: what node:http can be told. */
function grouped(headers: readonly string[]): Iterable<readonly [name: string, values: string[]]> {
  const groups = new Map<string, readonly [string, string[]]>()
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] as string
    const value = headers[index + 1] as string
    const group = groups.get(name.toLowerCase())
    if (group === undefined) groups.set(name.toLowerCase(), [name, [value]])
    else group[1].push(value)
  }
  return groups.values()
}

/** The name a certificate must have, also sent as SNI; empty for an address, which SNI cannot carry. */
function serverName(target: Target, host: string): string {
  const name = target.trustConnectHost ? target.host : host.replace(/:[0-9]*$/, '').replace(/^\[(.*)\]$/, '$1')
  return net.isIP(name) === 0 ? name : ''
}

/** Codes a close frame may carry (RFC 6455 §7.4); a frame with another one would be refused by `ws`. */
function isSendable(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== NO_CODE && code !== NO_CLOSE_FRAME) ||
    (code >= 3000 && code <= 4999)
  )
}
