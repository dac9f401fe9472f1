/** Runs scenarios against a target, side by side, and says of each: pass, FAIL or deviation. */
import { setTimeout } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { deviationOf } from './deviations.js'
import type { Deviation } from './deviations.js'
import type { BackendPorts } from './routes.js'
import type { Scenario } from './scenario.js'
import type { Target } from './targets.js'
import { Stage, World } from './world.js'

export type Verdict = 'pass' | 'FAIL' | 'deviation'

export interface Outcome {
  readonly scenario: Scenario
  readonly verdict: Verdict
  /** What is different; empty for a pass. */
  readonly detail: string
  readonly deviation: Deviation | null
}

/** The processor is shared by the gateway, the backends and the clients. */
const SIDE_BY_SIDE = 24

/** A scenario waits for what a target may never do. The slowest takes half of it on a busy machine. */
const SCENARIO_DEADLINE_MS = 75_000

export interface RunOptions {
  readonly only?: RegExp
  readonly onOutcome?: (outcome: Outcome) => void
}

/** Outcomes in the order of the scenarios. */
export async function runScenarios(
  scenarios: readonly Scenario[],
  target: Target,
  ports: BackendPorts,
  options: RunOptions = {},
): Promise<Outcome[]> {
  const stage = await Stage.open(target, ports)
  const owners = scenarios.filter(({ ownBackend }) => ownBackend === true)
  const chosen = scenarios
    .filter(({ wants }) => isPlayable(wants, target))
    .filter(({ name, area }) => options.only?.test(`${area}: ${name}`) ?? true)
  const outcomes = new Map<Scenario, Outcome>()
  const perform = async (scenario: Scenario): Promise<void> => {
    const own = owners.indexOf(scenario)
    const outcome = await runOne(scenario, new World(stage, scenarios.indexOf(scenario), own === -1 ? null : own))
    outcomes.set(scenario, outcome)
    options.onOutcome?.(outcome)
  }
  const isSlow = ({ slow, ownBackend }: Scenario): boolean => slow === true || ownBackend === true
  const together = chosen.filter(({ alone, wants }) => alone !== true && wants === undefined)
  const slow = Promise.all(together.filter(isSlow).map(perform))
  const queue = together.filter((scenario) => !isSlow(scenario))
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await perform(next)
  }
  await Promise.all([slow, ...Array.from({ length: SIDE_BY_SIDE }, work)])
  await Promise.all(chosen.filter(({ alone, wants }) => alone !== true && wants !== undefined).map(perform))
  for (const scenario of chosen) if (scenario.alone === true) await perform(scenario)
  await stage.close()
  return chosen.map((scenario) => outcomes.get(scenario) as Outcome)
}

export function isPlayable(wants: Scenario['wants'], { stats }: Target): boolean {
  return wants === undefined || (stats !== null && (wants !== 'prometheus' || stats.prometheus !== null))
}

async function runOne(scenario: Scenario, world: World): Promise<Outcome> {
  const deviation = deviationOf(world.target.name, scenario.name)
  const judged = (verdict: Verdict, detail: string): Outcome => ({ scenario, verdict, detail, deviation })
  if (deviation?.endsTarget === true) return judged('deviation', deviation.reason)
  const failed = (detail: string): Outcome => {
    if (deviation !== null && deviation.shows === undefined) return judged('deviation', deviation.reason)
    return judged('FAIL', detail)
  }
  try {
    const seen = await withDeadline(scenario.run(world))
    if (isDeepStrictEqual(seen, scenario.expected)) {
      const isOld = deviation !== null && deviation.sometimes !== true
      return isOld ? judged('FAIL', 'listed as a deviation, but there is none') : judged('pass', '')
    }
    if (deviation?.shows !== undefined && isDeepStrictEqual(seen, deviation.shows))
      return judged('deviation', deviation.reason)
    const wanted = deviation?.shows ?? scenario.expected
    return failed(`expected ${JSON.stringify(wanted)}\n         seen ${JSON.stringify(seen)}`)
  } catch (error) {
    return failed((error as Error).message)
  } finally {
    await world.end()
  }
}

async function withDeadline<T>(seen: Promise<T>): Promise<T> {
  const over = new AbortController()
  const late = setTimeout(SCENARIO_DEADLINE_MS, undefined, { signal: over.signal }).then(
    () => {
      throw new Error(`not over within ${SCENARIO_DEADLINE_MS} ms`)
    },
    () => seen,
  )
  try {
    return await Promise.race([seen, late])
  } finally {
    over.abort()
  }
}

export function outcomeLine({ scenario, verdict, detail }: Outcome): string {
  const line = `${verdict.padEnd(9)} ${scenario.area}: ${scenario.name}`
  return verdict === 'pass' ? line : `${line}\n          ${detail}`
}

/** Areas and how many of their scenarios passed, deviated and failed. */
export function matrix(outcomes: readonly Outcome[]): string {
  const areas = [...new Set(outcomes.map(({ scenario }) => scenario.area))]
  const verdicts: readonly Verdict[] = ['pass', 'deviation', 'FAIL']
  const row = (name: string, cells: readonly (string | number)[]): string =>
    name.padEnd(32) + cells.map((cell) => String(cell).padStart(11)).join('')
  const count = (area: string | null, verdict: Verdict): number =>
    outcomes.filter((outcome) => outcome.verdict === verdict && (area === null || outcome.scenario.area === area))
      .length
  return [
    row('', verdicts),
    ...areas.map((area) =>
      row(
        area,
        verdicts.map((verdict) => count(area, verdict)),
      ),
    ),
    row(
      'all',
      verdicts.map((verdict) => count(null, verdict)),
    ),
  ].join('\n')
}
