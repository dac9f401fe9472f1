import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parsePublishArguments } from './arguments.js'
import { itemAsJson, itemAsTnetstring, makeItem } from './item.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)
console.log(`publish arguments fuzz: FUZZ_SEED=${seed}`)

const flag = fc.constantFrom(
  '--id',
  '--code',
  '-H',
  '-M',
  '--hint',
  '--close',
  '--patch',
  '--no-eol',
  '--',
  '-u',
  '--x',
)
const word = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('200', 'a: b', 'a=b', '[]', '{"a":1}', '-', ''))
const argument = fc.oneof(
  word,
  flag,
  fc.tuple(flag, word).map(([name, value]) => `${name}=${value}`),
)

it('any arguments make an item or a fault in words', () => {
  fc.assert(
    fc.property(fc.array(argument, { maxLength: 8 }), (argv) => {
      const parsed = parsePublishArguments(argv, undefined)
      if (parsed.kind === 'fault') expect(parsed.text).toMatch(/^[Ee]rror: \S/)
      if (parsed.kind !== 'publish') return
      const { content, isPatch, action } = parsed.arguments
      // A file, or a patch that is none, is told by an error.
      if (action === 'send' && (isPatch || content?.startsWith('@') === true)) return
      const item = makeItem(parsed.arguments)
      expect(JSON.parse(itemAsJson(item))).toHaveProperty('formats')
      expect(itemAsTnetstring(item).length).toBeGreaterThan(10)
    }),
    { seed, numRuns: 500 },
  )
})
