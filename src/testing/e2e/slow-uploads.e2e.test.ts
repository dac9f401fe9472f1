/** Uploads that move too slowly for the 10 to 12 s of uWebSockets.js: in real time, because its clock is its own. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { RawClient } from '../raw-client.js'
import { ScriptedBackend } from '../scripted-backend.js'

const LONGER_THAN_ITS_CLOCK_MS = 14_000
const DEADLINE = { deadlineMs: 40_000 }

let gateway: Gateway
let backend: ScriptedBackend

beforeAll(async () => {
  backend = await ScriptedBackend.start(
    async (call) => {
      if (call.url === '/stall') {
        call.request.pause()
        await sleep(LONGER_THAN_ITS_CLOCK_MS)
        call.request.resume()
      }
      const body = await call.bodyRead
      call.answer(200, {}, String(body.length))
    },
    { streaming: true },
  )
  gateway = await startGateway({ routes: [`* ${backend.target}`] })
})

afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

test.concurrent('a backend that stalls in the middle of an upload does not end it', { timeout: 60_000 }, async () => {
  const total = 20_000_000
  const client = await RawClient.connect(gateway.ports.http, DEADLINE)
  await client.send(`POST /stall HTTP/1.1\r\nHost: a\r\nContent-Length: ${String(total)}\r\n\r\n`)
  await client.send(Buffer.alloc(total))
  expect((await client.readAnswer()).body.toString()).toBe(String(total))
  client.destroy()
})

test.concurrent('a client that sends 200 bytes a second is heard to its end', { timeout: 60_000 }, async () => {
  const client = await RawClient.connect(gateway.ports.http, DEADLINE)
  const pieces = LONGER_THAN_ITS_CLOCK_MS / 500
  await client.send(`POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: ${String(pieces * 100)}\r\n\r\n`)
  for (let piece = 0; piece < pieces; piece++) {
    await sleep(500)
    await client.send(Buffer.alloc(100))
  }
  expect((await client.readAnswer()).body.toString()).toBe(String(pieces * 100))
  client.destroy()
})
