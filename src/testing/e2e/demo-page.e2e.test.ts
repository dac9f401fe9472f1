/** The demo page in a browser: what is published from it reaches its WebSocket, its EventSource and its long poll. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserPath, complaintsOf, launchBrowser } from '../browser.js'
import { type Gateway, startGateway } from '../gateway.js'
import { publishHttp, responseItem, streamItem, wsItem } from '../publish.js'

const TRANSPORTS = ['ws', 'events', 'poll'] as const

let gateway: Gateway
let browser: Browser | null = null

beforeAll(async () => {
  gateway = await startGateway({ routes: ['* demo'] })
  if (browserPath() !== null) browser = await launchBrowser()
})

afterAll(async () => {
  await browser?.close()
  await gateway.stop()
})

/** Opens the page and waits until its three connections are there; what the browser complains of must be nothing. */
async function withPage(path: string, use: (page: Page) => Promise<void>): Promise<void> {
  const complaints = await complaintsOf(browser as Browser, gateway.httpUrl(path), async (page) => {
    await ready(page)
    await use(page)
  })
  expect(complaints).toEqual([])
}

async function ready(page: Page): Promise<void> {
  for (const [name, state] of [
    ['ws', 'open'],
    ['events', 'open'],
    ['poll', 'waiting'],
  ] as const) {
    await page.locator(`[data-transport="${name}"] .state`, { hasText: state }).waitFor()
  }
  await gateway.metricsWhere(
    (metrics) =>
      metrics.value('tackboard_ws_connections') === 1 &&
      metrics.value('tackboard_stream_holds') === 1 &&
      metrics.value('tackboard_response_holds') === 1,
  )
}

async function publishFrom(page: Page, content: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(content)
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  for (const name of TRANSPORTS) {
    await page.locator(`[data-transport="${name}"] .log .text`).getByText(content, { exact: true }).waitFor()
  }
}

const receivedBy = (page: Page, name: string): Promise<string[]> =>
  page.locator(`[data-transport="${name}"] .log li:not(.note) .text`).allTextContents()

describe.skipIf(browserPath() === null)('the demo page', () => {
  test('its three connections receive what it publishes, once each and in order', async () => {
    await withPage('/', async (page) => {
      const published = ['hello', 'Grüße, 世界', '<b>"quoted" & plain</b>']
      for (const content of published) {
        await publishFrom(page, content)
        // The long poll asks again: the next message must find it.
        await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === 1)
      }
      for (const name of TRANSPORTS) expect(await receivedBy(page, name), name).toEqual(published)
      expect(await page.locator('#outcome').textContent()).toBe('Published to test.')
    })
  })

  test('what others publish reaches it, on the channel that its address names', async () => {
    await withPage('/?channel=room%201', async (page) => {
      const url = gateway.controlUrl('/publish/')
      const [socket, event, poll] = [
        wsItem('room 1', 'a'),
        streamItem('room 1.events', 'data: b\n\n'),
        responseItem('room 1', 'c\n'),
      ]
      await publishHttp(url, socket, event, poll)
      for (const [name, text] of [
        ['ws', 'a'],
        ['events', 'b'],
        ['poll', 'c'],
      ] as const) {
        await page.locator(`[data-transport="${name}"] .log .text`).getByText(text, { exact: true }).waitFor()
        expect(await receivedBy(page, name)).toEqual([text])
      }
    })
  })

  test('another channel: the old one is left, the new one is heard', async () => {
    await withPage('/', async (page) => {
      await publishFrom(page, 'on test')
      await page.getByLabel('Channel', { exact: true }).fill('other')
      await page.getByLabel('Channel', { exact: true }).press('Tab')
      await ready(page)
      await publishHttp(gateway.controlUrl('/publish/'), wsItem('test', 'not for it any more'))
      await publishFrom(page, 'on other')
      for (const name of TRANSPORTS) expect(await receivedBy(page, name), name).toEqual(['on test', 'on other'])
    })
  })
})
