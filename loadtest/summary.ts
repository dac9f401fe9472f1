/** The result of a run as text, for a terminal. */
import { describeCounts, describeLoad, describeTarget } from './describe.js'
import { digits, grouped, percent } from './format.js'
import { PERCENTILES } from './measure/histogram.js'
import type { Outcome, SeriesOutcome } from './outcome.js'

export function summaryText(outcome: Outcome): string {
  const sections = [heading(outcome), latencies(outcome.series), counts(outcome), errors(outcome), client(outcome)]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function heading(outcome: Outcome): string {
  return `${outcome.options.scenario} against ${describeTarget(outcome)}\n${describeLoad(outcome).join(', ')}`
}

function latencies(series: readonly SeriesOutcome[]): string {
  if (series.length === 0) return ''
  const columns = ['count', 'mean', ...PERCENTILES.map((p) => `p${String(p)}`), 'max']
  const rows = series.map((one) => [
    one.title,
    grouped(one.count),
    digits(one.meanMs),
    ...PERCENTILES.map((p) => digits(one.percentilesMs[String(p)] ?? 0)),
    digits(one.maxMs),
  ])
  return table([['latency, ms', ...columns], ...rows])
}

function counts(outcome: Outcome): string {
  const { perSecond, unit } = outcome
  const counted = describeCounts(outcome).map(([name, count]) => `${grouped(count)} ${name}`)
  return [`throughput   ${digits(perSecond)} ${unit}/s`, `in all       ${counted.join(', ')} (warm-up included)`].join(
    '\n',
  )
}

function errors({ failures }: Outcome): string {
  if (failures.length === 0) return 'errors       none'
  const rows = failures.map(({ kind, count, example }) => [
    `  ${grouped(count)}`,
    kind,
    example === kind ? '' : example,
  ])
  return `errors\n${table(rows)}`
}

function client({ client, options }: Outcome): string {
  const { workers, lateSendsMs, machineBusy, limits } = client
  const busiest = Math.max(0, ...workers.map(({ busy }) => busy))
  const late = options.rate === 'max' ? '' : `, sends p99 ${digits(lateSendsMs.p99)} ms late`
  const line = `load client  busiest worker ${percent(busiest)}, this machine ${percent(machineBusy)}${late}`
  if (limits.length === 0) return `${line}: not the limit`
  return `${line}\nthe load client may be the limit:\n${limits.map((limit) => `  ${limit}`).join('\n')}`
}

/** First column to the left, the others to the right when they are numbers or stand over numbers. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const pad = (cell: string, column: number): string => {
    const width = widths[column] ?? 0
    return column > 0 && /^[\d.,]*$|^(count|mean|max|p\d[\d.]*)$/.test(cell) ? cell.padStart(width) : cell.padEnd(width)
  }
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}
