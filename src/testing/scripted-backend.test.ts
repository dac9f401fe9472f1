import { expect, test } from 'vitest'
import { RawClient } from './raw-client.js'
import { ScriptedBackend } from './scripted-backend.js'
import { decodeEvents, echoAndSubscribe, encodeEvent } from './websocket-over-http.js'

test('is stopped in the middle of an answer and comes back on the same port', async () => {
  const backend = await ScriptedBackend.start((call) => {
    call.response.write('first half')
  })
  const client = await RawClient.connect(backend.port)
  await client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await client.readUntil('first half')
  await backend.stop()
  await client.closed
  await expect(RawClient.connect(backend.port)).rejects.toThrow('ECONNREFUSED')
  backend.script = (call) => call.answer(204, {})
  await backend.start()
  const again = await RawClient.connect(backend.port)
  await again.send('GET /again HTTP/1.1\r\nHost: x\r\n\r\n')
  expect((await again.readAnswer()).status).toBe(204)
  expect(backend.calls.map((call) => call.url)).toEqual(['/', '/again'])
  again.destroy()
  await backend.stop()
})

test('a streaming script sees the head before the body, and that the client went', async () => {
  const backend = await ScriptedBackend.start(() => {}, { streaming: true })
  const client = await RawClient.connect(backend.port)
  await client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc')
  const [call] = await backend.received(1)
  expect(call?.complete).toBe(false)
  client.destroy()
  expect(await call?.over).toBe(true)
  await expect(call?.bodyRead).rejects.toThrow()
  await backend.connectionsAre(0)
  await backend.stop()
})

test('speaks WebSocket-over-HTTP', async () => {
  const backend = await ScriptedBackend.start(echoAndSubscribe)
  const body = Buffer.concat([encodeEvent('OPEN'), encodeEvent('TEXT', 'höt'), encodeEvent('BINARY')])
  const answer = await fetch(`http://${backend.target}/ws?channel=a&channel=b`, { method: 'POST', body })
  expect(answer.headers.get('sec-websocket-extensions')).toBe('grip; message-prefix=""')
  const events = decodeEvents(Buffer.from(await answer.arrayBuffer()))
  expect(events.map(({ type, content }) => [type, content?.toString() ?? null])).toEqual([
    ['OPEN', null],
    ['TEXT', 'c:{"type":"subscribe","channel":"a"}'],
    ['TEXT', 'c:{"type":"subscribe","channel":"b"}'],
    ['TEXT', 'höt'],
    ['BINARY', null],
  ])
  expect(() => decodeEvents(Buffer.from('TEXT 5\r\nhello'))).toThrow('TEXT does not end in CRLF')
  await backend.stop()
})
