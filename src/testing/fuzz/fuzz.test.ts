import { describe, expect, it } from 'vitest'
import { fuzz } from './fuzz.js'
import type { FuzzTarget } from './fuzz.js'
import { FUZZ_TARGETS } from './targets.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_007)
const inputs = Number(process.env['FUZZ_INPUTS'] ?? 3_000)

describe(`parsers of the doors (FUZZ_SEED=${String(seed)})`, () => {
  it.each(FUZZ_TARGETS.map((target) => [target.name, target] as const))('%s', (_name, target) => {
    const { accepted } = fuzz(target, inputs, seed)
    // Inputs that a parser only ever refuses, or only ever takes, try little of it.
    expect(accepted).toBeGreaterThan(0)
    expect(accepted).toBeLessThan(inputs)
  })
})

describe('the fuzzer', () => {
  const target = (run: FuzzTarget['run']): FuzzTarget => ({ name: 'x', corpus: ['abc 12'], words: ['boom'], run })

  it('finds a word that throws, and says with which seed and input', () => {
    const fragile = target((input) => {
      if (input.includes('boom')) throw new Error('burst')
      return true
    })
    expect(() => fuzz(fragile, 2_000, 7)).toThrow(/^x, FUZZ_SEED=7, input \d+: ".*boom.*": burst$/)
  })

  it('finds what stays in memory', () => {
    const kept: Buffer[][] = []
    const leaky = target((input) => kept.push(Array.from({ length: 2_000 }, () => input)) > 0)
    expect(() => fuzz(leaky, 3_000, 7)).toThrow('the heap has grown')
  })

  it('plays the same inputs for the same seed', () => {
    const played = (): string[] => {
      const inputsPlayed: string[] = []
      fuzz(
        target((input) => inputsPlayed.push(input.toString('latin1')) > 0),
        50,
        3,
      )
      return inputsPlayed
    }
    expect(played()).toEqual(played())
  })
})
