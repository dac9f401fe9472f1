/**
 * The insides of Grip headers: comma lists and `value; name=value; name="quoted"` (GRIP reference: header parsing
 * rules), as Pushpin reads them. Everything is a byte string.
 *
 * "Set but empty" and "not set" differ here: `a=` sets a to '', while `a` and, oddly, `a=""` leave it null.
 */
import { headerValues, trimBlanks } from './headers.js'

/** value null: no value was given, or an empty quoted one. */
export type Parameter = readonly [name: string, value: string | null]

/**
 * Splits a header value at commas outside double quotes and trims the pieces. A backslash escapes inside quotes.
 * From an unterminated quote on, the rest is one piece. An empty value has no pieces; a comma at the end adds none.
 */
export function splitList(value: string): string[] {
  const pieces: string[] = []
  let start = 0
  while (start < value.length) {
    const end = endOfPiece(value, start)
    pieces.push(trimBlanks(value.slice(start, end)))
    start = end + 1
  }
  return pieces
}

/** The pieces of all headers of that name. */
export function headerList(headers: readonly string[], lowerName: string): string[] {
  return headerValues(headers, lowerName).flatMap(splitList)
}

/**
 * Parameters separated by semicolons. Null: a quoted value does not end. Text between a closing quote and the next
 * semicolon is dropped; a value is quoted only when the quote follows the `=` at once.
 */
export function parseParameters(text: string): Parameter[] | null {
  return scanParameters(text, 0, [], OpenValue.Empty)
}

/** The same with a leading value, which ends at the first semicolon whatever it contains and becomes entry 0. */
export function parseValueAndParameters(text: string): Parameter[] | null {
  const semicolon = text.indexOf(';')
  if (semicolon === -1) return [[trimBlanks(text), null]]
  return scanParameters(text, semicolon + 1, [[trimBlanks(text.slice(0, semicolon)), null]], OpenValue.Empty)
}

/** parseValueAndParameters of every piece of all headers of that name; pieces that do not parse are left out. */
export function headerListWithParameters(headers: readonly string[], lowerName: string): Parameter[][] {
  const parsed: Parameter[][] = []
  for (const piece of headerList(headers, lowerName)) {
    const parameters = parseValueAndParameters(piece)
    if (parameters !== null) parsed.push(parameters)
  }
  return parsed
}

/**
 * The first entry with that name (any case): its value, or null when it has none; undefined: no such entry. The
 * leading value counts as an entry too, as it does in Pushpin.
 */
export function findParameter(parameters: readonly Parameter[], lowerName: string): string | null | undefined {
  return parameters.find(([name]) => name.toLowerCase() === lowerName)?.[1]
}

/** A decimal 32-bit integer with an optional sign and blanks around it, or null. */
export function parseInteger(text: string): number | null {
  if (!INTEGER.test(text)) return null
  const value = Number(text)
  return value >= -0x8000_0000 && value <= 0x7fff_ffff ? value + 0 : null
}

/**
 * The `grip` extension among a backend's Sec-WebSocket-Extensions (WebSocket reference: negotiation), or null. The
 * first entry of that exact name counts; one whose parameters do not parse counts as absent.
 */
export function parseGripExtension(headers: readonly string[]): { readonly messagePrefix: string } | null {
  const entry = gripExtensionEntry(headers)
  if (entry === null) return null
  const semicolon = entry.indexOf(';')
  const text = semicolon === -1 ? '' : entry.slice(semicolon + 1)
  const parameters = scanParameters(text, 0, [], OpenValue.Fault)
  return parameters === null ? null : { messagePrefix: messagePrefixOf(parameters) }
}

/** The same extension as it is written, parameters and all; they may be such that do not parse. */
export function gripExtensionEntry(headers: readonly string[]): string | null {
  const isGrip = (entry: string): boolean => {
    const semicolon = entry.indexOf(';')
    return (semicolon === -1 ? entry : trimBlanks(entry.slice(0, semicolon))) === 'grip'
  }
  return headerList(headers, 'sec-websocket-extensions').find(isGrip) ?? null
}

/** What an `=` at the very end means: an empty value in Grip headers, a fault in an extension. */
const OpenValue = { Empty: 'empty', Fault: 'fault' } as const
type OpenValue = (typeof OpenValue)[keyof typeof OpenValue]

const INTEGER = /^[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*$/

function messagePrefixOf(parameters: readonly Parameter[]): string {
  const last = parameters.findLast(([name]) => name === 'message-prefix')
  return last === undefined ? 'm:' : (last[1] ?? '')
}

/** Where the piece that starts at `start` ends: at a comma outside quotes, or at the end of the value. */
function endOfPiece(value: string, start: number): number {
  let quoted = false
  for (let at = start; at < value.length; at++) {
    const char = value[at]
    if (char === '"') quoted = !quoted
    else if (quoted && char === '\\') at++
    else if (!quoted && char === ',') return at
  }
  return value.length
}

/** Appends the parameters of `text` from an offset on; null: they do not parse. */
function scanParameters(text: string, from: number, parameters: Parameter[], openValue: OpenValue): Parameter[] | null {
  let start = from
  while (start < text.length) {
    const nameEnd = endOfName(text, start)
    const name = trimBlanks(text.slice(start, nameEnd))
    if (text[nameEnd] !== '=') {
      parameters.push([name, null])
      start = nameEnd + 1
    } else if (text[nameEnd + 1] === '"') {
      const quoted = scanQuoted(text, nameEnd + 2)
      if (quoted === null) return null
      parameters.push([name, quoted.value === '' ? null : quoted.value])
      start = indexOrEnd(text, ';', quoted.end) + 1
    } else if (nameEnd + 1 === text.length && openValue === OpenValue.Fault) {
      return null
    } else {
      const end = indexOrEnd(text, ';', nameEnd + 1)
      parameters.push([name, trimBlanks(text.slice(nameEnd + 1, end))])
      start = end + 1
    }
  }
  return parameters
}

function endOfName(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === '=' || text[at] === ';') return at
  }
  return text.length
}

/** The content of a quoted value whose opening quote stands before `start`; `end` is behind the closing one. */
function scanQuoted(text: string, start: number): { value: string; end: number } | null {
  let value = ''
  for (let at = start; at < text.length; at++) {
    const char = text[at] as string
    if (char === '"') return { value, end: at + 1 }
    if (char !== '\\') value += char
    else if (++at < text.length) value += text[at] as string
  }
  return null
}

function indexOrEnd(text: string, wanted: string, from: number): number {
  const at = text.indexOf(wanted, from)
  return at === -1 ? text.length : at
}
