import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { ToShard } from '../link/messages.js'
import { Questions } from './questions.js'

let told: (ToShard & { kind: 'ask' })[] = []

beforeEach(() => {
  vi.useFakeTimers()
  told = []
})
afterEach(() => {
  vi.useRealTimers()
})

function questions(): Questions {
  return new Questions(2, (message) => void told.push(message as ToShard & { kind: 'ask' }), 100)
}

it('adds up what the shards found', async () => {
  const asking = questions()
  const connected = asking.connected(['a', 'b', 'c'])
  expect(told).toMatchObject([{ kind: 'ask', question: { kind: 'connected', ids: ['a', 'b', 'c'] } }])
  const number = told[0]?.number ?? 0
  asking.handleAnswer(number, ['c'])
  asking.handleAnswer(number, ['a'])
  expect(await connected).toEqual(new Set(['a', 'c']))
  expect(vi.getTimerCount()).toBe(0)
})

it('keeps questions apart', async () => {
  const asking = questions()
  const first = asking.refreshConnection('a')
  const second = asking.refreshConnection('b')
  const [one, two] = told.map(({ number }) => number) as [number, number]
  for (const found of [[], ['b']]) asking.handleAnswer(two, found)
  for (const found of [[], []]) asking.handleAnswer(one, found)
  expect(await Promise.all([first, second])).toEqual([false, true])
})

it('fails at the deadline when a shard has not answered, and drops what comes then', async () => {
  const asking = questions()
  const refreshed = asking.refreshChannel('a')
  const failed = expect(refreshed).rejects.toThrow('a shard has not answered in 100 ms')
  asking.handleAnswer(told[0]?.number ?? 0, [])
  vi.advanceTimersByTime(100)
  await failed
  asking.handleAnswer(told[0]?.number ?? 0, [])
})
