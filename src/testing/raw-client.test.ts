import { afterEach, beforeEach, expect, test } from 'vitest'
import { RawClient } from './raw-client.js'
import { ScriptedBackend } from './scripted-backend.js'

let backend: ScriptedBackend

beforeEach(async () => {
  backend = await ScriptedBackend.start((call) => call.answer(200, ['X-One', 'a', 'X-One', 'b'], 'hello'))
})

afterEach(() => backend.stop())

test('sends exact bytes and reads an answer with its head as on the wire', async () => {
  const client = await RawClient.connect(backend.port)
  await client.sendByteByByte('POST /a?b HTTP/1.1\r\nhOst: x\r\nContent-Length: 3\r\n\r\nxyz')
  const answer = await client.readAnswer()
  expect([answer.status, answer.reason, answer.body.toString()]).toEqual([200, 'OK', 'hello'])
  expect(answer.headers.filter(([name]) => name === 'X-One')).toEqual([
    ['X-One', 'a'],
    ['X-One', 'b'],
  ])
  const [call] = await backend.received(1)
  expect([call?.method, call?.url, call?.body.toString()]).toEqual(['POST', '/a?b', 'xyz'])
  expect(call?.rawHeaders).toEqual(['hOst', 'x', 'Content-Length', '3'])
  client.destroy()
})

test('reads chunks one by one', async () => {
  backend.script = (call) => {
    call.response.write('one')
    call.response.end('two!')
  }
  const client = await RawClient.connect(backend.port)
  await client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await client.readHead()
  expect((await client.readChunk()).toString()).toBe('one')
  expect((await client.readChunk()).toString()).toBe('two!')
  expect((await client.readChunk()).length).toBe(0)
  client.destroy()
})

test('a connection that ends too early says what was sent and what came', async () => {
  backend.script = (call) => call.endRaw('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
  const client = await RawClient.connect(backend.port)
  await client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await expect(client.readAnswer()).rejects.toThrow(/ended before .*\nsent: "GET .*\nreceived: "half" and the end/s)
})

test('a deadline says the same', async () => {
  const client = await RawClient.connect(backend.port, { deadlineMs: 30 })
  await client.send('GET / HTTP/1.1\r\n')
  await expect(client.readUntil('\r\n\r\n')).rejects.toThrow(/not within 30 ms: .*\nsent: "GET .*\nreceived: ""/s)
  client.destroy()
})

test('sees a reset', async () => {
  backend.script = (call) => call.reset()
  const client = await RawClient.connect(backend.port)
  await client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await client.closed).toBe(true)
})
