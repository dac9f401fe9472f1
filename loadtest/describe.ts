/** What a run was and what it counted, in words: for summary and report. */
import { digits, grouped } from './format.js'
import type { Outcome } from './outcome.js'
import { SCENARIO_ROWS } from './scenarios.js'

/** `fanout against Pushpin 1.41, http://localhost:7999` without its first word. */
export function describeTarget({ options }: Outcome): string {
  return options.label === '' ? options.origin : `${options.label}, ${options.origin}`
}

/** Short phrases: how many clients, how fast, how long. */
export function describeLoad({ options, connectionsOpened, measuredSeconds, earlyEnd }: Outcome): string[] {
  const { scenario, connections, rate, payloadBytes, channels, publish } = options
  const row = SCENARIO_ROWS[scenario]
  const opened =
    connectionsOpened === connections || scenario === 'proxy' ? '' : ` (${grouped(connectionsOpened)} open)`
  const phrases = [
    `${grouped(connections)} ${connections === 1 ? row.clients.replace(/s$/, '') : row.clients}${opened}`,
  ]
  if (channels > 1) phrases.push(`${grouped(channels)} channels`)
  phrases.push(rate === 'max' ? `${row.rateUnit} as fast as it goes` : `${grouped(rate)} ${row.rateUnit}/s`)
  if (scenario !== 'proxy' && (scenario !== 'churn' || publish !== null)) phrases.push(`${grouped(payloadBytes)} bytes`)
  if (publish !== null) phrases.push(`published by ${publish.kind === 'http' ? 'HTTP' : 'ZeroMQ'}`)
  phrases.push(`${digits(measuredSeconds)} s${earlyEnd === null ? '' : ` (ended early: ${earlyEnd})`}`)
  return phrases
}

/** What was counted over the whole run: names and numbers, without what nobody asked for. */
export function describeCounts({ counts, options }: Outcome): readonly (readonly [name: string, count: number])[] {
  const rows: readonly (readonly [string, number])[] = [
    [`${SCENARIO_ROWS[options.scenario].rateUnit} sent`, counts.sent],
    ['expected', counts.expected],
    ['received', counts.received],
    ['missing', counts.missing],
    ['duplicate', counts.duplicates],
    ['out of order', counts.outOfOrder],
    ['published between two polls', counts.betweenPolls],
  ]
  return rows.filter(([name, count]) => count > 0 || (name === 'missing' && counts.expected > 0))
}
