/**
 * `npm run bench:smoke`: what the gateway costs per unit of work, and whether it has become more, in about a minute.
 *
 * CPU is user and system time of the gateway process only. Raw uWebSockets.js does work of the same shape right before, and
 * the ratio of the two is compared with the baseline (baseline.ts, baseline.json).
 *
 * - `--only=fan-out,echo` runs some works
 * - `--json` prints one object instead of the table
 * - `--save-baseline` runs everything five times (`--runs=N`) and writes the baseline; `--note=TEXT` says how it was taken
 *
 * The exit code is 1 when a figure is worse than the baseline by more than its tolerance, when a work could not be measured,
 * or when it lost something without counting it. A cost above its expectation is shown, not punished: machines differ.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT_FOLDER } from '../testing/gateway.js'
import { baselineRow, compare, toleranceOf, Verdict } from './baseline.js'
import type { Baseline, BaselineRow } from './baseline.js'
import { commit, machine } from './circumstances.js'
import { parseSmokeArguments } from './smoke-arguments.js'
import { smokeJson, smokeTable } from './smoke-table.js'
import type { Row } from './smoke-table.js'
import { REFERENCES } from './reference-works.js'
import type { ReferenceName } from './reference-works.js'
import type { Work } from './smoke-works.js'

const BASELINE_FILE = join(PROJECT_FOLDER, 'src/bench/baseline.json')

/** A baseline with a wider tolerance than this guards little. */
const TOLERANCE_USEFUL_MAX = 0.3

const options = parseSmokeArguments(process.argv.slice(2))
if (options.saveBaseline) await saveBaseline(options.runs, options.note)
else await run()

async function run(): Promise<void> {
  const baseline = readBaseline()
  const rows: Row[] = []
  const references = new Map<ReferenceName, number>()
  for (const work of options.works) rows.push(await guarded(work, references, baseline))
  const { json } = options
  console.log(json ? smokeJson(rows, baseline) : smokeTable(rows, baseline))
  const isBad = rows.some(({ result, comparison }) => result === null || comparison?.verdict === Verdict.Worse)
  process.exitCode = isBad ? 1 : 0
}

/** A row that looks worse is measured once more, raw uWebSockets.js too: a neighbour may have been noisy. */
async function guarded(work: Work, references: Map<ReferenceName, number>, baseline: Baseline | null): Promise<Row> {
  const known = baseline?.rows[work.name]
  const compared = (row: Row): Row =>
    row.figure === null || baseline === null ? row : { ...row, comparison: compare(row.figure, known) }
  const first = compared(await measure(work, references))
  if (first.comparison?.verdict !== Verdict.Worse) return first
  process.stderr.write(`${work.name} looks worse than the baseline: once more\n`)
  const second = compared(await measure(work, new Map()))
  return second.figure !== null && second.figure < (first.figure as number) ? second : first
}

/** A work that fails is tried a second time: of 12,000 fresh WebSockets a busy machine may lose one (README, uWebSockets.js). */
async function measure(work: Work, references: Map<ReferenceName, number>): Promise<Row> {
  const first = await measureOnce(work, references)
  return first.result === null ? measureOnce(work, references) : first
}

/** `references`: what has been measured of raw uWebSockets.js; filled up. */
async function measureOnce(work: Work, references: Map<ReferenceName, number>): Promise<Row> {
  process.stderr.write(`${work.title} …\n`)
  try {
    const reference = work.reference === null ? null : await referenceCost(work.reference, references)
    const result = await work.run()
    const figure = reference === null ? result.cost : result.cost / reference
    return { work, result, reference, figure, comparison: null, error: null }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${work.name} failed: ${message}\n`)
    return { work, result: null, reference: null, figure: null, comparison: null, error: message.split('\n')[0] ?? '' }
  }
}

async function referenceCost(name: ReferenceName, known: Map<ReferenceName, number>): Promise<number> {
  const before = known.get(name)
  if (before !== undefined) return before
  const cost = await REFERENCES[name]()
  known.set(name, cost)
  return cost
}

async function saveBaseline(runs: number, note: string): Promise<void> {
  const figures = new Map<string, number[]>()
  for (let n = 1; n <= runs; n += 1) {
    process.stderr.write(`run ${n} of ${runs}\n`)
    const references = new Map<ReferenceName, number>()
    for (const work of options.works) {
      const { figure, error } = await measure(work, references)
      if (figure === null) throw new Error(`no baseline: ${work.name} failed: ${error ?? ''}`)
      figures.set(work.name, [...(figures.get(work.name) ?? []), figure])
      process.stderr.write(`  ${work.name}: ${figure.toPrecision(3)}\n`)
    }
  }
  const rows: Record<string, BaselineRow> = {}
  for (const [name, ofRuns] of figures) rows[name] = baselineRow(ofRuns)
  const baseline: Baseline = { commit: commit(), node: process.version, machine: machine(), runs, note, rows }
  writeFileSync(BASELINE_FILE, `${JSON.stringify(baseline, null, 2)}\n`)
  console.log(`${BASELINE_FILE}\n${JSON.stringify(rows, null, 2)}`)
  const noisy = Object.keys(rows).filter((name) => toleranceOf(rows[name] as BaselineRow) > TOLERANCE_USEFUL_MAX)
  if (noisy.length > 0) console.log(`too noisy to find small regressions, better taken again: ${noisy.join(', ')}`)
}

/** Null: none has been taken. */
function readBaseline(): Baseline | null {
  try {
    return JSON.parse(readFileSync(BASELINE_FILE, 'utf8')) as Baseline
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
