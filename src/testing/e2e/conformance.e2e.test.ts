/**
 * The conformance suite against the built gateway: each scenario shows what Pushpin 1.41 shows, or a deviation that is
 * named with its reason. `npm run conformance` prints the same, and runs it against a Pushpin.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deviationsOf } from '../conformance/deviations.js'
import { routeLines } from '../conformance/routes.js'
import { runScenarios } from '../conformance/runner.js'
import type { Outcome } from '../conformance/runner.js'
import { SCENARIOS, chooseBackendPorts } from '../conformance/suite.js'
import { startTackboard } from '../conformance/targets.js'
import type { Target } from '../conformance/targets.js'
import { PROJECT_FOLDER } from '../gateway.js'

const RUN_DEADLINE_MS = 150_000

let target: Target
const outcomes = new Map<string, Outcome>()

beforeAll(async () => {
  const ports = await chooseBackendPorts(null)
  target = await startTackboard(routeLines(ports))
  for (const outcome of await runScenarios(SCENARIOS, target, ports)) outcomes.set(outcome.scenario.name, outcome)
}, RUN_DEADLINE_MS)

afterAll(async () => {
  await target.stop()
})

const areas = [...new Set(SCENARIOS.map(({ area }) => area))]

describe.each(areas)('%s', (area) => {
  test.each(SCENARIOS.filter((scenario) => scenario.area === area).map(({ name }) => name))('%s', (name) => {
    const outcome = outcomes.get(name)
    expect(outcome?.verdict === 'FAIL' ? outcome.detail : '').toBe('')
  })
})

describe('the list of deviations', () => {
  const table = readFileSync(join(PROJECT_FOLDER, 'docs/COMPATIBILITY.md'), 'utf8')
  const firstCells = new Set(table.split('\n').map((line) => /^\| *(.*?) *(?<!\\)\|/.exec(line)?.[1] ?? ''))

  test.each([...deviationsOf('tackboard'), ...deviationsOf('pushpin')])('$scenario', ({ scenario, row }) => {
    expect(SCENARIOS.map(({ name }) => name)).toContain(scenario)
    expect([...firstCells]).toContain(row)
  })
})
