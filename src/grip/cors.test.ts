import { expect, test } from 'vitest'
import { corsRequest, withCors } from './cors.js'

const added = (request: string[], response: string[]): string[] =>
  withCors(corsRequest(request), response).slice(response.length)

test('a plain request gets what every script may need', () => {
  expect(added([], [])).toEqual([
    ...['Access-Control-Allow-Methods', 'OPTIONS, HEAD, GET, POST, PUT, DELETE'],
    ...['Access-Control-Allow-Credentials', 'true'],
    ...['Access-Control-Allow-Origin', '*'],
    ...['Access-Control-Max-Age', '3600'],
  ])
})

test('what a preflight asks for is granted', () => {
  const request = [
    ...['origin', 'http://a.test', 'access-control-request-method', 'PURGE'],
    ...['access-control-request-headers', ' X-One,, "x, y" ', 'Access-Control-Request-Headers', 'x-two'],
  ]
  expect(added(request, [])).toEqual([
    ...['Access-Control-Allow-Methods', 'PURGE', 'Access-Control-Allow-Headers', 'X-One, "x, y", x-two'],
    ...['Access-Control-Allow-Credentials', 'true', 'Access-Control-Allow-Origin', 'http://a.test'],
    ...['Access-Control-Max-Age', '3600'],
  ])
})

test('empty request headers say nothing', () => {
  const request = ['origin', '', 'access-control-request-method', '', 'access-control-request-headers', ' , ']
  expect(added(request, [])).toEqual(added([], []))
})

test('a header that the answer has is left alone, in any case and even when it is empty', () => {
  const response = [
    ...['access-control-allow-methods', '', 'ACCESS-CONTROL-ALLOW-HEADERS', 'a', 'Access-Control-Expose-Headers', 'b'],
    ...['Access-Control-Allow-Credentials', 'false', 'Access-Control-Allow-Origin', 'x', 'Access-Control-Max-Age', '1'],
  ]
  expect(added(['access-control-request-headers', 'c'], response)).toEqual([])
})

test('headers that scripts could not read are named, once each, as first spelled', () => {
  const response = [
    ...['Date', '1', 'X-A', '1', 'x-a', '2', 'Grip-Hold', 'stream', 'Access-Control-Other', '1', 'ETag', '1'],
    ...['Cache-Control', '1', 'Content-Language', '1', 'Content-Length', '1', 'CONTENT-TYPE', '1', 'Expires', '1'],
    ...['Last-Modified', '1', 'Pragma', '1'],
  ]
  const all = added([], response)
  expect(all[all.indexOf('Access-Control-Expose-Headers') + 1]).toBe('Date, X-A, ETag')
})
