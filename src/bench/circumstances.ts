/** Where a figure comes from: it means nothing without. */
import { execFileSync } from 'node:child_process'
import os from 'node:os'
import { PROJECT_FOLDER } from '../testing/gateway.js'

/** Short hash, and whether files were changed since. */
export function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: PROJECT_FOLDER, encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ' with changes'
    return git('rev-parse', '--short', 'HEAD') + changed
  } catch {
    return 'unknown'
  }
}

export function machine(): string {
  const cpus = os.cpus()
  const memoryGb = Math.round(os.totalmem() / 2 ** 30)
  return `${cpus.length} × ${cpus[0]?.model.trim() ?? 'unknown CPU'}, ${memoryGb} GB, Linux ${os.release()}`
}
