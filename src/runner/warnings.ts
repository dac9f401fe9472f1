/** Warnings about what comes in at a door: the first at once, then one a second, with the number of those left out. */
import type { Log } from '../base/log.js'

/** One warning per door in this time; what comes in between is counted. */
const WARN_INTERVAL_MS = 1000

export class Warnings {
  readonly #door: string
  readonly #outcome: string
  readonly #log: Pick<Log, 'warn'>
  #timer: NodeJS.Timeout | null = null
  #leftOut = 0
  #lastReason = ''

  /** `outcome`: what becomes of a bad message, in one word. */
  constructor(door: string, outcome: string, log: Pick<Log, 'warn'>) {
    this.#door = door
    this.#outcome = outcome
    this.#log = log
  }

  warn(reason: string): void {
    if (this.#timer !== null) {
      this.#leftOut++
      this.#lastReason = reason
      return
    }
    this.#log.warn(`${this.#door}: ${reason}, ${this.#outcome}`)
    this.#timer = setTimeout(() => this.#tell(), WARN_INTERVAL_MS)
    this.#timer.unref()
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#tell()
  }

  #tell(): void {
    this.#timer = null
    if (this.#leftOut === 0) return
    const leftOut = this.#leftOut
    this.#leftOut = 0
    if (leftOut === 1) this.#log.warn(`${this.#door}: ${this.#lastReason}, ${this.#outcome}`)
    else
      this.#log.warn(`${this.#door}: ${leftOut} more bad messages, ${this.#outcome}; the last one: ${this.#lastReason}`)
  }
}
