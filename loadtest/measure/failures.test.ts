import { expect, test } from 'vitest'
import { Failures, kindOfError } from './failures.js'

test('failures are counted by kind, with the first example, the most frequent first', () => {
  const failures = new Failures()
  failures.add('stream ended')
  failures.add('connect refused', 'first')
  failures.add('connect refused', 'second')
  failures.add('missing messages', '', 0)
  expect(failures.total).toBe(3)
  expect(failures.list()).toEqual([
    { kind: 'connect refused', count: 2, example: 'first' },
    { kind: 'stream ended', count: 1, example: '' },
  ])
})

test('those of several workers merge', () => {
  const sum = new Failures()
  sum.addAll([{ kind: 'stream ended', count: 2, example: 'a' }])
  sum.addAll([{ kind: 'stream ended', count: 3, example: 'b' }])
  expect(sum.list()).toEqual([{ kind: 'stream ended', count: 5, example: 'a' }])
})

test('kinds that a server makes up do not fill the memory', () => {
  const failures = new Failures()
  for (let code = 0; code < 1_000; code += 1) failures.add(`closed with code ${code}`)
  expect(failures.list()).toHaveLength(201)
  expect(failures.list()[0]).toMatchObject({ kind: 'other errors', count: 800 })
  expect(failures.total).toBe(1_000)
})

test.each([
  [Object.assign(new Error('connect ECONNREFUSED ::1:1'), { code: 'ECONNREFUSED' }), 'connect refused'],
  [Object.assign(new AggregateError([Object.assign(new Error(''), { code: 'ETIMEDOUT' })])), 'connect timed out'],
  [new Error('Opening handshake has timed out'), 'connect timed out'],
  [new Error('socket hang up'), 'connection closed before the answer'],
  [Object.assign(new Error('x'), { code: 'EXOTIC' }), 'error EXOTIC'],
  [new Error('something else'), 'something else'],
  [undefined, 'error without a message'],
])('kind of %s', (error, kind) => {
  expect(kindOfError(error ?? {})).toBe(kind)
})
