/** The results of bench:smoke for people and for programs. */
import { describeComparison } from './baseline.js'
import type { Baseline, Comparison } from './baseline.js'
import { commit, machine } from './circumstances.js'
import type { Work, WorkResult } from './smoke-works.js'

export interface Row {
  readonly work: Work
  /** Null: it could not be measured. */
  readonly result: WorkResult | null
  /** Cost on raw uWebSockets.js; null: there is no such work. */
  readonly reference: number | null
  /** What is compared with the baseline. */
  readonly figure: number | null
  /** Null: there is no baseline. */
  readonly comparison: Comparison | null
  readonly error: string | null
}

export function smokeTable(rows: readonly Row[], baseline: Baseline | null): string {
  const lines = [['work', 'rate', 'cost', 'expected', 'raw uWS', '× raw', 'against baseline', '']]
  for (const { work, result, reference, figure, comparison, error } of rows) {
    const expected = `≤ ${work.expected} ${work.costUnit}`
    if (result === null) {
      lines.push([work.title, '-', 'failed', expected, '-', '-', '-', error ?? ''])
      continue
    }
    lines.push([
      work.title,
      result.rate === null ? '-' : `${Math.round(result.rate).toLocaleString('en')} /s`,
      `${result.cost.toPrecision(3)} ${work.costUnit} / ${work.unit}`,
      expected,
      reference === null ? '-' : `${reference.toPrecision(3)} ${work.costUnit}`,
      reference === null || figure === null ? '-' : figure.toPrecision(3),
      comparison === null ? 'no baseline' : describeComparison(comparison),
      result.remark,
    ])
  }
  const head = `commit ${commit()}, node ${process.version}, ${machine()}`
  return `\n${head}\n${describeBaseline(baseline)}\n\n${aligned(lines)}`
}

function describeBaseline(baseline: Baseline | null): string {
  if (baseline === null) return 'no baseline: bench:smoke --save-baseline'
  const { commit, node, machine, runs, note } = baseline
  return `baseline: commit ${commit}, node ${node}, ${machine}, ${runs} runs${note === '' ? '' : `; ${note}`}`
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length))) ?? []
  const padded = lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)))
  return padded.map((line) => line.join('  ').trimEnd()).join('\n')
}

export function smokeJson(rows: readonly Row[], baseline: Baseline | null): string {
  const works = rows.map(({ work, result, reference, figure, comparison, error }) => ({
    name: work.name,
    unit: work.unit,
    costUnit: work.costUnit,
    expected: work.expected,
    ...(result === null ? { error } : { ...result, ratio: result.cost / work.expected, reference, figure, comparison }),
  }))
  return JSON.stringify({ commit: commit(), node: process.version, machine: machine(), baseline, works }, null, 2)
}
