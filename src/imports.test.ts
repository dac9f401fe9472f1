import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkImportRules } from './testing/import-rules.js'
import type { SourceFile } from './testing/import-rules.js'

const src = import.meta.dirname

function filesOfSrc(): SourceFile[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(src, path), 'utf8') }))
}

test('every file of src keeps the import rules', () => {
  const files = filesOfSrc()
  expect(files.length).toBeGreaterThan(10)
  const lines = checkImportRules(files).map(({ path, line, message }) => `${path}:${line} ${message}`)
  expect(lines).toEqual([])
})

test('one planted import among the real files is found', () => {
  const planted: SourceFile = {
    path: 'grip/planted.ts',
    text: "import { Hub } from '../shard/hub.js'\nexport { Hub }\n",
  }
  const violations = checkImportRules([...filesOfSrc(), planted])
  expect(violations).toContainEqual({ path: 'grip/planted.ts', line: 1, message: 'grip must not import shard' })
})

function complaints(files: Record<string, string>): string[] {
  const list = Object.entries(files).map(([path, text]) => ({ path, text }))
  return checkImportRules(list).map(({ path, line, message }) => `${path}:${line} ${message}`)
}

describe('wrong imports', () => {
  const wrong: readonly [situation: string, path: string, text: string, message: string][] = [
    ['base looks up', 'base/a.ts', "import { x } from '../wire/x.js'", 'base must not import wire'],
    ['wire looks up', 'wire/a.ts', "import { x } from '../grip/x.js'", 'wire must not import grip'],
    [
      'wire sees types of routing',
      'wire/a.ts',
      "import type { X } from '../routing/x.js'",
      'wire must not import routing',
    ],
    ['config sees wire', 'config/a.ts', "import { x } from '../wire/x.js'", 'config must not import wire'],
    ['routing sees grip', 'routing/a.ts', "import { x } from '../grip/x.js'", 'routing must not import grip'],
    [
      'grip sees values of routing',
      'grip/a.ts',
      "import { x } from '../routing/x.js'",
      'grip may import only types of routing',
    ],
    [
      'grip sees values by an inline type',
      'grip/a.ts',
      "import { type X } from '../config/x.js'",
      'grip may import only types of config',
    ],
    ['grip sees the backend', 'grip/a.ts', "import type { X } from '../backend/x.js'", 'grip must not import backend'],
    ['backend sees grip', 'backend/a.ts', "import { x } from '../grip/x.js'", 'backend must not import grip'],
    [
      'link sees values of config',
      'link/a.ts',
      "export { x } from '../config/x.js'",
      'link may import only types of config',
    ],
    ['shard sees runner', 'shard/a.ts', "import type { X } from '../runner/x.js'", 'shard must not import runner'],
    ['runner sees shard', 'runner/a.ts', "const x = await import('../shard/x.js')", 'runner must not import shard'],
    ['runner sees types of shard', 'runner/a.ts', "type X = import('../shard/x.js').X", 'runner must not import shard'],
    ['main sees a shard', 'main.ts', "import { x } from './shard/x.js'", 'main must not import shard'],
    ['a product file sees testing', 'link/a.ts', "import { x } from '../testing/x.js'", 'link must not import testing'],
    ['a test sees another room', 'wire/a.test.ts', "import { x } from '../shard/x.js'", 'wire must not import shard'],
    ['a file leaves src', 'base/a.ts', "import x from '../../package.json'", '../../package.json leaves src'],
    ['wire opens sockets', 'wire/a.ts', "import net from 'node:net'", 'wire must not import node:net'],
    ['routing serves', 'routing/a.ts', "import type { Server } from 'http'", 'routing must not import http'],
    ['grip waits', 'grip/a.ts', "import 'node:timers/promises'", 'grip must not import node:timers/promises'],
    ['grip publishes', 'grip/a.ts', "import { Push } from 'zeromq'", 'grip must not import zeromq'],
    ['config logs', 'config/a.ts', "import pino from 'pino'", 'config must not import pino'],
    ['wire requires', 'wire/a.ts', "const ws = require('ws')", 'wire must not import ws'],
  ]
  test.each(wrong)('%s', (_situation, path, text, message) => {
    expect(complaints({ [path]: `\n${text}\n` })).toEqual([`${path}:2 ${message}`])
  })
})

describe('the world in a quiet room', () => {
  test.each([
    ['Date.now()', 'Date.now'],
    ['new Date()', 'Date.now'],
    ['performance.now()', 'performance.now'],
    ['globalThis.x ?? setTimeout(f, 1)', 'setTimeout'],
    ['setInterval(f, 1)', 'setInterval'],
    ['setImmediate(f)', 'setImmediate'],
    ['queueMicrotask(f)', 'queueMicrotask'],
    ['process.nextTick(f)', 'process.nextTick'],
    ['new Promise(f)', 'Promise'],
    ['async () => 1', 'Promise'],
  ])('%s', (expression, name) => {
    const text = `export const x = ${expression}\n`
    for (const room of ['wire', 'config', 'routing', 'grip']) {
      expect(complaints({ [`${room}/a.ts`]: text })).toEqual([`${room}/a.ts:1 ${room} must not use ${name}`])
    }
    expect(complaints({ 'link/a.ts': text, 'grip/a.test.ts': text })).toEqual([])
  })
})

test('vague names and barrels', () => {
  expect(
    complaints({ 'base/utils.ts': '', 'grip/helpers/a.ts': '', 'wire/common.test.ts': '', 'link/index.ts': '' }),
  ).toEqual([
    'base/utils.ts:0 the name utils says nothing',
    'grip/helpers/a.ts:0 the name helpers says nothing',
    'wire/common.test.ts:0 the name common says nothing',
    'link/index.ts:0 barrels hide where things come from: no index files',
  ])
})

test('a room nobody knows', () => {
  expect(complaints({ 'attic/a.ts': '', 'loose.ts': '' })).toEqual([
    'attic/a.ts:0 unknown room attic',
    'loose.ts:0 unknown room loose',
  ])
})

test('files that import each other in a circle, unless by types', () => {
  const a = "import { b } from './b.js'\n"
  const b = "import { c } from './c.js'\n"
  expect(complaints({ 'base/a.ts': a, 'base/b.ts': b, 'base/c.ts': "import { a } from './a.js'\n" })).toEqual([
    'base/c.ts:1 imports in a circle: base/a.ts -> base/b.ts -> base/c.ts -> base/a.ts',
  ])
  expect(complaints({ 'base/a.ts': a, 'base/b.ts': b, 'base/c.ts': "import type { A } from './a.js'\n" })).toEqual([])
})

test('what is allowed', () => {
  expect(
    complaints({
      'wire/a.ts': "// Date.now() and setTimeout\nimport { x } from '../base/x.js'\nexport const text = 'Promise'\n",
      'grip/a.ts': "import type { Settings } from '../config/types.js'\nexport const at = new Date(0)\n",
      'grip/a.test.ts': "import { x } from '../testing/x.js'\nimport { y } from '../routing/y.js'\n",
      'backend/a.ts': "import { TargetKind } from '../routing/types.js'\nimport net from 'node:net'\n",
      'backend/b.ts': "import type { Match } from '../routing/match.js'\n",
      'shard/a.ts': "import { x } from '../grip/x.js'\nimport { y } from '../link/y.js'\n",
      'main.ts': "import { run } from './runner/runner.js'\n",
    }),
  ).toEqual([])
})
