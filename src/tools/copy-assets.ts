/**
 * Last step of `npm run build`: makes dist mirror src.
 *
 * - Files of src that are not TypeScript (pages, task data) are copied.
 * - Files of dist whose source is gone are deleted, so that a removed module cannot be imported by accident.
 * - dist/main.js and dist/publish/main.js become executable: they are the commands `tackboard` and `tackboard-publish`.
 */
import { chmod, copyFile, mkdir, readdir, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const OUTPUT_ENDINGS = ['.js', '.js.map', '.d.ts', '.d.ts.map'] as const
/** tsc's memory of what it wrote; it lives in dist so that both go together. */
const BUILD_INFO = '.tsbuildinfo'

/** Folders of dist that are built from elsewhere than src. */
const FOREIGN_FOLDERS = ['native-bench/', 'loadtest/'] as const

export interface CopyAssetsReport {
  /** Paths below dist, `/` between parts, sorted. */
  readonly copied: string[]
  readonly deleted: string[]
}

export async function copyAssets(src: string, dist: string): Promise<CopyAssetsReport> {
  const sources = await filesBelow(src)
  const assets = sources.filter((file) => !file.endsWith('.ts'))
  const wanted = new Set([BUILD_INFO, ...assets, ...sources.filter(isBuilt).flatMap(outputsOf)])
  const copied: string[] = []
  for (const asset of assets) {
    if (await copyWhenNewer(join(src, asset), join(dist, asset))) copied.push(asset)
  }
  const deleted = (await filesBelow(dist)).filter((file) => !wanted.has(file) && !isForeign(file))
  for (const file of deleted) await rm(join(dist, file))
  await removeEmptyFolders(dist)
  for (const command of ['main.js', join('publish', 'main.js')]) {
    if (wanted.has(command)) await chmod(join(dist, command), 0o755)
  }
  return { copied, deleted }
}

/** Tests are not built (tsconfig.build.json), declarations have no output. */
function isBuilt(file: string): boolean {
  return file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.endsWith('.d.ts')
}

function isForeign(file: string): boolean {
  return FOREIGN_FOLDERS.some((folder) => file.startsWith(folder))
}

function outputsOf(source: string): string[] {
  const stem = source.slice(0, -'.ts'.length)
  return OUTPUT_ENDINGS.map((ending) => stem + ending)
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

async function copyWhenNewer(from: string, to: string): Promise<boolean> {
  const [source, target] = await Promise.all([stat(from), stat(to).catch(() => null)])
  if (target !== null && target.mtimeMs >= source.mtimeMs && target.size === source.size) return false
  await mkdir(dirname(to), { recursive: true })
  await copyFile(from, to)
  return true
}

async function removeEmptyFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const child = join(folder, entry.name)
    await removeEmptyFolders(child)
    if ((await readdir(child)).length === 0) await rmdir(child)
  }
}

const self = fileURLToPath(import.meta.url)
if (process.argv[1] !== undefined && resolve(process.argv[1]) === self) {
  const dist = resolve(dirname(self), '..')
  const { copied, deleted } = await copyAssets(resolve(dist, '../src'), dist)
  if (copied.length > 0) console.log(`copied ${copied.join(', ')}`)
  if (deleted.length > 0) console.log(`deleted ${deleted.join(', ')}`)
}
