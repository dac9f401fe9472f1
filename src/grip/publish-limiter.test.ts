import { describe, expect, it } from 'vitest'
import { PublishLimiter } from './publish-limiter.js'

class Rig {
  readonly made: string[] = []
  readonly gone = new Set<string>()
  readonly limiter: PublishLimiter<string>

  constructor(rate: number, hwm = -1) {
    this.limiter = new PublishLimiter({ rate, hwm }, (delivery) => {
      if (this.gone.has(delivery)) return false
      this.made.push(delivery)
      return true
    })
  }

  /** `a1`, `a2`, … in bucket `a`; how many were taken. */
  fill(key: string, count: number, weight = 1): number {
    let taken = 0
    for (let i = 1; i <= count; i++) if (this.limiter.add(key, `${key}${String(i)}`, weight)) taken++
    return taken
  }

  /** What each of so many batches makes. */
  batches(count: number): string[] {
    return Array.from({ length: count }, () => {
      const before = this.made.length
      const goesOn = this.limiter.run()
      return `${this.made.slice(before).join(' ')}${goesOn ? '' : '.'}`
    })
  }
}

describe('message_rate', () => {
  it.each([
    [2500, 25, 63],
    [40, 25, 1],
    [41, 25, 2],
    [39, 25, 1],
    [10, 100, 1],
    [1, 1000, 1],
    [0.5, 2000, 1],
  ])('%s a second: every %s ms %s', (rate, intervalMs, batch) => {
    const rig = new Rig(rate)
    rig.fill('a', 100)
    expect(rig.limiter.intervalMs).toBe(intervalMs)
    rig.limiter.run()
    expect(rig.made.length).toBe(batch)
  })

  it('runs until a batch has found nothing', () => {
    const rig = new Rig(80)
    rig.fill('a', 3)
    expect(rig.batches(4)).toEqual(['a1 a2', 'a3', '.', '.'])
    rig.fill('a', 1)
    expect(rig.batches(2)).toEqual(['a1', '.'])
  })

  it('goes round the routes, one delivery each, and on where it stopped', () => {
    const rig = new Rig(120)
    rig.fill('a', 4)
    rig.fill('b', 2)
    rig.fill('c', 1)
    expect(rig.batches(4)).toEqual(['a1 b1 c1', 'a2 b2 a3', 'a4', '.'])
  })

  it('does not count deliveries to sessions that are gone', () => {
    const rig = new Rig(80)
    rig.gone.add('a1').add('a2').add('a4')
    rig.fill('a', 5)
    expect(rig.batches(2)).toEqual(['a3 a5', '.'])
  })

  it('lets a heavy delivery pass and its route pay for it in later batches, while others go on', () => {
    const rig = new Rig(80)
    rig.limiter.add('a', 'heavy', 5)
    rig.fill('a', 2)
    rig.fill('b', 4)
    // Three above the batch of two; each turn of `a` pays one off.
    expect(rig.batches(6)).toEqual(['heavy', 'b1', 'b2', 'b3', 'b4 a1', 'a2'])
  })

  it('counts a weight of 0 as one', () => {
    const rig = new Rig(80)
    rig.fill('a', 3, 0)
    expect(rig.batches(2)).toEqual(['a1 a2', 'a3'])
  })
})

describe('message_hwm', () => {
  it('is the weight that may wait for one route', () => {
    const rig = new Rig(40, 3)
    expect([rig.fill('a', 5), rig.fill('b', 2, 2), rig.fill('b', 1, 1)]).toEqual([3, 1, 1])
    rig.batches(2)
    expect([rig.fill('a', 5), rig.fill('b', 5)]).toEqual([1, 2])
  })

  it('keeps the order over many', () => {
    const rig = new Rig(40 * 1000)
    rig.fill('a', 10_000)
    rig.batches(5)
    rig.fill('b', 1)
    rig.batches(10)
    expect(rig.limiter.size).toBe(0)
    expect(rig.made.filter((name) => name.startsWith('a'))).toEqual(
      Array.from({ length: 10_000 }, (_, at) => `a${String(at + 1)}`),
    )
  })
})
