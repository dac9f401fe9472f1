import { expect, test } from 'vitest'
import type { Deviation } from './deviations.js'
import { writeMatrix } from './matrix-doc.js'
import type { Outcome, Verdict } from './runner.js'

const MARKS = 'before\n<!-- conformance: tackboard -->\nold\n<!-- /conformance: tackboard -->\nafter\n'

function outcome(area: string, name: string, verdict: Verdict, deviation: Deviation | null = null): Outcome {
  const scenario = { area, name, expected: null, run: async () => null }
  return { scenario, verdict, detail: '', deviation }
}

function deviating(name: string, reason: string): Outcome {
  return outcome('one', name, 'deviation', { scenario: name, reason, row: 'the row' })
}

test('counts by area, deviations by reason and failures stand between the marks', () => {
  const outcomes = [
    outcome('one', 'a', 'pass'),
    deviating('b', 'why'),
    deviating('c', 'why'),
    deviating('d', 'why else'),
    outcome('two', 'e', 'FAIL'),
  ]
  const written = writeMatrix(MARKS, { target: 'tackboard', version: '1.2.3', date: '2026-01-02', outcomes })
  expect(written.split('\n').filter((line) => line !== '' && !line.includes('prettier'))).toEqual([
    'before',
    '<!-- conformance: tackboard -->',
    'Tackboard 1.2.3, 2026-01-02: 5 scenarios, of which 1 pass, 3 show a named deviation, 1 fail.',
    '| area | passed | deviations | failed |',
    '| --- | ---: | ---: | ---: |',
    '| one | 1 | 3 | 0 |',
    '| two | 0 | 0 | 1 |',
    '| all | 1 | 3 | 1 |',
    'Deviations, by reason:',
    '- 2: why (row “the row”): `b`, `c`',
    '- 1: why else (row “the row”): `d`',
    'Failed:',
    '- `e`',
    '<!-- /conformance: tackboard -->',
    'after',
  ])
  const again = { target: 'tackboard', version: '1.2.3', date: '2026-01-02', outcomes } as const
  expect(writeMatrix(written, again)).toBe(written)
})

test('a document without the marks of the target is refused', () => {
  const run = { target: 'pushpin', version: '1.41.0', date: '2026-01-02', outcomes: [] } as const
  expect(() => writeMatrix(MARKS, run)).toThrow('the document has no <!-- conformance: pushpin -->')
})
