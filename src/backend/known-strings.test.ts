import { expect, test } from 'vitest'
import { Prng } from '../base/prng.js'
import { KnownStrings } from './known-strings.js'

test('bytes are decoded as latin1, whatever was decoded before', () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000)
  console.log(`known strings: FUZZ_SEED=${String(seed)}`)
  const prng = new Prng(seed)
  const strings = new KnownStrings()
  const bytes = (): Buffer => Buffer.from(Array.from({ length: prng.below(40) }, () => prng.below(3) * 127))
  for (let round = 0; round < 20_000; round++) {
    const some = bytes()
    expect(strings.get(some)).toBe(some.toString('latin1'))
  }
})
