/** Objects among parsed JSON values. Parsing itself and Qt's coercions are in json-text.ts. */
import type { Json } from './publish-types.js'

export type JsonObject = { [key: string]: Json }

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A member, or undefined; never something inherited. */
export function jsonMember(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}
