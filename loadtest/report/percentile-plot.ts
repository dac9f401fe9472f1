/** Latency by percentile: each further nine takes the same room, as HdrHistogram plots it. */
import { decodeHistogram, percentileMs } from '../measure/histogram.js'
import type { Histogram } from '../measure/histogram.js'
import type { SeriesOutcome } from '../outcome.js'
import { digits } from '../format.js'
import { drawPlot, legend, MARGIN } from './plot.js'
import { linearScale, logScale, percentilePoints, percentileScale } from './scale.js'
import { element, escape, path, text } from './svg.js'

const WIDTH = 1_000
const HEIGHT = 340
/** What is worth a dot and a number on the line of the first series. */
const MARKED = [50, 90, 99, 99.9, 99.99] as const
/** From this ratio of the longest to the median on, a linear axis shows the tail only. */
const LOG_FROM_RATIO = 25
const LINES = ['line-a', 'line-b', 'line-c'] as const

/** Openings before the load are another thing than the load: they are plotted where they are the load. */
function isPlotted(series: SeriesOutcome, n: number): boolean {
  return n === 0 || series.name !== 'connect'
}

export function percentilePlot(series: readonly SeriesOutcome[]): string {
  const lines = series.filter(isPlotted).slice(0, LINES.length)
  const first = lines[0]
  if (first === undefined) return ''
  const histograms = lines.map(({ histogram }) => decodeHistogram(histogram))
  const count = Math.max(...lines.map((one) => one.count))
  const max = Math.max(...histograms.map((histogram) => percentileMs(histogram, 100)))
  const median = percentileMs(histograms[0] as Histogram, 50)
  const isLog = median > 0 && max / median > LOG_FROM_RATIO
  const [left, right, top, bottom] = [MARGIN.left, WIDTH - MARGIN.right, MARGIN.top, HEIGHT - MARGIN.bottom]
  const least = Math.min(...histograms.map((histogram) => percentileMs(histogram, 0)))
  const x = percentileScale(count, left, right)
  const y = isLog ? logScale(Math.max(least, 0.001), max, bottom, top) : linearScale(max, bottom, top)
  const place = (histogram: Histogram, percentile: number): [number, number] => [
    x.at(percentile),
    y.at(percentileMs(histogram, percentile)),
  ]
  const marks = histograms.map((histogram, n) => {
    const points = percentilePoints(histogram.totalCount).map((percentile) => place(histogram, percentile))
    const [lastX] = points.at(-1) ?? [left]
    const longest = y.at(percentileMs(histogram, 100))
    return element('path', { class: LINES[n] ?? '', d: path([...points, [lastX, longest]]) })
  })
  const main = histograms[0] as Histogram
  for (const percentile of MARKED) {
    if ((1 - percentile / 100) * main.totalCount < 1 - 1e-9) continue
    marks.push(dot(...place(main, percentile), `p${String(percentile)}`, percentileMs(main, percentile)))
  }
  const plot = drawPlot({
    width: WIDTH,
    height: HEIGHT,
    title: 'Latency in milliseconds by percentile',
    x,
    y,
    xLabel: (percentile) => `${String(percentile)} %`,
    yLabel: (ms) => `${String(ms)} ms`,
    marks,
  })
  const entries = lines.map(({ title }, n) => ({ line: LINES[n] ?? '', name: title }))
  return legend(entries) + plot
}

/** A dot on the line with its value. */
function dot(x: number, y: number, name: string, valueMs: number): string {
  // The line rises: there is room to the left above it, but not where the axis is.
  const isAtAxis = x < MARGIN.left + 70
  const place = isAtAxis ? { x, anchor: 'middle' } : { x: x - 7, anchor: 'end' }
  const label = text(place.x, y - 10, `${digits(valueMs)} ms`, { class: 'value', 'text-anchor': place.anchor })
  const circle = element(
    'circle',
    { class: 'dot', cx: x, cy: y, r: 3.5 },
    `<title>${escape(`${name}: ${digits(valueMs)} ms`)}</title>`,
  )
  return label + circle
}
