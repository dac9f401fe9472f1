/**
 * body-patch: operations on a JSON body (reference: publishing, body-patch). It looks like RFC 6902 and is Pushpin's own:
 * `/` is the root, `add` at an index of an array replaces what is there, `test` compares numbers as rounded integers. An
 * operation that fails voids the whole patch.
 *
 * Objects are Maps here: no name means anything but itself.
 */
import { PATCH_WEIGHT_MAX } from '../base/limits.js'
import { byteStringOfText } from '../base/bytes.js'
import { parseInteger } from './header-params.js'
import { type JsonObject, isJsonObject, jsonMember } from './json-values.js'
import { JSON_DEPTH_MAX, parseJsonBytes, qtInteger } from './json-text.js'
import type { Json } from './publish-types.js'
import { type Node, writeQtJson } from './qt-json.js'

/** The patch cannot be applied; the message is for debug logs. It never leaves patchBody. */
export class PatchFault extends Error {
  override readonly name = 'PatchFault'
}

/**
 * The body with the patch applied: compact, members sorted by name, a line break at the end kept.
 * A fault: it is not a JSON object or array, some operation fails, or the result is no object or array.
 */
export function patchBody(body: Buffer, operations: readonly Json[]): Buffer | PatchFault {
  const parsed = parseJsonBytes(body)
  if (parsed === undefined) return new PatchFault('the body is not a JSON object or array')
  try {
    const budget = new Budget(body.length)
    const root = new Root(budget.copy(parsed))
    for (const operation of operations) apply(root, operation, budget)
    const { value } = root
    if (typeof value !== 'object' || value === null) throw new PatchFault('the result is not an object or array')
    return Buffer.concat([Buffer.from(writeQtJson(value)), lineEnding(body)])
  } catch (error) {
    if (error instanceof PatchFault) return error
    throw error
  }
}

function lineEnding(body: Buffer): Buffer {
  if (body[body.length - 1] !== 0x0a) return body.subarray(body.length)
  return body.subarray(body.length - (body[body.length - 2] === 0x0d ? 2 : 1))
}

class Root {
  value: Node

  constructor(value: Node) {
    this.value = value
  }
}

/** Values are copied when they are put in; a few `copy` of the root into itself would otherwise fill the memory. */
class Budget {
  #left: number

  constructor(bodyBytes: number) {
    this.#left = PATCH_WEIGHT_MAX + bodyBytes
  }

  copy(value: Json | Node, depthLeft = JSON_DEPTH_MAX): Node {
    if (typeof value === 'number' && !Number.isFinite(value)) throw new PatchFault('a number is too large')
    this.#left -= NODE_WEIGHT + (typeof value === 'string' ? value.length : 0)
    if (this.#left < 0) throw new PatchFault('the result is too large')
    if (typeof value !== 'object' || value === null) return value
    if (depthLeft === 0) throw new PatchFault('the result nests too deeply')
    if (Array.isArray(value)) return value.map((child) => this.copy(child, depthLeft - 1))
    const members = value instanceof Map ? value : Object.entries(value)
    const copied = new Map<string, Node>()
    for (const [name, child] of members) {
      this.#left -= name.length
      copied.set(name, this.copy(child, depthLeft - 1))
    }
    return copied
  }
}
const NODE_WEIGHT = 8

function apply(root: Root, operation: Json, budget: Budget): void {
  if (!isJsonObject(operation)) throw new PatchFault('invalid op')
  const type = textOf(operation, 'op')
  const path = textOf(operation, 'path')
  switch (type) {
    case 'add':
      resolve(root, path).set(budget.copy(valueOf(operation)))
      break
    case 'remove':
      resolve(root, path).existing().remove()
      break
    case 'replace':
      resolve(root, path)
        .existing()
        .set(budget.copy(valueOf(operation)))
      break
    case 'move': {
      const from = textOf(operation, 'from')
      if (isWithin(path, from)) throw new PatchFault('cannot move location into itself')
      const value = resolve(root, from).existing().take(budget)
      resolve(root, path).set(value)
      break
    }
    case 'copy': {
      const target = resolve(root, path)
      target.set(budget.copy(resolve(root, textOf(operation, 'from')).existing().get() as Node))
      break
    }
    case 'test':
      if (!isEqual(resolve(root, path).get(), valueOf(operation))) throw new PatchFault('tested values are not equal')
      break
    default:
      throw new PatchFault(`unsupported op: ${type}`)
  }
}

function textOf(operation: JsonObject, name: string): string {
  const value = jsonMember(operation, name)
  if (value === undefined) throw new PatchFault(`op does not contain '${name}'`)
  if (typeof value !== 'string') throw new PatchFault(`op contains '${name}' with wrong type`)
  return value
}

function valueOf(operation: JsonObject): Json {
  const value = jsonMember(operation, 'value')
  if (value === undefined) throw new PatchFault("op does not contain 'value'")
  return value
}

/** A place that a pointer names: it may not exist yet. */
abstract class Place {
  /** undefined: nothing is there. */
  abstract get(): Node | undefined
  abstract set(value: Node): void
  abstract remove(): void

  existing(): this {
    if (this.get() === undefined) throw new PatchFault('location does not exist')
    return this
  }

  take(_budget: Budget): Node {
    const value = this.get() as Node
    this.remove()
    return value
  }
}

class RootPlace extends Place {
  readonly #root: Root

  constructor(root: Root) {
    super()
    this.#root = root
  }

  override get(): Node {
    return this.#root.value
  }

  override set(value: Node): void {
    this.#root.value = value
  }

  override remove(): void {
    throw new PatchFault('the root cannot be removed')
  }

  /** Moved, the root stays where it is. */
  override take(budget: Budget): Node {
    return budget.copy(this.#root.value)
  }
}

class Member extends Place {
  readonly #object: Map<string, Node>
  readonly #name: string

  constructor(object: Map<string, Node>, name: string) {
    super()
    this.#object = object
    this.#name = name
  }

  override get(): Node | undefined {
    return this.#object.get(this.#name)
  }

  override set(value: Node): void {
    this.#object.set(this.#name, value)
  }

  override remove(): void {
    this.#object.delete(this.#name)
  }
}

class Element extends Place {
  readonly #list: Node[]
  /** -1: behind the last one. */
  readonly #index: number

  constructor(list: Node[], index: number) {
    super()
    this.#list = list
    this.#index = index
  }

  override get(): Node | undefined {
    return this.#list[this.#index]
  }

  override set(value: Node): void {
    if (this.#index === -1) this.#list.push(value)
    else this.#list[this.#index] = value
  }

  override remove(): void {
    this.#list.splice(this.#index, 1)
  }
}

function resolve(root: Root, pointer: string): Place {
  if (!pointer.startsWith('/')) throw new PatchFault('pointer must start with /')
  let place: Place = new RootPlace(root)
  if (pointer.length === 1) return place
  const parts = pointer.slice(1).split('/')
  // Together with the depth of what is put in, this bounds the depth of the result.
  if (parts.length > JSON_DEPTH_MAX) throw new PatchFault('the result nests too deeply')
  for (const part of parts) {
    if (part === '') throw new PatchFault('reference cannot be empty')
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    const inside = place.get()
    if (inside === undefined) throw new PatchFault('cannot step into undefined reference')
    if (inside instanceof Map) place = new Member(inside, name)
    else if (Array.isArray(inside)) place = new Element(inside, indexOf(inside, name))
    else throw new PatchFault('non-container value cannot have child reference')
  }
  return place
}

function indexOf(list: readonly Node[], name: string): number {
  if (name === '-') return -1
  const index = parseInteger(byteStringOfText(name))
  if (index === null) throw new PatchFault('index must be an integer')
  if (index < 0 || index >= list.length) throw new PatchFault('index out of range')
  return index
}

/** Whether `pointer` lies below `above`, by its text. */
function isWithin(pointer: string, above: string): boolean {
  return pointer !== above && pointer.startsWith('/') && above.startsWith('/') && pointer.startsWith(`${above}/`)
}

/** As Qt compares: what is not of one kind, as integers. Nothing equals null. */
function isEqual(one: Node | undefined, other: Json): boolean {
  if (typeof one === 'string' && typeof other === 'string') return one === other
  if (Array.isArray(one)) {
    if (!Array.isArray(other) || one.length !== other.length) return false
    return one.every((child, at) => isEqual(child, other[at] as Json))
  }
  if (one instanceof Map) {
    if (!isJsonObject(other) || Object.keys(other).length !== one.size) return false
    return [...one].every(([name, child]) => {
      const counterpart = jsonMember(other, name)
      return counterpart !== undefined && isEqual(child, counterpart)
    })
  }
  const integer = qtInteger(one)
  return integer !== undefined && integer === qtInteger(other)
}
