import { describe, expect, test } from 'vitest'
import { baselineRow, compare, describeComparison, TOLERANCE_MIN, toleranceOf, Verdict } from './baseline.js'

describe('taking a baseline', () => {
  test('median and spread of several runs', () => {
    expect(baselineRow([3, 1, 2])).toEqual({ figure: 2, spread: 1 })
    expect(baselineRow([10, 11])).toEqual({ figure: 10.5, spread: 0.095 })
    expect(baselineRow([7])).toEqual({ figure: 7, spread: 0 })
  })

  test('every run that it was taken from is within its tolerance', () => {
    for (const figures of [
      [8, 9, 10, 11, 12],
      [1, 1, 1.4],
      [5.1, 4.9, 5],
    ]) {
      const row = baselineRow(figures)
      for (const figure of figures) expect(compare(figure, row).verdict).toBe(Verdict.Same)
    }
  })

  test('runs that agree do not make noise of every change', () => {
    expect(toleranceOf({ figure: 1, spread: 0.001 })).toBe(TOLERANCE_MIN)
    expect(toleranceOf({ figure: 1, spread: 0.2 })).toBeCloseTo(0.3, 9)
  })
})

describe('comparing', () => {
  const row = { figure: 10, spread: 0.1 }

  test.each([
    [10, Verdict.Same, '+0 % (±15 %)'],
    [11.4, Verdict.Same, '+14 % (±15 %)'],
    [11.6, Verdict.Worse, '+16 % (±15 %) REGRESSION'],
    [20, Verdict.Worse, '+100 % (±15 %) REGRESSION'],
    [8.6, Verdict.Same, '−14 % (±15 %)'],
    [8, Verdict.Better, '−20 % (±15 %) better'],
  ])('%d against 10', (figure, verdict, text) => {
    const comparison = compare(figure, row)
    expect(comparison.verdict).toBe(verdict)
    expect(describeComparison(comparison)).toBe(text)
  })

  test('a row that the baseline does not know is no regression', () => {
    const comparison = compare(5, undefined)
    expect(comparison.verdict).toBe(Verdict.New)
    expect(describeComparison(comparison)).toBe('not in the baseline')
  })
})
