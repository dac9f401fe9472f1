/**
 * Ids of items over several shards: what is published out of order comes in order, and who has missed something finds out
 * whichever shard it is on.
 */
import http from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { KeepAlivePublisher } from '../keep-alive-publisher.js'
import { PushPublisher, publishHttp } from '../publish.js'
import type { Item } from '../publish.js'
import { ScriptedBackend } from '../scripted-backend.js'
import type { BackendCall } from '../scripted-backend.js'
import { byShard, onePerShard, withoutClients } from '../shards.js'
import { StreamClient } from '../stream-client.js'

let gateway: Gateway
let backend: ScriptedBackend
const cleanups: (() => unknown)[] = []

beforeAll(async () => {
  backend = await ScriptedBackend.start(answer)
  const conf = { 'handler.message_wait': '600', 'handler.update_on_first_subscription': 'false' }
  gateway = await startGateway({ routes: [`* ${backend.target}`], conf })
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await withoutClients(gateway)
})

afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

/** Contents of a channel that the backend knows, by `/log`; the id of an item is its number. */
const log: string[] = []

/**
 * `/stream?channel=…`, `/poll?channel=…` (each may be `name; prev-id=…`), or `/log?after=N`: what is in the log behind
 * N, or a hold until there is more.
 */
function answer(call: BackendCall): void {
  const { pathname, searchParams } = new URL(call.url, 'http://backend')
  if (pathname === '/log') return answerLog(call, Number(searchParams.get('after')))
  const headers = ['Content-Type', 'text/plain', 'Grip-Hold', pathname === '/poll' ? 'response' : 'stream']
  for (const channel of searchParams.getAll('channel')) headers.push('Grip-Channel', channel)
  call.answer(200, headers, pathname === '/poll' ? 'nothing new\n' : 'welcome\n')
}

function answerLog(call: BackendCall, after: number): void {
  backend.calls.length = 0 // thousands of them are not needed
  if (log.length > after) return call.answer(200, {}, log.slice(after).join(''))
  call.answer(200, { 'Grip-Hold': 'response', 'Grip-Channel': `log; prev-id=${after}`, 'Grip-Timeout': '120' })
}

const publish = (...items: Item[]): Promise<void> => publishHttp(gateway.controlUrl('/publish/'), ...items)

/** A stream item and its ids: `a` alone, or `a>b` for id b behind a. Its content is `b `. */
function numbered(channel: string, ids: string): Item {
  const [first = '', second] = ids.split('>')
  const id = second ?? first
  const prev = second === undefined ? {} : { 'prev-id': first }
  return { channel, id, ...prev, formats: { 'http-stream': { content: `${id} ` } } }
}

async function openStreams(path: string): Promise<StreamClient[]> {
  return onePerShard(
    gateway,
    'tackboard_stream_holds',
    async () => {
      const client = await StreamClient.open(gateway.ports.http, path)
      cleanups.push(() => client.destroy())
      return client
    },
    (client) => client.destroy(),
  )
}

function openPoll(path: string): StreamClient {
  const client = StreamClient.send(gateway.ports.http, path)
  cleanups.push(() => client.destroy())
  return client
}

function callsTo(path: string): BackendCall[] {
  return backend.calls.filter(({ url }) => url === path)
}

describe('items published out of order', () => {
  test('by several doors reach streams on every shard in order', async () => {
    const clients = await openStreams('/stream?channel=order')
    const push = PushPublisher.connect(gateway.ports.pull)
    cleanups.push(() => push.close())
    await publish(numbered('order', 'a'))
    for (const client of clients) await client.waitForText('a ')
    await push.publish(numbered('order', 'd>e'))
    await push.publish(numbered('order', 'c>d'))
    const parked = (count: number) =>
      gateway.metricsWhere((metrics) => metrics.value('tackboard_publish_parked') === count)
    await parked(2)
    await publish(numbered('order', 'b>c'))
    await parked(3)
    await publish(numbered('order', 'a>b'))
    for (const client of clients) {
      await client.waitForText('e ')
      expect(client.text).toBe('welcome\na b c d e ')
    }
  })

  test('go on without what does not come, after message_wait', async () => {
    const [client] = await openStreams('/stream?channel=wait')
    await publish(numbered('wait', 'a'), numbered('wait', 'c>d'), numbered('wait', 'd>e'), numbered('wait', 'a>x'))
    await client?.waitForText('e ')
    expect(client?.text).toBe('welcome\na x d e ')
    expect((await gateway.metrics()).value('tackboard_publish_parked_late_total')).toBe(1)
  })
})

describe('a long poll that the backend answered before something was published', () => {
  test('is sent again whichever shard it is on, also where nobody has held the channel before', async () => {
    const stream = await StreamClient.open(gateway.ports.http, '/stream?channel=known')
    cleanups.push(() => stream.destroy())
    await publish(numbered('known', '7'))
    await stream.waitForText('7 ')
    const path = '/poll?channel=known;prev-id=6'
    await onePerShard(
      gateway,
      'tackboard_response_holds',
      () => Promise.resolve(openPoll(path)),
      (client) => client.destroy(),
    )
    // The first that came was sent again, and the id is forgotten everywhere with that.
    const again = callsTo(path).filter((call) => call.header('grip-last') === 'known; last-id=6')
    expect(again).toHaveLength(1)
    expect((await gateway.metrics()).value('tackboard_last_ids')).toBe(0)
  })

  test('polls one after the other get every item of a log, once and in order, on both shards', async () => {
    const before = byShard(await gateway.metrics(), 'tackboard_requests_total')
    const publisher = new KeepAlivePublisher(gateway.controlUrl('/publish/'))
    cleanups.push(() => publisher.close())
    const count = 400
    const followers = Array.from({ length: 8 }, () => follow(count))
    for (let n = 1; n <= count; n++) {
      const content = `${n}\n`
      log.push(content)
      await publisher.publish({
        ...{ channel: 'log', id: String(n), 'prev-id': String(n - 1) },
        formats: { 'http-response': { body: content } },
      })
    }
    const all = Array.from({ length: count }, (_, at) => `${at + 1}\n`).join('')
    for (const text of await Promise.all(followers)) expect(text).toBe(all)
    const after = byShard(await gateway.metrics(), 'tackboard_requests_total')
    for (const [shard, requests] of after.entries()) expect(requests - (before[shard] ?? 0)).toBeGreaterThan(10)
  })

  /** Polls, each on a connection of its own so that the shards change, until the item `count` has come. */
  async function follow(count: number): Promise<string> {
    let text = ''
    for (let got = 0; got < count; got = text.split('\n').length - 1) text += await get(`/log?after=${got}`)
    return text
  }

  function get(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = http.get({ port: gateway.ports.http, host: '127.0.0.1', path, agent: false }, (response) => {
        let body = ''
        response.setEncoding('latin1')
        response.on('data', (chunk: string) => (body += chunk))
        response.on('end', () => resolve(body))
        response.on('error', reject)
      })
      request.on('error', reject)
    })
  }
})

describe('long polls on every shard', () => {
  const polls = (path: string): Promise<StreamClient[]> =>
    onePerShard(
      gateway,
      'tackboard_response_holds',
      () => Promise.resolve(openPoll(path)),
      (client) => client.destroy(),
    )

  test('are sent again by POST /recover, and can be answered then', async () => {
    const path = '/poll?channel=recover'
    const clients = await polls(path)
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === clients.length)
    const before = callsTo(path).length
    const response = await fetch(gateway.controlUrl('/recover/'), { method: 'POST' })
    expect([response.status, await response.text()]).toEqual([200, 'Updated\n'])
    await backend.received(before + clients.length, ({ url }) => url === path)
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === clients.length)
    await publish({ channel: 'recover', formats: { 'http-response': { body: 'news\n' } } })
    for (const client of clients) expect(await client.waitForEnd()).toBe('news\n')
  })

  test('a hint sends all of them again at once', async () => {
    const path = '/poll?channel=hint'
    const clients = await polls(path)
    const before = callsTo(path).length
    await publish({ channel: 'hint', formats: { 'http-response': { action: 'hint' } } })
    await backend.received(before + clients.length, ({ url }) => url === path)
  })
})

test('the first long poll on a channel is sent again after a second, one that comes later is not', async () => {
  const own = await startGateway({ routes: [`* ${backend.target}`] })
  cleanups.push(() => own.stop())
  const path = '/poll?channel=first'
  const open = (to: string): void => {
    const client = StreamClient.send(own.ports.http, to)
    cleanups.push(() => client.destroy())
  }
  open(path)
  await own.metricsWhere((metrics) => metrics.value('tackboard_hold_retries_total') === 1)
  open(path)
  await backend.received(3, ({ url }) => url === path)
  // When the first on another channel has been sent again, the late one would have been, too.
  open('/poll?channel=second')
  await own.metricsWhere((metrics) => metrics.value('tackboard_hold_retries_total') === 2)
  expect(callsTo(path)).toHaveLength(3)
})
