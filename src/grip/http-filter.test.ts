import { expect, test } from 'vitest'
import {
  HttpFilterFailure,
  httpFilterHeaders,
  httpFilterStatusFault,
  httpFilterUrl,
  judgeHttpFilterAnswer,
} from './http-filter.js'
import type { Meta } from './meta.js'

test.each<[situation: string, subMeta: Meta | null, outcome: string]>([
  ['a path', { url: '/check?x=1' }, 'http://a.test:8080/check?x=1'],
  ['a path from the page', { url: 'check' }, 'http://a.test:8080/api/check'],
  ['a host', { url: 'https://b.test/check' }, 'https://b.test/check'],
  ['bytes outside of ASCII', { url: '/\xc3\xa9' }, 'http://a.test:8080/%C3%A9'],
  ['a fragment, which is for nobody', { url: '/check#x' }, 'http://a.test:8080/check'],
  ['none', {}, 'filter error: missing url value'],
  ['no metas', null, 'filter error: missing url value'],
  ['an empty one', { url: '' }, 'filter error: missing url value'],
  ['what every object has', { constructor: 'x' }, 'filter error: missing url value'],
  ['one that cannot be read', { url: 'http://[' }, 'filter error: invalid url value'],
])('url: %s', (_situation, subMeta, outcome) => {
  const url = httpFilterUrl(subMeta, 'http://a.test:8080/api/start?y')
  expect(url instanceof HttpFilterFailure ? url.message : url).toBe(outcome)
})

test('metas are JSON in one line, with their names in order', () => {
  const subMeta = { url: '/x', b: '"\\', a: 'line\r\nbreak', '10': 'n', '9': 'm' }
  const headers = httpFilterHeaders(subMeta, { del: '\x7f', utf8: '\xc3\xa9' })
  expect(headers).toEqual([
    'Sub-Meta',
    '{"10":"n","9":"m","a":"line\\r\\nbreak","b":"\\"\\\\","url":"/x"}',
    'Pub-Meta',
    '{"del":"\\u007f","utf8":"\xc3\xa9"}',
  ])
  expect(JSON.parse(headers[1] as string)).toEqual(subMeta)
  expect(httpFilterHeaders(null, null)).toEqual(['Sub-Meta', '{}', 'Pub-Meta', '{}'])
})

test('only 200 and 204 are answers', () => {
  expect([200, 204].map(httpFilterStatusFault)).toEqual([null, null])
  const texts = [201, 302, 403, 500].map((status) => httpFilterStatusFault(status)?.message)
  expect(texts).toEqual([201, 302, 403, 500].map((at) => `filter error: unexpected network request status: code=${at}`))
})

test.each([
  ['http-check', 200, null, 'body', 'as it is'],
  ['http-check', 204, null, '', 'as it is'],
  ['http-check', 200, 'drop', '', 'dropped'],
  ['http-check', 200, 'Drop', '', 'as it is'],
  ['http-check', 200, 'send', '', 'as it is'],
  ['http-modify', 200, null, 'body', 'body'],
  ['http-modify', 200, null, '', ''],
  ['http-modify', 204, null, '', 'as it is'],
  ['http-modify', 200, 'drop', 'body', 'dropped'],
  ['http-modify', 204, 'drop', '', 'dropped'],
] as const)('%s: status %i, Action %s, body "%s": %s', (name, status, action, body, outcome) => {
  const answer = judgeHttpFilterAnswer(name, { status, action, body: Buffer.from(body) })
  if (answer.kind === 'drop') expect(outcome).toBe('dropped')
  else expect(answer.content === null ? 'as it is' : answer.content.toString()).toBe(outcome)
})
