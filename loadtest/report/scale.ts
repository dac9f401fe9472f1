/** From values to places on a plot, and the values worth a line. */

export interface Scale {
  /** Place of a value. */
  at(value: number): number
  readonly ticks: readonly number[]
}

/** From `from` (for 0) to `to` (for a nice value at or above `max`). */
export function linearScale(max: number, from: number, to: number, tickCount = 5): Scale {
  const step = niceStep((max > 0 ? max : 1) / tickCount)
  const steps = Math.ceil((max > 0 ? max : 1) / step - 1e-9)
  const top = steps * step
  const ticks = Array.from({ length: steps + 1 }, (_, n) => round(n * step))
  return { at: (value) => from + (value / top) * (to - from), ticks }
}

/** From 0 to exactly `max`, with nice ticks up to it. */
export function exactScale(max: number, from: number, to: number, tickCount: number): Scale {
  const { ticks } = linearScale(max, from, to, tickCount)
  return {
    at: (value) => from + (value / (max > 0 ? max : 1)) * (to - from),
    ticks: ticks.filter((tick) => tick <= max),
  }
}

/** 1, 2 or 5 times a power of ten, at or above `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  const factor = [1, 2, 5, 10].find((factor) => factor * power >= least * 0.999_999) ?? 10
  return factor * power
}

/** Multiplying steps leaves traces such as 0.30000000000000004. */
function round(value: number): number {
  return Number(value.toPrecision(12))
}

/** From a 1, 2 or 5 times a power of ten at or below `min` to one at or above `max`; both above 0. */
export function logScale(min: number, max: number, from: number, to: number): Scale {
  const steps: number[] = []
  const decade = Math.floor(Math.log10(min) - 1e-9)
  for (let power = decade; power <= Math.ceil(Math.log10(max)) + 1; power += 1) {
    for (const factor of [1, 2, 5]) steps.push(round(factor * 10 ** power))
  }
  const first = steps.findLastIndex((step) => step <= min)
  const last = steps.findIndex((step) => step >= max)
  const ticks = steps.slice(Math.max(0, first), Math.max(last, first + 1) + 1)
  const bottom = Math.log10(ticks[0] as number)
  const span = Math.log10(ticks.at(-1) as number) - bottom
  return { at: (value) => from + Math.max(0, (Math.log10(value) - bottom) / span) * (to - from), ticks }
}

/**
 * Percentiles as HdrHistogram plots them: each further nine takes the same room. `count`: how many values there are; the last
 * of them stands at the right end.
 */
export function percentileScale(count: number, from: number, to: number): Scale {
  const nines = Math.max(1, Math.log10(Math.max(count, 1)))
  const at = (percentile: number): number => {
    const left = Math.max(1 - percentile / 100, 10 ** -nines)
    return from + (-Math.log10(left) / nines) * (to - from)
  }
  const ticks = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999, 99.99999].filter(
    (p) => -Math.log10(1 - p / 100) <= nines + 1e-9,
  )
  return { at, ticks }
}

/** Percentiles to draw a line through, dense enough on the scale above, up to the last of `count` values. */
export function percentilePoints(count: number): number[] {
  const points: number[] = []
  for (let n = 0; 2 ** (-n / 8) * count > 1; n += 1) points.push(100 * (1 - 2 ** (-n / 8)))
  return [...points, 100 * (1 - 1 / Math.max(1, count))]
}
