import { expect, test } from 'vitest'
import { InternedStrings } from './interned-strings.js'

test('gives back equal strings, short and long', () => {
  const interned = new InternedStrings()
  const long = 'x'.repeat(10_000)
  expect([interned.intern('a'), interned.intern(''), interned.intern(long)]).toEqual(['a', '', long])
  expect(interned.size).toBe(2)
})

test('stays bounded whatever comes', () => {
  const interned = new InternedStrings()
  for (let n = 0; n < 100_000; n++) interned.intern(`key-${n}`)
  expect(interned.size).toBeLessThanOrEqual(2 * 2048)
})

test('keeps what is met again while unique strings pass through', () => {
  const interned = new InternedStrings()
  for (let n = 0; n < 20_000; n++) {
    interned.intern('user-agent')
    if (n > 0) expect(interned.knows('user-agent')).toBe(true)
    interned.intern(`key-${n}`)
  }
  expect(interned.knows('key-0')).toBe(false)
})
