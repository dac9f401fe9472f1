import { describe, expect, it } from 'vitest'
import { fitLine } from './fit.js'

describe('a fitted line', () => {
  it('goes through points that lie on one', () => {
    const { base, each, residual } = fitLine([1, 2, 5].map((x) => ({ x, y: 10 + 3 * x })))
    expect(base).toBeCloseTo(10)
    expect(each).toBeCloseTo(3)
    expect(residual).toBeCloseTo(0)
  })

  it('says how far the points are from it', () => {
    const line = fitLine([
      { x: 0, y: 0 },
      { x: 1, y: 2 },
      { x: 2, y: 0 },
    ])
    expect(line).toEqual({ base: 0, each: 0, residual: 2 })
  })

  it('is not turned by one point that is off', () => {
    const { base, each, residual } = fitLine(
      [2, 4, 8, 12, 16].map((x) => ({ x, y: 100 + 3 * x + (x === 16 ? 40 : 0) })),
    )
    expect(base).toBeCloseTo(100)
    expect(each).toBeCloseTo(3)
    expect(residual).toBeCloseTo(40)
  })

  it('wants two different places', () => {
    expect(() => fitLine([{ x: 1, y: 1 }])).toThrow('two points')
  })
})
