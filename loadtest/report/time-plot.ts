/** Throughput and latency over time, a point per second. */
import type { Second } from '../measure/timeline.js'
import { digits, shortLabels } from '../format.js'
import { drawPlot, legend, MARGIN } from './plot.js'
import { exactScale, linearScale, logScale } from './scale.js'
import { element, escape, path } from './svg.js'

const WIDTH = 500
const HEIGHT = 260
/** More points than this are not seen. */
const POINTS_MAX = 300
const LOG_FROM_RATIO = 50

/** One point of the plots: a second, or several of a long run. */
export interface Point {
  /** The middle of it, seconds. */
  readonly at: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** `measuredSeconds`: the last second may be a part of one. */
export function pointsOf(seconds: readonly Second[], measuredSeconds: number): Point[] {
  const size = Math.max(1, Math.ceil(seconds.length / POINTS_MAX))
  const points: Point[] = []
  for (let start = 0; start < seconds.length; start += size) {
    const group = seconds.slice(start, start + size)
    const length = Math.min(size, measuredSeconds - start, group.length)
    const filled = group.filter(({ count }) => count > 0)
    const count = group.reduce((sum, second) => sum + second.count, 0)
    points.push({
      at: start + length / 2,
      perSecond: length <= 0 ? 0 : count / length,
      p50Ms: filled.reduce((sum, { p50Ms }) => sum + p50Ms, 0) / Math.max(1, filled.length),
      p99Ms: Math.max(0, ...filled.map(({ p99Ms }) => p99Ms)),
      maxMs: Math.max(0, ...filled.map(({ maxMs }) => maxMs)),
    })
  }
  return points
}

export function throughputPlot(points: readonly Point[], measuredSeconds: number, unit: string): string {
  const bottom = HEIGHT - MARGIN.bottom
  const x = exactScale(measuredSeconds, MARGIN.left, WIDTH - MARGIN.right, 5)
  const y = linearScale(Math.max(...points.map(({ perSecond }) => perSecond)), bottom, MARGIN.top, 4)
  const line = points.map(({ at, perSecond }): [number, number] => [x.at(at), y.at(perSecond)])
  const [first, last] = [line[0], line.at(-1)]
  if (first === undefined || last === undefined) return ''
  const area = `${path(line)}L${String(last[0])} ${String(bottom)}L${String(first[0])} ${String(bottom)}Z`
  const marks = [
    element('path', { class: 'area', d: area }),
    element('path', { class: 'line-a', d: path(line) }),
    ...hovers(points, x.at, (point) => `${digits(point.perSecond)} ${unit}/s`),
  ]
  const title = `${unit} per second over time`
  const plot = { width: WIDTH, height: HEIGHT, title, x, y, xLabel: secondsLabel, yLabel: shortLabels(y.ticks), marks }
  return legend([{ line: 'line-a', name: `${unit} per second` }]) + drawPlot(plot)
}

export function latencyPlot(points: readonly Point[], measuredSeconds: number): string {
  const bottom = HEIGHT - MARGIN.bottom
  const filled = points.filter(({ maxMs }) => maxMs > 0)
  if (filled.length === 0) return ''
  const max = Math.max(...filled.map(({ maxMs }) => maxMs))
  const least = Math.min(...filled.map(({ p50Ms }) => p50Ms))
  const x = exactScale(measuredSeconds, MARGIN.left, WIDTH - MARGIN.right, 5)
  const isLog = least > 0 && max / least > LOG_FROM_RATIO
  const y = isLog ? logScale(Math.max(least, 0.001), max, bottom, MARGIN.top) : linearScale(max, bottom, MARGIN.top)
  const line = (value: (point: Point) => number): string =>
    path(filled.map((point): [number, number] => [x.at(point.at), y.at(value(point))]))
  const marks = [
    ...filled.map(({ at, maxMs }) => element('circle', { class: 'speck', cx: x.at(at), cy: y.at(maxMs), r: 2 })),
    element('path', { class: 'line-b', d: line(({ p99Ms }) => p99Ms) }),
    element('path', { class: 'line-a', d: line(({ p50Ms }) => p50Ms) }),
    ...hovers(filled, x.at, ({ p50Ms, p99Ms, maxMs }) => {
      return `p50 ${digits(p50Ms)} ms, p99 ${digits(p99Ms)} ms, max ${digits(maxMs)} ms`
    }),
  ]
  const yLabel = (ms: number): string => `${String(ms)} ms`
  const title = 'Latency in milliseconds over time'
  const entries = [
    { line: 'line-a', name: 'p50' },
    { line: 'line-b', name: 'p99' },
    { line: 'speck', name: 'max' },
  ]
  return legend(entries) + drawPlot({ width: WIDTH, height: HEIGHT, title, x, y, xLabel: secondsLabel, yLabel, marks })
}

function secondsLabel(seconds: number): string {
  return `${String(seconds)} s`
}

/** A column over each point that shows its values when the pointer rests on it. */
function hovers(
  points: readonly Point[],
  at: (seconds: number) => number,
  describe: (point: Point) => string,
): string[] {
  return points.map((point, n) => {
    const before = points[n - 1]?.at ?? point.at - 0.5
    const after = points[n + 1]?.at ?? point.at + 0.5
    const [from, to] = [at((before + point.at) / 2), at((point.at + after) / 2)]
    const box = {
      class: 'hover',
      x: from,
      y: MARGIN.top,
      width: to - from,
      height: HEIGHT - MARGIN.bottom - MARGIN.top,
    }
    return element('rect', box, `<title>${escape(`${digits(point.at)} s: ${describe(point)}`)}</title>`)
  })
}
