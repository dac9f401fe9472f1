/** Headless Chromium of the system, when there is one. */
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { EVENT_DEADLINE_MS } from './wait.js'

const CANDIDATES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Path of the browser, or null; the environment variable CHROMIUM goes first. For `test.skipIf(browserPath() === null)`. */
export function browserPath(): string | null {
  for (const path of CANDIDATES) {
    if (path !== undefined && isExecutable(path)) return path
  }
  process.stdout.write(`browser tests are skipped: no Chromium (looked for ${CANDIDATES.filter(Boolean).join(', ')})\n`)
  return null
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** For many pages, each in a context of its own. The caller closes it. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: pathOfBrowser(), args: FLAGS })
}

function pathOfBrowser(): string {
  const path = browserPath()
  if (path === null) throw new Error('no Chromium: ask browserPath() first')
  return path
}

/** Runs `use` in a browser with a fresh profile; both are gone afterwards. */
export async function withBrowser<T>(use: (context: BrowserContext) => Promise<T>): Promise<T> {
  const path = pathOfBrowser()
  const profile = await mkdtemp(join(tmpdir(), 'tackboard-browser-'))
  const context = await chromium.launchPersistentContext(profile, { executablePath: path, args: FLAGS })
  try {
    return await use(context)
  } finally {
    await context.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Opens `url` in a context of its own and uses the page; both are gone afterwards. What the browser has complained of. */
export async function complaintsOf(
  browser: Browser,
  url: string,
  use: (page: Page) => Promise<void>,
): Promise<string[]> {
  const complaints: string[] = []
  const context = await browser.newContext()
  context.setDefaultTimeout(EVENT_DEADLINE_MS)
  const page = await context.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  try {
    await page.goto(url)
    await use(page)
  } finally {
    await context.close()
  }
  return complaints
}
