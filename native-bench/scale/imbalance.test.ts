import { describe, expect, it } from 'vitest'
import { byShard, imbalanceOf } from './imbalance.js'

describe('the spread over shards', () => {
  it('is the fullest shard against the mean', () => {
    expect(imbalanceOf([110, 90]).measured).toBeCloseTo(0.1)
  })

  it('knows what chance alone gives', () => {
    // Half of 10,000, standard deviation 50.
    expect(imbalanceOf([5_000, 5_000]).random).toBeCloseTo(0.01)
  })

  it('wants connections', () => {
    expect(() => imbalanceOf([0, 0])).toThrow('nothing is connected')
  })

  it('is read from the metrics', () => {
    const text = 'a{shard="1"} 7\nb{shard="0"} 3\na{shard="0"} 1e+3\na_total 9\n'
    expect(byShard(text, 'a')).toEqual([1_000, 7])
  })
})
