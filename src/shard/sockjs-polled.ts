/**
 * A SockJS session over HTTP, on the shard where it lives: between the requests of its client (grip/sockjs-polls.ts)
 * and a WebSocket session, which takes it for a client that has asked for an upgrade.
 */
import { Buffer } from 'node:buffer'
import { DeadlineEntry, NO_DEADLINE } from '../base/deadlines.js'
import { SOCKJS_RETRY_MS, SOCKJS_UNREAD_BACKEND_BYTES_MAX, WS_MESSAGE_BYTES_MAX } from '../base/limits.js'
import type { ClientHead } from '../grip/forwarding.js'
import type { HttpAnswer } from '../grip/http-session.js'
import type { SockJsAsker } from '../grip/sockjs-answers.js'
import { SockJsPolls } from '../grip/sockjs-polls.js'
import type { WsReject } from '../grip/ws-answer.js'
import type { Route } from '../routing/types.js'
import { type Header, WsMessageType } from '../wire/publish-types.js'
import type { ClientSocket, FirstFrame, SocketOwner, Upgrade } from './client-socket.js'
import { newConnectionId } from './connection-id.js'
import type { ShardContext } from './context.js'
import { arrayBufferOf } from './sockjs-framed.js'
import type { WsClientSide } from './ws-client-side.js'
import { askTarget } from './ws-listener.js'
import type { WsShared } from './ws-shared.js'

/** A request about a session; it came in here or at another shard. */
export interface SockJsCall extends SockJsAsker {
  readonly method: string
  /** The last part of the path. */
  readonly what: string
  answer(answer: HttpAnswer): void
}

export interface SockJsPolledParts {
  readonly context: ShardContext
  readonly shared: WsShared
  readonly route: Route
  /** As the backend is to see it. */
  readonly head: ClientHead
  /** Nothing of the session is left. */
  readonly onOver: () => void
}

const NOTHING = new ArrayBuffer(0)

export class SockJsPolled extends DeadlineEntry implements ClientSocket, Upgrade {
  readonly isWrapped = true
  readonly isPolled = true
  readonly head: ClientHead
  readonly startedMs: number
  readonly connectionId = newConnectionId()
  readonly #parts: SockJsPolledParts
  readonly #polls: SockJsPolls<SockJsCall>
  /** While it is asked for: the session that asks. Then the one that has this socket; null: none any more. */
  #session: WsClientSide | null = null
  #isOpened = false
  #isDriving = false

  constructor(parts: SockJsPolledParts, opener: SockJsCall) {
    super()
    this.head = parts.head
    this.startedMs = parts.context.clock.nowMs()
    this.#parts = parts
    this.#polls = new SockJsPolls(opener)
  }

  // Requests of the client

  handlePoll(call: SockJsCall): void {
    this.#polls.handlePoll(call, this.#nowMs())
    this.#drive()
  }

  handleSend(call: SockJsCall, messages: readonly Buffer[] | null): void {
    this.#polls.handleSend(call, messages, WS_MESSAGE_BYTES_MAX)
    this.#drive()
  }

  /** False: it is not for the session. */
  handleOther(call: SockJsCall): boolean {
    const isHandled = this.#polls.handleOther(call)
    this.#drive()
    return isHandled
  }

  handleAborted(call: SockJsCall): void {
    this.#polls.handleAborted(call)
    this.#drive()
  }

  // The upgrade, for the session

  ask(targetIndex: number): void {
    const { context, shared, route } = this.#parts
    this.#session = null
    const session = askTarget({ context, shared }, this, route, targetIndex)
    this.#session = session
    session?.open()
  }

  accept(session: SocketOwner, _headers: readonly Header[], frames: readonly FirstFrame[]): void {
    this.#isOpened = true
    this.#parts.shared.polledOpened()
    session.handleOpened(this)
    this.#polls.handleOpened(this.#nowMs())
    for (const { type, content } of frames) if (type !== WsMessageType.Ping) this.send(content)
    this.#later()
  }

  reject(answer: Omit<WsReject, 'kind'>): void {
    this.#session = null
    this.#polls.handleRejected(answer)
    this.#later()
  }

  drop(): void {
    this.close()
  }

  // The socket, for the session

  send(message: Uint8Array): number {
    this.#polls.handleMessage(Buffer.isBuffer(message) ? message : Buffer.from(message))
    this.#later()
    return 1
  }

  ping(): number {
    return 1
  }

  getBufferedAmount(): number {
    return this.#polls.unreadBytes
  }

  end(code: number, reason: string | Uint8Array): void {
    this.#session = null
    this.#polls.handleClose(code, typeof reason === 'string' ? reason : Buffer.from(reason).toString('latin1'))
    this.#later()
  }

  close(): void {
    this.#session = null
    this.#polls.handleDropped(this.#nowMs())
    this.#later()
  }

  subscribe(): boolean {
    return true
  }

  unsubscribe(): boolean {
    return true
  }

  override handleDeadline(nowMs: number): void {
    this.#polls.handleDeadline(nowMs)
    this.#drive()
  }

  #nowMs(): number {
    return this.#parts.context.clock.nowMs()
  }

  /** What a session says in one go is answered in one go. */
  #later(): void {
    if (this.#isDriving) return
    queueMicrotask(() => {
      this.#drive()
    })
  }

  #drive(): void {
    if (this.#isDriving) return
    this.#isDriving = true
    try {
      this.#perform()
    } catch (error) {
      const { counters, log } = this.#parts.context
      counters.add('callback_errors')
      log.error({ err: error, connectionId: this.connectionId }, 'SockJS session failed')
      this.#session?.fail(error)
      this.#parts.onOver()
      return
    } finally {
      this.#isDriving = false
    }
    const retryMs = this.#polls.isHeldUp ? this.#nowMs() + SOCKJS_RETRY_MS : NO_DEADLINE
    this.#parts.context.deadlines.set(this, Math.min(this.#polls.deadlineMs, retryMs))
  }

  #perform(): void {
    const unreadBefore = this.#polls.unreadBytes
    for (;;) {
      const room = this.#session === null || this.#session.waitingBytes < SOCKJS_UNREAD_BACKEND_BYTES_MAX
      this.#polls.handleTurn(this.#nowMs(), room)
      const effect = this.#polls.poll()
      if (effect === null) break
      switch (effect.kind) {
        case 'answer':
          effect.call.answer(effect.answer)
          break
        case 'message':
          this.#session?.handleMessage(arrayBufferOf(effect.content), false)
          break
        case 'gone':
          this.#clientGone()
          break
        case 'over':
          this.#parts.onOver()
          break
      }
    }
    // The session may have held back what it had for a client that did not poll.
    if (unreadBefore > 0 && this.#polls.unreadBytes === 0) this.#session?.handleDrained()
  }

  #clientGone(): void {
    const session = this.#session
    this.#session = null
    if (this.#isOpened) session?.handleClosed(1006, NOTHING)
    else session?.handleAborted()
  }
}
