/** What the figures were measured on and with. */
import { execFileSync } from 'node:child_process'
import os from 'node:os'
import { PROJECT_FOLDER } from './project.js'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly kernel: string
  readonly node: string
  readonly commit: string
  readonly date: string
  /** Load average of the last minute before the run: above 0, somebody else was working. */
  readonly loadBefore: number
}

export function machine(): Machine {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
    node: process.version,
    commit: commit(),
    date: new Date().toISOString(),
    loadBefore: os.loadavg()[0] ?? 0,
  }
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: PROJECT_FOLDER, encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ' with changes'
    return git('rev-parse', '--short', 'HEAD') + changed
  } catch {
    return 'unknown'
  }
}
