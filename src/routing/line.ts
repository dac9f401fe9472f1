/**
 * One line of a routes file to its sections: `value,prop,name=value value,prop …` (reference: routes file, grammar).
 *
 * Sections are separated by spaces, and only by spaces. `#` ends the line wherever a token ends. `"…"` may stand
 * anywhere inside a token; in it only `\\` and `\"` are escapes. A section whose first token has a `=` has no value.
 */

export interface Section {
  readonly value: string
  /** In the order written; a name may come several times. */
  readonly props: readonly (readonly [name: string, value: string])[]
}

export type ParsedLine =
  { readonly sections: readonly Section[]; readonly fault: null } | { readonly sections: null; readonly fault: string }

/** A token, with where it ended; or what is wrong with it. */
type Token = { readonly text: string; readonly end: number } | string

export function parseLine(line: string): ParsedLine {
  const sections: { value: string; props: [string, string][] }[] = []
  let at = 0
  for (;;) {
    while (line[at] === ' ') at++
    if (at >= line.length || line[at] === '#') return { sections, fault: null }
    const first = readToken(line, at)
    if (typeof first === 'string') return { sections: null, fault: first }
    const hasValue = !first.text.includes('=')
    const section: { value: string; props: [string, string][] } = { value: hasValue ? first.text : '', props: [] }
    sections.push(section)

    let propsFollow = !hasValue
    if (hasValue) {
      at = first.end
      propsFollow = line[at] === ','
      if (propsFollow) at++
    }
    while (propsFollow) {
      const token = readToken(line, at)
      if (typeof token === 'string') return { sections: null, fault: token }
      if (token.text === '') return { sections: null, fault: 'expecting prop' }
      const prop = splitProp(token.text)
      if (prop[0] === '') return { sections: null, fault: 'empty prop name' }
      section.props.push(prop)
      at = token.end
      propsFollow = line[at] === ','
      if (propsFollow) at++
    }
  }
}

function splitProp(text: string): [string, string] {
  const equals = text.indexOf('=')
  return equals === -1 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)]
}

function readToken(line: string, start: number): Token {
  let text = ''
  let at = start
  while (at < line.length) {
    const char = line[at] as string
    if (char === ',' || char === ' ' || char === '#') break
    at++
    if (char !== '"') {
      text += char
      continue
    }
    const quoted = readQuoted(line, at)
    if (typeof quoted === 'string') return quoted
    text += quoted.text
    at = quoted.end
  }
  return { text, end: at }
}

/** The inside of a quoted part that begins at `start`; the end is behind the closing quote. */
function readQuoted(line: string, start: number): Token {
  let text = ''
  for (let at = start; at < line.length; at++) {
    const char = line[at] as string
    if (char === '"') return { text, end: at + 1 }
    if (char !== '\\') {
      text += char
      continue
    }
    at++
    const escaped = line[at]
    if (escaped === undefined) return 'unterminated escape sequence'
    if (escaped !== '\\' && escaped !== '"') return `unexpected escape character: ${escaped}`
    text += escaped
  }
  return 'unterminated quoted section'
}
