import { Buffer } from 'node:buffer'
import { expect, test } from 'vitest'
import { StatsType } from './stats-packet.js'
import { StatsSubscriptions } from './stats-subscriptions.js'

function frame(first: number, prefix: string): Buffer {
  return Buffer.from(String.fromCharCode(first) + prefix, 'latin1')
}

/** Types wanted after each frame. */
function played(...frames: Buffer[]): string[] {
  const subscriptions = new StatsSubscriptions()
  return frames.map((each) => {
    subscriptions.handleFrame(each)
    return [...subscriptions.wanted].sort().join()
  })
}

test('a prefix may be shorter than a type, or name more than it', () => {
  expect(played(frame(1, 'co'), frame(1, 'sub J{'), frame(0, 'co'), frame(1, ''))).toEqual([
    'conn,counts',
    'conn,counts,sub',
    'sub',
    Object.values(StatsType).sort().join(),
  ])
})

test('a type is wanted until its last prefix has gone', () => {
  expect(played(frame(1, 'conn '), frame(1, 'con'), frame(0, 'conn '), frame(0, 'con'))).toEqual([
    'conn',
    'conn',
    'conn',
    '',
  ])
})

test('what is no subscription means nothing, and an end that had no beginning neither', () => {
  expect(played(frame(1, 'sub '), frame(2, 'sub '), frame(0x58, 'sub '), frame(0, 'su'), Buffer.alloc(0))).toEqual(
    Array.from({ length: 5 }, () => 'sub'),
  )
})

test('prefixes of packets that there are none of are not kept', () => {
  const subscriptions = new StatsSubscriptions()
  expect(subscriptions.handleFrame(frame(1, 'weather '))).toBe(false)
  expect(subscriptions.wanted.size).toBe(0)
})

test('tells a change, and only a change', () => {
  const subscriptions = new StatsSubscriptions()
  const told = [frame(1, 'sub '), frame(1, 'sub '), frame(1, 'sub T'), frame(0, 'sub '), frame(0, 'sub T')]
  expect(told.map((each) => subscriptions.handleFrame(each))).toEqual([true, false, false, false, true])
})
