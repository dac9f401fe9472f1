/**
 * What docs/COMPATIBILITY.md says about tests is true: the files it links are there, and each test it names is in the
 * file that the link leads to. A name is that of a conformance scenario, or a title of a vitest test, of a group of
 * them, or of one row of a parametrised test.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import type { Scenario } from './conformance/scenario.js'
import { SCENARIOS } from './conformance/suite.js'

const DOCS = new URL('../../docs/', import.meta.url)
const TEXT = readFileSync(new URL('COMPATIBILITY.md', DOCS), 'utf8')
const CHECKLISTS = TEXT.slice(TEXT.indexOf('\n## The checklists')).split(/\n## (?!The checklists)/, 1)[0] as string

const SCENARIO_FILE = /src\/testing\/conformance\/scenarios\//
/** Letters of a title that are no placeholders: fewer would match anything. */
const FIXED_LETTERS_MIN = 6

interface NamedTest {
  readonly name: string
  readonly path: string
}

/** Links whose text is the name of a test. */
function namedTests(text: string): NamedTest[] {
  return [...text.matchAll(/\[`((?:[^`])+)`\]\(\.\.\/(src\/[^)#]+)\)/g)].map(([, name, path]) => ({
    name: (name as string).replaceAll('\\|', '|'),
    path: path as string,
  }))
}

function isThere(path: string): boolean {
  return existsSync(fileURLToPath(new URL(`../${path}`, DOCS)))
}

const literals = new Map<string, readonly string[]>()

/** All strings of a source file; `${…}` in a template is a placeholder like `%s`. */
function literalsOf(path: string): readonly string[] {
  const known = literals.get(path)
  if (known !== undefined) return known
  const text = readFileSync(new URL(`../${path}`, DOCS), 'utf8')
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) found.push(node.text)
    else if (ts.isTemplateExpression(node))
      found.push(node.head.text + node.templateSpans.map(({ literal }) => `%s${literal.text}`).join(''))
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest))
  literals.set(path, found)
  return found
}

/** Whether a parametrised title can give this name, with parameters that stand in the file. */
function fits(title: string, name: string, text: string): boolean {
  const parts = title.split(/%[a-z#]|\$\w+/)
  if (parts.length === 1 || parts.join('').replace(/\W/g, '').length < FIXED_LETTERS_MIN) return false
  const pattern = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('(.*?)')
  const values = new RegExp(`^${pattern}$`, 's').exec(name)?.slice(1)
  return values?.every((value) => /^\d+$/.test(value) || text.includes(value.replace(/^"(.*)"$/, '$1'))) ?? false
}

async function scenariosOf(path: string): Promise<string[]> {
  const module = (await import(new URL(`../${path}`, DOCS).href)) as Record<string, unknown>
  const lists = Object.values(module).filter((value) => Array.isArray(value)) as Scenario[][]
  return lists.flat().map(({ name }) => name)
}

async function hasTest({ name, path }: NamedTest): Promise<boolean> {
  if (SCENARIO_FILE.test(path))
    return (await scenariosOf(path)).includes(name) && SCENARIOS.some((scenario) => scenario.name === name)
  const titles = literalsOf(path)
  const text = readFileSync(new URL(`../${path}`, DOCS), 'utf8')
  return titles.some((title) => title === name || fits(title, name, text))
}

test('every file that is linked or named is there', () => {
  const linked = [...TEXT.matchAll(/\]\(\.\.\/(src\/[^)#]+)\)/g)].map(([, path]) => path as string)
  const named = [...TEXT.matchAll(/`([a-z0-9/-]+\.ts)`/g)].map(
    ([, path]) => `src/${(path as string).replace(/^src\//, '')}`,
  )
  expect([...linked, ...named].length).toBeGreaterThan(100)
  expect([...linked, ...named].filter((path) => !isThere(path))).toEqual([])
})

test('every test that is named by a link is in the file that it leads to', async () => {
  const missing: NamedTest[] = []
  for (const named of namedTests(TEXT)) if (!(await hasTest(named))) missing.push(named)
  expect(missing).toEqual([])
})

test('every conformance scenario that is named is one', () => {
  const named = [...TEXT.matchAll(/conformance: `([^`]+)`/g)].map(([, name]) => name as string)
  const names = new Set(SCENARIOS.map(({ name }) => name))
  expect(named.filter((name) => !names.has(name))).toEqual([])
})

/** Cells of the tables with a last column `test`: what they say of a test, and the file they mean. */
function testCells(): { readonly phrase: string; readonly path: string }[] {
  return TEXT.split(/\n## /).flatMap((section) => {
    const columns = /^\|(.+\| test +\|)$/m.exec(section)?.[1]?.split('|').length
    if (columns === undefined) return []
    const own = /\]\(\.\.\/(src\/[^)]+\.test\.ts)\)/.exec(section)?.[1] as string
    return section.split('\n').flatMap((line) => {
      const cells = line.split(/(?<!\\)\|/).slice(1)
      const cell = cells.at(-2)?.trim() ?? ''
      if (cells.length !== columns || /^(test|-+|–|)$/.test(cell)) return []
      return cell.split('; ').flatMap((part) => phraseOf(part, own))
    })
  })
}

function phraseOf(part: string, own: string): { readonly phrase: string; readonly path: string }[] {
  const linked = /^\[[^\]]+\]\(\.\.\/(src\/[^)]+)\)(?:: (.+))?$/.exec(part)
  if (linked?.[2] !== undefined) return [{ phrase: linked[2], path: linked[1] as string }]
  if (part.startsWith('conformance: ')) return [{ phrase: part.slice('conformance: '.length), path: 'conformance' }]
  return linked === null ? [{ phrase: part, path: own }] : []
}

test('what stands in a column of tests is part of a title', () => {
  const cells = testCells()
  expect(cells.length).toBeGreaterThan(30)
  const missing = cells.filter(({ phrase, path }) => {
    const pieces = phrase.split('…').map((piece) => piece.trim())
    const titles = path === 'conformance' ? SCENARIOS.map(({ name }) => name) : literalsOf(path)
    return !titles.some((title) => pieces.every((piece) => title.includes(piece)))
  })
  expect(missing).toEqual([])
})

describe('the checklists', () => {
  const rows = CHECKLISTS.split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (feature|---)/.test(line))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))

  test('every row says how far it works and names a test', () => {
    expect(rows.length).toBeGreaterThan(110)
    const wrong = rows.filter(
      ([, feature, status, tests]) =>
        feature === '' || !/^(works|differs because .+)$/.test(status ?? '') || namedTests(tests ?? '').length === 0,
    )
    expect(wrong).toEqual([])
  })

  test('no feature has two rows', () => {
    for (const list of CHECKLISTS.split('\n### ').slice(1)) {
      const features = list.split('\n').flatMap((line) => /^\| (.+?) \|/.exec(line)?.[1] ?? [])
      expect(features.filter((feature, at) => features.indexOf(feature) !== at)).toEqual([])
    }
  })
})

describe('a name that is wrong is found', () => {
  test.each([
    ['no such title', 'src/imports.test.ts'],
    ['no such scenario', 'src/testing/conformance/scenarios/http.ts'],
    ['status 200', 'src/testing/conformance/scenarios/links.ts'],
  ])('%s in %s', async (name, path) => {
    expect(await hasTest({ name, path })).toBe(false)
  })

  test('parameters must stand in the file', () => {
    const text = "test.each(['idle'])"
    expect(fits('keep-alives in mode %s', 'keep-alives in mode idle', text)).toBe(true)
    expect(fits('keep-alives in mode %s', 'keep-alives in mode other', text)).toBe(false)
    expect(fits('%s', 'anything', 'anything')).toBe(false)
  })
})
