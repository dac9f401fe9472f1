import { describe, expect, it } from 'vitest'
import { DeadlineEntry, Deadlines, NO_DEADLINE, TICK_MS } from './deadlines.js'
import { Prng } from './prng.js'

class Entry extends DeadlineEntry {
  readonly fired: number[] = []
  readonly #then: ((entry: Entry, nowMs: number) => void) | undefined
  constructor(then?: (entry: Entry, nowMs: number) => void) {
    super()
    this.#then = then
  }
  override handleDeadline(nowMs: number): void {
    this.fired.push(nowMs)
    this.#then?.(this, nowMs)
  }
}

describe('deadlines', () => {
  it('fires once, at the first tick at or after the deadline', () => {
    const deadlines = new Deadlines(0)
    const entry = new Entry()
    deadlines.set(entry, 120)
    deadlines.advance(119)
    expect(entry.fired).toEqual([])
    deadlines.advance(150)
    deadlines.advance(1000)
    expect(entry.fired).toEqual([150])
    expect(entry.deadlineMs).toBe(NO_DEADLINE)
    expect(deadlines.count).toBe(0)
  })

  it('moves and clears', () => {
    const deadlines = new Deadlines(0)
    const moved = new Entry()
    const cleared = new Entry()
    deadlines.set(moved, 100)
    deadlines.set(cleared, 100)
    deadlines.set(moved, 300)
    deadlines.clear(cleared)
    deadlines.advance(250)
    expect([moved.fired, cleared.fired]).toEqual([[], []])
    deadlines.advance(300)
    expect(moved.fired).toEqual([300])
  })

  it('keeps a deadline that lies more than one turn of the wheel away', () => {
    const deadlines = new Deadlines(0)
    const entry = new Entry()
    deadlines.set(entry, 200_000)
    for (let now = 0; now < 200_000; now += TICK_MS) deadlines.advance(now)
    expect(entry.fired).toEqual([])
    deadlines.advance(200_000)
    expect(entry.fired).toEqual([200_000])
  })

  it('fires what came due while the loop stood still for minutes', () => {
    const deadlines = new Deadlines(0)
    const entries = Array.from({ length: 100 }, () => new Entry())
    for (const [index, entry] of entries.entries()) deadlines.set(entry, (index + 1) * 1000)
    deadlines.advance(600_000)
    expect(entries.every((entry) => entry.fired.length === 1)).toBe(true)
  })

  it('lets a handler set itself again and clear a neighbour that is due too', () => {
    const deadlines = new Deadlines(0)
    const victim = new Entry()
    const first = new Entry((entry, nowMs) => {
      deadlines.clear(victim)
      if (entry.fired.length < 3) deadlines.set(entry, nowMs)
    })
    deadlines.set(first, 100)
    deadlines.set(victim, 100)
    for (let now = 0; now <= 1000; now += TICK_MS) deadlines.advance(now)
    expect(first.fired.length).toBe(3)
    expect(victim.fired).toEqual([])
    expect(deadlines.count).toBe(0)
  })

  it('agrees with a plain list under random sets, moves and clears', () => {
    const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000)
    console.log(`deadlines: FUZZ_SEED=${String(seed)}`)
    const prng = new Prng(seed)
    const deadlines = new Deadlines(0)
    const entries = Array.from({ length: 50 }, () => new Entry())
    const model = new Map<Entry, number>()
    for (let step = 0, now = 0; step < 3_000; step++) {
      const entry = prng.pick(entries)
      const choice = prng.below(3)
      if (choice === 0) {
        const due = now + prng.below(120_000)
        deadlines.set(entry, due)
        model.set(entry, due)
      } else if (choice === 1) {
        deadlines.clear(entry)
        model.delete(entry)
      } else {
        now += prng.below(400)
        deadlines.advance(now)
        const passed = Math.floor(now / TICK_MS) * TICK_MS
        for (const [waiting, due] of model) {
          if (due > passed) continue
          // A deadline set into the past of the current tick waits for the next one.
          if (waiting.deadlineMs === NO_DEADLINE) model.delete(waiting)
          else expect(Math.ceil(due / TICK_MS) * TICK_MS).toBeGreaterThanOrEqual(passed)
        }
        for (const candidate of entries) {
          if (candidate.deadlineMs === NO_DEADLINE) expect(model.has(candidate)).toBe(false)
          else expect(model.get(candidate)).toBe(candidate.deadlineMs)
        }
      }
      expect(deadlines.count).toBe(model.size)
    }
  })
})
