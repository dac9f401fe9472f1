import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { FLAGS } from '../config/cli.js'
import { KEYS } from '../config/table.js'
import { renderConfigDoc } from './config-doc.js'

const DOC = readFileSync(new URL('../../docs/CONFIG.md', import.meta.url), 'utf8')

test('docs/CONFIG.md says what the tables in the code say (node dist/tools/config-doc.js writes it)', () => {
  expect(DOC).toBe(renderConfigDoc(DOC))
})

test('every key and flag has its row', () => {
  for (const { key, meaning, doc } of KEYS) {
    const name = meaning.kind === 'none' ? key : key.split('.')[1]
    expect(DOC.split('\n').some((line) => line.startsWith(`| \`${name}\` |`) && line.includes(doc))).toBe(true)
  }
  for (const { name } of FLAGS) expect(DOC).toContain(`| \`--${name}`)
})

test('a document without its marks is refused', () => {
  expect(() => renderConfigDoc('# Nothing')).toThrow('docs/CONFIG.md has no <!-- flags -->')
})
