import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FormatFault, renderFormat } from './format.js'
import { IdRenderer } from './id-format.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)
console.log(`format fuzz: FUZZ_SEED=${seed}`)
const parameters = { seed, numRuns: 2_000 }

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array).toString('latin1'))
/** Mostly what directives are made of. */
const template = fc
  .array(fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...'%%%(())\\sIa5 ') }, { weight: 1, arbitrary: bytes }))
  .map((pieces) => pieces.join(''))

const shownAs = (letter: string, argument: string | null): string => `<${letter} ${argument ?? '-'}>`

function rendered(renderer: IdRenderer, parts: readonly string[]): string | null {
  let text = ''
  for (const part of parts) {
    const piece = renderer.update(part)
    if (piece instanceof FormatFault) return null
    text += piece
  }
  const end = renderer.finish()
  return end instanceof FormatFault ? null : text + end
}

function openRenderer(): IdRenderer {
  const renderer = IdRenderer.open({ id_format: 'id' }, () => null)
  if (renderer instanceof FormatFault) throw new Error(renderer.message)
  return renderer
}

describe('format fuzz', () => {
  it('gives any text back whose percent signs are doubled', () => {
    fc.assert(
      fc.property(bytes, (text) => {
        expect(renderFormat(text.replaceAll('%', '%%'), () => new FormatFault('asked'))).toBe(text)
      }),
      parameters,
    )
  })

  it('hands over any argument that is escaped, between any texts', () => {
    fc.assert(
      fc.property(bytes, bytes, bytes, (before, argument, behind) => {
        const escaped = argument.replace(/[\\)]/g, '\\$&')
        const text = `${before.replaceAll('%', '%%')}%(${escaped})s${behind.replaceAll('%', '%%')}`
        expect(renderFormat(text, shownAs)).toBe(`${before}${shownAs('s', argument === '' ? null : argument)}${behind}`)
      }),
      parameters,
    )
  })

  it('answers anything with a text or with a fault that names a place in it', () => {
    fc.assert(
      fc.property(template, (text) => {
        const outcome = renderFormat(text, shownAs)
        if (!(outcome instanceof FormatFault)) return
        const position = Number(/ at position (\d+)$/.exec(outcome.message)?.[1])
        expect(position).toBeLessThan(text.length)
      }),
      parameters,
    )
  })

  it('renders in parts what it renders whole, however it is cut', () => {
    fc.assert(
      fc.property(template, fc.array(fc.nat(60), { maxLength: 6 }), (text, cuts) => {
        const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length]
        const parts = at.slice(1).map((end, index) => text.slice(at[index], end))
        const whole = openRenderer().render(text)
        expect(rendered(openRenderer(), parts)).toBe(whole instanceof FormatFault ? null : whole)
        expect(rendered(openRenderer(), [...text])).toBe(whole instanceof FormatFault ? null : whole)
      }),
      parameters,
    )
  })
})
