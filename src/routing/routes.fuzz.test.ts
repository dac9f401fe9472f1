/** Random tables against a model that asks the questions of the reference one by one, and random text. */
import { expect, test } from 'vitest'
import { Prng } from '../base/prng.js'
import { encodePath, normalizePath } from './path.js'
import { rewritePath } from './rewrite.js'
import { parseRoutes } from './routes.js'
import type { Route, RouteQuery } from './types.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
console.log(`FUZZ_SEED=${seed}`)

const HOSTS = ['a', 'b', '*']
const PATHS = ['/', '/x', '/x/', '/x/y', '/x/yz', '/z']

interface ModelRule {
  readonly line: number
  readonly host: string
  readonly proto: string
  readonly ssl: string
  readonly path: string
}

function matches(rule: ModelRule, query: RouteQuery): boolean {
  if (rule.proto !== '' && rule.proto !== query.proto) return false
  if (rule.ssl !== '' && (rule.ssl === 'yes') !== query.ssl) return false
  return rule.path === '' || query.path.startsWith(rule.path)
}

function modelMatch(rules: readonly ModelRule[], query: RouteQuery): number | null {
  const own = rules.filter((rule) => rule.host === query.host)
  const candidates = own.length > 0 ? own : rules.filter((rule) => rule.host === '*')
  let best: ModelRule | null = null
  for (const rule of candidates) {
    if (!matches(rule, query)) continue
    if (best === null) best = rule
    else if (best.proto === '' && rule.proto !== '') best = rule
    else if (best.proto !== '' && rule.proto === '') continue
    else if (rule.path.length > best.path.length) best = rule
    else if (best.ssl === '' && rule.ssl !== '') best = rule
  }
  return best?.line ?? null
}

test('routes are chosen as by the model', () => {
  const prng = new Prng(seed)
  for (let round = 0; round < 1000; round++) {
    const rules: ModelRule[] = []
    const lines: string[] = []
    const seen = new Set<string>()
    let duplicates = 0
    for (let line = 1; line <= 1 + prng.below(8); line++) {
      const [host, proto, ssl] = [prng.pick(HOSTS), prng.pick(['', 'http', 'ws']), prng.pick(['', 'yes', 'no'])]
      const path = prng.happens(0.3) ? '' : prng.pick(PATHS)
      const props = [proto && `,proto=${proto}`, ssl && `,ssl=${ssl}`, path && `,path_beg=${path}`].join('')
      lines.push(`${host}${props} test`)
      if (seen.has(host + props)) duplicates++
      else rules.push({ line, host, proto, ssl, path })
      seen.add(host + props)
    }
    const { table, faults } = parseRoutes(lines.join('\n'), '/routes')
    expect(faults).toHaveLength(duplicates)
    for (const host of ['a', 'b', 'c']) {
      for (const proto of ['http', 'ws'] as const) {
        for (const ssl of [true, false]) {
          for (const path of PATHS) {
            const query = { host, proto, ssl, path }
            const found = table.match(query)?.line ?? null
            if (found !== modelMatch(rules, query)) expect({ lines, query, found }).toEqual(modelMatch(rules, query))
          }
        }
      }
    }
  }
})

const PIECES = [
  ...['*', 'a.org', 'test', 'demo', 'h:80', '[::1]:1', ' ', ' ', ' ', ',', '=', '"', '\\', '#', '\n', '\r\n', '\t'],
  ...['proto=ws', 'ssl=yes', 'path_beg=/x', 'header=a:b', 'sig_key=base64:', 'as_host=', 'id=1', 'zhttp/', 'é', '\0'],
]

test('any text is a table and faults with line numbers', () => {
  const prng = new Prng(seed + 1)
  for (let round = 0; round < 3000; round++) {
    let text = ''
    for (let count = prng.below(40); count > 0; count--) text += prng.pick(PIECES)
    const { table, faults, warnings } = parseRoutes(text, '/routes')
    const lineCount = text.split(/\r?\n/).length
    for (const { line, message } of [...faults, ...warnings]) {
      expect(line >= 1 && line <= lineCount && message !== '').toBe(true)
    }
    const all = [...table.routes.map((route: Route) => route.line), ...faults.map((fault) => fault.line)]
    expect(new Set(all).size).toBe(all.length)
  }
})

test('a file cut anywhere keeps the lines before the cut', () => {
  const text = 'a,path_beg="/x y" h:1,over_http # c\nb,header="q: \\"1\\"" [::1]:2 test\n\n*,id=z demo,sub=s\n'
  const whole = parseRoutes(text, '/routes').table.routes
  expect(whole).toHaveLength(3)
  for (let cut = 0; cut <= text.length; cut++) {
    const { table, faults } = parseRoutes(text.slice(0, cut), '/routes')
    const lastLine = text.slice(0, cut).split('\n').length
    const before = whole.filter((route) => route.line < lastLine)
    expect(table.routes.slice(0, before.length)).toEqual(before)
    expect(faults.every((fault) => fault.line === lastLine)).toBe(true)
  }
})

test('any path is settled by one pass, and begins with a slash or is refused', () => {
  const prng = new Prng(seed + 2)
  const pieces = ['/', '/', '.', '..', '%', '%2e', '%2F', '%zz', '%41', '?', '#', "'", '|', 'a', '\xe9', ' ', '%c3%a9']
  const { table } = parseRoutes('*,path_rem=3 test', '/routes')
  for (let round = 0; round < 5000; round++) {
    let path = prng.happens(0.9) ? '/' : ''
    for (let count = prng.below(12); count > 0; count--) path += prng.pick(pieces)
    const encoded = encodePath(path)
    const normal = normalizePath(path)
    const again = [encodePath(encoded), normalizePath(normal)]
    if (again[0] !== encoded || again[1] !== normal) expect({ path, again }).toEqual({ path, again: [encoded, normal] })
    // eslint-disable-next-line no-control-regex -- what must not go out
    expect(normal).not.toMatch(/[\x00-\x20"<>\\^`{|}\x7f-\xff]/)
    const rewritten = rewritePath(table.routes[0] as Route, encoded)
    expect(rewritten === null || rewritten.startsWith('/')).toBe(true)
  }
})
