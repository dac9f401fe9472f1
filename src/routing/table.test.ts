import { describe, expect, test } from 'vitest'
import { parseRoutes } from './routes.js'
import type { Route, RouteQuery, RouteTable } from './types.js'

function tableOf(...lines: string[]): RouteTable {
  const { table, faults } = parseRoutes(lines.join('\n'), '/routes')
  expect(faults).toEqual([])
  return table
}

const QUERY: RouteQuery = { proto: 'http', ssl: false, host: 'a.org', path: '/' }

function lineFor(table: RouteTable, query: Partial<RouteQuery>): number | null {
  return table.match({ ...QUERY, ...query })?.line ?? null
}

describe('matching', () => {
  test('a host with lines of its own never falls back to the wildcard', () => {
    const table = tableOf('* test', 'a.org,path_beg=/x test')
    expect(lineFor(table, { path: '/x/y' })).toBe(2)
    expect(lineFor(table, { path: '/y' })).toBeNull()
    expect(lineFor(table, { host: 'b.org', path: '/y' })).toBe(1)
  })

  test('no wildcard, no route', () => {
    expect(lineFor(tableOf('a.org test'), { host: 'b.org' })).toBeNull()
    expect(lineFor(tableOf(''), {})).toBeNull()
  })

  test('a host header `*` is a host like any other', () => {
    expect(lineFor(tableOf('* test'), { host: '*' })).toBe(1)
    expect(lineFor(tableOf('a.org test'), { host: '*' })).toBeNull()
  })

  test('subdomains are hosts of their own', () => {
    expect(lineFor(tableOf('a.org test'), { host: 'www.a.org' })).toBeNull()
  })

  test('path_beg is a prefix of bytes, not of segments', () => {
    const table = tableOf('*,path_beg=/foo test')
    expect(lineFor(table, { path: '/foobar' })).toBe(1)
    expect(lineFor(table, { path: '/fo' })).toBeNull()
  })

  test('proto restricts', () => {
    const table = tableOf('*,proto=ws test', '*,proto=http test')
    expect(lineFor(table, { proto: 'ws' })).toBe(1)
    expect(lineFor(table, { proto: 'http' })).toBe(2)
  })

  test('ssl restricts', () => {
    const table = tableOf('*,ssl=yes test', '*,ssl=no test')
    expect(lineFor(table, { ssl: true })).toBe(1)
    expect(lineFor(table, { ssl: false })).toBe(2)
  })

  test('a longer path wins wherever it stands', () => {
    const lines = ['*,path_beg=/a test', '* test', '*,path_beg=/a/b test']
    expect(lineFor(tableOf(...lines), { path: '/a/b/c' })).toBe(3)
    expect(lineFor(tableOf(...lines.toReversed()), { path: '/a/b/c' })).toBe(1)
  })

  test('a line with proto wins over a longer path', () => {
    const lines = ['*,path_beg=/a/b test', '*,proto=http test']
    expect(lineFor(tableOf(...lines), { path: '/a/b' })).toBe(2)
    expect(lineFor(tableOf(...lines.toReversed()), { path: '/a/b' })).toBe(1)
  })

  test('a later line with ssl wins over a longer path; an earlier one does not', () => {
    const lines = ['*,path_beg=/a/b test', '*,ssl=no test']
    expect(lineFor(tableOf(...lines), { path: '/a/b' })).toBe(2)
    expect(lineFor(tableOf(...lines.toReversed()), { path: '/a/b' })).toBe(2)
  })

  test('of equals the earlier wins', () => {
    expect(lineFor(tableOf('*,path_beg=/a test', '*,path_beg=/b test'), { path: '/a' })).toBe(1)
  })
})

describe('by id', () => {
  test('an explicit id', () => {
    const table = tableOf('a.org,id=one test', 'id=two test')
    expect(table.byId('one')?.line).toBe(1)
    expect(table.byId('two')?.line).toBe(2)
    expect(table.byId('three')).toBeNull()
    expect(table.isIdShared('three')).toBe(false)
    expect(table.match({ ...QUERY, host: '' })).toBeNull()
  })

  test('the id made of the condition', () => {
    expect(tableOf('a.org,proto=ws,ssl=yes,path_beg=/x test').byId('a.org,ws,no-ssl,/x')?.line).toBe(1)
    expect(tableOf('* test').byId('*,*,*,*')?.line).toBe(1)
  })

  test('an id that two or three lines share is of no use', () => {
    const table = tableOf('a.org,id=x test', 'b.org,id=x test', 'c.org,id=x test')
    expect(table.byId('x')).toBeNull()
    expect(table.isIdShared('x')).toBe(true)
    expect(lineFor(table, { host: 'b.org' })).toBe(2)
  })
})

test('each of ten thousand hosts finds its own line', () => {
  const table = tableOf(...Array.from({ length: 10_000 }, (_, n) => `h${n}.org test`), '* test')
  const found: (Route | null)[] = []
  for (let n = 0; n < 10_000; n++) found.push(table.match({ ...QUERY, host: `h${n}.org` }))
  expect(found.every((route, n) => route?.line === n + 1)).toBe(true)
})
