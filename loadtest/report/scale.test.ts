import { describe, expect, test } from 'vitest'
import { exactScale, linearScale, logScale, percentilePoints, percentileScale } from './scale.js'

describe('linear', () => {
  test.each([
    [10, [0, 2, 4, 6, 8, 10]],
    [11, [0, 5, 10, 15]],
    [0.9, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [1_000, [0, 200, 400, 600, 800, 1_000]],
    [0, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [0.003, [0, 0.001, 0.002, 0.003]],
  ])('up to %d', (max, ticks) => {
    expect(linearScale(max, 300, 0).ticks).toEqual(ticks)
  })

  test('places', () => {
    const scale = linearScale(10, 300, 0)
    expect([0, 5, 10].map((value) => scale.at(value))).toEqual([300, 150, 0])
  })
})

test('exact: the right end is the end of the run', () => {
  const scale = exactScale(11.5, 0, 230, 6)
  expect(scale.ticks).toEqual([0, 2, 4, 6, 8, 10])
  expect(scale.at(11.5)).toBe(230)
})

describe('logarithmic', () => {
  test.each([
    [0.4, 150, [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200]],
    [1, 100, [1, 2, 5, 10, 20, 50, 100]],
    [3, 3, [2, 5]],
    [5, 5, [5, 10]],
    [0.001, 0.009, [0.001, 0.002, 0.005, 0.01]],
  ])('from %d to %d', (min, max, ticks) => {
    const scale = logScale(min, max, 300, 0)
    expect(scale.ticks).toEqual(ticks)
    expect(scale.at(ticks[0] as number)).toBe(300)
    expect(scale.at(ticks.at(-1) as number)).toBeCloseTo(0, 9)
  })

  test('what is below stands at the bottom', () => {
    expect(logScale(1, 100, 300, 0).at(0)).toBe(300)
  })
})

describe('percentiles', () => {
  test('each nine takes the same room', () => {
    const scale = percentileScale(10_000, 0, 400)
    expect(scale.ticks).toEqual([0, 50, 90, 99, 99.9, 99.99])
    for (const [percentile, place] of [
      [0, 0],
      [90, 100],
      [99, 200],
      [99.9, 300],
      [99.99, 400],
      [100, 400],
    ] as const) {
      expect(scale.at(percentile)).toBeCloseTo(place, 6)
    }
  })

  test('points reach to the last value and not beyond it', () => {
    const points = percentilePoints(1_000)
    expect(points[0]).toBe(0)
    expect(points.at(-1)).toBeCloseTo(99.9, 9)
    expect(percentileScale(1_000, 0, 300).at(points.at(-1) ?? 0)).toBeCloseTo(300, 6)
    expect([...points].sort((a, b) => a - b)).toEqual(points)
  })

  test('a single value', () => {
    expect(percentilePoints(1)).toEqual([0])
    expect(percentileScale(1, 0, 100).at(100)).toBe(100)
  })
})
