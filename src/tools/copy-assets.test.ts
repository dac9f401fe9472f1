import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { copyAssets } from './copy-assets.js'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-assets-'))
  await put('src/main.ts', '')
  await put('dist/main.js', '')
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true })
  await writeFile(join(folder, path), text)
}

function run(): ReturnType<typeof copyAssets> {
  return copyAssets(join(folder, 'src'), join(folder, 'dist'))
}

test('copies what is not TypeScript, and not twice', async () => {
  await put('src/backend/page.html', '<p>')
  expect((await run()).copied).toEqual(['backend/page.html'])
  expect(await readFile(join(folder, 'dist/backend/page.html'), 'utf8')).toBe('<p>')
  expect((await run()).copied).toEqual([])
})

test('deletes the output of sources that are gone, of tests, and empty folders', async () => {
  await put('src/a.ts', '')
  await put('src/a.test.ts', '')
  await put('dist/.tsbuildinfo', '{}')
  await put('dist/a.js', '')
  await put('dist/a.js.map', '')
  await put('dist/a.test.js', '')
  await put('dist/old/b.js', '')
  await put('dist/old/page.html', '')
  expect((await run()).deleted).toEqual(['a.test.js', 'old/b.js', 'old/page.html'])
  await expect(stat(join(folder, 'dist/old'))).rejects.toThrow('ENOENT')
  expect((await run()).deleted).toEqual([])
})

test('leaves alone what is built from elsewhere', async () => {
  await put('dist/native-bench/main.js', '')
  expect((await run()).deleted).toEqual([])
})

test('makes the command executable', async () => {
  await run()
  expect((await stat(join(folder, 'dist/main.js'))).mode & 0o111).toBe(0o111)
})
