import { expect, test } from 'vitest'
import { Prng } from '../base/prng.js'
import { readSockJsPath, sockJsCallback, sockJsHome, sockJsParts, sockJsPayload } from './sockjs-request.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
console.log(`FUZZ_SEED=${seed}`)

const route = { sockjsPath: '/sj', sockjsAsPath: null }

test('paths below the one of the route', () => {
  expect(readSockJsPath(route, '/sj/info?a=1')).toEqual({
    rest: '/info',
    query: '?a=1',
    polledPath: '/sj?a=1',
    webSocketPath: '/sj/websocket?a=1',
  })
  expect(readSockJsPath({ ...route, sockjsAsPath: '/as' }, '/sj/websocket')).toMatchObject({
    polledPath: '/as',
    webSocketPath: '/as',
  })
  expect(readSockJsPath(route, '/other/sj')).toBeNull()
  expect(readSockJsPath({ sockjsPath: null, sockjsAsPath: null }, '/sj')).toBeNull()
})

test('the parts of a path', () => {
  expect(sockJsParts('/server/sid/xhr')).toEqual({ sid: 'sid', what: 'xhr' })
  expect(sockJsParts('//sid/')).toEqual({ sid: 'sid', what: '' })
  for (const rest of ['', '/', '/a', '/a/b', '/a//xhr', '/a/b/c/d', 'x/a/b/c']) expect(sockJsParts(rest)).toBeNull()
})

test('callbacks', () => {
  expect(sockJsCallback('jsonp', '?callback=a&c=b')).toBe('a')
  expect(sockJsCallback('jsonp_send', '?c=b')).toBe('b')
  expect(sockJsCallback('jsonp', '?callback=')).toBeNull()
  expect(sockJsCallback('xhr', '?c=b')).toBeNull()
})

test('payloads of sends', () => {
  const body = Buffer.from('x&d=%5B%22a%2B+%22%5D&d=2')
  expect(sockJsPayload('POST', 'xhr_send', '?d=q', body)).toBe(body)
  expect(sockJsPayload('POST', 'jsonp_send', '', body).toString()).toBe('["a+ "]')
  expect(sockJsPayload('GET', 'jsonp_send', '?d=%5B%22q%22%5D', body).toString()).toBe('["q"]')
  expect(sockJsPayload('POST', 'jsonp_send', '', Buffer.from('[1]')).length).toBe(0)
})

test('sessions are spread over the shards, and each has one home', () => {
  const prng = new Prng(seed)
  const counts = [0, 0, 0]
  for (let round = 0; round < 3000; round++) {
    const sid = prng.below(2 ** 31).toString(36)
    const home = sockJsHome(sid, 3, seed)
    expect(sockJsHome(sid, 3, seed)).toBe(home)
    counts[home] = (counts[home] ?? 0) + 1
  }
  for (const count of counts) expect(count).toBeGreaterThan(700)
})

test('any path and query is read without a fault', () => {
  const prng = new Prng(seed + 1)
  const pieces = ['/', '/', 'sj', 'a', '?', '#', '&', '=', 'c', 'd', 'callback', '%', '%41', '%ff', 'jsonp', '\xff']
  for (let round = 0; round < 5000; round++) {
    let path = '/sj'
    for (let count = prng.below(12); count > 0; count--) path += prng.pick(pieces)
    const read = readSockJsPath(route, path)
    expect(read).not.toBeNull()
    const parts = sockJsParts(read?.rest ?? '')
    if (parts !== null) expect(parts.sid).not.toBe('')
    sockJsCallback(parts?.what ?? 'jsonp', read?.query ?? '')
    sockJsPayload(prng.pick(['GET', 'POST']), 'jsonp_send', read?.query ?? '', Buffer.from(path, 'latin1'))
  }
})
