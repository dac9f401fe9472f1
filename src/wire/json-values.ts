/**
 * JSON as Pushpin takes it: UTF-8 only (a byte order mark is skipped), numbers coerced as Qt's QVariant does, base64
 * with foreign characters skipped.
 */
import { Buffer } from 'node:buffer'
import { parseInteger } from './header-params.js'
import type { Json } from './publish-types.js'

export type JsonObject = { [key: string]: Json }

/** The value of a JSON text, or undefined when the bytes are none. A lone scalar is none either. */
export function parseJson(bytes: Uint8Array): Json[] | JsonObject | undefined {
  let value: Json
  try {
    value = JSON.parse(UTF8.decode(bytes)) as Json
  } catch {
    // Both calls throw for one reason only: the bytes are not what they should be. That is the answer.
    return undefined
  }
  return typeof value === 'object' && value !== null ? value : undefined
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A member, or undefined; never something inherited. */
export function jsonMember(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

/**
 * What Qt makes of a value where a 32-bit integer is wanted: numbers are rounded, halves away from zero, bools are
 * 0 and 1, a string that is no integer is 0. Null: lists, objects and null are of the wrong type.
 */
export function coerceInteger(value: Json): number | null {
  if (typeof value === 'number') return (Math.sign(value) * Math.floor(Math.abs(value) + 0.5)) | 0
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'string') return parseInteger(value) ?? 0
  return null
}

/** Decodes base64 of the standard alphabet; every other character is skipped, padding is not needed. */
export function decodeBase64(text: string): Buffer {
  return Buffer.from(text.replace(/[^A-Za-z0-9+/]/g, ''), 'base64')
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })
