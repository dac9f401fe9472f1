/** What all plots have in common: a frame with grid lines and labels, and a legend. */
import type { Scale } from './scale.js'
import { element, escape, text } from './svg.js'

export interface Plot {
  readonly width: number
  readonly height: number
  /** Names of the plot for those who do not see it. */
  readonly title: string
  readonly x: Scale
  readonly y: Scale
  xLabel(tick: number): string
  yLabel(tick: number): string
  /** Drawn over the grid. */
  readonly marks: readonly string[]
}

export const MARGIN = { left: 58, right: 16, top: 24, bottom: 30 } as const

/** Labels on the x axis need so much room each. */
const X_LABEL_PX = 44

export function drawPlot({ width, height, title, x, y, xLabel, yLabel, marks }: Plot): string {
  const right = width - MARGIN.right
  const bottom = height - MARGIN.bottom
  const grid = [
    ...y.ticks.flatMap((tick) => [
      element('line', { class: 'grid', x1: MARGIN.left, x2: right, y1: y.at(tick), y2: y.at(tick) }),
      text(MARGIN.left - 8, y.at(tick) + 4, yLabel(tick), { class: 'label', 'text-anchor': 'end' }),
    ]),
    ...thinned(x.ticks, x).flatMap((tick) => [
      element('line', { class: 'grid', x1: x.at(tick), x2: x.at(tick), y1: MARGIN.top, y2: bottom }),
      text(x.at(tick), bottom + 18, xLabel(tick), { class: 'label', 'text-anchor': 'middle' }),
    ]),
  ]
  const content = `<title>${escape(title)}</title>${grid.join('')}${marks.join('')}`
  return element('svg', { viewBox: `0 0 ${String(width)} ${String(height)}`, role: 'img' }, content)
}

/** Without those that would stand on the one before. */
function thinned(ticks: readonly number[], x: Scale): number[] {
  const kept: number[] = []
  for (const tick of ticks) {
    const before = kept.at(-1)
    if (before === undefined || x.at(tick) - x.at(before) >= X_LABEL_PX) kept.push(tick)
  }
  return kept
}

export interface LegendEntry {
  /** Class of the line: its colour. */
  readonly line: string
  readonly name: string
}

export function legend(entries: readonly LegendEntry[]): string {
  const items = entries.map(({ line, name }) => `<li><i class="${escape(line)}"></i>${escape(name)}</li>`)
  return `<ul class="legend">${items.join('')}</ul>`
}
