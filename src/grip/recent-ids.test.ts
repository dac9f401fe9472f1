import { describe, expect, it } from 'vitest'
import { Prng } from '../base/prng.js'
import { RecentIds } from './recent-ids.js'

describe('recent ids', () => {
  it('tells a repeat within the time to live, and none after it', () => {
    const ids = new RecentIds(60_000)
    expect(ids.isRepeat('a', '1', 1000)).toBe(false)
    expect(ids.isRepeat('a', '1', 60_999)).toBe(true)
    expect(ids.isRepeat('a', '1', 61_000)).toBe(false)
    expect(ids.isRepeat('a', '1', 61_001)).toBe(true)
  })

  it('is not prolonged by a repeat', () => {
    const ids = new RecentIds(100)
    ids.isRepeat('a', '1', 0)
    expect(ids.isRepeat('a', '1', 99)).toBe(true)
    expect(ids.isRepeat('a', '1', 100)).toBe(false)
  })

  it('keeps channels apart, also when channel and id join to the same text', () => {
    const ids = new RecentIds(100)
    expect(ids.isRepeat('a', 'bc', 0)).toBe(false)
    expect(ids.isRepeat('ab', 'c', 0)).toBe(false)
    expect(ids.isRepeat('', 'abc', 0)).toBe(false)
    expect(ids.isRepeat('1:a', '', 0)).toBe(false)
    expect(ids.isRepeat('1', ':a', 0)).toBe(false)
  })

  it('counts an empty id, and remembers nothing when it is off', () => {
    const ids = new RecentIds(100)
    expect(ids.isRepeat('a', '', 0)).toBe(false)
    expect(ids.isRepeat('a', '', 0)).toBe(true)
    const off = new RecentIds(0)
    expect(off.isRepeat('a', '1', 0) || off.isRepeat('a', '1', 0)).toBe(false)
    expect(off.size).toBe(0)
  })

  it('never holds more than its cap, and counts what it forgot too early', () => {
    const ids = new RecentIds(1000, 10)
    for (let n = 0; n < 100; n++) {
      expect(ids.isRepeat('a', String(n), n)).toBe(false)
      expect(ids.size).toBeLessThanOrEqual(10)
    }
    expect(ids.isRepeat('a', '99', 100)).toBe(true)
    expect(ids.forgottenEarly).toBe(90)
  })

  it('lets expired pairs go when time passes', () => {
    const ids = new RecentIds(1000)
    for (let n = 0; n < 500; n++) ids.isRepeat('a', String(n), 0)
    ids.isRepeat('b', '1', 1000)
    ids.isRepeat('b', '2', 2000)
    expect(ids.size).toBe(2)
    expect(ids.forgottenEarly).toBe(0)
  })

  it('agrees with a plain list of times', () => {
    const prng = new Prng(7)
    const ids = new RecentIds(500)
    const seen = new Map<string, number>()
    let nowMs = 0
    for (let n = 0; n < 20_000; n++) {
      nowMs += prng.below(20)
      const id = String(prng.below(60))
      const at = seen.get(id)
      const expected = at !== undefined && nowMs - at < 500
      if (!expected) seen.set(id, nowMs)
      expect(ids.isRepeat('c', id, nowMs)).toBe(expected)
    }
  })
})
