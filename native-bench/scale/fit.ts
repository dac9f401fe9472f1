/**
 * A straight line through points: what a thing costs at all, and what each further one adds.
 *
 * By the median of the slopes between all pairs of points (Theil–Sen): memory is off upwards only, where garbage has not
 * been collected yet, and one such point must not turn the line.
 */
import { median } from '../statistics.js'

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Line {
  readonly base: number
  readonly each: number
  /** The largest distance of a point from the line, in the unit of y. */
  readonly residual: number
}

/** Two points or more with different x. */
export function fitLine(points: readonly Point[]): Line {
  const slopes: number[] = []
  for (const [at, a] of points.entries()) {
    for (const b of points.slice(at + 1)) if (a.x !== b.x) slopes.push((b.y - a.y) / (b.x - a.x))
  }
  if (slopes.length === 0) throw new Error('a line wants two points with different x')
  const each = median(slopes)
  const base = median(points.map(({ x, y }) => y - each * x))
  return { base, each, residual: Math.max(...points.map((point) => Math.abs(point.y - base - each * point.x))) }
}
