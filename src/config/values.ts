/**
 * The kinds of value that a key of pushpin.conf can have: text as written to value, or what is wrong with it.
 *
 * Readers get the parts of a list (one part: a plain value) after substitution of {rundir} and friends.
 */
import { Buffer } from 'node:buffer'
import { keySpecFault } from '../base/key-spec.js'
import type { ListenAddress, XffRule } from './types.js'

/** A unix socket as written: names of accounts are looked up later. */
export interface WrittenLocal {
  readonly path: string
  readonly mode: number | null
  readonly user: string | null
  readonly group: string | null
}

export interface ValueByType {
  readonly text: string
  readonly key: string
  readonly integer: number
  readonly boolean: boolean
  /** Octal permissions; null: not set. */
  readonly mode: number | null
  readonly choice: string
  readonly list: readonly string[]
  readonly listen: readonly ListenAddress[]
  readonly 'listen tls': readonly ListenAddress[]
  readonly local: readonly WrittenLocal[]
  readonly 'listen one': string
  readonly specs: readonly string[]
  readonly xff: XffRule
  readonly 'log level': number
}
export type ValueType = keyof ValueByType

export interface ValueRules {
  readonly type: ValueType
  readonly range?: readonly [min: number, max: number]
  readonly choices?: readonly string[]
}

export type ReadValue<T> =
  { readonly value: T; readonly fault: null } | { readonly value: null; readonly fault: string }

function good<T>(value: T): ReadValue<T> {
  return { value, fault: null }
}
function bad<T>(fault: string): ReadValue<T> {
  return { value: null, fault }
}

type Reader<T> = (parts: readonly string[], rules: ValueRules) => ReadValue<T>

const READERS: { readonly [T in ValueType]: Reader<ValueByType[T]> } = {
  text: readText,
  key: readKey,
  integer: readInteger,
  boolean: readBoolean,
  mode: readMode,
  choice: readChoice,
  list: (parts) => good(nonEmpty(parts)),
  listen: (parts) => readAll(nonEmpty(parts), (part) => readListen(part, 'http')),
  'listen tls': (parts) => readAll(nonEmpty(parts), (part) => readListen(part, 'https')),
  local: (parts) => readAll(nonEmpty(parts), readLocal),
  'listen one': readListenOne,
  specs: (parts) => readAll(nonEmpty(parts), readSpec),
  xff: readXff,
  'log level': readLogLevel,
}

export function readValue<T extends ValueType>(
  parts: readonly string[],
  rules: ValueRules & { readonly type: T },
): ReadValue<ValueByType[T]> {
  return READERS[rules.type](parts, rules)
}

function nonEmpty(parts: readonly string[]): readonly string[] {
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}

function readAll<T>(parts: readonly string[], read: (part: string) => ReadValue<T>): ReadValue<readonly T[]> {
  const values: T[] = []
  for (const part of parts) {
    const result = read(part)
    if (result.fault !== null) return result
    values.push(result.value)
  }
  return good(values)
}

function readText(parts: readonly string[]): ReadValue<string> {
  if (parts.length > 1) return bad('the comma makes this a list: put the value in double quotes')
  return good(parts[0] as string)
}

function readKey(parts: readonly string[]): ReadValue<string> {
  const text = readText(parts)
  if (text.fault !== null) return text
  const fault = keySpecFault(text.value)
  return fault === null ? text : bad(fault)
}

/** Decimal, a sign allowed; null: not an integer that a double holds exactly. */
export function integerOf(text: string): number | null {
  const trimmed = text.trim()
  if (!/^[+-]?\d{1,15}$/.test(trimmed)) return null
  return Number(trimmed)
}

function readInteger(parts: readonly string[], rules: ValueRules): ReadValue<number> {
  const value = parts.length === 1 ? integerOf(parts[0] as string) : null
  if (value === null) return bad('expecting an integer')
  const [min, max] = rules.range ?? [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]
  if (value < min || value > max) return bad(`must be between ${min} and ${max}`)
  return good(value)
}

/** Pushpin takes every word but `false` and `0` for true, `no` and `off` too: those are refused, not guessed. */
function readBoolean(parts: readonly string[]): ReadValue<boolean> {
  const word = parts.length === 1 ? (parts[0] as string).trim().toLowerCase() : 'list'
  if (word === 'true' || word === '1') return good(true)
  if (word === 'false' || word === '0' || word === '') return good(false)
  return bad('expecting true or false')
}

function readMode(parts: readonly string[]): ReadValue<number | null> {
  const text = parts.length === 1 ? (parts[0] as string).trim() : 'list'
  if (text === '' || text === '-1') return good(null)
  if (!/^[0-7]{1,4}$/.test(text)) return bad(`invalid mode: ${text}`)
  return good(Number.parseInt(text, 8))
}

function readChoice(parts: readonly string[], rules: ValueRules): ReadValue<string> {
  const choices = rules.choices ?? []
  const text = parts.length === 1 ? (parts[0] as string).trim() : 'list'
  return choices.includes(text) ? good(text) : bad(`expecting one of ${choices.filter((c) => c !== '').join(', ')}`)
}

/** `[addr:]port`; null: it is neither. IPv6 in brackets. An address `*` is every IPv4 address. */
export function listenAddressOf(text: string): ListenAddress | null {
  const match = /^(?:(\[[^\]]*\]|[^:[\]]*):)?(\d{1,5})$/.exec(text.trim())
  if (match === null) return null
  const port = Number(match[2])
  if (port < 1 || port > 65_535) return null
  const address = match[1]
  if (address === undefined || address === '*') return { host: '0.0.0.0', port }
  if (address.startsWith('[')) {
    const host = address.slice(1, -1)
    return URL.canParse(`http://[${host}]/`) ? { host, port } : null
  }
  return /^[A-Za-z0-9._-]+$/.test(address) ? { host: address, port } : null
}

/** `host:port`, IPv6 in brackets. */
export function addressText({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${String(port)}`
}

function readListen(text: string, kind: 'http' | 'https'): ReadValue<ListenAddress> {
  const address = listenAddressOf(text)
  return address === null ? bad(`invalid ${kind} port: ${text}`) : good(address)
}

function readListenOne(parts: readonly string[]): ReadValue<string> {
  const text = parts.length === 1 ? (parts[0] as string).trim() : 'list'
  if (text === '' || /^ipc:\/\/./.test(text) || listenAddressOf(text) !== null) return good(text)
  return bad('expecting [addr:]port or ipc://path')
}

/** Linux: sun_path of sockaddr_un, without its end. Nothing behind us checks it: a longer one would be written over memory. */
const LOCAL_PATH_BYTES_MAX = 107

/** `path[?mode=octal&user=name&group=name]`, percent-encoded where a comma or a question mark must not end it. */
function readLocal(text: string): ReadValue<WrittenLocal> {
  const [encoded, query = ''] = text.split(/\?(.*)/s) as [string, string?]
  const path = decoded(encoded)
  if (path === '' || path.includes('\0')) return bad(`invalid local port: ${text}`)
  if (Buffer.byteLength(path) > LOCAL_PATH_BYTES_MAX) {
    return bad(`the path of a unix socket has at most ${LOCAL_PATH_BYTES_MAX} bytes: ${path}`)
  }
  const params = new URLSearchParams(query)
  const mode = params.get('mode')
  if (mode !== null && !/^[0-7]{1,4}$/.test(mode)) return bad(`invalid mode: ${mode}`)
  return good({
    path,
    mode: mode === null ? null : Number.parseInt(mode, 8),
    user: params.get('user') || null,
    group: params.get('group') || null,
  })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** A ZeroMQ end point. `inproc://` reaches nobody outside of this process. */
function readSpec(spec: string): ReadValue<string> {
  if (/^ipc:\/\/./.test(spec)) return good(spec)
  const tcp = /^tcp:\/\/(?:\[[^\]]+\]|[^:/]+):(\d{1,6}|\*)$/.exec(spec)
  if (tcp === null) return bad(`expecting tcp://host:port or ipc://path: ${spec}`)
  const port = tcp[1] === '*' ? 1 : Number(tcp[1])
  return port >= 1 && port <= 65_535 ? good(spec) : bad(`invalid port: ${spec}`)
}

/** `truncate:N` keeps the last N addresses a client brought, `append` adds the client's own. */
function readXff(parts: readonly string[]): ReadValue<XffRule> {
  let truncate: number | null = null
  let append = false
  for (const part of nonEmpty(parts)) {
    const count = /^truncate:(\d{1,6})$/.exec(part)
    if (count !== null) truncate = Number(count[1])
    else if (part === 'append') append = true
    else return bad(`expecting truncate:N or append: ${part}`)
  }
  return good({ truncate, append })
}

export const LOG_LEVEL_DEFAULT = 2
const LOG_LEVEL_MAX = 4

/** `2`, or a list with levels of single services: `2,proxy:3`. There is one process here: the level without a name counts. */
function readLogLevel(parts: readonly string[]): ReadValue<number> {
  let level = LOG_LEVEL_DEFAULT
  for (const part of parts) {
    if (part === '') return bad('log level component cannot be empty')
    const colon = part.indexOf(':')
    if (colon === 0) return bad('log level component name cannot be empty')
    const value = integerOf(part.slice(colon + 1))
    if (value === null || value < 0) {
      const service = colon === -1 ? '' : ` for service ${part.slice(0, colon)}`
      return bad(`log level${service} must be greater than or equal to 0`)
    }
    if (colon === -1) level = Math.min(value, LOG_LEVEL_MAX)
  }
  return good(level)
}

/** The value of --loglevel: as `log_level`. */
export function logLevelOf(text: string): ReadValue<number> {
  return readLogLevel(text.split(','))
}
