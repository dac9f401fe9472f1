/** The header form of GRIP instructions (GRIP reference: headers understood in an origin response). */
import type { Buffer } from 'node:buffer'
import { bytesOfByteString } from '../base/bytes.js'
import { InstructFault, addChannel } from './instruct-draft.js'
import type { InstructDraft } from './instruct-draft.js'
import {
  findParameter,
  headerList,
  headerListWithParameters,
  parseInteger,
  parseParameters,
  parseValueAndParameters,
} from './header-params.js'
import type { Parameter } from './header-params.js'
import { headerValue } from './headers.js'
import { bytesOfBase64 } from './json-text.js'
import { isLinkUri } from './link-uri.js'

export const KEEP_ALIVE_TIMEOUT_DEFAULT = 55
const NEXT_LINK_TIMEOUT_DEFAULT = 120

/** Applies every Grip header but Grip-Expose-Headers. Throws InstructFault; of several faults the first by this order. */
export function applyInstructHeaders(draft: InstructDraft, headers: readonly string[]): void {
  applyHold(draft, headers)
  applyChannels(draft, headers)
  applyTimeout(draft, headers)
  applyKeepAlive(draft, headers)
  applyMeta(draft, headers)
  const status = parseGripStatus(headers)
  if (status !== null) Object.assign(draft, status)
  applyLinks(draft, headers)
}

/** Grip-Status, or null when there is none. An empty reason stands for the table's. Throws InstructFault. */
export function parseGripStatus(headers: readonly string[]): { code: number; reason: string } | null {
  const value = headerValue(headers, 'grip-status')
  if (value === null || value === '') return null
  const blank = value.indexOf(' ')
  const code = parseInteger(blank === -1 ? value : value.slice(0, blank))
  if (code === null || code < 0 || code > 999) throw new InstructFault('Grip-Status contains invalid status code')
  return { code, reason: blank === -1 ? '' : value.slice(blank + 1) }
}

/** Grip-Expose-Headers in lower case; null: all headers are exposed. */
export function exposedHeaders(headers: readonly string[]): ReadonlySet<string> | null {
  const names = headerList(headers, 'grip-expose-headers')
  return names.length === 0 ? null : new Set(names.map((name) => name.toLowerCase()))
}

/** The filters of a Grip-Channel entry. Their name counts in lower case only. */
export function filtersOf(channel: readonly Parameter[]): string[] {
  return channel.slice(1).flatMap(([name, value]) => (name === 'filter' ? [value ?? ''] : []))
}

function applyHold(draft: InstructDraft, headers: readonly string[]): void {
  const hold = headerValue(headers, 'grip-hold')
  if (hold === null) return
  if (hold !== 'response' && hold !== 'stream') {
    throw new InstructFault("Grip-Hold must be set to either 'response' or 'stream'")
  }
  draft.hold = hold
}

function applyChannels(draft: InstructDraft, headers: readonly string[]): void {
  for (const entry of headerListWithParameters(headers, 'grip-channel')) {
    const name = entry[0]?.[0] ?? ''
    addChannel(draft, { name, prevId: findParameter(entry, 'prev-id') ?? null, filters: filtersOf(entry) })
  }
}

function applyTimeout(draft: InstructDraft, headers: readonly string[]): void {
  const value = headerValue(headers, 'grip-timeout')
  if (value !== null) draft.timeout = secondsOf(value, 'Grip-Timeout', 'Grip-Timeout')
}

/** `failedName` and `invalidName` say the field in the two possible faults. */
function secondsOf(text: string, failedName: string, invalidName: string): number {
  const seconds = parseInteger(text)
  if (seconds === null) throw new InstructFault(`failed to parse ${failedName}`)
  if (seconds < 0) throw new InstructFault(`${invalidName} has invalid value`)
  return seconds
}

/** The parameter `timeout`: one without a value is a fault, a missing one the default. */
function secondsParameter(entry: readonly Parameter[], header: string, byDefault: number): number {
  const text = findParameter(entry, 'timeout')
  if (text === undefined) return byDefault
  return secondsOf(text ?? '', `${header} timeout value`, `${header} timeout`)
}

function applyKeepAlive(draft: InstructDraft, headers: readonly string[]): void {
  const value = headerValue(headers, 'grip-keep-alive')
  if (value === null || value === '') return
  const entry = parseValueAndParameters(value)
  if (entry === null) return
  const data = entry[0]?.[0] ?? ''
  if (data === '') throw new InstructFault('Grip-Keep-Alive cannot be empty')
  const mode = findParameter(entry, 'mode') || 'idle'
  if (mode !== 'idle' && mode !== 'interval') throw new InstructFault(`no such Grip-Keep-Alive mode '${mode}'`)
  const timeout = secondsParameter(entry, 'Grip-Keep-Alive', KEEP_ALIVE_TIMEOUT_DEFAULT)
  const content = decodeKeepAlive(data, findParameter(entry, 'format') || 'raw')
  draft.keepAlive = { content, timeout, mode }
}

function decodeKeepAlive(data: string, format: string): Buffer {
  switch (format) {
    case 'raw':
      return bytesOfByteString(data)
    case 'cstring':
      return decodeCstring(data)
    case 'base64':
      return bytesOfBase64(data)
    default:
      throw new InstructFault(`no such Grip-Keep-Alive format '${format}'`)
  }
}

/** `\\`, `\r`, `\n` and `\xHH`; any other escape disappears. An empty result counts as a fault, as in Pushpin. */
function decodeCstring(data: string): Buffer {
  let valid = true
  const text = data.replace(/\\(x[0-9A-Fa-f]{2}|[^]|$)/g, (_, escape: string) => {
    if (escape.length === 3) return String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    if (escape === 'x' || escape === '') valid = false
    return CSTRING_ESCAPES.get(escape) ?? ''
  })
  if (!valid || text === '') throw new InstructFault('failed to parse Grip-Keep-Alive cstring format')
  return bytesOfByteString(text)
}

const CSTRING_ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\\', '\\'],
  ['r', '\r'],
  ['n', '\n'],
])

function applyMeta(draft: InstructDraft, headers: readonly string[]): void {
  for (const piece of headerList(headers, 'grip-set-meta')) {
    const parameters = parseParameters(piece)
    if (parameters === null) continue
    const first = parameters[0]
    if (first === undefined) throw new InstructFault('Grip-Set-Meta cannot be empty')
    const [name, value] = first
    // Pushpin stores null for a name without a value, and reads null as absent everywhere.
    if (value === null) draft.meta.delete(name)
    else draft.meta.set(name, value)
  }
}

function applyLinks(draft: InstructDraft, headers: readonly string[]): void {
  for (const entry of headerListWithParameters(headers, 'grip-link')) {
    if (entry.length < 2) continue
    const value = entry[0]?.[0] ?? ''
    if (value.length <= 2 || !value.startsWith('<') || !value.endsWith('>')) {
      throw new InstructFault('failed to parse Grip-Link value')
    }
    const uri = value.slice(1, -1)
    if (!isLinkUri(uri)) throw new InstructFault('Grip-Link contains invalid link')
    const rel = findParameter(entry, 'rel')
    if (rel === 'next') {
      draft.nextLink = { uri, timeout: secondsParameter(entry, 'Grip-Link', NEXT_LINK_TIMEOUT_DEFAULT) }
    } else if (rel === 'gone') {
      draft.goneLink = { uri }
    }
  }
}
