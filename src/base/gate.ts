/** Lets so many run at a time; further ones wait in line for their turn, up to a limit. */
import { assert } from './assert.js'

/** So many turns that are over stay in the list of those who wait before it is shortened. */
const TAKEN_MAX = 1000

export class Gate {
  readonly #runningMax: number
  readonly #waitingMax: number
  #running = 0
  #line: (() => void)[] = []
  /** Place of the next in line; those before it have had their turn. */
  #next = 0

  constructor(runningMax: number, waitingMax: number) {
    this.#runningMax = runningMax
    this.#waitingMax = waitingMax
  }

  get waiting(): number {
    return this.#line.length - this.#next
  }

  /** Calls `run`, at once or when its turn comes; leave() is to follow when what it began is over. False: too many wait. */
  enter(run: () => void): boolean {
    if (this.#running < this.#runningMax) {
      this.#running++
      run()
      return true
    }
    if (this.waiting >= this.#waitingMax) return false
    this.#line.push(run)
    return true
  }

  leave(): void {
    assert(this.#running > 0, 'whoever leaves has entered')
    const run = this.#line[this.#next]
    if (run === undefined) {
      this.#running--
      return
    }
    this.#next++
    if (this.#next === this.#line.length || this.#next >= TAKEN_MAX) {
      this.#line = this.#line.slice(this.#next)
      this.#next = 0
    }
    run()
  }
}
