import { describe, expect, test } from 'vitest'
import type { Settings } from '../config/types.js'
import type { Route, Target } from '../routing/types.js'
import { decodeVerifyingKey, signToken, verifyToken } from '../wire/jwt.js'
import { type ClientHead, Forwarding, relayedHeaders, webSocketRequestHeaders } from './forwarding.js'

const NOW = 1_700_000_000_000
const PROXY = {
  acceptXForwardedProtocol: false,
  setXForwardedProtocol: 'true',
  xForwardedFor: { truncate: 0, append: true },
  xForwardedForTrusted: { truncate: null, append: false },
  origHeadersNeedMark: [],
  acceptPushpinRoute: false,
  cdnLoop: '',
  sigIss: 'pushpin',
  sigKey: '',
  upstreamKey: '',
} as const
const FEATURES =
  'status, session, link:next, link:gone, filter:skip-self, filter:skip-users, filter:require-sub, filter:build-id, filter:var-subst, filter:http-check, filter:http-modify'

function forwardingOf(proxy: Partial<Settings['proxy']> = {}): Forwarding {
  const settings = { proxy: { ...PROXY, ...proxy } } as unknown as Settings
  const noFiles = (): never => {
    throw new Error('no files')
  }
  return new Forwarding(settings, noFiles, (_route, _target, client) => client)
}

const ROUTE = {
  id: 'r',
  sigIss: null,
  sigKey: null,
  origHeaders: false,
  noGrip: false,
  headers: [],
} as unknown as Route
const TARGET = {} as Target

function headOf(headers: string[], more: Partial<ClientHead> = {}): ClientHead {
  return { method: 'GET', path: '/p', headers: ['host', 'h', ...headers], peerAddress: '10.0.0.9', ssl: false, ...more }
}

function forwarded(forwarding: Forwarding, head: ClientHead, route: Partial<Route> = {}, webSocket = false): string[] {
  const answer = forwarding.forward(head, { ...ROUTE, ...route }, TARGET, { webSocket, nowEpochMs: NOW })
  return answer?.headers ?? []
}

const TAIL = ['Grip-Feature', FEATURES, 'X-Forwarded-For', '10.0.0.9']

describe('the request head', () => {
  test('hop-by-hop and Grip headers go, the rest stays in order', () => {
    const names = ['connection', 'keep-alive', 'accept-encoding', 'content-encoding', 'transfer-encoding', 'expect']
    const head = headOf(['a', '1', ...names.flatMap((name) => [name, 'x']), 'grip-foo', 'x', 'te', 'y', 'a', '2'])
    expect(forwarded(forwardingOf(), head)).toEqual(['Host', 'h', 'a', '1', 'te', 'y', 'a', '2', ...TAIL])
  })

  test('no_grip: no Grip headers are added', () => {
    expect(forwarded(forwardingOf(), headOf([]), { noGrip: true })).toEqual([
      'Host',
      'h',
      'X-Forwarded-For',
      '10.0.0.9',
    ])
  })

  test('signs with the key of the route, else of the settings', () => {
    const { key } = decodeVerifyingKey('secret', () => null)
    const headers = forwarded(forwardingOf({ sigKey: 'other' }), headOf([]), { sigKey: 'secret' })
    expect(headers[2]).toBe('Grip-Sig')
    expect(key !== null && verifyToken(headers[3] as string, key, NOW)).toBe(true)
  })

  test('a client that signs with upstream_key keeps its Grip headers and gets none', () => {
    const { key } = decodeVerifyingKey('up', () => null)
    if (key === null) throw new Error('no key')
    const token = signToken({ exp: NOW / 1000 + 60, iss: 'x' }, key)
    const head = headOf(['grip-sig', token, 'grip-feature', 'f', 'x-forwarded-for', '1.1.1.1, 2.2.2.2'])
    const forwarding = forwardingOf({ upstreamKey: 'up', sigKey: 'secret' })
    const answer = forwarding.forward(head, ROUTE, TARGET, { webSocket: false, nowEpochMs: NOW })
    expect(answer).toMatchObject({ trusted: true, gripActive: false })
    expect(answer?.headers).toEqual([
      'Host',
      'h',
      'grip-sig',
      token,
      'grip-feature',
      'f',
      'X-Forwarded-For',
      '1.1.1.1, 2.2.2.2',
    ])
    const late = forwarding.forward(head, ROUTE, TARGET, { webSocket: false, nowEpochMs: NOW + 61_000 })
    expect(late).toMatchObject({ trusted: false, gripActive: true })
  })

  test('an empty upstream_key trusts nobody', () => {
    const head = headOf(['grip-sig', 'eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjk5OTk5OTk5OTl9.x'])
    expect(forwarded(forwardingOf(), head)).toEqual(['Host', 'h', ...TAIL])
  })

  test.each([
    [{ truncate: null, append: false }, '1, 2, 3'],
    [{ truncate: 2, append: true }, '2, 3, 10.0.0.9'],
    [{ truncate: 0, append: false }, null],
  ])('X-Forwarded-For by rule %o', (rule, value) => {
    const headers = forwarded(
      forwardingOf({ xForwardedFor: rule }),
      headOf(['x-forwarded-for', '1, 2', 'x-forwarded-for', '3']),
    )
    const at = headers.indexOf('X-Forwarded-For')
    expect(at === -1 ? null : headers[at + 1]).toBe(value)
  })

  test('X-Forwarded-Proto: replaced, and said of TLS only', () => {
    const spoofed = ['x-forwarded-proto', 'https', 'x-forwarded-protocol', 'https']
    expect(forwarded(forwardingOf(), headOf(spoofed))).toEqual(['Host', 'h', ...TAIL])
    const secure = forwarded(forwardingOf(), headOf(spoofed, { ssl: true }), {}, true)
    expect(secure.slice(4, 8)).toEqual(['X-Forwarded-Proto', 'wss', 'X-Forwarded-Protocol', 'wss'])
    const untouched = forwarded(forwardingOf({ setXForwardedProtocol: 'false' }), headOf(spoofed))
    expect(untouched.slice(2, 6)).toEqual(spoofed)
  })

  test('header= sets and removes', () => {
    const headers = [
      ['A', 'new'],
      ['B', ''],
    ] as const
    expect(forwarded(forwardingOf(), headOf(['a', 'x', 'b', 'y', 'c', 'z']), { headers })).toEqual([
      'Host',
      'h',
      'c',
      'z',
      'A',
      'new',
      ...TAIL,
    ])
  })

  test('cdn_loop joins what came with its own', () => {
    const head = headOf(['cdn-loop', 'a, b', 'cdn-loop', 'c'])
    expect(forwarded(forwardingOf({ cdnLoop: 'me' }), head).slice(2, 4)).toEqual(['CDN-Loop', 'a, b, c, me'])
  })

  test('orig_headers: marked copies at the end; without it marked headers go', () => {
    const head = headOf(['a', '1', 'eb9bf0f5-b', '2', 'c', '3'])
    expect(forwarded(forwardingOf({ origHeadersNeedMark: ['C'] }), head, { origHeaders: true })).toEqual([
      ...['Host', 'h', 'a', '1', 'c', '3', 'eb9bf0f5-host', 'h', 'eb9bf0f5-a', '1', 'eb9bf0f5-b', '2'],
      ...TAIL,
    ])
    expect(forwarded(forwardingOf(), head)).toEqual(['Host', 'h', 'a', '1', 'c', '3', ...TAIL])
  })
})

test('WebSocket-over-HTTP: the fixed head and the parts of one request', () => {
  const forwarding = forwardingOf({ sigKey: 'secret' })
  const head = headOf([
    ...['upgrade', 'websocket', 'connection', 'Upgrade', 'sec-websocket-key', 'k', 'accept', '*/*', 'meta-x', 'y'],
    ...['connection-id', 'mine', 'sec-websocket-extensions', 'permessage-deflate', 'cookie', 'c'],
  ])
  const fixed = forwarding.forwardWebSocketOverHttp(head, ROUTE, TARGET, { connectionId: 'id', nowEpochMs: NOW })
  if (fixed === null) throw new Error('no head')
  const signature = forwarding.signature(ROUTE, NOW)
  const parts = { signature, contentLength: 6, replayedBytes: 3, meta: [['user', 'u']] as const }
  expect(webSocketRequestHeaders(fixed, parts)).toEqual([
    ...['Host', 'h', 'sec-websocket-key', 'k', 'cookie', 'c', ...TAIL],
    ...['Sec-WebSocket-Extensions', 'grip', 'Grip-Sig', signature],
    ...['Accept', 'application/websocket-events', 'Connection-Id', 'id'],
    ...['Content-Type', 'application/websocket-events', 'Content-Length', '6', 'Content-Bytes-Replayed', '3'],
    ...['Meta-user', 'u'],
  ])
})

test('what a client gets of the answer', () => {
  const hop = ['Connection', 'Keep-Alive', 'Content-Encoding', 'Transfer-Encoding', 'Content-Length', 'Date']
  expect(relayedHeaders(['A', '1', ...hop.flatMap((name) => [name, 'x']), 'A', '2'])).toEqual(['A', '1', 'A', '2'])
})
