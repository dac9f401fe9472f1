/**
 * Two gateways in a chain: the outer one signs (ES256), the inner one has its public key as upstream_key. What the backend
 * answers is the outer one's to act on. Tokens of clients are made apart from the gateway's own code.
 */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { publishHttp, responseItem, streamItem, wsItem } from '../publish.js'
import { ScriptedBackend } from '../scripted-backend.js'
import type { BackendCall } from '../scripted-backend.js'
import { StreamClient } from '../stream-client.js'
import { answerEvents, decodeEvents, encodeEvent, subscribeEvent } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const EVENTS = 'application/websocket-events'

let backend: ScriptedBackend
let inner: Gateway
let outer: Gateway
const streams: StreamClient[] = []
const sockets: WsClient[] = []

beforeAll(async () => {
  backend = await ScriptedBackend.start(answer)
  inner = await startGateway({
    workers: 1,
    routes: [`*,prefix=inner- ${backend.target},over_http`],
    conf: { 'proxy.upstream_key': 'file:{rundir}/public.pem', 'proxy.sig_iss': 'inner', 'proxy.sig_key': 'own' },
    files: { 'public.pem': keys.publicKey.export({ type: 'spki', format: 'pem' }) as string },
  })
  const target = `127.0.0.1:${String(inner.ports.http)}`
  outer = await startGateway({
    workers: 1,
    routes: [`* ${target}`, `*,path_beg=/events ${target},over_http`],
    conf: { 'proxy.sig_iss': 'outer', 'proxy.sig_key': 'file:{rundir}/private.pem' },
    files: { 'private.pem': keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string },
  })
})

afterEach(() => {
  for (const stream of streams.splice(0)) stream.destroy()
  for (const socket of sockets.splice(0)) socket.terminate()
})

afterAll(async () => {
  await outer.stop()
  await inner.stop()
  await backend.stop()
})

/** Holds by path; WebSockets are subscribed to their path and echo. */
function answer(call: BackendCall): void {
  const [, mode = '', channel = ''] = call.url.split('/')
  if (call.header('content-type') !== EVENTS) {
    call.answer(200, { 'Content-Type': 'text/plain', 'Grip-Hold': mode, 'Grip-Channel': channel }, 'first\n')
    return
  }
  const answers = decodeEvents(call.body).flatMap(({ type, content }) => {
    if (type === 'OPEN') return [encodeEvent('OPEN'), subscribeEvent(channel), encodeEvent('TEXT', 'x:first')]
    return content === null ? [] : [encodeEvent(type, type === 'TEXT' ? `x:${content.toString()}` : content)]
  })
  answerEvents(call, answers, { 'Sec-WebSocket-Extensions': 'grip; message-prefix="x:"' })
}

const callOf = async (path: string): Promise<BackendCall> =>
  (await backend.received(1, ({ url }) => url === path))[0] as BackendCall

function token(header: object, claims: object, signature: (text: string) => Buffer): string {
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${signature(text).toString('base64url')}`
}

/** Issuer of a token; its signature is not looked at. */
function issuerOf(signed: string | null): unknown {
  const claims = Buffer.from((signed ?? '').split('.')[1] ?? '', 'base64url').toString()
  return (JSON.parse(claims) as { iss: unknown }).iss
}

const es256 = (key: KeyObject) => (text: string) =>
  sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
const hs256 = (secret: string | Buffer) => (text: string) => createHmac('sha256', secret).update(text).digest()
const ES256 = { typ: 'JWT', alg: 'ES256' }
const HS256 = { typ: 'JWT', alg: 'HS256' }
const soon = (): object => ({ exp: Math.floor(Date.now() / 1000) + 600, iss: 'outer' })

describe('the outer gateway', () => {
  test('holds streams: its Grip headers reach the backend, the answer passes through the inner one', async () => {
    const stream = await StreamClient.open(outer.ports.http, '/stream/a')
    streams.push(stream)
    await stream.waitForText('first\n')
    const call = await callOf('/stream/a')
    expect(issuerOf(call.header('grip-sig'))).toBe('outer')
    expect(call.rawHeaders.filter((name) => /^grip-/i.test(name))).toHaveLength(2)
    await publishHttp(inner.controlUrl('/publish/'), streamItem('a', 'inner\n'), streamItem('inner-a', 'inner\n'))
    await publishHttp(outer.controlUrl('/publish/'), streamItem('a', 'outer\n'))
    await stream.waitForText('outer\n')
    expect(stream.text).toBe('first\nouter\n')
    expect((await inner.metrics()).value('tackboard_stream_holds')).toBe(0)
  })

  test('holds long polls', async () => {
    const answered = fetch(outer.httpUrl('/response/b'))
    await outer.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === 1)
    await publishHttp(outer.controlUrl('/publish/'), responseItem('b', 'there'))
    expect(await (await answered).text()).toBe('there')
    expect((await inner.metrics()).value('tackboard_response_holds')).toBe(0)
  })

  test.each([
    ['that the inner one speaks over HTTP', '/ws/c'],
    ['that both speak over HTTP', '/events/d'],
  ])('subscribes WebSockets %s', async (_situation, path) => {
    const channel = path.slice(-1)
    const socket = await WsClient.connect(outer.wsUrl(path))
    sockets.push(socket)
    socket.send('echo')
    await socket.waitFor(2)
    expect(issuerOf((await callOf(path)).header('grip-sig'))).toBe(path === '/ws/c' ? 'inner' : 'outer')
    await publishHttp(outer.controlUrl('/publish/'), wsItem(channel, 'published'))
    await socket.waitFor(3)
    expect(socket.messages.map(({ data }) => data.toString())).toEqual(['first', 'echo', 'published'])
    // The client of the outer gateway has not asked for the extension.
    expect(socket.upgradeHeaders['sec-websocket-extensions']).toBeUndefined()
  })
})

describe('a client of the inner gateway', () => {
  const forged: [string, () => string][] = [
    [
      'a key of its own',
      () => token(ES256, soon(), es256(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)),
    ],
    ['the right key, but expired', () => token(ES256, { exp: 1_700_000_000, iss: 'outer' }, es256(keys.privateKey))],
    ['the right key, but without exp', () => token(ES256, { iss: 'outer' }, es256(keys.privateKey))],
    [
      'the public key as a secret',
      () => token(HS256, soon(), hs256(keys.publicKey.export({ type: 'spki', format: 'pem' }))),
    ],
    ['an empty secret', () => token(HS256, soon(), hs256(''))],
    ['nothing', () => token({ alg: 'none' }, soon(), () => Buffer.alloc(0))],
    ['the key of the inner gateway', () => token(HS256, soon(), hs256('own'))],
  ]

  test.each(forged)('that signs with %s is not trusted', async (situation, make) => {
    const path = `/stream/${situation.replace(/\W/g, '')}`
    const headers = { 'Grip-Sig': make(), 'Grip-Last': 'x; last-id=1', 'Grip-Feature': 'forged' }
    const stream = await StreamClient.open(inner.ports.http, path, { headers })
    streams.push(stream)
    await stream.waitForText('first\n')
    expect(stream.head.headers.filter(([name]) => /^grip-/i.test(name))).toEqual([])
    const call = await callOf(path)
    expect(issuerOf(call.header('grip-sig'))).toBe('inner')
    expect(call.header('grip-last')).toBe(null)
    expect(call.header('grip-feature')).not.toBe('forged')
    const events = await fetch(inner.httpUrl(path), {
      method: 'POST',
      headers: { ...headers, 'Content-Type': EVENTS },
      body: 'OPEN\r\n',
    })
    expect(events.status).toBe(403)
  })

  test('that signs as the outer one does gets the instructions', async () => {
    const headers = { 'Grip-Sig': token(ES256, soon(), es256(keys.privateKey)) }
    const response = await fetch(inner.httpUrl('/stream/raw'), { headers })
    expect([response.headers.get('grip-hold'), response.headers.get('grip-channel')]).toEqual(['stream', 'raw'])
    expect(await response.text()).toBe('first\n')
  })
})
