/** docs/examples/delimiter behind the gateway: what is held back comes again, and its bytes are told. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ExampleFront } from '../example-backend.js'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { WsClient } from '../ws-client.js'

let front: ExampleFront
let gateway: Gateway

beforeAll(async () => {
  front = await ExampleFront.start('delimiter', { restarting: true })
  gateway = await startGateway({ routes: [`* ${front.backend.target},over_http`] })
})

afterAll(async () => {
  await gateway.stop()
  await front.stop()
})

/** Events and Content-Bytes-Replayed of each request of the connection, OPEN first. */
function requests(from: number): (readonly [string, string | null])[] {
  return front.backend.calls
    .slice(from)
    .map((call) => [call.body.toString(), call.header('Content-Bytes-Replayed')] as const)
}

test('[foo], [hello and then  world]: the second request carries Content-Bytes-Replayed: 6', async () => {
  const from = front.backend.calls.length
  const client = await WsClient.connect(gateway.wsUrl('/'))
  client.send('[foo][hello')
  expect(await client.waitFor(1)).toEqual(['[FOO]'])
  client.send(' world]')
  expect(await client.waitFor(2)).toEqual(['[FOO]', '[HELLO WORLD]'])
  await client.close(1000)
  await front.backend.received(from + 4)
  expect(requests(from)).toEqual([
    ['OPEN\r\n', null],
    ['TEXT b\r\n[foo][hello\r\n', null],
    ['TEXT 6\r\n[hello\r\nTEXT 7\r\n world]\r\n', '6'],
    ['CLOSE 2\r\n\x03\ufffd\r\n', null],
  ])
})

test('a message cut at every byte is answered once, however the backend is asked', async () => {
  const message = '[foo][h\u00e9llo w\u00f6rld]'
  const client = await WsClient.connect(gateway.wsUrl('/'))
  for (const byte of Buffer.from(message)) client.send(Buffer.from([byte]))
  expect(await client.waitFor(2)).toEqual(['[FOO]', '[H\u00c9LLO W\u00d6RLD]'])
  client.send('[end]')
  expect(await client.waitFor(3)).toEqual(['[FOO]', '[H\u00c9LLO W\u00d6RLD]', '[END]'])
  await client.close()
})
