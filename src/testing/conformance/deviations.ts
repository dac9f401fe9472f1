/**
 * What a target shows otherwise than Pushpin 1.41 as compared by a scenario, on purpose: every difference by name, with
 * its reason and the row of docs/COMPATIBILITY.md.
 */
import type { TargetName } from './targets.js'

export interface Deviation {
  /** Name of the scenario. */
  readonly scenario: string
  readonly reason: string
  /** The row of docs/COMPATIBILITY.md, by its first cell. */
  readonly row: string
  /** What is seen instead; absent: anything else than expected, an error included. */
  readonly shows?: unknown
  /** True: it depends on timing, and is not always there. */
  readonly sometimes?: boolean
}

const DEVIATIONS: Readonly<Record<TargetName, readonly Deviation[]>> = {
  tackboard: [],
  pushpin: [],
}

export function deviationsOf(target: TargetName): readonly Deviation[] {
  return DEVIATIONS[target]
}

export function deviationOf(target: TargetName, scenario: string): Deviation | null {
  return DEVIATIONS[target].find((deviation) => deviation.scenario === scenario) ?? null
}
