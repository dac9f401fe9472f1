import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CONDITION_FLAGS, CONDITION_VALUES } from './route.js'
import { TARGET_FLAGS, TARGET_VALUES } from './target.js'
import { TargetKind } from './types.js'

const DOC = readFileSync(new URL('../../docs/CONFIG.md', import.meta.url), 'utf8')

/** First cells of the table rows below a heading, and the second ones. */
function rowsBelow(heading: string): Map<string, string> {
  const start = DOC.indexOf(`\n### ${heading}\n`)
  expect(start).toBeGreaterThan(-1)
  const end = DOC.indexOf('\n### ', start + 1)
  const rows = new Map<string, string>()
  for (const line of DOC.slice(start, end === -1 ? undefined : end).split('\n')) {
    const cells = /^\| `([^`]+)`\s*\| ([^|]*)\|/.exec(line)
    if (cells !== null) rows.set(cells[1] as string, (cells[2] as string).trim())
  }
  return rows
}

function expectOptions(rows: Map<string, string>, flags: readonly string[], values: readonly string[]): void {
  expect([...rows.keys()].sort()).toEqual([...flags, ...values].sort())
  for (const [name, value] of rows) expect([name, value === 'flag']).toEqual([name, flags.includes(name)])
}

test('docs/CONFIG.md has every option of a condition, and no other', () => {
  expectOptions(rowsBelow('Condition'), CONDITION_FLAGS, CONDITION_VALUES)
})

test('docs/CONFIG.md has every kind and option of a target, and no other', () => {
  const rows = rowsBelow('Targets')
  const kinds = ['host:port', 'test', 'demo', 'zhttp/<spec>', 'zhttpreq/<spec>']
  expect(kinds).toHaveLength(Object.keys(TargetKind).length)
  for (const kind of kinds) expect(rows.delete(kind)).toBe(true)
  expectOptions(rows, TARGET_FLAGS, TARGET_VALUES)
})
