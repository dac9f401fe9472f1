/**
 * The report of a run: one HTML file that needs nothing else, not even a script. Plots are SVG; whoever opens it sees it in
 * the colours of their system.
 */
import { describeCounts, describeLoad, describeTarget } from '../describe.js'
import { digits, grouped, percent } from '../format.js'
import { PERCENTILES } from '../measure/histogram.js'
import type { Outcome } from '../outcome.js'
import { percentilePlot } from './percentile-plot.js'
import { STYLE } from './style.js'
import { element, escape } from './svg.js'
import { latencyPlot, pointsOf, throughputPlot } from './time-plot.js'
import { isBusy } from '../verdict.js'

export function reportPage(outcome: Outcome): string {
  const title = `${outcome.options.scenario}: ${describeTarget(outcome)}`
  const head = [
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    // Nothing is loaded and nothing runs, whatever a server put into its error texts.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    element('title', {}, escape(title)),
    `<style>${STYLE}</style>`,
  ]
  const parts = [header(outcome), care(outcome), tiles(outcome), plots(outcome), percentiles(outcome), errors(outcome)]
  const tables = `<div class="two">${load(outcome)}${client(outcome)}</div>${circumstances(outcome)}`
  const main = `<main>${parts.join('\n')}\n${tables}\n${footer(outcome)}</main>`
  return `<!doctype html>\n<html lang="en">\n<head>\n${head.join('\n')}\n</head>\n<body>\n${main}\n</body>\n</html>\n`
}

function header(outcome: Outcome): string {
  const { options, verdict } = outcome
  const name = `<h1>${escape(options.scenario)} <span>${escape(describeTarget(outcome))}</span></h1>`
  const badge = verdict === 'passed' ? 'passed' : 'errors'
  const load = `<p>${escape(describeLoad(outcome).join(' · '))}</p>`
  return `<header><div>${name}${load}</div><div class="badge ${verdict}">${badge}</div></header>`
}

/** Why not to trust the figures. */
function care({ client }: Outcome): string {
  if (client.limits.length === 0) return ''
  const items = client.limits.map((limit) => `<li>${escape(limit)}</li>`).join('')
  return `<section class="care"><h2>The load client may be the limit</h2><ul>${items}</ul></section>`
}

function tiles({ perSecond, unit, series, failures, counts }: Outcome): string {
  const [main] = series
  const ms = (value: number | undefined): string => `${digits(value ?? 0)} <small>ms</small>`
  const failed = failures.reduce((sum, { count }) => sum + count, 0)
  const tile = (name: string, value: string, isBad = false): string =>
    `<div><dt>${escape(name)}</dt><dd${isBad ? ' class="bad-number"' : ''}>${value}</dd></div>`
  const rows = [tile(`${unit}/s`, digits(perSecond))]
  if (main !== undefined) {
    rows.push(tile('p50', ms(main.percentilesMs['50'])), tile('p99', ms(main.percentilesMs['99'])))
    rows.push(tile('p99.9', ms(main.percentilesMs['99.9'])), tile('longest', ms(main.maxMs)))
  }
  if (counts.expected > 0) rows.push(tile('missing', grouped(counts.missing), counts.missing > 0))
  rows.push(tile('errors', grouped(failed), failed > 0))
  return `<dl class="tiles">${rows.join('')}</dl>`
}

function plots({ series, seconds, measuredSeconds, unit }: Outcome): string {
  const points = pointsOf(seconds, measuredSeconds)
  const percentile = `<section><h2>Latency by percentile</h2><div class="scroll wide">${percentilePlot(series)}</div></section>`
  if (points.length < 2) return series.length === 0 ? '' : percentile
  const throughput = `<section><h2>Throughput</h2>${throughputPlot(points, measuredSeconds, unit)}</section>`
  const latency = `<section><h2>Latency over time</h2>${latencyPlot(points, measuredSeconds)}</section>`
  return `${series.length === 0 ? '' : percentile}<div class="two">${latency}${throughput}</div>`
}

function percentiles({ series, options }: Outcome): string {
  if (series.length === 0) return ''
  const from = options.rate === 'max' ? 'from the moment of sending' : 'from the moment of intended sending'
  const head = ['', 'count', 'mean', ...PERCENTILES.map((p) => `p${String(p)}`), 'longest']
  const rows = series.map((one) => [
    escape(one.title),
    grouped(one.count),
    digits(one.meanMs),
    ...PERCENTILES.map((p) => digits(one.percentilesMs[String(p)] ?? 0)),
    digits(one.maxMs),
  ])
  return `<section><h2>Latencies <small>milliseconds, ${from}</small></h2>${table(head, rows)}</section>`
}

function errors({ failures }: Outcome): string {
  if (failures.length === 0) return ''
  const rows = failures.map(({ kind, count, example }) => [escape(kind), grouped(count), escape(example)])
  return `<section><h2>Errors</h2>${table(['what', 'how often', 'the first one said'], rows, [2])}</section>`
}

function load(outcome: Outcome): string {
  const rows = describeCounts(outcome).map(([name, count]) => [escape(name), grouped(count)])
  return `<section><h2>Messages <small>warm-up included</small></h2>${table(['', ''], rows)}</section>`
}

function client({ client, options }: Outcome): string {
  const rows = client.workers.map(({ role, busy, lagP99Ms }) => [escape(role), meter(busy), `${digits(lagP99Ms)} ms`])
  rows.push(['this machine, all cores', meter(client.machineBusy), ''])
  const late =
    options.rate === 'max'
      ? ''
      : `<small>sends late by ${digits(client.lateSendsMs.p50)} ms (p50), ${digits(client.lateSendsMs.p99)} ms (p99)</small>`
  return `<section><h2>Load client ${late}</h2>${table(['', 'busy', 'timers late, p99'], rows)}</section>`
}

function meter(share: number): string {
  const width = Math.min(100, Math.round(share * 100))
  return `<span class="meter${isBusy(share) ? ' full' : ''}"><i style="width: ${String(width)}%"></i></span><span class="share">${percent(share)}</span>`
}

function circumstances({ options, machine, startedAt, version, run }: Outcome): string {
  const { publish } = options
  const door = publish === null ? '–' : publish.kind === 'http' ? publish.url : publish.endpoint
  const rows: [string, string][] = [
    ['began', startedAt.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
    ['gateway', `${options.origin}${options.path}`],
    ['published to', door],
    ['channel', options.channels === 1 ? options.channel : `${options.channel}-0 … ${String(options.channels - 1)}`],
    ['warm-up, ramp', `${digits(options.warmupMs / 1_000)} s, ${digits(options.rampMs / 1_000)} s`],
    ['worker threads', String(options.workers)],
    [
      'machine of the load client',
      `${String(machine.cores)} × ${machine.cpu}, ${String(machine.memoryGb)} GB, ${machine.os}`,
    ],
    ['versions', `load test ${version}, Node.js ${machine.node}`],
    ['run', run],
  ]
  const cells = rows.map(([name, value]) => [escape(name), escape(value)])
  return `<section><h2>Circumstances</h2>${table(['', ''], cells, [1])}</section>`
}

function footer({ format }: Outcome): string {
  return `<footer>Tackboard load test. The same figures, with whole histograms: --json (${escape(format)}).</footer>`
}

/** `head` and cells are markup; columns in `textColumns` are text, the first one is anyway. */
function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns: readonly number[] = [],
): string {
  const cell = (name: string, content: string, column: number): string =>
    `<${name}${textColumns.includes(column) ? ' class="text"' : ''}>${content}</${name}>`
  const row = (name: string, cells: readonly string[]): string =>
    `<tr>${cells.map((content, column) => cell(name, content, column)).join('')}</tr>`
  const heading = head.every((name) => name === '') ? '' : `<thead>${row('th', head)}</thead>`
  return `<div class="scroll"><table>${heading}<tbody>${rows.map((cells) => row('td', cells)).join('')}</tbody></table></div>`
}
