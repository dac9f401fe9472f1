/**
 * A WebSocket-over-HTTP session machine on a bench: performs its effects into lists that tests read as text.
 */
import { Buffer } from 'node:buffer'
import { assert } from '../base/assert.js'
import { bytesOfByteString } from '../base/bytes.js'
import { WS_MESSAGE_BYTES_MAX } from '../base/limits.js'
import type { WsEffect } from '../grip/ws-effects.js'
import { type WsRequestFailure, WsSession, type WsSessionConfig } from '../grip/ws-session.js'

const EVENTS = ['Content-Type', 'application/websocket-events']

type Request = Extract<WsEffect, { kind: 'request' }>

export class WsSessionRig {
  readonly session: WsSession
  nowMs = 1000
  /** Everything performed since the last call of `seen`, as text. */
  #seen: string[] = []
  /** The request in flight. */
  request: Request | null = null
  requests = 0
  /** When false, tests answer subscribe effects themselves. */
  answersSubscribe = true

  constructor(config: Partial<WsSessionConfig> = {}) {
    this.session = new WsSession({
      channelPrefix: '',
      implicitChannels: [],
      gripAllowed: true,
      oneEvent: false,
      debug: false,
      subscriptionMax: 20,
      messageBytesMax: WS_MESSAGE_BYTES_MAX,
      bufferBytesMax: 4_000_000,
      random: () => 0,
      ...config,
    })
  }

  /** Effects since the last call. */
  seen(): string[] {
    this.drain()
    const seen = this.#seen
    this.#seen = []
    return seen
  }

  open(): this {
    this.session.handleOpen(this.nowMs)
    this.drain()
    return this
  }

  /** Opened, with nothing in flight. `headers` and `body` behind OPEN are of the first answer. */
  opened(headers: readonly string[] = [], body = ''): this {
    this.open()
    this.answer(`OPEN\r\n${body}`, headers)
    this.seen()
    return this
  }

  text(message: string): this {
    this.session.handleClientMessage(bytesOfByteString(message), false, this.nowMs)
    this.drain()
    return this
  }

  close(code: number | null, reason = ''): this {
    this.session.handleClientClose(code, reason, this.nowMs)
    this.drain()
    return this
  }

  gone(): this {
    this.session.handleClientGone(this.nowMs)
    this.drain()
    return this
  }

  /** The request in flight is answered 200 with these events; `headers` may replace the content type. */
  answer(body = '', headers: readonly string[] = []): this {
    return this.respond(200, [...headers, ...EVENTS], body)
  }

  respond(status: number, headers: readonly string[], body = '', reason = 'Reason'): this {
    assert(this.request !== null, 'a request is in flight')
    this.request = null
    this.session.handleResponse({ status, reason, headers, body: bytesOfByteString(body) }, this.nowMs)
    this.drain()
    return this
  }

  failed(kind: WsRequestFailure['kind'], bodySent = false, tried: readonly string[] = []): this {
    assert(this.request !== null, 'a request is in flight')
    this.request = null
    this.session.handleFailure({ kind, bodySent }, this.nowMs, tried)
    this.drain()
    return this
  }

  /** Time passes until the next deadline; returns how much. */
  wait(): number {
    const { deadlineMs } = this.session
    assert(Number.isFinite(deadlineMs), 'the session waits for something')
    const waitedMs = deadlineMs - this.nowMs
    this.nowMs = deadlineMs
    this.session.handleDeadline(this.nowMs)
    this.drain()
    return waitedMs
  }

  get isWaiting(): boolean {
    return Number.isFinite(this.session.deadlineMs)
  }

  drain(): void {
    for (let effect = this.session.poll(); effect !== null; effect = this.session.poll()) {
      this.#seen.push(textOf(effect))
      if (effect.kind === 'request') {
        assert(this.request === null, 'one request in flight')
        this.request = effect
        this.requests++
      }
      if (effect.kind === 'subscribe' && this.answersSubscribe) this.session.handleLive(true, this.nowMs)
    }
  }
}

/** An effect as a line: what the tests compare. */
function textOf(effect: WsEffect): string {
  switch (effect.kind) {
    case 'request': {
      const body = Buffer.concat(effect.body).toString('latin1')
      assert(body.length === effect.bodyBytes, 'bodyBytes is the length of the body')
      const replayed = effect.replayedBytes > 0 ? ` replayed=${String(effect.replayedBytes)}` : ''
      const meta = effect.meta.map(([name, value]) => ` Meta-${name}=${value}`).join('')
      const attempt = effect.attempt > 0 ? ` attempt=${String(effect.attempt)}` : ''
      return `POST${replayed}${meta}${attempt} ${body}`
    }
    case 'accept':
      return `101 ${effect.headers.map((header) => header.join('=')).join(' ')}`.trim()
    case 'reject': {
      const headers = effect.headers.map((header) => header.join('=')).join(' ')
      return `reject ${String(effect.status)} ${effect.reason} [${headers}] ${effect.body.toString('latin1')}`
    }
    case 'send':
      return `${effect.type} ${effect.content.toString('latin1')}${effect.droppable ? ' (droppable)' : ''}`
    case 'close':
      return `close ${String(effect.code)} ${effect.reason}`.trim()
    case 'drop':
      return `drop ${effect.reason}`
    case 'subscribe':
      return `subscribe ${effect.channels.map(({ name, filters }) => [name, ...filters].join('|')).join(' ')}`
    case 'unsubscribe':
      return `unsubscribe ${effect.channel}`
    case 'ended':
      return 'ended'
  }
}
