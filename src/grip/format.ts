/**
 * The templates of filters: `%s`, `%(argument)s` and `%%` in a text (reference: filters, format errors).
 *
 * Inside `%( )` a backslash takes the next character as it is. What a directive means is for the caller. Texts,
 * arguments and messages are byte strings, and positions are counted in bytes.
 */
import { byteStringOfText } from '../base/bytes.js'

/** A template that cannot be rendered; the message is Pushpin's. */
export class FormatFault {
  readonly message: string

  constructor(message: string) {
    this.message = message
  }
}

/** `argument`: null when there is none or it is empty. A fault's message gets the position from here. */
export type Directive = (letter: string, argument: string | null) => string | FormatFault

export interface Rendered {
  readonly text: string
  /** How much of the template was used: where a directive begins whose end has not come yet, or all of it. */
  readonly used: number
}

/** Renders a whole template. */
export function renderFormat(template: string, directive: Directive): string | FormatFault {
  const rendered = render(template, directive, false)
  return rendered instanceof FormatFault ? rendered : rendered.text
}

/** Renders a template of which more may come: a directive cut off at the end is left for then. */
export function renderFormatSoFar(template: string, directive: Directive): Rendered | FormatFault {
  return render(template, directive, true)
}

function render(template: string, directive: Directive, mayGoOn: boolean): Rendered | FormatFault {
  let text = ''
  let at = 0
  for (;;) {
    const marker = template.indexOf('%', at)
    if (marker === -1) return { text: text + template.slice(at), used: template.length }
    text += template.slice(at, marker)
    const field = readField(template, marker)
    if (field instanceof FormatFault) return mayGoOn ? { text, used: marker } : field
    const value = valueOf(field, directive)
    if (value instanceof FormatFault) return value
    text += value
    at = field.at + 1
  }
}

interface Field {
  readonly letter: string
  /** Where the letter stands. */
  readonly at: number
  /** null: none, or an empty one. */
  readonly argument: string | null
  readonly isBracketed: boolean
}

/** The directive at `marker`. A fault: it is cut off. */
function readField(template: string, marker: number): Field | FormatFault {
  const first = marker + 1
  if (first >= template.length) return fault("Expected directive after '%'", marker)
  const letter = template[first] as string
  if (letter !== '(') return { letter, at: first, argument: null, isBracketed: false }
  if (first + 1 >= template.length) return fault("Expected character after '('", first)
  let argument = ''
  let at = first + 1
  for (; template[at] !== ')'; at++) {
    if (at >= template.length) return fault('Unterminated field starting', first)
    if (template[at] === '\\' && ++at >= template.length) return fault("Expected character after '\\'", at - 1)
    argument += template[at] as string
  }
  if (at + 1 >= template.length) return fault("Expected directive after ')'", at)
  return {
    letter: template[at + 1] as string,
    at: at + 1,
    argument: argument === '' ? null : argument,
    isBracketed: true,
  }
}

function valueOf({ letter, at, argument, isBracketed }: Field, directive: Directive): string | FormatFault {
  if (letter === '%' && !isBracketed) return '%'
  if (!isBracketed && !/[A-Za-z]/.test(letter)) return fault(unknownDirective(letter).message, at)
  const value = directive(letter, argument)
  return value instanceof FormatFault ? fault(value.message, at) : value
}

export function unknownDirective(letter: string): FormatFault {
  // A single byte, which Pushpin takes for a character of its own.
  return new FormatFault(`Unknown directive '${byteStringOfText(letter)}'`)
}

function fault(message: string, at: number): FormatFault {
  return new FormatFault(`${message} at position ${at}`)
}
