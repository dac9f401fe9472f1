import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TnFault, decodeTnetstring, encodeTnetstring } from './tnetstring.js'
import type { TnValue } from './tnetstring.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)
console.log(`tnetstring fuzz: FUZZ_SEED=${seed}`)
const parameters = { seed, numRuns: 500 }

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
const key = fc.uint8Array({ maxLength: 8 }).map((array) => Buffer.from(array).toString('latin1'))
// Values with at most 6 significant digits survive the way there and back.
const float = fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.integer({ min: -20, max: 20 })).map(toFloat)
const { value } = fc.letrec<{ value: TnValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    bytes,
    fc.maxSafeInteger(),
    float,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 5 }).map((pairs) => new Map(pairs)),
  ),
}))

describe('tnetstring fuzz', () => {
  it('decodes what it encoded, with anything behind it', () => {
    fc.assert(
      fc.property(value, bytes, (original, rest) => {
        const encoded = encodeTnetstring(original)
        const decoded = decodeTnetstring(Buffer.concat([encoded, rest]))
        expect(decoded).toEqual({ ok: true, value: original, end: encoded.length })
      }),
      parameters,
    )
  })

  it('calls every cut truncated', () => {
    fc.assert(
      fc.property(value, fc.nat(), (original, at) => {
        const encoded = encodeTnetstring(original)
        const cut = at % encoded.length
        expect(decodeTnetstring(encoded.subarray(0, cut))).toEqual({ ok: false, fault: TnFault.Truncated, at: cut })
      }),
      parameters,
    )
  })

  it('answers damaged bytes with a value inside them or a fault at one of them', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from(':,#^!~]}0129')))))
    fc.assert(
      fc.property(value, damage, (original, changes) => {
        const damaged = Buffer.from(encodeTnetstring(original))
        for (const [at, byte] of changes) damaged[at % damaged.length] = byte
        expectInside(damaged)
      }),
      parameters,
    )
  })

  it('answers noise made of its own alphabet', () => {
    const noise = fc.array(fc.constantFrom(...Buffer.from('0123456789::,,#^!~]}-.etru')), { maxLength: 60 })
    fc.assert(
      fc.property(noise, (array) => expectInside(Buffer.from(array))),
      parameters,
    )
  })
})

function expectInside(damaged: Buffer): void {
  const decoded = decodeTnetstring(damaged)
  const position = decoded.ok ? decoded.end : decoded.at
  expect(position).toBeGreaterThanOrEqual(0)
  expect(position).toBeLessThanOrEqual(damaged.length)
  if (!decoded.ok) return
  // What was accepted can be written and read again (floats lose digits, so only its form is compared).
  const again = decodeTnetstring(encodeTnetstring(decoded.value))
  expect(again.ok).toBe(true)
}

function toFloat([digits, exponent]: [number, number]): number {
  const float = Number(`${digits}e${exponent}`)
  return Object.is(float, -0) ? 0 : float
}
