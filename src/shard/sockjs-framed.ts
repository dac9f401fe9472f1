/**
 * SockJS over a WebSocket: a socket for the session, which wraps what it says, and an owner for the socket of
 * uWebSockets.js, which unwraps what the client says. Binary messages become text; pings and pongs stay away from
 * both sides. What the client must not send ends the connection.
 */
import { Buffer } from 'node:buffer'
import { DeadlineEntry } from '../base/deadlines.js'
import { SOCKJS_HEARTBEAT_MS } from '../base/limits.js'
import { HEARTBEAT_CONTENT } from '../grip/heartbeat.js'
import {
  decodeSockJsMessages,
  SOCKJS_HEARTBEAT,
  SOCKJS_OPEN,
  sockJsMessages,
  sockJsString,
} from '../wire/sockjs-frames.js'
import { WsMessageType } from '../wire/publish-types.js'
import type { ClientSocket, FirstFrame, SocketOwner } from './client-socket.js'
import type { ShardContext } from './context.js'
import { NativeUpgrade, type NativeUpgradeParts } from './native-upgrade.js'

const TAKEN = 1

export class FramedUpgrade extends NativeUpgrade {
  readonly #context: ShardContext

  constructor(context: ShardContext, parts: NativeUpgradeParts) {
    super(parts)
    this.#context = context
  }

  protected override ownerOf(session: SocketOwner): SocketOwner {
    return new FramedSocket(this.#context, session)
  }

  protected override wireFrames(frames: readonly FirstFrame[]): readonly FirstFrame[] {
    const wrapped = frames
      .filter(({ type }) => type !== WsMessageType.Ping)
      .map(({ content }) => sockJsMessages([sockJsString(content)]))
    return [SOCKJS_OPEN, ...wrapped].map((frame) => ({ type: WsMessageType.Text, content: Buffer.from(frame) }))
  }
}

export class FramedSocket extends DeadlineEntry implements ClientSocket, SocketOwner {
  readonly isWrapped = true
  readonly #context: ShardContext
  readonly #session: SocketOwner
  #socket: ClientSocket | null = null

  constructor(context: ShardContext, session: SocketOwner) {
    super()
    this.#context = context
    this.#session = session
  }

  // For the session

  send(message: Uint8Array, _isBinary: boolean, compress: boolean): number {
    const content = Buffer.isBuffer(message) ? message : Buffer.from(message)
    return this.#say(sockJsMessages([sockJsString(content)]), compress)
  }

  /** Only the gateway's own. */
  ping(message: Uint8Array): number {
    return message === HEARTBEAT_CONTENT ? (this.#socket?.ping(message) ?? TAKEN) : TAKEN
  }

  getBufferedAmount(): number {
    return this.#socket?.getBufferedAmount() ?? 0
  }

  getRemoteAddressAsText(): ArrayBuffer {
    return this.#socket?.getRemoteAddressAsText?.() ?? new ArrayBuffer(0)
  }

  end(code: number, reason: string | Uint8Array): void {
    this.#leave()?.end(code, reason)
  }

  close(): void {
    this.#leave()?.close()
  }

  subscribe(): boolean {
    return true
  }

  unsubscribe(): boolean {
    return true
  }

  // From uWebSockets.js

  handleOpened(socket: ClientSocket): void {
    this.#socket = socket
    this.#session.handleOpened(this)
    this.#context.deadlines.set(this, this.#context.clock.nowMs() + SOCKJS_HEARTBEAT_MS)
  }

  handleSign(): void {
    this.#session.handleSign()
  }

  handleMessage(lent: ArrayBuffer): void {
    const messages = decodeSockJsMessages(Buffer.from(new Uint8Array(lent)))
    if (messages === null) {
      this.#context.counters.add('sockjs_dropped_frame')
      // Its close handler tells the session that the client went without a close frame.
      this.#socket?.close()
      return
    }
    for (const message of messages) this.#session.handleMessage(arrayBufferOf(message), false)
  }

  handlePing(): void {}

  isOwnPong(lent: ArrayBuffer): boolean {
    return this.#session.isOwnPong(lent)
  }

  handlePong(): void {}

  handleDrained(): void {
    this.#session.handleDrained()
  }

  handleClosed(code: number, lent: ArrayBuffer): void {
    this.#leave()
    this.#session.handleClosed(code, lent)
  }

  fail(error: unknown): void {
    this.#leave()
    this.#session.fail(error)
  }

  override handleDeadline(nowMs: number): void {
    this.#say(SOCKJS_HEARTBEAT)
    this.#context.deadlines.set(this, nowMs + SOCKJS_HEARTBEAT_MS)
  }

  #say(frame: string, compress = false): number {
    return this.#socket?.send(Buffer.from(frame), false, compress) ?? TAKEN
  }

  #leave(): ClientSocket | null {
    const socket = this.#socket
    this.#socket = null
    this.#context.deadlines.clear(this)
    return socket
  }
}

/** The session takes what uWebSockets.js lends. */
export function arrayBufferOf(bytes: Buffer): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.length)
  new Uint8Array(copy).set(bytes)
  return copy
}
