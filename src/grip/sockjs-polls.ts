/**
 * A SockJS session over HTTP, seen from its client: what its polls and sends are answered with, and when it is gone
 * (reference: SockJS, long polls).
 *
 *     Opening ──o──► Open ──c──► Closed (says so again for a while) ──► Over
 *
 * Inputs are the handle… methods; what is to be done is asked with poll() until it returns null. `Call` is whatever the
 * shell knows a request by.
 */
import type { Buffer } from 'node:buffer'
import { NO_DEADLINE } from '../base/deadlines.js'
import { SOCKJS_HEARTBEAT_MS, SOCKJS_POLL_WAIT_MS } from '../base/limits.js'
import { sockJsClose, sockJsMessages, sockJsString, SOCKJS_HEARTBEAT, SOCKJS_OPEN } from '../wire/sockjs-frames.js'
import type { HttpAnswer } from './http-session.js'
import { sockJsError, sockJsFrame, sockJsRejected, sockJsSent, type SockJsAsker } from './sockjs-answers.js'

const State = { Opening: 'opening', Open: 'open', Closing: 'closing', Closed: 'closed', Over: 'over' } as const
type State = (typeof State)[keyof typeof State]

export type SockJsEffect<Call> =
  | { readonly kind: 'answer'; readonly call: Call; readonly answer: HttpAnswer }
  /** A message of the client, for the backend. */
  | { readonly kind: 'message'; readonly content: Buffer }
  /** The client is gone without a word: the backend is to be told. */
  | { readonly kind: 'gone' }
  /** Nothing is left to be said. */
  | { readonly kind: 'over' }

interface Send<Call> {
  readonly call: Call
  readonly messages: readonly Buffer[]
  taken: number
}

export class SockJsPolls<Call extends SockJsAsker> {
  #state: State = State.Opening
  /** The poll that waits; while opening, the request that began the session. */
  #waiting: Call | null
  #deadlineMs = NO_DEADLINE
  #strings: string[] = []
  #bytes = 0
  #closeFrame = ''
  #send: Send<Call> | null = null
  /** Whether the backend takes messages. */
  #hasRoom = false
  readonly #effects: SockJsEffect<Call>[] = []

  constructor(opener: Call) {
    this.#waiting = opener
  }

  get deadlineMs(): number {
    return this.#deadlineMs
  }

  /** Bytes of messages that wait for a poll. */
  get unreadBytes(): number {
    return this.#bytes
  }

  /** A send waits until the backend has taken more. */
  get isHeldUp(): boolean {
    return this.#send !== null && this.#state === State.Open && !this.#hasRoom
  }

  // The client

  handlePoll(call: Call, nowMs: number): void {
    if (this.#state === State.Closed) return this.#answer(call, this.#closeFrame)
    if (this.#waiting !== null) return this.#answer(call, sockJsClose(2010, 'Another connection still open'))
    this.#waiting = call
    this.#deadlineMs = nowMs + SOCKJS_HEARTBEAT_MS
    this.#serve(nowMs)
  }

  /** messages null: not what a client may send. */
  handleSend(call: Call, messages: readonly Buffer[] | null, bytesMax: number): void {
    if (this.#state === State.Closed) return this.#answer(call, this.#closeFrame)
    if (this.#state === State.Closing && this.#closeFrame === '') return this.#gone(call)
    if (this.#send !== null) return this.#refuse(call, 'Already sending')
    if (messages === null) return this.#refuse(call, 'Payload expected')
    if (messages.some(({ length }) => length > bytesMax)) return this.#refuse(call, 'Message too large')
    this.#send = { call, messages, taken: 0 }
  }

  /** Anything else below the session's path: null when it has nothing to say to it. */
  handleOther(call: Call): boolean {
    if (this.#state !== State.Closed) return false
    this.#answer(call, this.#closeFrame)
    return true
  }

  /** The connection of a request that waits for its answer is gone. A poll takes the session along. */
  handleAborted(call: Call): void {
    if (this.#waiting !== call) return
    this.#waiting = null
    this.#leave()
  }

  // The session

  handleOpened(nowMs: number): void {
    this.#state = State.Open
    const opener = this.#waiting
    this.#waiting = null
    this.#deadlineMs = nowMs + SOCKJS_POLL_WAIT_MS
    if (opener !== null) this.#answer(opener, SOCKJS_OPEN)
  }

  handleRejected(rejection: HttpAnswer): void {
    const opener = this.#waiting
    this.#waiting = null
    if (opener !== null) this.#effects.push({ kind: 'answer', call: opener, answer: sockJsRejected(opener, rejection) })
    this.#finish()
  }

  handleMessage(content: Buffer): void {
    if (this.#state !== State.Open) return
    this.#strings.push(sockJsString(content))
    this.#bytes += content.length
  }

  /** What came in one go has been handed over: a poll that waits gets it. */
  handleTurn(nowMs: number, hasRoom: boolean): void {
    this.#hasRoom = hasRoom
    this.#serve(nowMs)
  }

  handleClose(code: number, reason: string): void {
    if (this.#state !== State.Open) return
    this.#closeFrame = sockJsClose(code, reason)
    this.#state = State.Closing
  }

  /** The session was ended without a word. What it had said before is still there for one poll. */
  handleDropped(nowMs: number): void {
    if (this.#state === State.Over || this.#state === State.Closed) return
    this.#serve(nowMs)
    if (this.#strings.length > 0 && this.#state === State.Open) {
      this.#state = State.Closing
      this.#closeFrame = ''
      return
    }
    this.#terminate()
  }

  handleDeadline(nowMs: number): void {
    if (nowMs < this.#deadlineMs) return
    this.#deadlineMs = NO_DEADLINE
    if (this.#state === State.Closed || this.#state === State.Closing) return this.#finish()
    if (this.#waiting === null) return this.#leave()
    if (this.#state === State.Open) this.#answerPoll(SOCKJS_HEARTBEAT, nowMs)
  }

  poll(): SockJsEffect<Call> | null {
    return this.#effects.shift() ?? this.#nextMessage()
  }

  #nextMessage(): SockJsEffect<Call> | null {
    const send = this.#send
    if (send === null) return null
    const isHeard = this.#state === State.Open
    if (isHeard && send.taken < send.messages.length) {
      if (!this.#hasRoom) return null
      return { kind: 'message', content: send.messages[send.taken++] as Buffer }
    }
    if (this.#state === State.Opening) return null
    this.#send = null
    return { kind: 'answer', call: send.call, answer: sockJsSent(send.call) }
  }

  #serve(nowMs: number): void {
    if (this.#waiting === null || this.#state === State.Opening) return
    if (this.#strings.length > 0) {
      const frame = sockJsMessages(this.#strings)
      this.#strings = []
      this.#bytes = 0
      this.#answerPoll(frame, nowMs)
      if (this.#state === State.Closing && this.#closeFrame === '') this.#finish()
    } else if (this.#state === State.Closing) {
      this.#state = State.Closed
      this.#answerPoll(this.#closeFrame, nowMs)
    }
  }

  #answerPoll(frame: string, nowMs: number): void {
    const call = this.#waiting as Call
    this.#waiting = null
    this.#deadlineMs = nowMs + SOCKJS_POLL_WAIT_MS
    this.#answer(call, frame)
  }

  #answer(call: Call, frame: string): void {
    this.#effects.push({ kind: 'answer', call, answer: sockJsFrame(call, frame) })
  }

  #refuse(call: Call, text: string): void {
    this.#effects.push({ kind: 'answer', call, answer: sockJsError(call, 400, 'Bad Request', text) })
  }

  #leave(): void {
    this.#effects.push({ kind: 'gone' })
    this.#terminate()
  }

  /** Whoever still waits is told. */
  #terminate(): void {
    const call = this.#waiting
    this.#waiting = null
    if (call !== null) this.#gone(call)
    this.#finish()
  }

  #gone(call: Call): void {
    this.#effects.push({ kind: 'answer', call, answer: sockJsError(call, 410, 'Gone', 'Session terminated') })
  }

  #finish(): void {
    if (this.#state === State.Over) return
    this.#state = State.Over
    this.#deadlineMs = NO_DEADLINE
    this.#effects.push({ kind: 'over' })
  }
}
