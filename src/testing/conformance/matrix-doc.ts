/**
 * The outcomes of a run as Markdown, in a document between `<!-- conformance: TARGET -->` and
 * `<!-- /conformance: TARGET -->`: counts for each area, deviations by their reason, and what failed.
 */
import type { Outcome, Verdict } from './runner.js'
import type { TargetName } from './targets.js'

export interface Run {
  readonly target: TargetName
  /** Of the target. */
  readonly version: string
  /** Day on which the run began, as YYYY-MM-DD. */
  readonly date: string
  readonly outcomes: readonly Outcome[]
}

const NAMES: Readonly<Record<TargetName, string>> = { tackboard: 'Tackboard', pushpin: 'Pushpin' }
const COLUMNS: readonly Verdict[] = ['pass', 'deviation', 'FAIL']

/** `text` with the part of this target made anew. Throws when it has no marks. */
export function writeMatrix(text: string, run: Run): string {
  const [start, end] = [`<!-- conformance: ${run.target} -->`, `<!-- /conformance: ${run.target} -->`]
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from === -1 || to < from) throw new Error(`the document has no ${start} … ${end}`)
  const part = `<!-- prettier-ignore-start -->\n${render(run)}\n<!-- prettier-ignore-end -->`
  return `${text.slice(0, from)}${start}\n\n${part}\n\n${text.slice(to)}`
}

function render({ target, version, date, outcomes }: Run): string {
  const [passed, deviations, failed] = COLUMNS.map((verdict) => countOf(outcomes, verdict))
  const paragraphs = [
    `${NAMES[target]} ${version}, ${date}: ${outcomes.length} scenarios, of which ${passed} pass, ${deviations} show a named deviation, ${failed} fail.`,
    countTable(outcomes),
    list('Deviations, by reason:', deviationLines(outcomes)),
    list('Failed:', failureLines(outcomes)),
  ]
  return paragraphs.filter((paragraph) => paragraph !== '').join('\n\n')
}

function countOf(outcomes: readonly Outcome[], verdict: Verdict): number {
  return outcomes.filter((outcome) => outcome.verdict === verdict).length
}

function countTable(outcomes: readonly Outcome[]): string {
  const areas = [...new Set(outcomes.map(({ scenario }) => scenario.area))]
  const row = (name: string, counted: readonly Outcome[]): string =>
    `| ${name} | ${COLUMNS.map((verdict) => countOf(counted, verdict)).join(' | ')} |`
  return [
    '| area | passed | deviations | failed |',
    '| --- | ---: | ---: | ---: |',
    ...areas.map((area) =>
      row(
        area,
        outcomes.filter(({ scenario }) => scenario.area === area),
      ),
    ),
    row('all', outcomes),
  ].join('\n')
}

/** One line for each reason: how many, the row of the tables that says more, the scenarios. */
function deviationLines(outcomes: readonly Outcome[]): string[] {
  const byReason = new Map<string, { readonly row: string; readonly names: string[] }>()
  for (const { verdict, deviation, scenario } of outcomes) {
    if (verdict !== 'deviation' || deviation === null) continue
    const { reason, row } = deviation
    const group = byReason.get(`${reason}\n${row}`) ?? { row, names: [] }
    group.names.push(`\`${scenario.name}\``)
    byReason.set(`${reason}\n${row}`, group)
  }
  return [...byReason].map(
    ([key, { row, names }]) => `${names.length}: ${key.split('\n', 1)[0]} (row “${row}”): ${names.join(', ')}`,
  )
}

function failureLines(outcomes: readonly Outcome[]): string[] {
  return outcomes.filter(({ verdict }) => verdict === 'FAIL').map(({ scenario }) => `\`${scenario.name}\``)
}

function list(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [title, '', ...lines.map((line) => `- ${line}`)].join('\n')
}
