/** Requests with `Upgrade: websocket` that are no valid WebSocket requests, and WebSocket keys without an upgrade. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { RawClient } from '../raw-client.js'
import { ScriptedBackend } from '../scripted-backend.js'

let gateway: Gateway
let backend: ScriptedBackend

beforeAll(async () => {
  backend = await ScriptedBackend.start((call) => {
    call.answer(200, {}, 'plain')
  })
  gateway = await startGateway({ routes: [`* ${backend.target},over_http`] })
})

afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

const HOST = 'Host: example.com\r\n'
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
const VERSION = 'Sec-WebSocket-Version: 13\r\n'
const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

const BAD =
  'Request contained an Upgrade header with value "websocket" but the request was not a valid WebSocket request.\n'

test.each([
  ['not GET', `POST / HTTP/1.1\r\n${HOST}${UPGRADE}${VERSION}${KEY}\r\n`],
  ['another version', `GET / HTTP/1.1\r\n${HOST}${UPGRADE}Sec-WebSocket-Version: 8\r\n${KEY}\r\n`],
  ['no version', `GET / HTTP/1.1\r\n${HOST}${UPGRADE}${KEY}\r\n`],
  ['no key', `GET / HTTP/1.1\r\n${HOST}${UPGRADE}${VERSION}\r\n`],
  ['a key that is not of 24 bytes', `GET / HTTP/1.1\r\n${HOST}${UPGRADE}${VERSION}Sec-WebSocket-Key: abc\r\n\r\n`],
  ['a body', `GET / HTTP/1.1\r\n${HOST}${UPGRADE}${VERSION}${KEY}Content-Length: 3\r\n\r\nabc`],
  ['a chunked body', `GET / HTTP/1.1\r\n${HOST}${UPGRADE}${VERSION}${KEY}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
])('%s: 400 and the end, and the backend hears nothing', async (_name, request) => {
  const before = backend.calls.length
  const client = await RawClient.connect(gateway.ports.http)
  await client.send(request)
  const answer = await client.readAnswer()
  expect([answer.status, answer.get('content-type'), answer.body.toString()]).toEqual([400, 'text/plain', BAD])
  expect((await client.readToEnd()).length).toBe(0)
  expect(backend.calls).toHaveLength(before)
})

test.each([
  ['without Upgrade', `Connection: Upgrade\r\n${VERSION}${KEY}`],
  ['with another Upgrade', `Connection: Upgrade\r\nUpgrade: h2c\r\n${VERSION}${KEY}`],
  ['with a list', `Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n${VERSION}${KEY}`],
])('%s it is a request like others', async (_name, headers) => {
  const client = await RawClient.connect(gateway.ports.http)
  await client.send(`GET / HTTP/1.1\r\n${HOST}${headers}\r\n`)
  expect((await client.readAnswer()).body.toString()).toBe('plain')
  client.destroy()
})

test.each([
  ['in capitals', `Connection: Upgrade\r\nUpgrade: WebSocket\r\n${VERSION}${KEY}`],
  ['without Connection', `Upgrade: websocket\r\n${VERSION}${KEY}`],
  ['with a body of no bytes', `${UPGRADE}${VERSION}${KEY}Content-Length: 0\r\n`],
])('%s it is a WebSocket request', async (_name, headers) => {
  const before = backend.calls.length
  const client = await RawClient.connect(gateway.ports.http)
  await client.send(`GET / HTTP/1.1\r\n${HOST}${headers}\r\n`)
  // This backend does not accept: its answer comes as it is, and the end.
  expect((await client.readAnswer()).status).toBe(200)
  expect(backend.calls[before]?.body.toString('latin1')).toBe('OPEN\r\n')
  client.destroy()
})
