/**
 * Control messages of a WebSocket backend: text messages `c:` and a JSON object (WebSocket reference: control
 * messages). What is not exactly right is ignored as a whole, and the connection goes on.
 */
import { Buffer } from 'node:buffer'
import { EMPTY_BYTES, byteStringOfText } from '../base/bytes.js'
import { bytesOfBase64, parseJsonBytes, qtInteger } from './json-text.js'
import { isJsonObject, jsonMember } from './json-values.js'
import type { JsonObject } from './json-values.js'
import { WsMessageType } from './publish-types.js'

/** Text messages that start so are for the gateway, whatever the message prefix is. */
export const CONTROL_PREFIX = 'c:'

/** Seconds, when a message names none or 0. */
const KEEP_ALIVE_TIMEOUT_DEFAULT = 55
const SEND_DELAYED_TIMEOUT_DEFAULT = 1

/** Names, ids and values are byte strings; channels are without the route's prefix; time-outs in seconds, at least 1. */
export type ControlMessage =
  /** More than CHANNEL_FILTERS_MAX filters end the session; that is the session's to do. */
  | { readonly type: 'subscribe'; readonly channel: string; readonly filters: readonly string[] }
  | { readonly type: 'unsubscribe'; readonly channel: string }
  | { readonly type: 'detach' }
  /** null: no session id any more. */
  | { readonly type: 'session'; readonly id: string | null }
  /** value null: forget the name. */
  | { readonly type: 'set-meta'; readonly name: string; readonly value: string | null }
  /** keepAlive null: none any more. */
  | { readonly type: 'keep-alive'; readonly keepAlive: WsKeepAlive | null }
  | {
      readonly type: 'send-delayed'
      readonly messageType: WsMessageType
      readonly content: Buffer
      readonly timeout: number
    }
  | { readonly type: 'flush-delayed' }

export interface WsKeepAlive {
  readonly messageType: WsMessageType
  readonly content: Buffer
  readonly timeout: number
  readonly mode: 'idle' | 'interval'
}

/** Decodes what stands behind `c:`. Null: to be ignored. Never throws. */
export function decodeControlMessage(bytes: Buffer): ControlMessage | null {
  const object = parseJsonBytes(bytes)
  if (!isJsonObject(object)) return null
  const type = jsonMember(object, 'type')
  switch (type) {
    case 'subscribe':
      return subscribeOf(object)
    case 'unsubscribe': {
      const channel = textMember(object, 'channel')
      return channel ? { type, channel } : null
    }
    case 'detach':
    case 'flush-delayed':
      return { type }
    case 'session': {
      const id = textMember(object, 'id')
      return id === undefined ? null : { type, id: id === '' ? null : id }
    }
    case 'set-meta': {
      const name = textMember(object, 'name')
      const value = textMember(object, 'value')
      return name && value !== undefined ? { type, name, value } : null
    }
    case 'keep-alive':
      return keepAliveOf(object)
    case 'send-delayed':
      return sendDelayedOf(object)
    default:
      return null
  }
}

function subscribeOf(object: JsonObject): ControlMessage | null {
  const channel = textMember(object, 'channel')
  const filters = jsonMember(object, 'filters')
  if (!channel) return null
  if (filters === undefined) return { type: 'subscribe', channel, filters: [] }
  if (!Array.isArray(filters)) return null
  const names: string[] = []
  for (const filter of filters) {
    if (typeof filter !== 'string') return null
    names.push(byteStringOfText(filter))
  }
  return { type: 'subscribe', channel, filters: names }
}

function keepAliveOf(object: JsonObject): ControlMessage | null {
  const timed = timedContentOf(object, KEEP_ALIVE_TIMEOUT_DEFAULT)
  const mode = textMember(object, 'mode')
  if (timed === null || mode === undefined) return null
  const { content, ...rest } = timed
  if (content === null) return { type: 'keep-alive', keepAlive: null }
  return { type: 'keep-alive', keepAlive: { ...rest, content, mode: mode === 'interval' ? 'interval' : 'idle' } }
}

function sendDelayedOf(object: JsonObject): ControlMessage | null {
  const timed = timedContentOf(object, SEND_DELAYED_TIMEOUT_DEFAULT)
  return timed && { type: 'send-delayed', ...timed, content: timed.content ?? EMPTY_BYTES }
}

interface TimedContent {
  readonly messageType: WsMessageType
  /** null: none given. */
  readonly content: Buffer | null
  readonly timeout: number
}

/** What keep-alive and send-delayed have in common, or null for a field of the wrong type. */
function timedContentOf(object: JsonObject, timeoutDefault: number): TimedContent | null {
  const messageType = MESSAGE_TYPES.find((known) => known === (textMember(object, 'message-type') ?? 'text'))
  const content = contentOf(object)
  if (textMember(object, 'message-type') === undefined || messageType === undefined || content === undefined)
    return null
  // Without content nothing is to be sent, and the time-out is not even looked at.
  const timeout = content === null ? 0 : timeoutOf(object)
  if (timeout === undefined || timeout < 0) return null
  return { messageType, content, timeout: timeout || timeoutDefault }
}

/** Seconds as Qt coerces them, 0 when absent; undefined: of the wrong type. */
function timeoutOf(object: JsonObject): number | undefined {
  const value = jsonMember(object, 'timeout')
  return value === undefined ? 0 : qtInteger(value)
}

const MESSAGE_TYPES = Object.values(WsMessageType)

/** `content-bin` in base64, else the text `content`; null: neither; undefined: of the wrong type. */
function contentOf(object: JsonObject): Buffer | null | undefined {
  const encoded = jsonMember(object, 'content-bin')
  if (encoded !== undefined) return typeof encoded === 'string' ? bytesOfBase64(encoded) : undefined
  const text = jsonMember(object, 'content')
  if (text === undefined) return null
  return typeof text === 'string' ? Buffer.from(text, 'utf8') : undefined
}

/** A member as byte string; null: absent; undefined: of the wrong type. */
function textMember(object: JsonObject, key: string): string | null | undefined {
  const value = jsonMember(object, key)
  if (value === undefined) return null
  return typeof value === 'string' ? byteStringOfText(value) : undefined
}
