/**
 * Messages a backend has left with the gateway to be sent to a WebSocket later (GRIP control messages `keep-alive`,
 * `send-delayed`, `flush-delayed`). Exists only for sessions that use them.
 */
import type { Buffer } from 'node:buffer'
import { NO_DEADLINE } from '../base/deadlines.js'
import type { WsMessageType } from '../wire/publish-types.js'

export interface AutomaticMessage {
  readonly type: WsMessageType
  readonly content: Buffer
}

/** Timers of many sessions that were set together are spread over this much. */
const KEEP_ALIVE_JITTER_MS = 1000

export class WsAutomatic {
  readonly #random: () => number
  #keepAlive: AutomaticMessage | null = null
  #keepAliveTimeoutMs = 0
  /** Restarted by every write, as opposed to a fixed rhythm. */
  #keepAliveIdle = false
  #keepAliveAtMs = NO_DEADLINE
  #delayed: AutomaticMessage | null = null
  #delayedAtMs = NO_DEADLINE

  constructor(random: () => number) {
    this.#random = random
  }

  get deadlineMs(): number {
    return Math.min(this.#keepAliveAtMs, this.#delayedAtMs)
  }

  get wantsWritten(): boolean {
    return this.#keepAlive !== null && this.#keepAliveIdle
  }

  setKeepAlive(message: AutomaticMessage, timeoutMs: number, mode: 'idle' | 'interval', nowMs: number): void {
    this.#keepAlive = message
    this.#keepAliveTimeoutMs = timeoutMs
    this.#keepAliveIdle = mode === 'idle'
    this.#startKeepAlive(nowMs)
  }

  clearKeepAlive(): void {
    this.#keepAlive = null
    this.#keepAliveAtMs = NO_DEADLINE
  }

  setDelayed(message: AutomaticMessage, timeoutMs: number, nowMs: number): void {
    this.#delayed = message
    this.#delayedAtMs = nowMs + timeoutMs
  }

  /** The delayed message, once. */
  takeDelayed(): AutomaticMessage | null {
    const message = this.#delayed
    this.#delayed = null
    this.#delayedAtMs = NO_DEADLINE
    return message
  }

  takeDelayedDue(nowMs: number): AutomaticMessage | null {
    return nowMs >= this.#delayedAtMs ? this.takeDelayed() : null
  }

  /** The keep-alive message when its time has come; its timer starts anew. */
  takeKeepAliveDue(nowMs: number): AutomaticMessage | null {
    if (nowMs < this.#keepAliveAtMs) return null
    this.#startKeepAlive(nowMs)
    return this.#keepAlive
  }

  handleWritten(nowMs: number): void {
    if (this.wantsWritten) this.#startKeepAlive(nowMs)
  }

  #startKeepAlive(nowMs: number): void {
    const jitterMs = Math.floor(this.#random() * KEEP_ALIVE_JITTER_MS)
    this.#keepAliveAtMs = nowMs + Math.max(this.#keepAliveTimeoutMs - jitterMs, 0)
  }
}
