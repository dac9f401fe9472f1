/**
 * A random life of one WebSocket-over-HTTP session, from a seed, watched by an oracle that knows the protocol but not
 * the machine: a client that sends, closes and vanishes, a backend that accepts, holds back, fails and misbehaves, a
 * publisher, and time. A broken rule throws.
 *
 * Rules: every byte the client sent is accepted exactly once, in order and by type, or the session ends in a way that
 * says so; Content-Bytes-Replayed adds up; a retry is the same request, and only where it may be made; one request in
 * flight; the client gets what the backend said, in order, and nothing after its end; nothing happens after `ended`,
 * and nothing is left.
 */
import { Buffer } from 'node:buffer'
import { assert } from '../base/assert.js'
import { NO_DEADLINE } from '../base/deadlines.js'
import { Prng } from '../base/prng.js'
import type { WsEffect } from '../grip/ws-effects.js'
import { type WsRequestFailure, WsSession } from '../grip/ws-session.js'
import {
  decodeWebSocketEvents,
  encodeWebSocketEvents,
  type WebSocketEvent,
  type WsContentEventType,
  WsEventType,
} from '../wire/websocket-events.js'

type Request = Extract<WsEffect, { kind: 'request' }>

interface Pending {
  readonly type: WsContentEventType
  content: Buffer
}

const STEPS_MAX = 60
/** A session whose client is gone ends within this many answers and deadlines. */
const ENDING_STEPS_MAX = 100
const FAILURE_KINDS = ['connect', 'connect-timeout', 'tls', 'generic', 'aborted'] as const

export class WsSessionModel {
  readonly #prng: Prng
  readonly #session: WsSession
  readonly #oneEvent: boolean
  #nowMs = 0

  #client: 'opening' | 'open' | 'gone' = 'opening'
  #isEnded = false
  /** The backend listens to the client: false after a detach. */
  #isListened = true
  #pending: Pending[] = []
  /** How many leading bytes of `pending` have been offered. */
  #offeredBytes = 0
  /** The session may end with content that was not accepted: the backend knows, or is to blame. */
  #isExcused = false
  #hasSentDisconnect = false
  /** A request without news is allowed: refresh, or a deadline that has passed. */
  #isPoked = true

  #request: Request | null = null
  #requestText = ''
  #requestEvents: readonly WebSocketEvent[] = []
  /** Attempt number the next request must carry; 0: a new request. */
  #retry = 0
  #isSubscribing = false

  #nextNumber = 0
  /** Numbers of backend messages the client must still get. */
  #toClient: string[] = []

  constructor(seed: number) {
    this.#prng = new Prng(seed)
    this.#oneEvent = this.#prng.happens(0.2)
    this.#session = new WsSession({
      channelPrefix: 'p-',
      implicitChannels: this.#prng.happens(0.1) ? ['implicit'] : [],
      gripAllowed: true,
      oneEvent: this.#oneEvent,
      debug: false,
      subscriptionMax: 3,
      messageBytesMax: 60,
      bufferBytesMax: this.#prng.pick([1200, 4000, 100_000]),
      random: () => this.#prng.next(),
    })
  }

  run(): void {
    this.#session.handleOpen(this.#nowMs)
    this.#drain()
    for (let step = this.#prng.below(STEPS_MAX); step > 0 && !this.#isEnded; step--) this.#step()
    if (this.#client !== 'gone') this.#leave()
    for (let step = 0; !this.#isEnded; step++) {
      assert(step < ENDING_STEPS_MAX, 'a session without client comes to its end')
      if (this.#isSubscribing) this.#becomeLive(true)
      else if (this.#request !== null) this.#answer()
      else this.#passTime()
    }
    this.#checkEnd()
  }

  #checkEnd(): void {
    assert(this.#client === 'gone', 'a session ends after its client')
    assert(this.#request === null, 'a session ends when nothing is in flight')
    assert(this.#session.deadlineMs === NO_DEADLINE, 'an ended session waits for nothing')
    assert(this.#session.bufferedBytes === 0, 'an ended session keeps nothing')
    const isLost = this.#pending.length > 0
    assert(!isLost || this.#isExcused || this.#hasSentDisconnect, 'content is accepted or reported lost')
    // Whatever is still said to an ended session has no effect.
    this.#session.handleClientGone(this.#nowMs)
    this.#session.handleRefresh(this.#nowMs)
    this.#session.handlePublishClose(1000, '', this.#nowMs)
    this.#session.handleDeadline(this.#nowMs)
    assert(this.#session.poll() === null, 'nothing happens after the end')
  }

  #step(): void {
    const chance = this.#prng.next()
    if (this.#isSubscribing && chance < 0.3) this.#becomeLive(this.#prng.happens(0.97))
    else if (chance < 0.5) this.#speak()
    else if (chance < 0.8 && this.#request !== null) this.#answer()
    else if (chance < 0.9) this.#passTime()
    else if (chance < 0.93) this.#refresh()
    else if (chance < 0.95) this.#readSlowly()
    else if (chance < 0.96) this.#publishClose()
    else if (chance < 0.98) this.#leave()
  }

  // The client

  #speak(): void {
    if (this.#client !== 'open') return
    const content = Buffer.from(Array.from({ length: this.#length() }, () => this.#prng.below(256)))
    const type = this.#prng.pick(['TEXT', 'TEXT', 'BINARY', 'PING', 'PONG'] as const)
    if (this.#isListened) this.#pending.push({ type, content })
    if (type === 'PING') this.#session.handleClientPing(content, this.#nowMs)
    else if (type === 'PONG') this.#session.handleClientPong(content, this.#nowMs)
    else this.#session.handleClientMessage(content, type === 'BINARY', this.#nowMs)
    this.#drain()
  }

  #length(): number {
    if (this.#prng.happens(0.25)) return 0
    return this.#prng.happens(0.02) ? 61 : 1 + this.#prng.below(20)
  }

  #leave(): void {
    if (this.#client === 'gone') return
    const isClose = this.#client === 'open' && this.#prng.happens(0.5)
    this.#endClient()
    if (isClose) this.#session.handleClientClose(this.#prng.pick([null, 1000, 4000]), 'bye', this.#nowMs)
    else this.#session.handleClientGone(this.#nowMs)
    this.#drain()
  }

  #endClient(): void {
    this.#client = 'gone'
    this.#isSubscribing = false
    this.#toClient = []
  }

  #readSlowly(): void {
    this.#session.handleUnread(this.#prng.pick([0, 199_999, 200_000]))
    this.#drain()
  }

  // Publishing and time

  #refresh(): void {
    this.#isPoked = true
    this.#session.handleRefresh(this.#nowMs)
    this.#drain()
  }

  #publishClose(): void {
    this.#session.handlePublishClose(this.#prng.pick([-1, 1000, 4000]), '', this.#nowMs)
    this.#drain()
  }

  #becomeLive(ok: boolean): void {
    this.#isSubscribing = false
    if (!ok) this.#toClient = []
    this.#session.handleLive(ok, this.#nowMs)
    this.#drain()
  }

  #passTime(): void {
    const { deadlineMs } = this.#session
    if (deadlineMs === NO_DEADLINE) {
      assert(this.#client !== 'gone' || this.#request !== null || this.#isEnded, 'a session without client is not idle')
      return
    }
    this.#nowMs = this.#prng.happens(0.8) ? deadlineMs : Math.min(this.#nowMs + this.#prng.below(1000), deadlineMs)
    if (this.#nowMs === deadlineMs) this.#isPoked = true
    this.#session.handleDeadline(this.#nowMs)
    this.#drain()
  }

  // The backend

  #answer(): void {
    const chance = this.#prng.next()
    if (chance < 0.12) this.#failRequest()
    else if (chance < 0.15) this.#answerBadly()
    else this.#answerWell()
    this.#drain()
  }

  #failRequest(): void {
    const failure: WsRequestFailure = { kind: this.#prng.pick(FAILURE_KINDS), bodySent: this.#prng.happens(0.3) }
    const { attempt } = this.#request as Request
    const isOpen = this.#requestEvents[0]?.type === WsEventType.Open
    const isUnreached = failure.kind !== 'generic' && failure.kind !== 'aborted'
    const mayRetry = !isOpen && attempt < 5 && (isUnreached || (failure.kind === 'generic' && !failure.bodySent))
    this.#retry = mayRetry ? attempt + 1 : 0
    if (!mayRetry) this.#endByBackend()
    this.#request = null
    this.#session.handleFailure(failure, this.#nowMs)
  }

  #answerBadly(): void {
    this.#request = null
    this.#endByBackend()
    const kind = this.#prng.below(4)
    if (kind === 0) {
      this.#session.handleResponseTooLarge(this.#nowMs)
      return
    }
    const headers = ['Content-Type', kind === 1 ? 'text/plain' : 'application/websocket-events']
    const body = Buffer.from('OPEN\r\nTEXT 5', 'latin1')
    this.#session.handleResponse({ status: kind === 2 ? 404 : 200, reason: '', headers, body }, this.#nowMs)
  }

  /** The session is over for the backend, by its own doing. */
  #endByBackend(): void {
    this.#isExcused = true
  }

  #answerWell(): void {
    const request = this.#requestEvents
    this.#request = null
    const headers = ['Content-Type', 'application/websocket-events', 'Sec-WebSocket-Extensions', 'grip']
    if (this.#prng.happens(0.1)) headers.push('Keep-Alive-Interval', this.#prng.pick(['1', '20', '40', '0', 'x']))
    const isAccepting = this.#accept(request, headers)
    const events = this.#answerEvents(request, isAccepting)
    const body = encodeWebSocketEvents(events)
    this.#session.handleResponse({ status: 200, reason: 'OK', headers, body }, this.#nowMs)
  }

  /** Chooses what is accepted and notes it; false when it is more than there is. */
  #accept(request: readonly WebSocketEvent[], headers: string[]): boolean {
    const content = request.filter(({ type }) => isContent(type))
    const contentBytes = content.reduce((sum, event) => sum + event.content.length, 0)
    const closeBytes = request.find(({ type }) => type === WsEventType.Close)?.content.length ?? 0
    let accepted = contentBytes + closeBytes
    if (this.#prng.happens(0.4)) {
      accepted = this.#prng.below(accepted + 1)
      headers.push('Content-Bytes-Accepted', String(accepted))
    } else if (this.#prng.happens(0.02)) {
      headers.push('Content-Bytes-Accepted', String(accepted + 1 + this.#prng.below(3)))
      this.#endByBackend()
      return false
    } else if (this.#prng.happens(0.05)) {
      headers.push('Content-Bytes-Accepted', this.#prng.pick(['-1', 'abc', '']))
    }
    const removed = this.#removeAccepted(Math.min(accepted, contentBytes), content.length)
    if (this.#oneEvent && removed === 0) this.#isExcused = true
    if (accepted > contentBytes && accepted < contentBytes + closeBytes) this.#endByBackend()
    return true
  }

  /** Takes bytes and what empty messages they uncover off the offered ones; returns how much was removed. */
  #removeAccepted(contentBytes: number, offeredMessages: number): number {
    let left = contentBytes
    let removed = 0
    while (removed < offeredMessages) {
      const first = this.#pending[0] as Pending
      if (left < first.content.length) {
        first.content = first.content.subarray(left)
        break
      }
      left -= first.content.length
      this.#pending.shift()
      removed++
    }
    this.#offeredBytes -= contentBytes
    return removed + contentBytes
  }

  #answerEvents(request: readonly WebSocketEvent[], isAccepting: boolean): WebSocketEvent[] {
    const events: WebSocketEvent[] = []
    const isOpen = request[0]?.type === WsEventType.Open
    const isDisconnect = request[0]?.type === WsEventType.Disconnect
    if (isOpen && this.#prng.happens(0.05)) {
      // Nothing, or something else first: the session ends, or OPEN comes again.
      this.#endByBackend()
      return this.#prng.happens(0.5) ? [] : [event(WsEventType.Ping, '')]
    }
    if (isOpen) events.push(event(WsEventType.Open, ''))
    const isHeard = isAccepting && !isDisconnect && this.#client !== 'gone' && this.#isListened
    for (let n = this.#prng.below(4); n > 0; n--) events.push(this.#answerEvent(isHeard))
    const isClose = request.some(({ type }) => type === WsEventType.Close)
    if (isClose && this.#prng.happens(0.7)) events.push(event(WsEventType.Close, ''))
    else if (this.#prng.happens(0.04)) events.push(event(WsEventType.Close, '\x03\xe8x'))
    else if (this.#prng.happens(0.02)) {
      events.push(event(this.#prng.pick([WsEventType.Disconnect, WsEventType.Open]), ''))
      this.#endByBackend()
    } else if (isHeard && this.#prng.happens(0.03)) {
      events.push(event(WsEventType.Text, 'c:{"type":"detach"}'))
      this.#isListened = false
    }
    return events
  }

  #answerEvent(isHeard: boolean): WebSocketEvent {
    const chance = this.#prng.next()
    const channel = this.#prng.pick(['a', 'b', 'c', 'd'])
    if (chance < 0.1) return event(WsEventType.Text, `c:{"type":"subscribe","channel":"${channel}"}`)
    if (chance < 0.15) return event(WsEventType.Text, `c:{"type":"unsubscribe","channel":"${channel}"}`)
    if (chance < 0.2) return event(WsEventType.Text, 'unprefixed')
    const number = String(this.#nextNumber++)
    if (isHeard) this.#toClient.push(number)
    return chance < 0.6 ? event(WsEventType.Text, `m:${number}`) : event(WsEventType.Ping, number)
  }

  // What the machine does

  #drain(): void {
    for (let effect = this.#session.poll(); effect !== null; effect = this.#session.poll()) this.#perform(effect)
  }

  #perform(effect: WsEffect): void {
    assert(!this.#isEnded, 'nothing happens after the end')
    assert(!this.#isSubscribing, 'nothing happens before channels are live')
    switch (effect.kind) {
      case 'request':
        this.#checkRequest(effect)
        break
      case 'accept':
        assert(this.#client === 'opening', 'a client is accepted once')
        this.#client = 'open'
        break
      case 'reject':
        assert(this.#client === 'opening', 'only an opening is refused')
        this.#endClient()
        break
      case 'send': {
        assert(this.#client === 'open', 'a client gets messages while it is open')
        const text = effect.content.toString('latin1')
        assert(text === this.#toClient.shift(), 'a client gets what was said, in order')
        break
      }
      case 'close':
      case 'drop':
        assert(this.#client === 'open', 'an open client is closed')
        if (effect.kind === 'close') assert(this.#toClient.length === 0, 'a close comes behind what was said before it')
        this.#endClient()
        break
      case 'subscribe':
        assert(this.#client !== 'gone', 'a client that is gone needs no channels')
        this.#isSubscribing = true
        break
      case 'unsubscribe':
        break
      case 'ended':
        this.#isEnded = true
        break
    }
  }

  #checkRequest(request: Request): void {
    assert(this.#request === null, 'one request in flight')
    this.#request = request
    const body = Buffer.concat(request.body)
    assert(body.length === request.bodyBytes, 'the length of a body is told')
    const text = `${String(request.replayedBytes)} ${body.toString('latin1')}`
    assert(request.attempt === this.#retry, 'a retry is made where it may be')
    if (this.#retry > 0) {
      assert(text === this.#requestText, 'a retry is the same request')
      this.#retry = 0
      return
    }
    this.#requestText = text
    const events = decodeWebSocketEvents(body)
    assert(events !== null, 'a body can be read')
    this.#requestEvents = events
    assert(
      request.replayedBytes === this.#offeredBytes,
      'Content-Bytes-Replayed counts what was offered and not accepted',
    )
    this.#checkEvents(events)
  }

  #checkEvents(events: readonly WebSocketEvent[]): void {
    if (events[0]?.type === WsEventType.Open || events[0]?.type === WsEventType.Disconnect) {
      assert(events.length === 1, 'OPEN and DISCONNECT come alone')
      if (events[0].type === WsEventType.Disconnect) {
        assert(!this.#hasSentDisconnect, 'DISCONNECT comes once')
        assert(this.#client === 'gone' || !this.#isListened, 'DISCONNECT comes when the client is gone or detached')
        this.#hasSentDisconnect = true
      }
      return
    }
    const content = events.filter(({ type }) => isContent(type))
    const isClosing = events.length > content.length
    assert(events.length - content.length <= 1, 'CLOSE comes once in a request')
    assert(content.length <= this.#pending.length, 'nothing is offered that the client did not send')
    for (const [index, { type, content: bytes }] of content.entries()) {
      const expected = this.#pending[index] as Pending
      assert(type === expected.type && bytes.equals(expected.content), 'content is offered in order, whole, once')
    }
    const isWhole = content.length === this.#pending.length
    assert(this.#oneEvent ? content.length <= 1 : isWhole, 'everything is offered, or one event')
    assert(!isClosing || isWhole, 'CLOSE comes behind all content')
    assert(!isClosing || this.#client === 'gone' || !this.#isListened, 'CLOSE is sent when the client is closed')
    const bytes = content.reduce((sum, event) => sum + event.content.length, 0)
    // With one_event a new message makes the one before it come again, even when it cannot come along.
    const hasNews =
      !isWhole || bytes > this.#offeredBytes || content.some(({ content: { length } }) => length === 0) || isClosing
    assert(hasNews || this.#isPoked || this.#client === 'gone' || !this.#isListened, 'a request has a reason')
    this.#isPoked = false
    this.#offeredBytes = Math.max(bytes, this.#offeredBytes)
  }
}

function isContent(type: WsEventType | null): boolean {
  return type === 'TEXT' || type === 'BINARY' || type === 'PING' || type === 'PONG'
}

function event(type: WsEventType, content: string): WebSocketEvent {
  return { type, content: Buffer.from(content, 'latin1') }
}
