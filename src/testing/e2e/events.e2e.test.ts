/** docs/examples/events-express: @fanoutio/eventstream with curl, the `eventsource` client and the browser's EventSource. */
import { EventSource } from 'eventsource'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { browserPath, withBrowser } from '../browser.js'
import { ExampleBackend } from '../example-backend.js'
import { freePorts } from '../free-ports.js'
import { type Gateway, startGateway } from '../gateway.js'
import { publishHttp, streamItem } from '../publish.js'
import { EVENT_DEADLINE_MS, Waiters } from '../wait.js'

const KEY = 'changeme'
const TEXTS = ['hello', 'Grüße, "世界"', 'two\nlines']

let gateway: Gateway
let backend: ExampleBackend
let port: number
const sources: EventSource[] = []

beforeAll(async () => {
  port = (await freePorts(1))[0] as number
  const conf = { 'proxy.sig_iss': 'pushpin', 'proxy.sig_key': KEY }
  gateway = await startGateway({ routes: [`* 127.0.0.1:${port}`], conf })
  const gripUrl = gateway.controlUrl(`/?iss=pushpin&key=${KEY}`)
  backend = await ExampleBackend.start('events-express', { PORT: String(port), GRIP_URL: gripUrl })
})

afterEach(() => {
  for (const source of sources.splice(0)) source.close()
})

afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

async function publish(channel: string, text: string): Promise<void> {
  const headers = { 'Content-Type': 'text/plain; charset=utf-8' }
  const response = await fetch(gateway.httpUrl(`/events/${channel}`), { method: 'POST', headers, body: text })
  expect([response.status, await response.text()]).toEqual([200, 'Published\n'])
}

interface Listener {
  readonly texts: string[]
  have(count: number): Promise<unknown>
  /** The library has said so often that a stream is open. */
  opened(count: number): Promise<unknown>
}

/** Resolves when the stream is open; the texts that come are collected. */
async function listen(channel: string): Promise<Listener> {
  const source = new EventSource(gateway.httpUrl(`/events/${channel}`))
  sources.push(source)
  const texts: string[] = []
  const waiters = new Waiters()
  let opened = 0
  source.addEventListener('stream-open', () => {
    opened++
    waiters.changed()
  })
  source.addEventListener('message', ({ data }) => {
    texts.push((JSON.parse(data as string) as { text: string }).text)
    waiters.changed()
  })
  const until = (holds: () => boolean, what: string): Promise<boolean> =>
    waiters.until(
      () => holds() || undefined,
      () => `${what}; there are ${JSON.stringify(texts)}`,
    )
  const listener: Listener = {
    texts,
    have: (count) => until(() => texts.length >= count, `${count} events`),
    opened: (count) => until(() => opened >= count, `the stream is open, number ${count}`),
  }
  await listener.opened(1)
  return listener
}

test('the eventsource client gets what is published on its channel, in order', async () => {
  const [news, also, other] = await Promise.all([listen('news'), listen('news'), listen('other')])
  for (const text of TEXTS) await publish('news', text)
  await publish('other', 'elsewhere')
  await Promise.all([news.have(TEXTS.length), also.have(TEXTS.length), other.have(1)])
  expect([news.texts, also.texts, other.texts]).toEqual([TEXTS, TEXTS, ['elsewhere']])
})

test('a stream that the backend ends: the client comes back by itself', async () => {
  const listener = await listen('ended')
  await publish('ended', 'before')
  const end = { 'http-stream': { action: 'close' } }
  await publishHttp(gateway.controlUrl('/publish/'), { channel: 'events-ended', formats: end })
  await listener.opened(2)
  await publish('ended', 'after')
  await listener.have(2)
  expect(listener.texts).toEqual(['before', 'after'])
})

test('others publish to the channels of the library by their prefix', async () => {
  const listener = await listen('by-hand')
  const event = 'event: message\ndata: {"text":"by hand"}\n\n'
  await publishHttp(gateway.controlUrl('/publish/'), streamItem('events-by-hand', event))
  await listener.have(1)
  expect(listener.texts).toEqual(['by hand'])
})

test.skipIf(browserPath() === null)('the EventSource of a browser', async () => {
  await withBrowser(async (context) => {
    context.setDefaultTimeout(EVENT_DEADLINE_MS)
    const page = await context.newPage()
    // A page of the origin; Express forbids scripts on its own for what is not there.
    await page.route('**/page', (route) => route.fulfill({ contentType: 'text/html', body: '<title>events</title>' }))
    await page.goto(gateway.httpUrl('/page'))
    await page.evaluate(`new Promise((resolve) => {
      globalThis.texts = []
      const source = new EventSource('/events/browser')
      source.addEventListener('stream-open', resolve)
      source.onmessage = ({ data }) => texts.push(JSON.parse(data).text)
    })`)
    for (const text of TEXTS) await publish('browser', text)
    await page.waitForFunction(`texts.length >= ${TEXTS.length}`)
    expect(await page.evaluate('texts')).toEqual(TEXTS)
  })
})

test('nobody but the gateway is answered', async () => {
  const response = await fetch(`http://127.0.0.1:${port}/events/news`)
  expect([response.status, await response.text()]).toEqual([403, 'This address is for the gateway only.\n'])
})
