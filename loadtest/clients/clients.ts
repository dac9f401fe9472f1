/** What the worker of clients asks of every scenario. */
import type { Clock } from '../measure/clock.js'
import { addCounts, NO_COUNTS } from './protocol.js'
import type { ClientsStart, Counts, Pace, Phases } from './protocol.js'
import type { Tally } from './tally.js'

export interface ClientsContext {
  readonly start: ClientsStart
  readonly tally: Tally
  readonly clock: Clock
}

export interface Clients {
  /** Resolves when every connection is open or has failed. */
  open(): Promise<void>
  /** `pace`: null for as fast as it goes, or when these clients send nothing. */
  begin(phases: Phases, pace: Pace | null): void
  /** A beat of the metronome. */
  wake(): void
  /** Send nothing at `endMs` or later. */
  cut(endMs: number): void
  /** What should have come and has not. */
  missing(published: readonly (readonly number[])[]): number
  counts(published: readonly (readonly number[])[]): Counts
  close(): Promise<void>
}

export function sumCounts(counts: Iterable<Counts>): Counts {
  let sum = NO_COUNTS
  for (const one of counts) sum = addCounts(sum, one)
  return sum
}
