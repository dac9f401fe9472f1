/**
 * The one request of a WebSocket-over-HTTP session that is in flight or waits for its retry (WebSocket reference:
 * retry). A retry is the same request; it is made only when the backend cannot have handled the first.
 */
import { WS_RETRIES_MAX, WS_RETRY_BASE_MS, WS_RETRY_JITTER_MS } from '../base/limits.js'
import { assert } from '../base/assert.js'
import type { WsEffect } from './ws-effects.js'

export type WsRequestEffect = Extract<WsEffect, { kind: 'request' }>

/** What a request says. */
export const WsSent = { Nothing: 'nothing', Open: 'open', Content: 'content', Disconnect: 'disconnect' } as const
export type WsSent = (typeof WsSent)[keyof typeof WsSent]

/** As backend/types.ts names them. */
export type BackendFailureKind =
  | 'connect'
  | 'connect-timeout'
  | 'tls'
  | 'generic'
  | 'aborted'
  | 'unavailable'
  | 'session-timeout'
  | 'policy'
  | 'length-required'
  | 'disconnected'

/** Why a request failed; what backend/ reports fits this shape. */
export interface WsRequestFailure {
  readonly kind: BackendFailureKind
  /** Whether the whole body (an empty one: the head) had been handed to the connection. */
  readonly bodySent: boolean
}

/** The backend was not reached at all. */
export function isUnreached({ kind }: WsRequestFailure): boolean {
  return kind === 'connect' || kind === 'connect-timeout' || kind === 'tls'
}

/** The backend cannot have handled the request: it was not reached, or did not get all of it. */
export function isUnhandled(failure: WsRequestFailure): boolean {
  const { kind, bodySent } = failure
  return isUnreached(failure) || ((kind === 'generic' || kind === 'session-timeout') && !bodySent)
}

/** Lives from the first sending of a request until it is answered or given up. */
export class WsRequest {
  readonly sent: WsSent
  readonly #effect: WsRequestEffect
  #attempt = 0
  #isRetryWaiting = false
  #isRetryDue = false

  constructor(sent: WsSent, effect: WsRequestEffect) {
    this.sent = sent
    this.#effect = effect
  }

  get isRetryDue(): boolean {
    return this.#isRetryDue
  }

  /** The request has failed: how long to wait before the same is sent again, or null: it is given up. */
  retryAfterMs(failure: WsRequestFailure, random: () => number): number | null {
    if (!isUnhandled(failure) || this.sent === WsSent.Open) return null
    if (this.#attempt >= WS_RETRIES_MAX) return null
    const jitterMs = Math.floor(random() * WS_RETRY_JITTER_MS)
    const delayMs = WS_RETRY_BASE_MS * 2 ** this.#attempt + jitterMs
    this.#attempt++
    this.#isRetryWaiting = true
    return delayMs
  }

  /** The wait is over; false: there was none. */
  endRetryWait(): boolean {
    if (!this.#isRetryWaiting) return false
    this.#isRetryWaiting = false
    this.#isRetryDue = true
    return true
  }

  again(): WsRequestEffect {
    assert(this.#isRetryDue, 'a retry repeats a request')
    this.#isRetryDue = false
    return { ...this.#effect, attempt: this.#attempt }
  }
}
