/**
 * The guard of bench:smoke: figures of this run against those of a baseline (baseline.json).
 *
 * A figure is the cost of a unit divided by what the same shape costs on raw uWebSockets.js, measured right before on the
 * same machine, so that neither a slower machine nor a slower hour looks like a change; for memory it is the cost itself.
 *
 * What counts as a change is learned when the baseline is taken: from several runs, the distance of the largest figure from the
 * smallest, relative to the median, once and a half, and never less than a tenth. A single run of an unchanged program
 * stays within it; a row that does not is measured again, and counts by its better figure.
 */

export interface BaselineRow {
  /** Median of the runs. */
  readonly figure: number
  /** (largest - smallest) / median of the runs. */
  readonly spread: number
}

export interface Baseline {
  readonly commit: string
  readonly node: string
  readonly machine: string
  readonly runs: number
  /** Worth saying about how it was taken; empty: nothing. */
  readonly note: string
  readonly rows: Readonly<Record<string, BaselineRow>>
}

/** Smaller changes than this are never told from noise. */
export const TOLERANCE_MIN = 0.1
const SPREADS = 1.5

export function toleranceOf({ spread }: BaselineRow): number {
  return Math.max(TOLERANCE_MIN, SPREADS * spread)
}

export const Verdict = { Same: 'same', Better: 'better', Worse: 'worse', New: 'new' } as const
export type Verdict = (typeof Verdict)[keyof typeof Verdict]

export interface Comparison {
  readonly verdict: Verdict
  /** 0.1: a tenth more than the baseline; null: the baseline does not know the row. */
  readonly change: number | null
  readonly tolerance: number | null
}

export function compare(figure: number, row: BaselineRow | undefined): Comparison {
  if (row === undefined) return { verdict: Verdict.New, change: null, tolerance: null }
  const change = figure / row.figure - 1
  const tolerance = toleranceOf(row)
  const verdict = change > tolerance ? Verdict.Worse : change < -tolerance ? Verdict.Better : Verdict.Same
  return { verdict, change, tolerance }
}

/** `figures`: of each run, not empty. */
export function baselineRow(figures: readonly number[]): BaselineRow {
  const figure = median(figures)
  const spread = (Math.max(...figures) - Math.min(...figures)) / figure
  return { figure: Number(figure.toPrecision(4)), spread: Number(spread.toFixed(3)) }
}

export function describeComparison({ verdict, change, tolerance }: Comparison): string {
  if (change === null || tolerance === null) return 'not in the baseline'
  const sign = change >= 0 ? '+' : '−'
  const percent = `${sign}${Math.abs(change * 100).toFixed(0)} % (±${(tolerance * 100).toFixed(0)} %)`
  if (verdict === Verdict.Worse) return `${percent} REGRESSION`
  return verdict === Verdict.Better ? `${percent} better` : percent
}

/** Of values that are not empty. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] as number) + (sorted[Math.ceil(middle)] as number)) / 2
}
