/** A straight line through points, by least squares: what a thing costs at all, and what each further one adds. */

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
  const mean = (value: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + value(point), 0) / points.length
  const x = mean((point) => point.x)
  const y = mean((point) => point.y)
  const spread = mean((point) => (point.x - x) ** 2)
  if (!(spread > 0)) throw new Error('a line wants two points with different x')
  const each = mean((point) => (point.x - x) * (point.y - y)) / spread
  const base = y - each * x
  return { base, each, residual: Math.max(...points.map((point) => Math.abs(point.y - base - each * point.x))) }
}
