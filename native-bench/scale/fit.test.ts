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
    expect(line.each).toBeCloseTo(0)
    expect(line.residual).toBeCloseTo(4 / 3)
  })

  it('wants two different places', () => {
    expect(() => fitLine([{ x: 1, y: 1 }])).toThrow('two points')
  })
})
