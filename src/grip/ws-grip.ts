/**
 * GRIP on a WebSocket: the message prefix, control messages, and what they leave behind (WebSocket reference: grip
 * extension, control messages). Exists only for sessions whose backend speaks it or whose target has implicit channels.
 */
import { Buffer } from 'node:buffer'
import { EMPTY_BYTES } from '../base/bytes.js'
import { CHANNEL_BYTES_MAX } from '../base/limits.js'
import { CONTROL_PREFIX, type ControlMessage, decodeControlMessage } from '../wire/grip-control.js'
import { CHANNEL_FILTERS_MAX } from '../wire/instruct-types.js'
import { WsMessageType } from '../wire/publish-types.js'
import type { Meta } from './meta.js'
import { type AutomaticMessage, WsAutomatic } from './ws-automatic.js'
import type { WsOutbox } from './ws-outbox.js'

/** The part of a session's config that GRIP needs; see WsSessionConfig. */
export interface WsGripConfig {
  readonly channelPrefix: string
  readonly implicitChannels: readonly string[]
  readonly subscriptionMax: number
  readonly onSubscriptionRefused?: () => void
  readonly debug: boolean
  readonly random: () => number
}

/** Pushpin cuts messages to clients into frames of this size, and a control message must be one frame. */
const CONTROL_MESSAGE_BYTES_MAX = 16_384

const CONTROL_PREFIX_BYTES = Buffer.from(CONTROL_PREFIX, 'latin1')

const NO_CHANNELS: readonly string[] = []
const NO_FILTERS: readonly string[] = []

/** The message prefix met last: nearly all sessions of a backend have the same, and a buffer each would cost 184 bytes. */
let lastPrefix = ''
let lastPrefixBytes: Buffer = EMPTY_BYTES

function prefixBytes(prefix: string): Buffer {
  if (prefix !== lastPrefix) {
    lastPrefixBytes = Buffer.from(prefix, 'latin1')
    lastPrefix = prefix
  }
  return lastPrefixBytes
}

export class WsGrip {
  readonly #config: WsGripConfig
  readonly #outbox: WsOutbox
  /** null: the backend did not ask for GRIP; its messages go to the client as they are. */
  readonly #messagePrefix: Buffer | null
  /** Held, implicit ones included, as the hub knows them. */
  #channels: readonly string[] = NO_CHANNELS
  #connectionMeta: Meta | null = null
  #sessionId: string | null = null
  #automatic: WsAutomatic | null = null
  #isDetachDue = false
  #closeReasonDue: string | null = null

  /** `messagePrefix`: byte string, or null. */
  constructor(config: WsGripConfig, outbox: WsOutbox, messagePrefix: string | null) {
    this.#config = config
    this.#outbox = outbox
    this.#messagePrefix = messagePrefix === null ? null : prefixBytes(messagePrefix)
    for (const channel of config.implicitChannels) this.#hold(channel, [])
  }

  get automatic(): WsAutomatic | null {
    return this.#automatic
  }

  /** For filters; null: none. */
  get connectionMeta(): Meta | null {
    return this.#connectionMeta
  }

  get sessionId(): string | null {
    return this.#sessionId
  }

  /** A message of the backend: what of it the client gets, or null. Control messages are done. */
  receive(type: 'text' | 'binary', content: Buffer, nowMs: number): Buffer | null {
    const prefix = this.#messagePrefix
    if (prefix === null) return content
    // First, so that it works with an empty message prefix too.
    if (type === WsMessageType.Text && startsWith(content, CONTROL_PREFIX_BYTES)) {
      if (content.length > CONTROL_MESSAGE_BYTES_MAX) return null
      const control = decodeControlMessage(content.subarray(CONTROL_PREFIX_BYTES.length))
      if (control !== null) this.#apply(control, nowMs)
      return null
    }
    return startsWith(content, prefix) ? content.subarray(prefix.length) : null
  }

  /** Whether `detach` came; to be asked once when the whole answer has been read. */
  takeDetach(): boolean {
    const isDue = this.#isDetachDue
    this.#isDetachDue = false
    return isDue
  }

  /** The reason of the close (1011) that a control message asked for, or null; likewise. */
  takeCloseReason(): string | null {
    const reason = this.#closeReasonDue
    this.#closeReasonDue = null
    return reason
  }

  #apply(control: ControlMessage, nowMs: number): void {
    switch (control.type) {
      case 'subscribe':
        this.#subscribe(control.channel, control.filters)
        break
      case 'unsubscribe':
        this.#unsubscribe(this.#config.channelPrefix + control.channel)
        break
      case 'detach':
        this.#isDetachDue = true
        break
      case 'session':
        this.#sessionId = control.id
        break
      case 'set-meta':
        this.#setMeta(control.name, control.value)
        break
      case 'keep-alive': {
        const { keepAlive } = control
        if (keepAlive === null) this.#automatic?.clearKeepAlive()
        else this.#useAutomatic().setKeepAlive(ownedMessage(keepAlive), keepAlive.timeout * 1000, keepAlive.mode, nowMs)
        break
      }
      case 'send-delayed':
        // One slot: what waits in it goes out now.
        this.#flushDelayed(nowMs)
        this.#useAutomatic().setDelayed(ownedMessage(control), control.timeout * 1000, nowMs)
        break
      case 'flush-delayed':
        this.#flushDelayed(nowMs)
        break
    }
  }

  #subscribe(channel: string, filters: readonly string[]): void {
    // At the cap even a channel that is held already is refused, as in Pushpin.
    if (this.#channels.length >= this.#config.subscriptionMax) return this.#config.onSubscriptionRefused?.()
    if (filters.length > CHANNEL_FILTERS_MAX) {
      this.#closeReasonDue ??= this.#config.debug ? `too many filters for channel '${channel}'` : ''
      return
    }
    const name = this.#config.channelPrefix + channel
    if (name.length <= CHANNEL_BYTES_MAX) this.#hold(name, filters)
  }

  #hold(name: string, filters: readonly string[]): void {
    // A list with room for what it holds: push() would make room for 17, and most sessions hold one channel.
    if (!this.#channels.includes(name)) this.#channels = this.#channels.concat(name)
    this.#outbox.subscribe({ name, prevId: null, filters: filters.length === 0 ? NO_FILTERS : filters })
  }

  #unsubscribe(name: string): void {
    if (!this.#channels.includes(name) || this.#config.implicitChannels.includes(name)) return
    this.#channels = this.#channels.filter((held) => held !== name)
    this.#outbox.unsubscribe(name)
  }

  #setMeta(name: string, value: string | null): void {
    const { [name]: _replaced, ...rest } = this.#connectionMeta ?? {}
    const next = value === null ? rest : { ...rest, [name]: value }
    this.#connectionMeta = Object.keys(next).length > 0 ? next : null
  }

  #useAutomatic(): WsAutomatic {
    return (this.#automatic ??= new WsAutomatic(this.#config.random))
  }

  #flushDelayed(nowMs: number): void {
    const delayed = this.#automatic?.takeDelayed() ?? null
    if (delayed === null) return
    this.#outbox.push({ kind: 'send', type: delayed.type, content: delayed.content, droppable: false })
    this.#automatic?.handleWritten(nowMs)
  }
}

/** A message that is kept must not keep the answer it came in. */
function ownedMessage(message: { readonly messageType: WsMessageType; readonly content: Buffer }): AutomaticMessage {
  return { type: message.messageType, content: Buffer.from(message.content) }
}

function startsWith(content: Buffer, prefix: Buffer): boolean {
  if (content.length < prefix.length) return false
  for (let at = 0; at < prefix.length; at++) if (content[at] !== prefix[at]) return false
  return true
}
