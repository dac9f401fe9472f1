import { describe, expect, test } from 'vitest'
import { formatHostPort, parseHostPort } from './host.js'
import { encodePath } from './path.js'
import { builtInPath, rewritePath, rewrittenHostHeader } from './rewrite.js'
import { parseRouteLine } from './routes.js'
import type { HostPort, Route, Target } from './types.js'

function routeOf(line: string): Route {
  return parseRouteLine(line, { file: '', line: 1, directory: '/' }).route as Route
}

describe('paths', () => {
  test.each([
    ['*', '/x?y', '/x?y'],
    ['*,path_rem=4', '/abcdef', null],
    ['*,path_rem=4', '/ab', '/'],
    ['*,path_rem=4', '/abc/x?q=/y', '/x?q=/y'],
    ['*,path_rem=4', '/abc', '/'],
    ['*,path_rem=4', '/abc?q', '/?q'],
    ['*,path_rem=1', '//x', '/x'],
    ['*,path_rem=-2', '/x', '/x'],
    ['*,path_rem=2', '/%7Cabc', null],
    ['*,path_beg=/foo,replace_beg=/bar', '/foo', '/bar'],
    ['*,path_beg=/foo,replace_beg=/bar', '/foo/x?q', '/bar/x?q'],
    ['*,path_beg=/foo,replace_beg=/bar', '/foobar', '/barbar'],
    ['*,path_beg=/foo,replace_beg=/bar', '/f%6Fo/x', '/bar/x'],
    ['*,path_beg=/foo,replace_beg=/bar', '/foo/../x', '/x'],
    ['*,path_beg=/foo,replace_beg=/bar', "/foo'x?a'b", "/bar'x?a%27b"],
    ['*,path_beg=/foo,replace_beg=', '/foo/x', '/x'],
    ['*,path_beg=/foo,replace_beg=', '/foo', '/'],
    ['*,path_beg=/foo,replace_beg=', '/foo?q', '/?q'],
    ['*,path_beg=/foo,replace_beg=', '/foox', null],
    ['*,path_beg=/foo,replace_beg=bar', '/foo/x', null],
    ['*,path_beg=/foo,replace_beg=/a?b', '/foo/x', '/a%3Fb/x'],
    ['*,path_beg=/foo,replace_beg=/x/..', '/foo/y', '/y'],
    ['*,path_beg=/foo,replace_beg=/', '/foo/x', '//x'],
    ['*', '*', null],
  ])('%s: %s -> %s', (condition, path, rewritten) => {
    expect(rewritePath(routeOf(`${condition} test`), encodePath(path))).toBe(rewritten)
  })

  test.each([
    ['*', '/ws?channel=x', '/ws?channel=x'],
    ['*,path_beg=/t', '/t/ws?channel=x', '/ws?channel=x'],
    ['*,path_beg=/t/', '/t/ws', '/ws'],
    ['*,path_beg=/t', '/t', '/'],
    ['*,path_beg=/', '/ws', '/ws'],
  ])('a built-in target behind %s: %s -> %s', (condition, path, expected) => {
    expect(builtInPath(routeOf(`${condition} test`), path)).toBe(expected)
  })
})

describe('hosts', () => {
  const client: HostPort = { host: 'client.org', port: 77 }
  test.each([
    ['* x:1', 'client.org:77'],
    ['*,as_host=a.org x:1', 'a.org'],
    ['*,as_host=A.org:81 x:1', 'a.org:81'],
    ['*,as_host=a.org:80 x:1', 'a.org'],
    ['*,as_host=a.org:80 x:1,ssl', 'a.org:80'],
    ['*,as_host=a.org:443 x:1,ssl', 'a.org'],
    ['*,as_host= x:1', 'client.org:77'],
    ['*,as_host=[::1]:90 x:1', '[::1]:90'],
    ['*,as_host=a.org x:1,host=b.org', 'b.org'],
    ['* x:1,host=b.org:99', 'b.org:99'],
  ])('%s -> %s', (line, host) => {
    const route = routeOf(line)
    expect(rewrittenHostHeader(route, route.targets[0] as Target, client)).toBe(host)
  })

  test.each<[string, HostPort | null]>([
    ['a.org', { host: 'a.org', port: null }],
    ['A.Org:80', { host: 'a.org', port: 80 }],
    ['a.org.', { host: 'a.org.', port: null }],
    ['a_b:1', { host: 'a_b', port: 1 }],
    ['[::1]', { host: '::1', port: null }],
    ['[::1]:8080', { host: '::1', port: 8080 }],
    ['', null],
    [':80', null],
    ['a b', null],
    ['a.org:', null],
    ['a.org:x', null],
    ['a.org:65536', null],
    ['[::1', null],
    ['[::1]x', null],
    ['[]', null],
    ['[a.org]', null],
    ['u@a.org', null],
    ['a.org/x', null],
    ['%41.org', null],
  ])('host header %j', (text, host) => {
    expect(parseHostPort(text)).toEqual(host)
  })

  test('a default port is not written', () => {
    expect(formatHostPort({ host: 'a', port: 443 }, true)).toBe('a')
    expect(formatHostPort({ host: 'a', port: 443 }, false)).toBe('a:443')
    expect(formatHostPort({ host: '::1', port: null }, false)).toBe('[::1]')
  })
})
