import { expect, test } from 'vitest'
import { BACKEND_HEADERS_MAX, BACKEND_HEAD_BYTES_MAX } from '../base/limits.js'
import { responseHeadFault } from './response-head.js'

const many = (count: number): string[] => Array.from({ length: count }, (_, index) => [`X-${index}`, 'a']).flat()

const good: readonly [situation: string, status: number, reason: string, headers: readonly string[]][] = [
  ['nothing but a status', 200, '', []],
  ['the last status', 999, 'Odd', ['Content-Type', 'text/plain']],
  ['bytes above ASCII, tabs, nothing at all as values', 404, 'N\xf6', ['X-A', '\xe9\t', 'X-B', '']],
  ['as many headers as allowed', 200, 'OK', many(BACKEND_HEADERS_MAX)],
]
test.each(good)('taken: %s', (_situation, status, reason, headers) => {
  expect(responseHeadFault(status, reason, headers)).toBeNull()
})

const bad: readonly [fault: string, status: number | null, reason: string, headers: readonly string[]][] = [
  ['has no status', null, 'OK', []],
  ['has the status 101', 101, 'OK', []],
  ['has the status 1000', 1000, 'OK', []],
  ['has the status -5', -5, 'OK', []],
  ['has control characters in its reason', 200, 'OK\r\nX-Evil: 1', []],
  ['has control characters in the header X-A', 200, 'OK', ['X-A', 'a\r\nX-Evil: 1']],
  ['has control characters in the header X-A', 200, 'OK', ['X-A', 'a\0']],
  ['has a header whose name is none: "X A"', 200, 'OK', ['X A', 'a']],
  ['has a header whose name is none: ""', 200, 'OK', ['', 'a']],
  [`has more than ${BACKEND_HEADERS_MAX} headers`, 200, 'OK', many(BACKEND_HEADERS_MAX + 1)],
  [`has more than ${BACKEND_HEAD_BYTES_MAX} bytes`, 200, 'OK', ['X-A', 'a'.repeat(BACKEND_HEAD_BYTES_MAX)]],
]
test.each(bad)('refused: %s', (fault, status, reason, headers) => {
  expect(responseHeadFault(status, reason, headers)).toBe(fault)
})
