/**
 * sockjs-client in a browser, each transport it shares with the gateway alone, from a page of the same origin and from
 * one of another. Page and script come from the backend through the gateway, as does the script of the iframe page.
 */
import { readFile } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserPath, complaintsOf, launchBrowser } from '../browser.js'
import { type Gateway, startGateway } from '../gateway.js'
import { publishHttp, wsItem } from '../publish.js'
import { type SockJsBackend, SockJsLog, startOverHttp } from '../sockjs-backends.js'
import { SOCKJS_BUNDLE_PATH } from '../sockjs-client.js'
import { EVENT_DEADLINE_MS } from '../wait.js'

const PAGE = `<!doctype html>
<meta charset="utf-8">
<title>SockJS</title>
<link rel="icon" href="data:,">
<script src="/sockjs.js"></script>
<script>
  const messages = []
  let socket = null
  let end = null
  /** Resolves with the transport when it is open, and with how it ended when it never is. */
  function start(url, transports) {
    end = null
    return new Promise((resolve) => {
      socket = new SockJS(url, null, { transports, timeout: ${EVENT_DEADLINE_MS} })
      socket.onopen = () => resolve(socket.transport)
      socket.onmessage = ({ data }) => messages.push(data)
      socket.onclose = ({ code, reason, wasClean }) => {
        end = { code, reason, wasClean }
        resolve(JSON.stringify(end))
      }
    })
  }
</script>
<body></body>
`

let gateway: Gateway
let backend: SockJsBackend
let browser: Browser | null = null
let count = 0
const log = new SockJsLog()

beforeAll(async () => {
  const files = new Map([
    ['/', { type: 'text/html', body: PAGE }],
    ['/sockjs.js', { type: 'text/javascript', body: await readFile(SOCKJS_BUNDLE_PATH, 'utf8') }],
  ])
  backend = await startOverHttp(log, files)
  gateway = await startGateway({
    routes: [`*,sockjs=/sj ${backend.target}`],
    conf: { 'proxy.sockjs_url': '/sockjs.js' },
  })
  if (browserPath() !== null) browser = await launchBrowser()
})

afterAll(async () => {
  await browser?.close()
  await gateway.stop()
  await backend.stop()
})

/** What the browser may say: of a line in the iframe page, which is Pushpin's; when a script comes for a closed session. */
const HARMLESS = [
  /^document\.domain mutation is ignored because the surrounding agent cluster is origin-keyed\.$/,
  /TypeError: _jp\.\w+ is not a function$/,
]

/** `host`: of the page; its sessions go to 127.0.0.1. What else the browser complains of must be nothing. */
async function withPage(host: string, use: (page: Page, url: string, channel: string) => Promise<void>): Promise<void> {
  const channel = `page-${++count}`
  const complaints = await complaintsOf(browser as Browser, `http://${host}:${gateway.ports.http}/`, async (page) => {
    await use(page, gateway.httpUrl(`/sj?channel=${channel}`), channel)
  })
  expect(complaints.filter((text) => !HARMLESS.some((harmless) => harmless.test(text)))).toEqual([])
}

const start = (page: Page, url: string, ...transports: string[]): Promise<string> =>
  page.evaluate(`start(${JSON.stringify(url)}, ${JSON.stringify(transports)})`)

const send = (page: Page, text: string): Promise<void> => page.evaluate(`socket.send(${JSON.stringify(text)})`)

const messages = (page: Page): Promise<string[]> => page.evaluate('messages')

const have = (page: Page, number: number): Promise<unknown> => page.waitForFunction(`messages.length >= ${number}`)

async function ended(page: Page): Promise<unknown> {
  await page.waitForFunction('end !== null')
  return page.evaluate('end')
}

const TEXTS = ['plain', '"quoted" \\ \'single\' </script>', 'Grüße, 世界, 😀', 'a&b=c+d%20e\r\n\u2028\u0001', ' ']
const MANY = Array.from({ length: 100 }, (_, at) => `${at} "é"`)
/** A form makes six bytes of each letter, and a request may have 100,000. */
const LARGE = 'ü'.repeat(10_000)

const TRANSPORTS = ['websocket', 'xhr-polling', 'iframe-xhr-polling', 'jsonp-polling']
const HOSTS = [
  ['the same origin', '127.0.0.1'],
  ['another origin', 'localhost'],
] as const
const ALL = TRANSPORTS.flatMap((transport) => HOSTS.map(([name, host]) => [transport, name, host] as const))

describe.skipIf(browserPath() === null).each(ALL)('%s from %s', (transport, _name, host) => {
  test('messages both ways, published ones, and a close by the backend', async () => {
    await withPage(host, async (page, url, channel) => {
      expect(await start(page, url, transport)).toBe(transport)
      for (const [at, text] of TEXTS.entries()) {
        await send(page, text)
        await have(page, at + 1)
      }
      await page.evaluate(`for (const text of ${JSON.stringify([...MANY, LARGE])}) socket.send(text)`)
      const sent = [...TEXTS, ...MANY, LARGE]
      await have(page, sent.length)
      await publishHttp(gateway.controlUrl('/publish/'), ...TEXTS.map((text) => wsItem(channel, text)))
      const all = [...sent, ...TEXTS]
      await have(page, all.length)
      expect(await messages(page)).toEqual(all)
      expect(log.of(channel)).toEqual(['open', ...sent])
      await send(page, 'bye')
      expect(await ended(page)).toEqual({ code: 4000, reason: 'done "so"', wasClean: transport !== 'websocket' })
    })
  })

  test('the page closes it and opens another, and goes away itself: the backend is told', async () => {
    let channel = ''
    await withPage(host, async (page, url, own) => {
      channel = own
      await start(page, url, transport)
      await page.evaluate('socket.close(4001, "enough")')
      expect(await ended(page)).toEqual({ code: 4001, reason: 'enough', wasClean: true })
      // No script can break a script's request off: it ends with the next message, and nobody asks again.
      if (transport === 'jsonp-polling')
        await publishHttp(gateway.controlUrl('/publish/'), wsItem(channel, 'to nobody'))
      await log.until(channel, /^close|^gone/)
      await start(page, url, transport)
      await send(page, 'again')
      await have(page, 1)
    })
    expect((await log.until(channel, /^close|^gone/, 2)).filter((what) => !/^close|^gone/.test(what))).toEqual([
      'open',
      'open',
      'again',
    ])
  })
})

describe.skipIf(browserPath() === null)('which transport the browser settles on', () => {
  test('any: a WebSocket', async () => {
    await withPage('localhost', async (page, url) => {
      expect(await page.evaluate(`start(${JSON.stringify(url)}, undefined)`)).toBe('websocket')
    })
  })
})
