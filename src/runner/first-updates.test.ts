import { beforeEach, expect, test } from 'vitest'
import { Deadlines } from '../base/deadlines.js'
import { FirstUpdates } from './first-updates.js'

let nowMs: number
let deadlines: Deadlines
let notes: string[]
let isWanted: boolean
let updates: FirstUpdates

beforeEach(() => {
  nowMs = 0
  deadlines = new Deadlines(0)
  notes = []
  isWanted = true
  updates = new FirstUpdates({
    bus: { note: (channel, note) => notes.push(`${channel} ${note} ${String(nowMs)}`) },
    deadlines,
    nowMs: () => nowMs,
    isWanted: () => isWanted,
  })
})

function advance(ms: number): void {
  for (const until = nowMs + ms; nowMs < until;) {
    nowMs += 50
    deadlines.advance(nowMs)
  }
}

test('tells a channel once, a second after its first subscription', () => {
  updates.handleChannel('a', true)
  advance(500)
  updates.handleChannel('b', true)
  advance(450)
  expect(notes).toEqual([])
  advance(50)
  expect(notes).toEqual(['a update 1000'])
  advance(3_000)
  expect(notes).toEqual(['a update 1000', 'b update 1500'])
  expect(deadlines.count).toBe(0)
})

test('does not tell a channel that was given up meanwhile, and starts anew when it comes again', () => {
  updates.handleChannel('a', true)
  updates.handleChannel('b', true)
  advance(500)
  updates.handleChannel('a', false)
  advance(100)
  updates.handleChannel('a', true)
  advance(2_000)
  expect(notes).toEqual(['b update 1000', 'a update 1600'])
})

test('tells nobody while nothing is held that could ask its backend', () => {
  isWanted = false
  updates.handleChannel('a', true)
  advance(1_500)
  isWanted = true
  advance(1_500)
  expect(notes).toEqual([])
})
