import { describe, expect, test } from 'vitest'
import type { ClientHead } from './forwarding.js'
import { type JsonpRules, readJsonp } from './jsonp-request.js'

const RULES: JsonpRules = {
  jsonpMode: 'extended',
  jsonpCallback: null,
  jsonpBody: null,
  jsonpDefaultCallback: null,
  jsonpDefaultMethod: null,
}

function read(path: string, rules: Partial<JsonpRules> = {}, more: Partial<ClientHead> = {}) {
  const head = { method: 'GET', path, headers: ['host', 'a.test'], peerAddress: '', ssl: false, ...more }
  return readJsonp(head, path, { ...RULES, ...rules })
}

function call(...args: Parameters<typeof read>) {
  const result = read(...args)
  if (result?.kind !== 'call') throw new Error(JSON.stringify(result))
  return result
}

describe('ordinary requests', () => {
  test.each([
    ['without a query', '/a', {}],
    ['without a callback', '/a?x=callback', {}],
    ['a callback in the fragment', '/a#?callback=x', {}],
    ['a default callback, but no body', '/a?x', { jsonpDefaultCallback: 'd', jsonpBody: 'b' }],
    ['a body, but no parameter of its own for it', '/a?_body=x', { jsonpDefaultCallback: 'd' }],
    ['a body and no default callback', '/a?b=x', { jsonpBody: 'b', jsonpDefaultCallback: '' }],
    ['the usual name where another is set', '/a?callback=x', { jsonpCallback: 'cb' }],
  ])('%s', (_, path, rules) => {
    expect(read(path, rules)).toBeNull()
  })

  test('another method', () => {
    expect(read('/a?callback=x', {}, { method: 'get' })).toBeNull()
  })
})

test('mode, method and names of the route', () => {
  const rules = { jsonpMode: 'basic', jsonpCallback: 'cb', jsonpBody: '_body', jsonpDefaultMethod: '' } as const
  expect(call('/a?cb=f&_body=1', rules)).toEqual({
    kind: 'call',
    call: { callback: 'f', isExtended: false },
    head: {
      method: 'POST',
      path: '/a',
      headers: [...['content-type', 'application/json', 'host', 'a.test', 'accept', '*/*', 'content-length', '1']],
      peerAddress: '',
      ssl: false,
    },
    body: Buffer.from('1'),
  })
})

test('names that an object has by nature are parameters like others', () => {
  expect(call('/?callback=x&__proto__=1&toString=2').head.path).toBe('/?__proto__=1&toString=2')
  const headers = encodeURIComponent('{"__proto__":"a","constructor":"b"}')
  expect(call(`/?callback=x&_headers=${headers}`).head.headers).toEqual([
    ...['__proto__', 'a', 'constructor', 'b', 'host', 'a.test', 'accept', '*/*'],
  ])
})

test('headers that would decide about framing or trust are not taken from the query', () => {
  const names = ['Host', 'Accept', 'Content-Length', 'Transfer-Encoding', 'Grip-Sig', 'X-1']
  const headers = encodeURIComponent(JSON.stringify(Object.fromEntries(names.map((name) => [name, 'x']))))
  expect(call(`/?callback=x&_headers=${headers}`).head.headers).toEqual(['x-1', 'x', 'host', 'a.test', 'accept', '*/*'])
})

test('a body out of the query replaces the one of the client', () => {
  const own = {
    headers: ['host', 'a.test', 'content-length', '9', 'transfer-encoding', 'chunked', 'x', 'content-length'],
  }
  expect(call('/?callback=x&_body=ab', {}, own).head.headers).toEqual([
    ...['host', 'a.test', 'accept', '*/*', 'x', 'content-length', 'content-length', '2'],
  ])
  expect(call('/?callback=x', {}, own).head.headers).toContain('transfer-encoding')
})

test('a client that names no host', () => {
  expect(call('/?callback=x', {}, { headers: ['x', 'host'] }).head.headers).toEqual(['accept', '*/*', 'x', 'host'])
})

describe('faults', () => {
  const headers = (value: unknown): string => encodeURIComponent(JSON.stringify(value))
  test.each([
    ['callback', '/?callback='],
    ['_method', '/?callback=x&_method=a%20b'],
    ['_method', '/?callback=x&_method=%C3%A9'],
    ['_headers', '/?callback=x&_headers=null'],
    ['_headers', '/?callback=x&_headers=%FF'],
    ['_headers', `/?callback=x&_headers=${headers({ '': 'x' })}`],
    ['_headers', `/?callback=x&_headers=${headers({ 'a b': 'x' })}`],
    ['_headers', `/?callback=x&_headers=${headers({ a: 'x\ny' })}`],
    ['_headers', `/?callback=x&_headers=${headers({ a: 'x\0' })}`],
    ['_headers', `/?callback=x&_headers=${headers({ a: null })}`],
    ['_body', '/?callback=x&_body'],
  ])('of %s: %s', (parameter, path) => {
    expect(read(path)).toEqual({ kind: 'fault', message: `Invalid ${parameter} parameter.` })
  })

  test('of the body, by a name of the route', () => {
    expect(read('/?callback=x&b=', { jsonpBody: 'b' })).toEqual({ kind: 'fault', message: 'Invalid body parameter.' })
  })
})
