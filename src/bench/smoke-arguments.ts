/** Flags of bench:smoke. */
import { WORKS } from './smoke-works.js'
import type { Work } from './smoke-works.js'

export interface SmokeArguments {
  readonly json: boolean
  readonly works: readonly Work[]
  readonly saveBaseline: boolean
  /** With saveBaseline: how often everything is run. */
  readonly runs: number
  readonly note: string
}

const RUNS_MAX = 50

/** Ends the process with 2 when something is wrong. */
export function parseSmokeArguments(args: readonly string[]): SmokeArguments {
  let parsed: SmokeArguments = { json: false, works: WORKS, saveBaseline: false, runs: 5, note: '' }
  for (const arg of args) {
    const [, name = arg, value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? []
    if (name === 'json' && value === undefined) parsed = { ...parsed, json: true }
    else if (name === 'save-baseline' && value === undefined) parsed = { ...parsed, saveBaseline: true }
    else if (name === 'note' && value !== undefined) parsed = { ...parsed, note: value }
    else if (name === 'runs' && value !== undefined) parsed = { ...parsed, runs: readRuns(value) }
    else if (name === 'only' && value !== undefined) parsed = { ...parsed, works: readWorks(value) }
    else return usage(`unknown argument: ${arg}`)
  }
  if (parsed.saveBaseline && parsed.works.length < WORKS.length) return usage('--save-baseline takes all works')
  return parsed
}

function readRuns(text: string): number {
  const runs = Number(text)
  if (!Number.isInteger(runs) || runs < 1 || runs > RUNS_MAX) return usage(`--runs: accepted: 1 to ${RUNS_MAX}`)
  return runs
}

function readWorks(text: string): Work[] {
  const names = text.split(',')
  const unknown = names.filter((name) => !WORKS.some((work) => work.name === name))
  if (unknown.length > 0) return usage(`no such work: ${unknown.join(', ')}`)
  return WORKS.filter((work) => names.includes(work.name))
}

function usage(fault: string): never {
  const works = WORKS.map((work) => work.name).join(',')
  process.stderr.write(
    `${fault}\nusage: bench:smoke [--json] [--only=${works}]\n       bench:smoke --save-baseline [--runs=N] [--note=TEXT]\n`,
  )
  process.exit(2)
}
