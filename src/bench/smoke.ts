/**
 * `npm run bench:smoke`: what the gateway costs per unit of work, in under a minute.
 *
 * `--only=fan-out,echo` runs some works, `--json` prints one object instead of the table. CPU is user and system time of
 * the gateway process only. The exit code is 1 when a work could not be measured, or lost something without counting
 * it; a figure above its expectation is shown, not punished: machines differ.
 */
import { execFileSync } from 'node:child_process'
import os from 'node:os'
import { PROJECT_FOLDER } from '../testing/gateway.js'
import { WORKS } from './smoke-works.js'
import type { Work, WorkResult } from './smoke-works.js'

interface Row {
  readonly work: Work
  readonly result: WorkResult | null
  readonly error: string | null
}

interface Arguments {
  readonly json: boolean
  readonly works: readonly Work[]
}

function parseArguments(args: readonly string[]): Arguments {
  let json = false
  let works: readonly Work[] = WORKS
  for (const arg of args) {
    if (arg === '--json') {
      json = true
    } else if (arg.startsWith('--only=')) {
      const names = arg.slice('--only='.length).split(',')
      const unknown = names.filter((name) => !WORKS.some((work) => work.name === name))
      if (unknown.length > 0) return usage(`no such work: ${unknown.join(', ')}`)
      works = WORKS.filter((work) => names.includes(work.name))
    } else {
      return usage(`unknown argument: ${arg}`)
    }
  }
  return { json, works }
}

function usage(fault: string): never {
  process.stderr.write(`${fault}\nusage: bench:smoke [--json] [--only=${WORKS.map((work) => work.name).join(',')}]\n`)
  process.exit(2)
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

function machine(): string {
  const cpus = os.cpus()
  const memoryGb = Math.round(os.totalmem() / 2 ** 30)
  return `${cpus.length} × ${cpus[0]?.model.trim() ?? 'unknown CPU'}, ${memoryGb} GB, Linux ${os.release()}`
}

function table(rows: readonly Row[]): string {
  const lines = [['work', 'rate', 'cost', 'expected', 'ratio', '']]
  for (const { work, result, error } of rows) {
    const expected = `≤ ${work.expected} ${work.costUnit}`
    if (result === null) {
      lines.push([work.title, '-', 'failed', expected, '-', error ?? ''])
      continue
    }
    const ratio = result.cost / work.expected
    lines.push([
      work.title,
      result.rate === null ? '-' : `${Math.round(result.rate).toLocaleString('en')} /s`,
      `${result.cost.toPrecision(3)} ${work.costUnit} / ${work.unit}`,
      expected,
      ratio.toFixed(2),
      result.remark,
    ])
  }
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length))) ?? []
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function json(rows: readonly Row[]): string {
  const works = rows.map(({ work, result, error }) => ({
    name: work.name,
    unit: work.unit,
    costUnit: work.costUnit,
    expected: work.expected,
    ...(result === null ? { error } : { ...result, ratio: result.cost / work.expected }),
  }))
  return JSON.stringify({ commit: commit(), node: process.version, machine: machine(), works }, null, 2)
}

const options = parseArguments(process.argv.slice(2))
const rows: Row[] = []
for (const work of options.works) {
  if (!options.json) process.stderr.write(`${work.title} …\n`)
  try {
    rows.push({ work, result: await work.run(), error: null })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${work.name} failed: ${message}\n`)
    rows.push({ work, result: null, error: message.split('\n')[0] ?? '' })
  }
}
if (options.json) {
  console.log(json(rows))
} else {
  console.log(`\ncommit ${commit()}, node ${process.version}, ${machine()}\n\n${table(rows)}`)
}
process.exitCode = rows.some(({ result }) => result === null) ? 1 : 0
