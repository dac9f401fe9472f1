/** What is added waits for the end of the turn, in order; what is added there waits for the next. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type AtTurnEnd, TurnEnd } from './turn-end.js'

const calls: string[] = []

function entry(name: string, more: () => void = () => undefined): AtTurnEnd {
  return {
    handleTurnEnd() {
      calls.push(name)
      more()
    },
  }
}

test('entries have their turn end once, in order, and not before', async () => {
  calls.length = 0
  const turnEnd = new TurnEnd()
  turnEnd.add(entry('first'))
  turnEnd.add(entry('second'))
  await Promise.resolve()
  expect(calls).toEqual([])
  await nextTurn()
  expect(calls).toEqual(['first', 'second'])
  await nextTurn()
  expect(calls).toEqual(['first', 'second'])
})

test('what is added at the end of a turn waits for the next end, time and again', async () => {
  calls.length = 0
  const turnEnd = new TurnEnd()
  const last = entry('last')
  turnEnd.add(
    entry('one', () => {
      turnEnd.add(
        entry('two', () => {
          turnEnd.add(last)
        }),
      )
    }),
  )
  turnEnd.add(entry('beside one'))
  await nextTurn()
  expect(calls).toEqual(['one', 'beside one'])
  await nextTurn()
  expect(calls).toEqual(['one', 'beside one', 'two'])
  await nextTurn()
  expect(calls).toEqual(['one', 'beside one', 'two', 'last'])
})
