/**
 * A WebSocket with a worker of a `zhttp/` target (reference: ZHTTP targets): messages as data packets, which the window
 * may cut into several, close frames as packets too.
 *
 *     Idle ──connect──► Connecting ──first data packet──► Open ──our close──► Closing ──► (over)
 *
 * What the worker cuts is put together again here, as the client's side takes whole messages.
 */
import { Buffer } from 'node:buffer'
import { EMPTY_BYTES, bytesOfByteString } from '../base/bytes.js'
import {
  WS_BACKEND_MESSAGE_BYTES_MAX,
  WS_QUEUED_MESSAGE_BYTES,
  ZHTTP_UNREAD_BYTES_MAX,
  ZHTTP_WINDOW_BYTES,
} from '../base/limits.js'
import { headersFault, responseHeadFault } from '../wire/response-head.js'
import { type ZhttpResponse, ZhttpType } from '../wire/zhttp.js'
import type { BackendSocket, BackendSocketHandler, BackendSocketRequest } from './socket-types.js'
import type { BackendFailure } from './types.js'
import { type ZhttpHost, headPacket } from './zhttp-host.js'
import { ZhttpSession } from './zhttp-session.js'

const State = { Idle: 'idle', Connecting: 'connecting', Open: 'open', Closing: 'closing' } as const
type State = (typeof State)[keyof typeof State]

/** What waits for credits; of a message that is cut, the part that has not gone yet. */
interface Outgoing {
  readonly type: ZhttpType
  /** Of data. */
  readonly contentType: string
  content: Buffer
}

const NORMAL = 1000

export class ZhttpSocket extends ZhttpSession implements BackendSocket {
  readonly #request: BackendSocketRequest
  #handler: BackendSocketHandler | null
  #state: State = State.Idle
  /** Bytes the worker has room for. */
  #credits = 0
  #outgoing: Outgoing[] = []
  #outgoingBytes = 0
  /** Our close, until everything before it has gone. */
  #close: { readonly code: number | null; readonly reason: string } | null = null
  #isPaused = false
  /** What has come while paused, in order. */
  #waiting: ZhttpResponse[] = []
  #waitingBytes = 0
  // A message of the worker that is not whole yet.
  #parts: Buffer[] = []
  #partBytes = 0
  #isBinary = false

  constructor(host: ZhttpHost, id: string, request: BackendSocketRequest, handler: BackendSocketHandler) {
    super(host, id, request.target)
    this.#request = request
    this.#handler = handler
  }

  connect(): void {
    if (this.isOver) return
    this.#state = State.Connecting
    const { target, headers, path } = this.#request
    const head = headPacket(target, headers, target.ssl ? 'wss' : 'ws', path)
    this.write({ ...head, routerResp: true, multi: true, credits: ZHTTP_WINDOW_BYTES })
  }

  get bufferedBytes(): number {
    return this.#outgoingBytes + this.#outgoing.length * WS_QUEUED_MESSAGE_BYTES
  }

  send(content: Buffer, isBinary: boolean): void {
    this.#queue({ type: ZhttpType.Data, contentType: isBinary ? 'binary' : 'text', content })
  }

  ping(content: Buffer): void {
    this.#queue({ type: ZhttpType.Ping, contentType: '', content })
  }

  pong(content: Buffer): void {
    this.#queue({ type: ZhttpType.Pong, contentType: '', content })
  }

  close(code: number | null, reason: string): void {
    if (this.isOver || this.#state !== State.Open) return
    this.#state = State.Closing
    this.#close = { code, reason }
    this.giveUpLater()
    this.#flush()
  }

  terminate(): void {
    this.#handler = null
    this.cancel()
    this.finish()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    while (!this.#isHeld() && !this.isOver) {
      const packet = this.#waiting.shift()
      if (packet === undefined) return
      this.#waitingBytes -= packet.body?.length ?? 0
      this.#take(packet)
    }
  }

  protected override get isAllSent(): boolean {
    return this.#state !== State.Idle
  }

  protected override get isWorkerDone(): boolean {
    return false
  }

  protected override handleInTurn(packet: ZhttpResponse): void {
    if (packet.credits !== null && packet.credits > 0) this.#credits += packet.credits
    if (this.#state === State.Connecting) return this.#open(packet)
    switch (packet.type) {
      case ZhttpType.Data:
      case ZhttpType.Ping:
      case ZhttpType.Pong:
      case ZhttpType.Close:
        if (this.#isPaused || this.#waiting.length > 0) this.#wait(packet)
        else this.#take(packet)
        break
      default:
    }
    if (!this.isOver) this.#flushLate()
  }

  protected override handleError(failure: BackendFailure, packet: ZhttpResponse | null): void {
    const handler = this.#handler
    this.#handler = null
    if (this.#state === State.Open || this.#state === State.Closing) return handler?.handleSocketGone(failure.message)
    if (packet?.condition !== 'rejected') return handler?.handleSocketFailure(failure)
    const { code, reason, headers, body } = packet
    const fault = responseHeadFault(code, reason, headers)
    if (fault === null) {
      handler?.handleSocketRejected({ status: code as number, reason, headers, body: body ?? EMPTY_BYTES })
    } else handler?.handleSocketFailure({ ...failure, message: `the rejection ${fault}` })
  }

  protected override release(): void {
    this.#outgoing = []
    this.#outgoingBytes = 0
    this.#waiting = []
    this.#parts = []
  }

  // From the worker

  #open({ type, headers }: ZhttpResponse): void {
    if (this.worker === '') return this.violated("the first packet has no 'from'")
    if (type === ZhttpType.Credit || type === ZhttpType.KeepAlive) return
    if (type !== ZhttpType.Data) return this.violated(`the first packet is of type ${type}`)
    const fault = headersFault(headers)
    if (fault !== null) return this.violated(`the answer ${fault}`)
    this.#state = State.Open
    this.#handler?.handleSocketOpen(headers)
  }

  /** A method, so that the compiler does not believe that it cannot have changed. */
  #isHeld(): boolean {
    return this.#isPaused
  }

  #wait(packet: ZhttpResponse): void {
    this.#waiting.push(packet)
    this.#waitingBytes += packet.body?.length ?? 0
    if (this.#waitingBytes > ZHTTP_UNREAD_BYTES_MAX) this.violated('the worker sends faster than its client reads')
  }

  #take(packet: ZhttpResponse): void {
    const content = packet.body ?? EMPTY_BYTES
    if (packet.type === ZhttpType.Close) return this.#takeClose(packet.code, content)
    this.oweCredits(content.length)
    // Behind our close nobody listens.
    if (this.#state !== State.Open) return
    if (packet.type === ZhttpType.Data) this.#takePart(packet, content)
    else if (packet.type === ZhttpType.Ping) this.#handler?.handleSocketPing(content)
    else this.#handler?.handleSocketPong(content)
    this.#handler?.handleSocketTurn()
  }

  #takePart({ contentType, more }: ZhttpResponse, content: Buffer): void {
    if (this.#parts.length === 0) this.#isBinary = contentType === 'binary'
    this.#partBytes += content.length
    if (this.#partBytes > WS_BACKEND_MESSAGE_BYTES_MAX) return this.violated('a message is too long')
    if (more || this.#parts.length > 0) this.#parts.push(content)
    if (more) return
    const message = this.#parts.length === 0 ? content : Buffer.concat(this.#parts)
    this.#parts = []
    this.#partBytes = 0
    this.#handler?.handleSocketMessage(message, this.#isBinary)
  }

  #takeClose(rawCode: number | null, reason: Buffer): void {
    const code = rawCode !== null && rawCode >= 0 && rawCode <= 0xffff ? rawCode : null
    const handler = this.#handler
    this.#handler = null
    const own =
      this.#state === State.Closing ? this.#close : { code: code ?? NORMAL, reason: reason.toString('latin1') }
    if (own !== null) this.#writeClose(own.code, own.reason)
    this.finish()
    handler?.handleSocketClosed(code, reason.toString('latin1'))
  }

  // To the worker

  #queue(outgoing: Outgoing): void {
    if (this.isOver || this.#state !== State.Open) return
    this.#outgoing.push(outgoing)
    this.#outgoingBytes += outgoing.content.length
    this.#flush()
  }

  /** After new credits: whoever sent it has returned long ago. */
  #flushLate(): void {
    if (this.#outgoing.length === 0) return
    this.#flush()
    if (this.#outgoing.length === 0) this.#handler?.handleSocketWritten()
  }

  #flush(): void {
    for (;;) {
      const next = this.#outgoing[0]
      if (next === undefined) break
      const bytes = this.#sendable(next)
      if (bytes === null) return
      const more = bytes < next.content.length
      const body = next.content.subarray(0, bytes)
      if (more) next.content = next.content.subarray(bytes)
      else this.#outgoing.shift()
      this.#outgoingBytes -= bytes
      this.#credits -= bytes
      this.write({ type: next.type, contentType: next.contentType, body, more })
    }
    if (this.#close === null) return
    this.#writeClose(this.#close.code, this.#close.reason)
    this.#close = null
  }

  /** How much of it the worker has room for; null: nothing can go. A message may be cut, a ping or pong may not. */
  #sendable({ type, content }: Outgoing): number | null {
    if (content.length === 0) return 0
    if (type !== ZhttpType.Data) return this.#credits >= content.length ? content.length : null
    return this.#credits > 0 ? Math.min(this.#credits, content.length) : null
  }

  #writeClose(code: number | null, reason: string): void {
    this.write({ type: ZhttpType.Close, code, ...(reason === '' ? {} : { body: bytesOfByteString(reason) }) })
  }
}
