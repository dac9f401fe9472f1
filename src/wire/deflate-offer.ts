/**
 * What a WebSocket client offers in Sec-WebSocket-Extensions as far as permessage-deflate goes (RFC 7692 §7), read as
 * Pushpin reads it: the first offer that works counts, whatever other extensions stand around it. Names are compared
 * as they are written.
 */
import { headerValues, trimBlanks } from './headers.js'
import {
  areParametersAcceptable,
  type Extension,
  parseExtensions,
  PERMESSAGE_DEFLATE,
  WINDOW_BITS_MAX,
  windowBits,
} from './websocket-extensions.js'

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

/**
 * uWebSockets.js overwrites what Safari 15 offers with blanks, because that browser's compression is broken. A header
 * that is blank on the wire comes as an empty one.
 */
function isBlanked(value: string): boolean {
  return value !== '' && trimBlanks(value) === ''
}

function isWorkable(extension: Extension): boolean {
  return extension.name === PERMESSAGE_DEFLATE && areParametersAcceptable(extension, isAcceptable)
}

function isAcceptable(name: string, value: string): boolean {
  switch (name) {
    case 'client_no_context_takeover':
    case 'server_no_context_takeover':
      return value === ''
    case 'client_max_window_bits':
      return value === '' || windowBits(value) !== null
    case 'server_max_window_bits':
      // The shared compressor has one window for all, the largest.
      return windowBits(value) === WINDOW_BITS_MAX
    default:
      return false
  }
}
