/** Sends by a schedule: woken by the metronome, it sends whatever is due. */
import type { Clock } from '../measure/clock.js'
import type { Schedule } from '../measure/schedule.js'

/** The clocks of two threads may differ by so much: a beat must not find that its own send is not due yet. */
const CLOCKS_DIFFER_MS = 0.01

export interface PacerOptions {
  readonly schedule: Schedule
  readonly clock: Clock
  send(n: number, intendedMs: number): void
  /** Everything has been sent. */
  handleDone(): void
}

export class Pacer {
  readonly #options: PacerOptions
  #sent = 0
  #done = false

  constructor(options: PacerOptions) {
    this.#options = options
  }

  get sent(): number {
    return this.#sent
  }

  wake(): void {
    const { schedule, clock, send, handleDone } = this.#options
    if (this.#done) return
    const due = schedule.dueBy(clock.nowMs() + CLOCKS_DIFFER_MS)
    while (this.#sent < due) {
      const n = this.#sent
      this.#sent += 1
      send(n, schedule.intendedMs(n))
    }
    if (this.#sent < schedule.total) return
    this.#done = true
    handleDone()
  }

  cut(endMs: number): void {
    this.#options.schedule.endAt(endMs)
    this.wake()
  }
}
