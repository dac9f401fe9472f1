/** Next links over several shards: who has missed something gets it by the link, whichever shard it is on. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { publishHttp } from '../publish.js'
import type { Item } from '../publish.js'
import { ScriptedBackend } from '../scripted-backend.js'
import type { BackendCall } from '../scripted-backend.js'
import { onePerShard, withoutClients } from '../shards.js'
import { StreamClient } from '../stream-client.js'

let gateway: Gateway
let backend: ScriptedBackend
const clients: StreamClient[] = []

/** The channel's contents; the id of an item is its number. */
const log: string[] = []
const pages: string[] = []

beforeAll(async () => {
  backend = await ScriptedBackend.start(answer)
  const conf = { 'handler.message_wait': '200', 'handler.update_on_first_subscription': 'false' }
  gateway = await startGateway({ routes: [`* ${backend.target}`], conf })
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await withoutClients(gateway)
})

afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

/** `/log?after=N`: what is in the log behind N, then a hold, and a link to the same for the items that follow. */
function answer(call: BackendCall): void {
  const isPage = call.header('grip-last') !== null
  const after = /last-id=(\d+)/.exec(call.header('grip-last') ?? '')?.[1] ?? '0'
  if (isPage) pages.push(after)
  const channel = `log; prev-id=${String(log.length)}`
  const headers = ['Content-Type', 'text/plain', 'Grip-Hold', 'stream', 'Grip-Channel', channel]
  call.answer(200, [...headers, 'Grip-Link', '</log>; rel=next'], `${log.slice(Number(after)).join('')}.`)
}

function append(count: number): Item[] {
  return Array.from({ length: count }, () => {
    const id = log.length + 1
    log.push(`${String(id)} `)
    const content = `${String(id)} `
    return { channel: 'log', id: String(id), 'prev-id': String(id - 1), formats: { 'http-stream': { content } } }
  })
}

test('every stream gets each item once and in order, though some are never published', async () => {
  append(3)
  const open = async (): Promise<StreamClient[]> =>
    onePerShard(
      gateway,
      'tackboard_stream_holds',
      () => StreamClient.open(gateway.ports.http, '/log'),
      (client) => client.destroy(),
    )
  clients.push(...(await open()), ...(await open()))
  for (const client of clients) await client.waitForText('3 .')
  for (let round = 0; round < 5; round++) {
    await publishHttp(gateway.controlUrl('/publish/'), ...append(2))
    append(1)
    // It follows what was not published: whoever gets it asks for the rest.
    await publishHttp(gateway.controlUrl('/publish/'), ...append(1))
    const last = log.at(-1) as string
    for (const client of clients) await client.waitForText(last)
  }
  const texts = clients.map(({ text }) => text.replaceAll('.', ''))
  expect(texts).toEqual(clients.map(() => log.join('')))
  // Streams of one shard ask by one request as a rule; each of them may be late once.
  expect(pages.length).toBeLessThanOrEqual(5 * clients.length)
})
