import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { RawClient } from './raw-client.js'
import { clientFrame, Opcode, parseServerFrames, SEC_WEBSOCKET_ACCEPT, upgradeRequest } from './websocket-frames.js'
import { WsClient, WsRejected } from './ws-client.js'

let server: WebSocketServer
let port: number

function isWelcome({ req }: { req: IncomingMessage }): boolean {
  return req.url !== '/no'
}

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: '127.0.0.1', verifyClient: isWelcome })
  server.on('connection', (socket) => {
    socket.send('first')
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})

afterEach(() => {
  for (const socket of server.clients) socket.terminate()
  server.close()
})

describe('ws client', () => {
  test('keeps a message that came with the 101, and waits for more', async () => {
    const client = await WsClient.connect(`ws://127.0.0.1:${port}/`)
    client.send('second')
    expect(await client.waitFor(2)).toEqual(['first', 'second'])
    expect(await client.waitForText(/sec/)).toBe('second')
    expect(await client.close(4001, 'bye')).toEqual({ code: 4001, reason: 'bye' })
  })

  test('a rejection carries status and body', async () => {
    const rejected = await WsClient.connect(`ws://127.0.0.1:${port}/no`).catch((error: unknown) => error)
    expect(rejected).toBeInstanceOf(WsRejected)
    expect((rejected as WsRejected).status).toBe(401)
    expect((rejected as WsRejected).body).toBe('Unauthorized')
  })

  test('a close instead of a message fails the wait', async () => {
    const client = await WsClient.connect(`ws://127.0.0.1:${port}/`)
    await client.waitFor(1)
    for (const socket of server.clients) socket.close(1011, 'broken')
    await expect(client.waitFor(2)).rejects.toThrow('closed (1011 broken) before 2 messages; there are ["first"]')
  })
})

test('frames on a raw socket, of every length form', async () => {
  const client = await RawClient.connect(port)
  await client.send(upgradeRequest('/', 'x'))
  const head = await client.readHead()
  expect([head.status, head.get('sec-websocket-accept')]).toEqual([101, SEC_WEBSOCKET_ACCEPT])
  const sizes = [0, 5, 125, 126, 65_535, 65_536]
  for (const size of sizes) await client.send(clientFrame(Opcode.Binary, Buffer.alloc(size, 7)))
  const bytes = await client.readUntil((received) => {
    const { frames, consumed } = parseServerFrames(received)
    return frames.length >= 1 + sizes.length ? consumed : null
  })
  const { frames } = parseServerFrames(bytes)
  expect(frames.map(({ opcode, payload }) => [opcode, payload.length])).toEqual([
    [Opcode.Text, 5],
    ...sizes.map((size) => [Opcode.Binary, size]),
  ])
  expect(frames.every(({ fin, payload }, i) => fin && (i === 0 || payload.every((byte) => byte === 7)))).toBe(true)
  client.destroy()
})
