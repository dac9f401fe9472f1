/** The help text, from the tables of scenarios and flags. */
import { FLAG_ROWS } from './flag-table.js'
import { SCENARIOS } from './options.js'
import type { Scenario } from './options.js'
import { SCENARIO_ROWS } from './scenarios.js'

/** `scenario`: only what it takes. */
export function helpText(scenario: Scenario | null): string {
  const flags = FLAG_ROWS.filter(
    (row) => scenario === null || row.scenarios === null || row.scenarios.includes(scenario),
  )
  const usage = `npm run loadtest -- ${scenario ?? 'SCENARIO'} [--flag=value …]`
  const scenarios = SCENARIOS.filter((name) => scenario === null || name === scenario).map((name) => {
    const { doc, connections, rate, rateUnit, clients } = SCENARIO_ROWS[name]
    return [name, `${doc} (${String(connections)} ${clients}, ${String(rate)} ${rateUnit} a second)`] as const
  })
  const names = flags.map(({ name, value }) => `--${name}${value === null ? '' : `=${value}`}`)
  return [
    usage,
    '',
    ...columns(scenarios),
    '',
    ...columns(flags.map(({ doc, scenarios: of }, n) => [names[n] ?? '', scenario === null ? doc + only(of) : doc])),
    '',
    'Exit code: 0 all well, 1 errors or missing messages, 2 bad flags. More in loadtest/README.md.',
    '',
  ].join('\n')
}

function only(scenarios: readonly Scenario[] | null): string {
  return scenarios === null ? '' : ` [${scenarios.join(', ')}]`
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, doc]) => `  ${name.padEnd(width)}  ${doc}`)
}
