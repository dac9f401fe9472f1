/**
 * What a WebSocket client offers in Sec-WebSocket-Extensions as far as permessage-deflate goes (RFC 7692 §7), read as
 * Pushpin reads it: the first offer that works counts, whatever other extensions stand around it. Names are compared
 * as they are written.
 */
import { headerValues, trimBlanks } from './headers.js'

export const DeflateOffer = { None: 'none', Workable: 'workable', Malformed: 'malformed' } as const
export type DeflateOffer = (typeof DeflateOffer)[keyof typeof DeflateOffer]

/** Malformed: one of the headers cannot be read at all, whatever the others offer; the request is not valid then. */
export function deflateOffer(headers: readonly string[]): DeflateOffer {
  let offer: DeflateOffer = DeflateOffer.None
  for (const value of headerValues(headers, 'sec-websocket-extensions')) {
    const extensions = isBlanked(value) ? [] : parseExtensions(value)
    if (extensions === null) return DeflateOffer.Malformed
    if (extensions.some(isWorkable)) offer = DeflateOffer.Workable
  }
  return offer
}

interface Extension {
  readonly name: string
  /** Value '': there is none, or an empty one. */
  readonly parameters: readonly (readonly [name: string, value: string])[]
}

/**
 * uWebSockets.js overwrites what Safari 15 offers with blanks, because that browser's compression is broken. A header
 * that is blank on the wire comes as an empty one.
 */
function isBlanked(value: string): boolean {
  return value !== '' && trimBlanks(value) === ''
}

const NAME = /[^;,]*/y
/** Name and value; a quoted value knows no escapes, and nothing follows it. */
const PARAMETER = /([^=;,]*)(?:=(?:[ \t]*"([^"]*)"[ \t]*|(?![ \t]*")([^;,]*)))?(?=[;,]|$)/y

/** Null: an extension or a parameter has no name, or a quoted value does not end where it should. */
function parseExtensions(value: string): Extension[] | null {
  const extensions: Extension[] = []
  let at = -1
  do {
    NAME.lastIndex = at + 1
    const name = trimBlanks((NAME.exec(value) as RegExpExecArray)[0])
    at = NAME.lastIndex
    const parameters: [string, string][] = []
    while (value[at] === ';') {
      PARAMETER.lastIndex = at + 1
      const match = PARAMETER.exec(value)
      const key = trimBlanks(match?.[1] ?? '')
      if (match === null || key === '') return null
      parameters.push([key, match[2] ?? trimBlanks(match[3] ?? '')])
      at = PARAMETER.lastIndex
    }
    if (name === '') return null
    extensions.push({ name, parameters })
  } while (value[at] === ',')
  return extensions
}

const WINDOW_BITS = /^\+?[0-9]+$/
const WINDOW_BITS_MAX = 15

function isWorkable({ name, parameters }: Extension): boolean {
  if (name !== 'permessage-deflate') return false
  const names = new Set(parameters.map(([key]) => key))
  return names.size === parameters.length && parameters.every(([key, value]) => isAcceptable(key, value))
}

function isAcceptable(name: string, value: string): boolean {
  switch (name) {
    case 'client_no_context_takeover':
    case 'server_no_context_takeover':
      return value === ''
    case 'client_max_window_bits':
      return value === '' || isWindow(value)
    case 'server_max_window_bits':
      // The shared compressor has one window for all, the largest.
      return isWindow(value) && Number(value) === WINDOW_BITS_MAX
    default:
      return false
  }
}

function isWindow(value: string): boolean {
  const bits = Number(value)
  return WINDOW_BITS.test(value) && bits >= 8 && bits <= WINDOW_BITS_MAX
}
