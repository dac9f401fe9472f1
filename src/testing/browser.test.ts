import { expect, test } from 'vitest'
import { browserPath, withBrowser } from './browser.js'
import { ScriptedBackend } from './scripted-backend.js'

test.skipIf(browserPath() === null)('opens a page', async () => {
  const backend = await ScriptedBackend.start((call) =>
    call.answer(200, { 'Content-Type': 'text/html' }, '<title>there</title>'),
  )
  const title = await withBrowser(async (context) => {
    const page = await context.newPage()
    await page.goto(`http://${backend.target}/`)
    return page.title()
  })
  expect(title).toBe('there')
  await backend.stop()
})
