/**
 * ZRPC: the requests and replies of the command socket (reference: command socket).
 *
 * A request is one tnetstring dictionary `{id?, from?, method, args?}`, a reply `{id?, success, value}` or
 * `{id?, success, condition, value?}`. Ours: a request may be JSON, with or without a `J` in front, and is then answered
 * in the same form. A tnetstring begins with a digit, so that neither can be taken for the other.
 */
import { Buffer } from 'node:buffer'
import { byteStringOfText, textOfByteString } from '../base/bytes.js'
import { parseJsonBytes } from './json-text.js'
import type { Dictionary } from './publish-item.js'
import type { Json } from './publish-types.js'
import { decodeTnetstring, encodeTnetstring, type TnInput, type TnValue } from './tnetstring.js'

export const ZrpcForm = { Tnetstring: 'tnetstring', Json: 'json', JJson: 'j-json' } as const
export type ZrpcForm = (typeof ZrpcForm)[keyof typeof ZrpcForm]

/** Texts are byte strings. */
export interface ZrpcRequest {
  readonly form: ZrpcForm
  /** Comes back in the reply; empty: none. */
  readonly id: string
  readonly method: string
  readonly args: Dictionary
}

/** A request that cannot be read, in words for whoever wrote it. Its id is known when that much could be read. */
export interface ZrpcFault {
  readonly form: ZrpcForm
  readonly id: string
  readonly fault: string
}

export type ZrpcValue = null | string | readonly string[] | ReadonlyMap<string, string>

export type ZrpcReply =
  | { readonly success: true; readonly value: ZrpcValue }
  | { readonly success: false; readonly condition: string; readonly value?: string }

/**
 * A request's parts at a ROUTER: its way back (the peer, and what stood in front of an empty part), the empty part, and one
 * part of content. `way` goes in front of the reply; content null: it is not one part, or nothing separates it.
 */
export function splitZrpcParts(parts: readonly Buffer[]): {
  readonly way: readonly Buffer[]
  readonly content: Buffer | null
} {
  // The first part names the peer.
  const separator = parts.findIndex((part, index) => index > 0 && part.length === 0)
  if (separator === -1) return { way: parts.slice(0, 1), content: null }
  const content = parts.length === separator + 2 ? (parts[separator + 1] as Buffer) : null
  return { way: parts.slice(0, separator + 1), content }
}

/** Never throws. Bytes behind a tnetstring are ignored. */
export function decodeZrpcRequest(part: Buffer): ZrpcRequest | ZrpcFault {
  const form = formOf(part)
  const root = form === ZrpcForm.Tnetstring ? fromTnetstring(part) : fromJson(part, form)
  if (typeof root === 'string') return { form, id: '', fault: root }
  const id = textField(root, 'id')
  const faulty = (key: string, wrong: boolean): ZrpcFault => {
    const what = wrong ? `contains '${key}' with wrong type` : `does not contain '${key}'`
    return { form, id: id ?? '', fault: `Invalid format: request ${what}` }
  }
  if (id === null) return faulty('id', true)
  if (textField(root, 'from') === null) return faulty('from', true)
  const method = textField(root, 'method')
  if (method === null || method === undefined) return faulty('method', method === null)
  const args = memberOf(root, 'args')
  if (args !== undefined && !isDictionary(args)) return faulty('args', true)
  return { form, id: id ?? '', method, args: args ?? NO_ARGS }
}

export function isZrpcFault(request: ZrpcRequest | ZrpcFault): request is ZrpcFault {
  return 'fault' in request
}

export function encodeZrpcReply(reply: ZrpcReply, { form, id }: Pick<ZrpcRequest, 'form' | 'id'>): Buffer {
  const fields: [string, string | boolean | ZrpcValue][] = [['success', reply.success]]
  if (id !== '') fields.unshift(['id', id])
  if (reply.value !== undefined) fields.push(['value', reply.value])
  if (!reply.success) fields.push(['condition', reply.condition])
  if (form === ZrpcForm.Tnetstring) return encodeTnetstring(new Map<string, TnInput>(fields))
  const text = JSON.stringify(Object.fromEntries(fields.map(([key, value]) => [key, jsonOf(value)])))
  return Buffer.from(form === ZrpcForm.JJson ? `J${text}` : text)
}

/** A text among the arguments; undefined: there is none, null: it is something else. */
export function textField(object: Dictionary, key: string): string | null | undefined {
  const value = memberOf(object, key)
  return value === undefined ? undefined : textOf(value)
}

/** A list of texts among the arguments; null: there is none, or it is something else. */
export function textListField(object: Dictionary, key: string): string[] | null {
  const value = memberOf(object, key)
  if (!Array.isArray(value)) return null
  const texts = value.map(textOf)
  return texts.includes(null) ? null : (texts as string[])
}

const NO_ARGS: Dictionary = {}
const LETTER_J = 0x4a
const BRACE = 0x7b

function formOf(part: Buffer): ZrpcForm {
  if (part[0] === BRACE) return ZrpcForm.Json
  return part[0] === LETTER_J ? ZrpcForm.JJson : ZrpcForm.Tnetstring
}

function fromTnetstring(part: Buffer): Dictionary | string {
  const decoded = decodeTnetstring(part)
  if (!decoded.ok) return `Invalid format: request is not a tnetstring (${decoded.fault} at byte ${decoded.at})`
  return decoded.value instanceof Map ? decoded.value : 'Invalid format: request is not a dictionary'
}

function fromJson(part: Buffer, form: ZrpcForm): Dictionary | string {
  const root = parseJsonBytes(form === ZrpcForm.JJson ? part.subarray(1) : part)
  if (root === undefined) return 'Invalid format: request is not valid JSON'
  return Array.isArray(root) ? 'Invalid format: request is not an object' : root
}

function memberOf(object: Dictionary, key: string): Json | TnValue | undefined {
  if (object instanceof Map) return object.get(key)
  return Object.hasOwn(object, key) ? object[key] : undefined
}

function isDictionary(value: unknown): value is Dictionary {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value)
}

function textOf(value: unknown): string | null {
  if (typeof value === 'string') return byteStringOfText(value)
  return Buffer.isBuffer(value) ? value.toString('latin1') : null
}

function jsonOf(value: boolean | ZrpcValue): unknown {
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'string') return textOfByteString(value)
  if (isTextMap(value)) return Object.fromEntries([...value].map(([key, text]) => [key, textOfByteString(text)]))
  return value.map((text) => textOfByteString(text))
}

function isTextMap(value: readonly string[] | ReadonlyMap<string, string>): value is ReadonlyMap<string, string> {
  return value instanceof Map
}
