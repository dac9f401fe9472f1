/**
 * The text form of pushpin.conf: the INI dialect of Qt's QSettings, as far as a configuration file uses it.
 *
 *   [section]
 *   # comment, or ; comment
 *   key=value            spaces around both are dropped
 *   key=a, b, "c, d"     a comma outside quotes makes a list
 *   key="a\tb"           escapes: \a \b \f \n \r \t \v \" \\ \xHH and octal \NNN
 *   key=one \            a backslash at the end of a line joins the next one
 *   key=value ; comment  a semicolon outside quotes ends the value
 *
 * Keys and sections are case-sensitive. What QSettings skips without a word (a line without `=`, an open quote) is a
 * fault here.
 */
import type { ConfigFault } from './fault.js'

export interface IniEntry {
  /** Empty: before the first section. */
  readonly section: string
  readonly key: string
  /** One element, or several when the value is a list; `key=` has one empty element. */
  readonly parts: readonly string[]
  readonly file: string
  readonly line: number
}

export interface IniText {
  readonly entries: readonly IniEntry[]
  readonly faults: readonly ConfigFault[]
}

export function parseIni(text: string, file: string): IniText {
  const entries: IniEntry[] = []
  const faults: ConfigFault[] = []
  let section = ''
  for (const { line, content } of logicalLines(text)) {
    const blame = (message: string, key: string | null): unknown => faults.push({ file, line, key, message })
    if (content.startsWith('[')) {
      const end = content.indexOf(']')
      if (end === -1) blame('section without a closing ]', null)
      else section = sectionName(content.slice(1, end))
      continue
    }
    const equals = content.indexOf('=')
    const key = content.slice(0, equals).trim()
    if (equals === -1 || key === '') {
      blame('expecting [section] or key=value', null)
      continue
    }
    const value = parseIniValue(content.slice(equals + 1))
    if (value.fault !== null) blame(value.fault, section === '' ? key : `${section}.${key}`)
    else entries.push({ section, key, parts: value.parts, file, line })
  }
  return { entries, faults }
}

function sectionName(text: string): string {
  const name = text.trim()
  return name.toLowerCase() === 'general' ? '' : name
}

/** Lines without blank ones and comments, trimmed, continued lines joined; `line` is where each begins. */
function* logicalLines(text: string): Generator<{ line: number; content: string }> {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  for (let at = 0; at < lines.length; at++) {
    const line = at + 1
    let content = (lines[at] as string).trim()
    if (content === '' || content.startsWith('#') || content.startsWith(';')) continue
    while (endsInOpenBackslash(content) && at + 1 < lines.length) {
      content = content.slice(0, -1) + (lines[++at] as string).trim()
    }
    yield { line, content }
  }
}

function endsInOpenBackslash(content: string): boolean {
  let count = 0
  while (content[content.length - 1 - count] === '\\') count++
  return count % 2 === 1
}

const ESCAPES = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['"', '"'],
  ['\\', '\\'],
])

/** What stands right of the `=`. */
export function parseIniValue(text: string): {
  readonly parts: readonly string[]
  readonly fault: string | null
} {
  const parts: string[] = []
  let part = ''
  /** Length of `part` that trailing spaces may not be cut into: what was quoted or escaped stays. */
  let keep = 0
  let quoted = false
  let at = 0
  const finishPart = (): void => {
    parts.push(part.slice(0, keep) + part.slice(keep).trimEnd())
    part = ''
    keep = 0
  }
  while (at < text.length) {
    const char = text[at] as string
    if (char === '\\') {
      const escape = readEscape(text, at + 1)
      if (typeof escape === 'string') return { parts: [], fault: escape }
      part += escape.char
      keep = part.length
      at = escape.next
      continue
    }
    at++
    if (char === '"') {
      quoted = !quoted
      keep = part.length
    } else if (quoted) {
      part += char
      keep = part.length
    } else if (char === ',') finishPart()
    else if (char === ';') break
    else if ((char !== ' ' && char !== '\t') || part !== '') part += char
  }
  if (quoted) return { parts: [], fault: 'quote without an end' }
  finishPart()
  return { parts, fault: null }
}

/** The character of the escape whose text begins at `at`, or a fault. */
function readEscape(text: string, at: number): { readonly char: string; readonly next: number } | string {
  const letter = text[at]
  if (letter === undefined) return 'backslash without an escape'
  const simple = ESCAPES.get(letter)
  if (simple !== undefined) return { char: simple, next: at + 1 }
  const numeric = /^(?:x([0-9A-Fa-f]{1,4})|([0-7]{1,3}))/.exec(text.slice(at, at + 5))
  if (numeric === null) return `unknown escape \\${letter} (a backslash itself is written \\\\)`
  const [whole, hex, octal] = numeric
  const code = hex === undefined ? Number.parseInt(octal as string, 8) : Number.parseInt(hex, 16)
  return { char: String.fromCharCode(code), next: at + whole.length }
}
