import { beforeEach, expect, test } from 'vitest'
import { Deadlines } from '../base/deadlines.js'
import { UPDATES_PER_BATCH_MAX } from '../base/limits.js'
import { Updates } from './updates.js'

let nowMs: number
let deadlines: Deadlines
let updates: Updates
let done: string[]

class Session {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  handleUpdateDue(): void {
    done.push(`${this.name} ${String(nowMs)}`)
  }
}

beforeEach(() => {
  nowMs = 0
  deadlines = new Deadlines(0)
  updates = new Updates(deadlines, { nowMs: () => nowMs })
  done = []
})

function advance(ms: number): void {
  for (const until = nowMs + ms; nowMs < until;) {
    nowMs += 50
    deadlines.advance(nowMs)
  }
}

test('sessions of one key go together, a moment after the first of them', () => {
  updates.add(new Session('a'), 'k')
  advance(50)
  updates.add(new Session('b'), 'k')
  advance(1_000)
  expect(done).toEqual(['a 100', 'b 100'])
  expect(deadlines.count).toBe(0)
})

test('a session is in the queue once, and again when it has been out', () => {
  const session = new Session('a')
  updates.add(session, 'k')
  updates.add(session, 'other')
  advance(500)
  updates.add(session, 'k')
  advance(500)
  expect(done).toEqual(['a 100', 'a 600'])
})

test('keys take turns', () => {
  for (let n = 0; n <= UPDATES_PER_BATCH_MAX; n++) updates.add(new Session(`a${String(n)}`), 'a')
  for (const key of ['b', 'c']) updates.add(new Session(key), key)
  advance(1_000)
  expect(done.filter((line) => line.endsWith(' 100'))).toHaveLength(UPDATES_PER_BATCH_MAX)
  expect(done.slice(UPDATES_PER_BATCH_MAX)).toEqual(['b 200', 'c 300', `a${String(UPDATES_PER_BATCH_MAX)} 400`])
})

test('what comes after a batch keeps its distance', () => {
  updates.add(new Session('a'), 'k')
  advance(150)
  updates.add(new Session('b'), 'k')
  advance(1_000)
  expect(done).toEqual(['a 100', 'b 200'])
})

test('who leaves the queue is not asked, and does not take a turn', () => {
  const gone = [new Session('x'), new Session('y')]
  for (const session of gone) updates.add(session, 'gone')
  updates.add(new Session('a'), 'k')
  for (const session of gone) updates.delete(session)
  updates.delete(new Session('never there'))
  advance(1_000)
  expect(done).toEqual(['a 100'])
})
