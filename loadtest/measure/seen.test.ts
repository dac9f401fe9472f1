import { expect, test } from 'vitest'
import { Seen, Sight } from './seen.js'

function seenAfter(numbers: readonly number[]): { readonly seen: Seen; readonly sights: Sight[] } {
  const seen = new Seen()
  return { seen, sights: numbers.map((number) => seen.see(number)) }
}

test('in order', () => {
  const { seen, sights } = seenAfter([0, 1, 2])
  expect(sights).toEqual([Sight.InOrder, Sight.InOrder, Sight.InOrder])
  expect(seen.missing(3)).toBe(0)
  expect(seen.missing(5)).toBe(2)
})

test('one that comes late is out of order and not missing', () => {
  const { seen, sights } = seenAfter([0, 2, 3, 1, 4])
  expect(sights).toEqual([Sight.InOrder, Sight.OutOfOrder, Sight.OutOfOrder, Sight.InOrder, Sight.InOrder])
  expect(seen.missing(5)).toBe(0)
})

test('duplicates below, at and above a gap', () => {
  const { seen, sights } = seenAfter([0, 0, 2, 2, 0])
  expect(sights).toEqual([Sight.InOrder, Sight.Duplicate, Sight.OutOfOrder, Sight.Duplicate, Sight.Duplicate])
  expect(seen.missing(3)).toBe(1)
})

test('a message lost at the start of a long run is missed once and costs no memory for ever', () => {
  const seen = new Seen()
  for (let number = 1; number < 50_000; number += 1) seen.see(number)
  expect(seen.missing(50_000)).toBe(1)
  expect(seen.see(49_999)).toBe(Sight.Duplicate)
  expect(seen.see(50_000)).toBe(Sight.InOrder)
})

test('a receiver that saw nothing misses everything', () => {
  expect(new Seen().missing(7)).toBe(7)
})
