/**
 * Sec-WebSocket-Extensions (RFC 6455 §9.1) as Pushpin's connection manager reads it, of clients and of backends: an
 * escape in a quoted value means nothing, and names keep the case in which they are written.
 */
import { trimBlanks } from './headers.js'

export const PERMESSAGE_DEFLATE = 'permessage-deflate'

export interface Extension {
  readonly name: string
  /** Value '': there is none, or an empty one. */
  readonly parameters: readonly (readonly [name: string, value: string])[]
}

const NAME = /[^;,]*/y
/** Name and value; a quoted value knows no escapes, and nothing follows it. */
const PARAMETER = /([^=;,]*)(?:=(?:[ \t]*"([^"]*)"[ \t]*|(?![ \t]*")([^;,]*)))?(?=[;,]|$)/y

/** Null: an extension or a parameter has no name, or a quoted value does not end where it should. */
export function parseExtensions(value: string): Extension[] | null {
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
const WINDOW_BITS_MIN = 8
export const WINDOW_BITS_MAX = 15

/** The size of a window of permessage-deflate; null: it is none. */
export function windowBits(value: string): number | null {
  const bits = Number(value)
  return WINDOW_BITS.test(value) && bits >= WINDOW_BITS_MIN && bits <= WINDOW_BITS_MAX ? bits : null
}

/** No parameter stands twice, and each is one of permessage-deflate with a value that `isAcceptable` takes. */
export function areParametersAcceptable(
  { parameters }: Extension,
  isAcceptable: (name: string, value: string) => boolean,
): boolean {
  const names = new Set(parameters.map(([name]) => name))
  return names.size === parameters.length && parameters.every(([name, value]) => isAcceptable(name, value))
}
