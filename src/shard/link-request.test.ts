import { expect, test } from 'vitest'
import type { BackendRequest } from '../backend/types.js'
import { Forwarding } from '../grip/forwarding.js'
import { parseRoutes } from '../routing/routes.js'
import type { Route, Target } from '../routing/types.js'
import { settingsOf } from '../testing/http-rig.js'
import type { ShardContext } from './context.js'
import { linkOriginOf, linkRequests } from './link-request.js'
import { rewriteRequest } from './rewrite.js'

function requestsOf(routes: string, uri: string, { ssl = false, conf = '' } = {}) {
  const { table } = parseRoutes(routes, '/routes')
  const settings = settingsOf(conf)
  const forwarding = new Forwarding(settings, () => Buffer.alloc(0), rewriteRequest)
  const context = { settings, forwarding, routes: () => table, epochMs: () => 1_700_000_000_000 }
  const route = table.routes[0] as Route
  const head = { method: 'GET', path: '/api/start?x', headers: ['host', 'a.test'], peerAddress: '10.1.2.3', ssl }
  const origin = linkOriginOf(head, route, route.targets[0] as Target)
  const lastIds = new Map([['c', '7']])
  return linkRequests(context as unknown as ShardContext, origin, uri, { method: 'GET', lastIds })
}

test('a link of the route goes to its targets in turn, rewritten as the request was', () => {
  const requests = requestsOf(
    'a.test,path_beg=/api,path_rem=4 one:81,host=b.test two:82',
    'http://a.test:80/api/page?y=1',
  )
  expect(requests.map(({ target, path, headers }) => [target.name, path, headers[1]])).toEqual([
    ['one:81', '/page?y=1', 'b.test'],
    ['two:82', '/page?y=1', 'a.test'],
  ])
  expect(requests[0]?.headers.slice(2)).toEqual(['Grip-Last', 'c; last-id=7', 'Grip-Feature', expect.any(String)])
})

test.each([
  ['another host', 'http://b.test/api/page', 'b.test', 80, false],
  ['another port', 'http://a.test:8080/api/page', 'a.test:8080', 8080, false],
  ['another scheme', 'https://a.test/api/page', 'a.test', 443, true],
  ['a path that is none of the route', 'http://a.test/else', 'a.test', 80, false],
  ['an address', 'http://[::1]:81/x', '[::1]:81', 81, false],
])('%s is asked straight', (_, uri, host, port, ssl) => {
  const [request, ...more] = requestsOf('a.test,path_beg=/api,header=x-a:b one:81', uri)
  expect(more).toEqual([])
  const { target } = request as BackendRequest
  expect([target.host, target.port, target.ssl]).toEqual([host.replace(/\[|\]|:\d+$/g, ''), port, ssl])
  expect(request?.headers.slice(0, 4)).toEqual(['Host', host, 'Grip-Last', 'c; last-id=7'])
  expect(request?.headers).not.toContain('x-a')
})

test('a hold of an untrusted target leads nowhere else than such a target may', () => {
  const direct = (flag: string) => requestsOf(`a.test one:81${flag}`, 'http://10.0.0.1/x')[0]?.target.untrusted
  expect([direct(',untrusted'), direct('')]).toEqual([true, false])
})

test('a link that is no HTTP, or none at all, is no request', () => {
  expect(requestsOf('a.test one:81', 'ftp://a.test/x')).toEqual([])
  expect(requestsOf('a.test one:81', '')).toEqual([])
})

test('over TLS the backend is told so, as with a request of a client', () => {
  const conf = '[proxy]\nset_x_forwarded_protocol=true\n'
  const [request] = requestsOf('a.test one:81', 'https://a.test/api/page', { ssl: true, conf })
  expect(request?.headers).toContain('X-Forwarded-Proto')
  expect(request?.target.name).toBe('one:81')
})
