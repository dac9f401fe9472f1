/**
 * A conformance scenario plays something against a gateway and gives back what was seen. It passes when that equals what
 * Pushpin 1.41 shows (`expected`), or a later one where 1.41 does not know the matter; what is seen instead on purpose
 * stands in deviations.ts.
 */
import type { World } from './world.js'

export interface Scenario {
  /** A row of the matrix. */
  readonly area: string
  /** Unique. */
  readonly name: string
  /** What Pushpin 1.41 shows: plain data, compared deeply. */
  readonly expected: unknown
  /** Started before the others: it waits for seconds. */
  readonly slow?: boolean
  /** Played when all others are over: it touches what is not its own. */
  readonly alone?: boolean
  /** It listens to statistics, and is left out where there is no port for that. Played side by side after the others. */
  readonly wants?: 'stats' | 'prometheus'
  /** It wants a backend that it can stop and start: World.ownBackend(). */
  readonly ownBackend?: boolean
  run(world: World): Promise<unknown>
}

/** A list of scenarios of one area; a name that comes twice is an error. */
export function collectScenarios(...lists: readonly (readonly Scenario[])[]): Scenario[] {
  const scenarios = lists.flat()
  const names = new Set<string>()
  for (const { name } of scenarios) {
    if (names.has(name)) throw new Error(`two scenarios are called ${JSON.stringify(name)}`)
    names.add(name)
  }
  return scenarios
}
