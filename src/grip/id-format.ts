/**
 * The filter build-id: ids of content (`%I`, `%(x)I`), made from a template over the ids of the session's channels
 * (reference: filters, build-id).
 *
 * Sub meta `id_format` is that template (`%(channel)s`); with `id_encoding=hex` the ids are written in hexadecimal.
 */
import { FORMAT_FIELD_BYTES_MAX } from '../base/limits.js'
import { type Directive, FormatFault, renderFormat, renderFormatSoFar, unknownDirective } from './format.js'
import { type Meta, metaValue } from './meta.js'

/** The id of a channel the session holds, by its name without prefix; null: it has none, or is not held. */
export type IdOfChannel = (channel: string) => string | null

/** Content with its ids put in. `idOf`: null where there are no ids at all (first bodies, WebSockets). */
export class IdRenderer {
  readonly #directive: Directive
  #waiting = ''

  private constructor(id: string | null, isHex: boolean) {
    this.#directive = (letter, argument) => {
      if (letter !== 'I') return unknownDirective(letter)
      const shown = argument ?? id
      if (shown === null) return new FormatFault('No ID specified and no default ID in context')
      return isHex ? Buffer.from(shown, 'latin1').toString('hex') : shown
    }
  }

  static open(meta: Meta | null, idOf: IdOfChannel | null): IdRenderer | FormatFault {
    const format = metaValue(meta, 'id_format')
    if (format === null) return new FormatFault("no sub meta 'id_format'")
    const id = idOf === null ? null : renderFormat(format, idDirective(idOf))
    if (id instanceof FormatFault) return new FormatFault(`failed to render ID: ${id.message}`)
    const encoding = metaValue(meta, 'id_encoding')
    if (encoding !== null && encoding !== 'hex') return new FormatFault(`unsupported encoding: ${encoding}`)
    return new IdRenderer(id, encoding !== null)
  }

  /** A part of the content; what of it is ready. A directive that is cut off waits for the next part. */
  update(content: string): string | FormatFault {
    const all = this.#waiting + content
    const rendered = renderFormatSoFar(all, this.#directive)
    if (rendered instanceof FormatFault) return rendered
    this.#waiting = all.slice(rendered.used)
    if (this.#waiting.length > FORMAT_FIELD_BYTES_MAX) {
      return new FormatFault('Unterminated field starting at position 1')
    }
    return rendered.text
  }

  /** The content ends: a directive that is still cut off is a fault. */
  finish(): string | FormatFault {
    return renderFormat(this.#waiting, this.#directive)
  }

  render(content: string): string | FormatFault {
    const text = this.update(content)
    if (text instanceof FormatFault) return text
    const end = this.finish()
    return end instanceof FormatFault ? end : text + end
  }
}

function idDirective(idOf: IdOfChannel): Directive {
  return (letter, argument) => {
    if (letter !== 's') return unknownDirective(letter)
    if (argument === null) return new FormatFault("Directive 's' requires argument")
    return idOf(argument) ?? new FormatFault(`No such variable '${argument}'`)
  }
}
