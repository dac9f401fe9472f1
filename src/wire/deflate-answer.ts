/**
 * What a native WebSocket backend answers in Sec-WebSocket-Extensions to an offer of permessage-deflate without
 * parameters (RFC 7692 §7), read as Pushpin reads it.
 *
 * Parameters that cannot be met do not end the session: it goes on without compression. A backend that compresses
 * nevertheless breaks it by its first message.
 */
import { headerValues } from './headers.js'
import {
  areParametersAcceptable,
  type Extension,
  parseExtensions,
  PERMESSAGE_DEFLATE,
  WINDOW_BITS_MAX,
  windowBits,
} from './websocket-extensions.js'

export const DeflateAnswer = {
  None: 'none',
  /** Messages may be compressed, both ways. */
  Agreed: 'agreed',
  /** The same, and those to the backend must be compressed each for itself. */
  AgreedWithoutContext: 'agreed-without-context',
  /** The answer is not valid: it cannot be read, or nobody asked for what it agrees to. */
  Invalid: 'invalid',
} as const
export type DeflateAnswer = (typeof DeflateAnswer)[keyof typeof DeflateAnswer]

const NO_CONTEXT = 'client_no_context_takeover'

/** `headers`: flat list as received; `isOffered`: permessage-deflate was. */
export function deflateAnswer(headers: readonly string[], isOffered: boolean): DeflateAnswer {
  let answer: DeflateAnswer = DeflateAnswer.None
  for (const value of headerValues(headers, 'sec-websocket-extensions')) {
    const extensions = parseExtensions(value)
    if (extensions === null) return DeflateAnswer.Invalid
    for (const extension of extensions) {
      if (extension.name !== PERMESSAGE_DEFLATE) continue
      if (!isOffered || answer !== DeflateAnswer.None) return DeflateAnswer.Invalid
      if (areParametersAcceptable(extension, isAcceptable)) answer = agreed(extension)
    }
  }
  return answer
}

function agreed({ parameters }: Extension): DeflateAnswer {
  return parameters.some(([name]) => name === NO_CONTEXT) ? DeflateAnswer.AgreedWithoutContext : DeflateAnswer.Agreed
}

function isAcceptable(name: string, value: string): boolean {
  switch (name) {
    case NO_CONTEXT:
    case 'server_no_context_takeover':
      return value === ''
    case 'client_max_window_bits':
      // It was not offered, so the backend can only say what holds anyway.
      return value === '' || windowBits(value) === WINDOW_BITS_MAX
    case 'server_max_window_bits':
      return windowBits(value) !== null
    default:
      return false
  }
}
