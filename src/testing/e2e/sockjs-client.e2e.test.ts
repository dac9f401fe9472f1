/** The real sockjs-client in Node over every transport it shares with the gateway, in front of every kind of backend. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Gateway, startGateway } from '../gateway.js'
import { type Item, publishHttp, wsItem } from '../publish.js'
import { type SockJsBackend, SockJsLog, startOverHttp, startWebSocketServer, startWorker } from '../sockjs-backends.js'
import { SockJsClient } from '../sockjs-client.js'
import { poll } from '../wait.js'

let folder: string
let gateway: Gateway
const log = new SockJsLog()
const backends: SockJsBackend[] = []
let count = 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sockjs-'))
  const spec = `ipc://${folder}/worker`
  backends.push(await startOverHttp(log), await startWebSocketServer(log))
  const [overHttp, webSocket] = backends.map(({ target }) => target) as [string, string]
  gateway = await startGateway({
    workers: 2,
    routes: [
      `*,path_beg=/over-http,sockjs=/over-http ${overHttp}`,
      `*,path_beg=/websocket,sockjs=/websocket ${webSocket}`,
      `*,path_beg=/worker,sockjs=/worker zhttp/${spec}`,
      `*,path_beg=/http-worker,sockjs=/http-worker zhttp/${spec},over_http`,
    ],
  })
  backends.push(await startWorker(log, spec))
  // The worker has subscribed; whether what it takes requests from has connected, the first session shows.
  await poll(
    async () => {
      const client = new SockJsClient(gateway.httpUrl('/http-worker?channel=first'), ['websocket'])
      const opened = await Promise.race([client.closed.then(() => undefined), log.until('first', 'open')])
      void client.close()
      return opened
    },
    () => 'the worker is reached',
  )
})

afterAll(async () => {
  await gateway.stop()
  await Promise.all(backends.map((backend) => backend.stop()))
  await rm(folder, { recursive: true, force: true })
  expect(gateway.stderr).not.toContain('failed')
})

/** A session, on a channel of its own. */
async function open(path: string, ...transports: string[]): Promise<{ client: SockJsClient; channel: string }> {
  const channel = `channel-${++count}`
  const client = await SockJsClient.open(gateway.httpUrl(`${path}?channel=${channel}`), ...transports)
  return { client, channel }
}

const publish = (...items: Item[]): Promise<void> => publishHttp(gateway.controlUrl('/publish/'), ...items)

/** A WebSocket backend subscribes after its session is open: until it has. */
async function subscribed(client: SockJsClient, channel: string): Promise<void> {
  await poll(
    async () => {
      await publish(wsItem(channel, 'probe'))
      return client.messages.includes('probe') || undefined
    },
    () => `what is published to ${channel} arrives`,
  )
}

const TEXTS = [
  'plain',
  '"quoted" and \\backslash\\ and \'single\'',
  'Grüße, 世界, 😀, \u{10ffff}',
  'lines\r\nand\ttabs\u2028and\u2029separators',
  'controls \u0001\u001f\u007f\u0080\u200c\ufeff\ufff0',
  'a["like a frame"]\n',
  ' ',
]

const BACKENDS = ['/over-http', '/http-worker', '/websocket', '/worker']
const TRANSPORTS = ['websocket', 'xhr-polling']
const ALL = BACKENDS.flatMap((path) => TRANSPORTS.map((transport) => [path, transport] as const))

describe.each(ALL)('%s over %s', (path, transport) => {
  test('opens, and what it sends comes back as it was', async () => {
    const { client, channel } = await open(path, transport)
    expect(client.transport).toBe(transport)
    for (const [at, text] of TEXTS.entries()) {
      client.send(text)
      await client.waitFor(at + 1)
    }
    expect(client.messages).toEqual(TEXTS)
    expect(log.of(channel)).toEqual(['open', ...TEXTS])
    await client.close()
  })

  test('many messages at once: each once, in order', async () => {
    const { client } = await open(path, transport)
    const texts = Array.from({ length: 500 }, (_, at) => `${at} "é"`)
    for (const text of texts) client.send(text)
    expect(await client.waitFor(texts.length)).toEqual(texts)
    await client.close()
  })

  test('large messages, and one behind them', async () => {
    const { client } = await open(path, transport)
    const texts = ['x'.repeat(60_000), '"é'.repeat(12_000), 'last']
    for (const text of texts) client.send(text)
    expect(await client.waitFor(texts.length)).toEqual(texts)
    await client.close()
  })

  test('what is published arrives, in order', async () => {
    const { client, channel } = await open(path, transport)
    await subscribed(client, channel)
    for (const text of TEXTS) await publish(wsItem(channel, text))
    await publish(...Array.from({ length: 50 }, (_, at) => wsItem(channel, `item ${at}`)))
    await client.waitForText('item 49')
    expect(client.messages.filter((text) => text !== 'probe')).toEqual([
      ...TEXTS,
      ...Array.from({ length: 50 }, (_, at) => `item ${at}`),
    ])
    await client.close()
  })

  test('a close by the backend, and one that is published, with code and reason', async () => {
    // A WebSocket ends with a close frame, which sockjs-client never calls clean.
    const wasClean = transport !== 'websocket'
    const { client } = await open(path, transport)
    client.send('one')
    await client.waitFor(1)
    client.send('bye')
    expect(await client.ended()).toEqual({ code: 4000, reason: 'done "so"', wasClean })
    const next = await open(path, transport)
    await subscribed(next.client, next.channel)
    const close = { action: 'close', code: 4001, reason: 'over "é"' }
    await publish({ channel: next.channel, formats: { 'ws-message': close } })
    expect(await next.client.ended()).toEqual({ code: 4001, reason: 'over "é"', wasClean })
    await log.until(next.channel, /^close/)
  })

  test('the client closes: the backend is told, and a new session can be opened', async () => {
    const { client, channel } = await open(path, transport)
    expect(await client.close(4002, 'enough')).toEqual({ code: 4002, reason: 'enough', wasClean: true })
    // sockjs-client keeps code and reason for itself; over HTTP it breaks its poll off.
    await log.until(channel, transport === 'websocket' ? /^close( 1000 )?$/ : 'gone')
    const again = await SockJsClient.open(gateway.httpUrl(`${path}?channel=${channel}`), transport)
    again.send('again')
    expect(await again.waitFor(1)).toEqual(['again'])
    await again.close()
    expect(log.of(channel).filter((what) => what === 'open')).toHaveLength(2)
  })
})

describe('which transport it settles on', () => {
  test('any: a WebSocket', async () => {
    const { client } = await open('/over-http')
    expect(client.transport).toBe('websocket')
    await client.close()
  })

  test('streaming, which the gateway has not, or polling: polling', async () => {
    const { client, channel } = await open('/over-http', 'xhr-streaming', 'xhr-polling')
    expect(client.transport).toBe('xhr-polling')
    client.send('hello')
    expect(await client.waitFor(1)).toEqual(['hello'])
    await client.close()
    expect(log.of(channel)[0]).toBe('open')
  })

  test.each(['xhr-streaming', 'eventsource'])('%s alone: it is told that none works', async (transport) => {
    // A 404 is no end for the EventSource in it: it waits for the time-out.
    const timeoutMs = transport === 'eventsource' ? 1 : undefined
    const client = new SockJsClient(gateway.httpUrl('/over-http?channel=none'), [transport], timeoutMs)
    expect(await client.ended()).toEqual({ code: 2000, reason: 'All transports failed', wasClean: false })
  })
})

describe('the gateway ends', () => {
  test('a session over a WebSocket is told, and so is its backend', async () => {
    const [{ target }] = backends as [SockJsBackend]
    const other = await startGateway({ routes: [`*,sockjs=/sj ${target}`] })
    const client = await SockJsClient.open(other.httpUrl('/sj?channel=stop-websocket'), 'websocket')
    client.send('one')
    await client.waitFor(1)
    await other.stop()
    expect(await client.ended()).toEqual({ code: 1001, reason: '', wasClean: false })
    expect(await log.until('stop-websocket', 'close')).toEqual(['open', 'one', 'close'])
  })

  test('a poll that waits is told, and so is its backend', async () => {
    const [{ target }] = backends as [SockJsBackend]
    const other = await startGateway({ routes: [`*,sockjs=/sj ${target}`] })
    const ask = async (): Promise<string> =>
      (await fetch(other.httpUrl('/sj/0/sid/xhr?channel=stop-poll'), { method: 'POST' })).text()
    expect(await ask()).toBe('o\n')
    // When one has been refused, the other is waiting.
    const polls = [ask(), ask()]
    expect(await Promise.race(polls)).toBe('c[2010,"Another connection still open"]\n')
    await other.stop()
    expect(await Promise.all(polls)).toContain('c[1001,"Connection closed"]\n')
    expect(await log.until('stop-poll', 'close')).toEqual(['open', 'close'])
  })
})
