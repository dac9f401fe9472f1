/** Where something leads: paths and hosts of requests, links of streams, addresses of SockJS. */
import assert from 'node:assert/strict'
import { isSameOrigin, judgePageHead, resolveLink, withoutQuery } from '../../grip/next-link.js'
import { readSockJsPath, sockJsCallback, sockJsHome, sockJsParts } from '../../grip/sockjs-request.js'
import { formatHostPort, parseHostPort } from '../../routing/host.js'
import { encodePath, normalizePath } from '../../routing/path.js'
import { rewritePath } from '../../routing/rewrite.js'
import { parseRoutes } from '../../routing/routes.js'
import { isLinkUri } from '../../wire/link-uri.js'
import type { FuzzTarget } from './fuzz.js'

const VISIBLE = /^[\x21-\x7e]*$/
const PATH_WORDS = ['/', '//', '/.', '/..', '/../', '%2e', '%2F', '%', '%zz', '%41', '?', '#', ';', ':', '@', '|', ' ']
const { table } = parseRoutes(
  [
    '*,path_beg=/a,path_rem=2 h:1',
    '*,path_beg=/a/b,replace_beg=/c h:1',
    'x.org,ssl=yes h:1',
    '*.x.org h:1',
    '* test',
  ].join('\n'),
  '/routes',
)

export const ADDRESS_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'request target',
    corpus: ['/a/b?c=d x.org:80', '/a/../%7Eb/%2f?q=%41%zz y.x.org', '/a%20b [::1]:443', '//x/./y/.. X.ORG'],
    words: [...PATH_WORDS, 'x.org', '[', ']', ':99999', '.'],
    run(input) {
      const text = input.toString('latin1')
      const space = text.lastIndexOf(' ')
      const encoded = encodePath(text.slice(0, Math.max(space, 0)))
      assert.match(encoded, VISIBLE)
      assert.equal(encodePath(encoded), encoded, 'what is settled stays')
      const normal = normalizePath(encoded)
      const bare = pathOf(normal)
      assert(!bare.startsWith('/') || !bare.split('/').some((part) => part === '.' || part === '..'), 'no dot segment')
      const host = parseHostPort(text.slice(space + 1))
      if (host === null) return false
      assert.deepEqual(parseHostPort(formatHostPort({ ...host, port: 8080 }, false)), { ...host, port: 8080 })
      const path = pathOf(encoded)
      const route = table.match({ proto: 'http', ssl: false, host: host.host, path })
      if (route === null) return false
      assert(path.startsWith(route.pathBeg), 'a route takes what begins as its path')
      const rewritten = rewritePath(route, encoded)
      if (rewritten !== null) assert.match(rewritten, VISIBLE)
      return rewritten !== null
    },
  },
  {
    name: 'next link',
    corpus: ['/next?a=b', 'http://h:8080/x/y?z#f', '//other/x', '?page=2', '../up/./here', 'https://[::1]/', 'a b:c'],
    words: [...PATH_WORDS, 'http://', 'https:', '[', ']', '\\', '\xe9', 'javascript:', 'h:99999'],
    run(input) {
      const link = input.toString('latin1')
      const head = judgePageHead(200, 'OK', ['Grip-Link', `<${link}>; rel=next; timeout=5`])
      assert(head.kind !== 'again', 'a page with status 200 is not asked for again')
      if (head.kind === 'error') assert.notEqual(head.message, '')
      const resolved = resolveLink('http://base.org/dir/page?q', link)
      if (resolved === null) return false
      assert(!resolved.includes('#'), 'no fragment goes to a backend')
      assert.equal(resolveLink('http://other/', resolved), resolved, 'what is absolute leads to the same from anywhere')
      // Others are refused by who follows the link.
      if (!/^https?:/.test(resolved)) return false
      assert.match(resolved, VISIBLE)
      assert(isSameOrigin(resolved, withoutQuery(resolved)), 'a query changes no origin')
      return isLinkUri(link)
    },
  },
  {
    name: 'SockJS address',
    corpus: [
      '/sock/000/abc/xhr',
      '/sock/info',
      '/sock/1/s/jsonp?c=f&x=1',
      '/sock/1/s/jsonp_send?d=%5B%22a%22%5D',
      '/sock',
    ],
    words: [...PATH_WORDS, 'websocket', 'xhr_send', 'callback=', 'c=', '&', '=', 'iframe.html'],
    run(input) {
      const path = encodePath(input.toString('latin1'))
      const found = readSockJsPath({ sockjsPath: '/sock', sockjsAsPath: '/as' }, path)
      if (found === null) return false
      assert.equal(`/sock${found.rest}${found.query}`, path, 'nothing of the path is lost')
      assert.equal(found.polledPath, `/as${found.query}`)
      const parts = sockJsParts(found.rest)
      if (parts === null) return false
      assert(parts.sid !== '' && !parts.sid.includes('/') && !parts.what.includes('/'))
      const home = sockJsHome(parts.sid, 3, 99)
      assert(Number.isInteger(home) && home >= 0 && home < 3, 'a session has a home')
      assert.notEqual(sockJsCallback(parts.what, found.query), '')
      return true
    },
  },
]

function pathOf(pathAndQuery: string): string {
  const end = pathAndQuery.search(/[?#]/)
  return end === -1 ? pathAndQuery : pathAndQuery.slice(0, end)
}
