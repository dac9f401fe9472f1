/** SockJS over several shards: every request on a connection of its own, so that they come in at any of them. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { publishHttp } from '../publish.js'
import { RawClient } from '../raw-client.js'
import { type BackendCall, ScriptedBackend } from '../scripted-backend.js'
import { Waiters } from '../wait.js'
import { answerEvents, decodeEvents, encodeEvent, GRIP_WITHOUT_PREFIX } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

let gateway: Gateway
let backend: ScriptedBackend
const calls: BackendCall[] = []
const waiters = new Waiters()

beforeAll(async () => {
  backend = await ScriptedBackend.start(answer)
  const routes = [`*,sockjs=/sockjs ${backend.target},over_http`, `away.test,sockjs=/sockjs 127.0.0.1:1,over_http`]
  gateway = await startGateway({ routes, workers: 3 })
})

afterAll(async () => {
  await gateway.stop()
  await backend.stop()
  expect(gateway.stderr).not.toContain('failed')
})

/** Subscribes to the channel of the query, sends messages back, closes with 4000 at `bye`. */
function answer(call: BackendCall): void {
  calls.push(call)
  waiters.changed()
  const channel = new URL(call.url, 'http://backend').searchParams.get('channel') ?? 'none'
  const answers = decodeEvents(call.body).flatMap(({ type, content }) => {
    const text = content?.toString() ?? ''
    if (type === 'OPEN') {
      const subscribe = JSON.stringify({ type: 'subscribe', channel })
      return [encodeEvent('OPEN'), encodeEvent('TEXT', Buffer.from(`c:${subscribe}`))]
    }
    if (type === 'CLOSE') return [encodeEvent('CLOSE', content ?? undefined)]
    if (text === 'bye') return [encodeEvent('CLOSE', Buffer.from('\x0f\xa0done', 'latin1'))]
    return type === 'TEXT' ? [encodeEvent('TEXT', Buffer.from(text))] : []
  })
  answerEvents(call, answers, GRIP_WITHOUT_PREFIX)
}

/** The backend has had this body for `channel`. */
async function told(channel: string, body: string): Promise<void> {
  await waiters.until(
    () => calls.find((call) => call.url.includes(channel) && call.body.toString('latin1') === body),
    () => `${body} of ${channel}; there are ${JSON.stringify(calls.map((call) => call.body.toString('latin1')))}`,
  )
}

async function ask(path: string, body = '', options: { readonly method?: string; readonly host?: string } = {}) {
  const client = await RawClient.connect(gateway.ports.http)
  try {
    const { method = 'POST', host = 'a.test' } = options
    await client.send(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    const { status, body: content } = await client.readAnswer()
    return `${status} ${content.toString()}`
  } finally {
    client.destroy()
  }
}

test('sessions are found from every shard, in both directions', async () => {
  for (let session = 0; session < 6; session++) {
    const [path, channel] = [`/sockjs/0/many${session}`, `many-${session}`]
    expect(await ask(`${path}/xhr?channel=${channel}`)).toBe('200 o\n')
    for (let round = 0; round < 4; round++) {
      expect(await ask(`${path}/xhr_send`, `["m${round}","é"]`.replace('é', 'x'))).toBe('200 ok')
      let got = ''
      while (!got.includes('"x"')) got += await ask(`${path}/xhr`)
      expect(got.replaceAll(/200 a\[|\]\n/g, '').replace('""', '","')).toBe(`"m${round}","x"`)
    }
  }
})

test('published messages reach a poll that waits and one that comes later', async () => {
  const path = '/sockjs/0/published'
  expect(await ask(`${path}/jsonp?c=cb&channel=published`, '', { method: 'GET' })).toBe('200 /**/cb("o");\n')
  const poll = ask(`${path}/xhr`)
  await publishHttp(gateway.controlUrl('/publish/'), {
    channel: 'published',
    formats: { 'ws-message': { content: 'one' } },
  })
  expect(await poll).toBe('200 a["one"]\n')
  await publishHttp(gateway.controlUrl('/publish/'), {
    channel: 'published',
    formats: { 'ws-message': { action: 'close', code: 4001, reason: 'over' } },
  })
  expect(await ask(`${path}/xhr`)).toBe('200 c[4001,"over"]\n')
  expect(await ask(`${path}/xhr`)).toBe('200 c[4001,"over"]\n')
  await told('channel=published', 'CLOSE\r\n')
})

test('a large message and a close by the backend', async () => {
  const path = '/sockjs/0/closed'
  await ask(`${path}/xhr?channel=closed`)
  const large = 'y'.repeat(90_000)
  expect(await ask(`${path}/xhr_send`, JSON.stringify([large]))).toBe('200 ok')
  expect((await ask(`${path}/xhr`)).length).toBe(large.length + '200 a[""]\n'.length)
  expect(await ask(`${path}/xhr_send`, '["bye"]')).toBe('200 ok')
  expect(await ask(`${path}/xhr`)).toBe('200 c[4000,"done"]\n')
})

test('a poll that breaks off tells the backend', async () => {
  const path = '/sockjs/0/broken'
  await ask(`${path}/xhr?channel=broken`)
  // Two polls at once: the one that comes second is refused, whichever that is, and the other waits.
  const polls = [0, 1].map(async () => {
    const client = await RawClient.connect(gateway.ports.http)
    await client.send(`POST ${path}/xhr HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`)
    return client
  })
  const clients = await Promise.all(polls)
  const answers = clients.map(async (client, index) => ({ index, body: (await client.readAnswer()).body.toString() }))
  for (const answer of answers) answer.catch(() => undefined)
  const refused = await Promise.race(answers)
  expect(refused.body).toMatch(/^c\[2010/)
  for (const client of clients) client.destroy()
  await told('channel=broken', 'DISCONNECT\r\n')
  expect(await ask(`${path}/xhr_send`, '["x"]')).toBe('404 Not Found\n')
})

test('framed and raw WebSockets', async () => {
  const framed = await WsClient.connect(gateway.wsUrl('/sockjs/0/any/websocket?channel=framed'), {})
  framed.send('["a","b"]')
  expect(await framed.waitFor(3)).toEqual(['o', 'a["a"]', 'a["b"]'])
  await publishHttp(gateway.controlUrl('/publish/'), { channel: 'framed', formats: { 'ws-message': { content: 'p' } } })
  expect((await framed.waitFor(4)).at(-1)).toBe('a["p"]')
  framed.send('not a list')
  await told('channel=framed', 'DISCONNECT\r\n')
  const raw = await WsClient.connect(gateway.wsUrl('/sockjs/websocket?channel=raw'), {})
  raw.send('plain')
  expect(await raw.waitFor(1)).toEqual(['plain'])
  raw.terminate()
})

test('what is no session is answered as Pushpin does', async () => {
  expect(await ask('/sockjs/0/none/xhr_send', '["x"]')).toBe('404 Not Found\n')
  expect(await ask('/sockjs/0//xhr')).toBe('404 Not Found\n')
  expect(await ask('/sockjs/0/away/xhr', '', { host: 'away.test' })).toBe('502 Error while proxying to origin.\n')
  expect(await ask('/sockjs/0/large/xhr', 'x'.repeat(100_001))).toBe('400 Request too large.\n')
  expect(await ask('/sockjs/info', '', { method: 'GET' })).toMatch(/^200 \{"cookie_needed":false,"entropy":\d+,/)
})
