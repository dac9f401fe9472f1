/** The result of a run as text, for a terminal. */
import { PERCENTILES } from './measure/histogram.js'
import type { Outcome, SeriesOutcome } from './outcome.js'
import { SCENARIO_ROWS } from './scenarios.js'

export function summaryText(outcome: Outcome): string {
  const sections = [heading(outcome), latencies(outcome.series), throughput(outcome), errors(outcome), client(outcome)]
  return sections.filter((section) => section !== '').join('\n\n')
}

function heading({ options, connectionsOpened, measuredSeconds, earlyEnd }: Outcome): string {
  const { scenario, origin, connections, rate, payloadBytes, label, channels } = options
  const row = SCENARIO_ROWS[scenario]
  const opened =
    connectionsOpened === connections || scenario === 'proxy' ? '' : ` (${grouped(connectionsOpened)} opened)`
  const pace = rate === 'max' ? `${row.rateUnit} as fast as it goes` : `${grouped(rate)} ${row.rateUnit}/s`
  const many = channels > 1 ? [`${grouped(channels)} channels`] : []
  const bytes = scenario === 'churn' || scenario === 'proxy' ? [] : [`${grouped(payloadBytes)} bytes`]
  const seconds = `${number(measuredSeconds)} s${earlyEnd === null ? '' : ` (ended early: ${earlyEnd})`}`
  const clients = connections === 1 ? row.clients.replace(/s$/, '') : row.clients
  const what = [`${grouped(connections)} ${clients}${opened}`, ...many, pace, ...bytes, seconds].join(', ')
  return `${scenario} against ${label === '' ? origin : `${label}, ${origin}`}\n${what}`
}

function latencies(series: readonly SeriesOutcome[]): string {
  if (series.length === 0) return ''
  const columns = ['count', 'mean', ...PERCENTILES.map((p) => `p${String(p)}`), 'max']
  const rows = series.map((one) => [
    one.title,
    grouped(one.count),
    number(one.meanMs),
    ...PERCENTILES.map((p) => number(one.percentilesMs[String(p)] ?? 0)),
    number(one.maxMs),
  ])
  return table([['latency, ms', ...columns], ...rows])
}

function throughput({ perSecond, unit, counts, options }: Outcome): string {
  const parts = [`throughput  ${grouped(Math.round(perSecond))} ${unit}/s`]
  const named: [string, number][] = [
    [`${SCENARIO_ROWS[options.scenario].rateUnit} sent`, counts.sent],
    ['expected', counts.expected],
    ['received', counts.received],
    ['missing', counts.missing],
    ['duplicate', counts.duplicates],
    ['out of order', counts.outOfOrder],
    ['published between two polls', counts.betweenPolls],
  ]
  const shown = named.filter(([name, count]) => count > 0 || (name === 'missing' && counts.expected > 0))
  parts.push(`in all      ${shown.map(([name, count]) => `${grouped(count)} ${name}`).join(', ')} (warm-up included)`)
  return parts.join('\n')
}

function errors({ failures }: Outcome): string {
  if (failures.length === 0) return 'errors      none'
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
  const late = options.rate === 'max' ? '' : `, sends p99 ${number(lateSendsMs.p99)} ms late`
  const line = `load client busiest worker ${percent(busiest)}, this machine ${percent(machineBusy)}${late}`
  if (limits.length === 0) return `${line}: not the limit`
  return `${line}\nthe load client may be the limit:\n${limits.map((limit) => `  ${limit}`).join('\n')}`
}

/** First column to the left, the others to the right when they are numbers. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const pad = (cell: string, column: number): string => {
    const width = widths[column] ?? 0
    return column > 0 && /^[\d.,]*$|^(count|mean|max|p\d[\d.]*)$/.test(cell) ? cell.padStart(width) : cell.padEnd(width)
  }
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
}

function grouped(count: number): string {
  return count.toLocaleString('en')
}

/** Three digits that mean something. */
export function number(value: number): string {
  if (value === 0) return '0'
  if (value >= 100) return grouped(Math.round(value))
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3)
}

function percent(share: number): string {
  return `${String(Math.round(share * 100))} %`
}
