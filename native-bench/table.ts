/** The results as one table: a block of rows per work, a row per server. */
import { median, medianMeasure, spread } from './statistics.js'
import type { ServerName } from './servers/server.js'
import type { Measure, Work } from './works/work.js'

export interface Cell {
  readonly work: Work
  readonly server: ServerName
  /** One per run. */
  readonly measures: readonly Measure[]
  /** Why there is none, or one less; null: all is well. */
  readonly failure: string | null
}

export function renderTable(cells: readonly Cell[]): string {
  const rows: string[][] = [
    ['server', 'cost', '± %', 'to tackboard', 'to uws', 'per second', 'p50 ms', 'p99 ms', 'client', 'remarks'],
  ]
  /** Index of the first row of each work, with its title. */
  const titles = new Map<number, string>()
  for (const work of new Set(cells.map((cell) => cell.work))) {
    const ofWork = cells.filter((cell) => cell.work === work)
    titles.set(rows.length, `${work.name}: ${work.title}; ${costName(work)}${goalText(work)}`)
    for (const cell of ofWork) rows.push(rowOf(cell, ofWork))
  }
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length))) ?? []
  const lines: string[] = []
  for (const [index, row] of rows.entries()) {
    const title = titles.get(index)
    if (title !== undefined) lines.push('', title)
    lines.push(
      row
        .map((text, column) =>
          column === 0 || column === row.length - 1
            ? text.padEnd(widths[column] ?? 0)
            : text.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
  }
  return lines.join('\n')
}

export function costName({ costUnit, unit }: Work): string {
  if (costUnit === 'µs') return `µs of CPU per ${unit}`
  return costUnit === 'KB' ? `KB of memory per ${unit}` : `ms per ${unit}`
}

function rowOf({ work, server, measures, failure }: Cell, ofWork: readonly Cell[]): string[] {
  if (measures.length === 0) return [server, '-', '', '', '', '', '', '', '', failure ?? '']
  const { cost, rate, p50, p99, clientCores, remarks, faults } = medianMeasure(measures)
  const words = [
    ...(failure === null ? [] : [`FAILED: ${failure}`]),
    ...faults.map((fault) => `FAULT: ${fault}`),
    ...(server === 'tackboard' && cost > goalCost(work, ofWork) ? ['above its goal'] : []),
    ...remarks,
  ]
  return [
    server,
    `${number(cost)} ${work.costUnit}`,
    measures.length > 1 ? String(Math.round(spread(measures) * 100)) : '',
    ratio(cost, costOf('tackboard', ofWork)),
    ratio(cost, costOf('uws', ofWork)),
    rate === null ? '' : Math.round(rate).toLocaleString('en'),
    p50 === null ? '' : number(p50),
    p99 === null ? '' : number(p99),
    clientCores === null ? '' : clientCores.toFixed(2),
    words.join('; '),
  ]
}

function goalText({ goal, costUnit }: Work): string {
  if (goal === undefined) return ''
  return `; goal ≤ ${typeof goal === 'number' ? `${goal} ${costUnit}` : `${goal.times} × ${goal.server}`}`
}

/** In the unit of the cost. Infinite: there is no goal, or nothing that sets it. */
function goalCost({ goal }: Work, ofWork: readonly Cell[]): number {
  if (goal === undefined || typeof goal === 'number') return goal ?? Infinity
  const beside = costOf(goal.server, ofWork)
  return beside === null ? Infinity : goal.times * beside
}

function costOf(server: ServerName, cells: readonly Cell[]): number | null {
  const measures = cells.find((cell) => cell.server === server)?.measures ?? []
  return measures.length === 0 ? null : median(measures.map(({ cost }) => cost))
}

function ratio(cost: number, base: number | null): string {
  return base === null || base <= 0 ? '' : `${number(cost / base)}×`
}

/** Three digits, without an exponent. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '-'
  const size = Math.abs(value)
  if (size >= 100) return Math.round(value).toLocaleString('en')
  return size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : value.toFixed(3)
}
