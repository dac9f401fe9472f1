/**
 * Deadlines: one timer for everything that waits.
 *
 * A hashed timer wheel. An entry sits in the slot of its deadline; a tick walks one slot. Setting, moving and
 * clearing are O(1) and allocate nothing (entries are linked through themselves), so a million idle sessions cost
 * one interval timer. A deadline fires on the first tick at or after its time: up to TICK_MS late, never early.
 *
 * Invariant: an entry is linked in exactly one slot iff entry.deadlineMs !== NO_DEADLINE.
 */
import { assert } from './assert.js'

export const TICK_MS = 50
/** 1024 slots of 50 ms: one turn of the wheel takes 51 s, so most deadlines are met on the first or second pass. */
const SLOTS = 1024

export const NO_DEADLINE = Number.POSITIVE_INFINITY

/** Base class of what can wait. Subclasses say what happens when the time has come. */
export abstract class DeadlineEntry {
  /** On the clock of the wheel, or NO_DEADLINE. Read-only outside this file. */
  deadlineMs: number = NO_DEADLINE
  /** @internal */ nextEntry: DeadlineEntry | null = null
  /** @internal */ previousEntry: DeadlineEntry | null = null

  /** Called once when the deadline has passed; the entry is no longer set and may be set again. Must not throw. */
  abstract handleDeadline(nowMs: number): void
}

class Slot extends DeadlineEntry {
  constructor() {
    super()
    this.nextEntry = this
    this.previousEntry = this
  }
  override handleDeadline(): void {
    assert(false, 'a slot is not an entry')
  }
}

export class Deadlines {
  readonly #slots: Slot[] = Array.from({ length: SLOTS }, () => new Slot())
  #tick: number
  #count = 0
  #nowMs: number

  constructor(nowMs: number) {
    this.#nowMs = nowMs
    this.#tick = Math.floor(nowMs / TICK_MS)
  }

  /**
   * The time of the last tick: as a rule no more than TICK_MS ago. For what is seen to move all the time, where asking
   * the clock (40 ns) would be dearer than everything else about it.
   */
  get tickedMs(): number {
    return this.#nowMs
  }

  /** Entries that are set. */
  get count(): number {
    return this.#count
  }

  /** Sets or moves the deadline of `entry`. */
  set(entry: DeadlineEntry, deadlineMs: number): void {
    if (entry.deadlineMs === deadlineMs) return
    if (entry.deadlineMs !== NO_DEADLINE) this.clear(entry)
    if (deadlineMs === NO_DEADLINE) return
    entry.deadlineMs = deadlineMs
    const tick = Math.max(Math.ceil(deadlineMs / TICK_MS), this.#tick + 1)
    const slot = this.#slots[tick % SLOTS] as Slot
    const last = slot.previousEntry as DeadlineEntry
    last.nextEntry = entry
    entry.previousEntry = last
    entry.nextEntry = slot
    slot.previousEntry = entry
    this.#count++
  }

  clear(entry: DeadlineEntry): void {
    if (entry.deadlineMs === NO_DEADLINE) return
    const previous = entry.previousEntry as DeadlineEntry
    const next = entry.nextEntry as DeadlineEntry
    previous.nextEntry = next
    next.previousEntry = previous
    entry.previousEntry = null
    entry.nextEntry = null
    entry.deadlineMs = NO_DEADLINE
    this.#count--
  }

  /** Fires everything that is due at `nowMs`. Handlers may set and clear any entry. */
  advance(nowMs: number): void {
    this.#nowMs = nowMs
    const target = Math.floor(nowMs / TICK_MS)
    // After a long pause every slot is due once; walking more than one turn would visit them again for nothing.
    if (target - this.#tick > SLOTS) this.#tick = target - SLOTS
    while (this.#tick < target) {
      this.#tick++
      this.#fireSlot(this.#slots[this.#tick % SLOTS] as Slot, nowMs)
    }
  }

  #fireSlot(slot: Slot, nowMs: number): void {
    // Due entries are cut off into a list of their own first: a handler may clear a neighbour, or set one anew
    // into this very slot, and neither may derail the walk.
    const due = new Slot()
    let entry = slot.nextEntry as DeadlineEntry
    while (entry !== slot) {
      const next = entry.nextEntry as DeadlineEntry
      if (entry.deadlineMs <= nowMs) {
        const previous = entry.previousEntry as DeadlineEntry
        previous.nextEntry = next
        next.previousEntry = previous
        const last = due.previousEntry as DeadlineEntry
        last.nextEntry = entry
        entry.previousEntry = last
        entry.nextEntry = due
        due.previousEntry = entry
      }
      entry = next
    }
    while (due.nextEntry !== due) {
      const first = due.nextEntry as DeadlineEntry
      this.clear(first)
      first.handleDeadline(nowMs)
    }
  }
}
