/** The deadlines of the main thread: one timer for all of them, as in each shard. */
import type { Clock } from '../base/clock.js'
import { Deadlines, TICK_MS } from '../base/deadlines.js'
import type { Log } from '../base/log.js'

export class MainTimers {
  readonly deadlines: Deadlines
  readonly #timer: NodeJS.Timeout

  constructor(clock: Clock, log: Pick<Log, 'error'>) {
    this.deadlines = new Deadlines(clock.nowMs())
    this.#timer = setInterval(() => {
      try {
        this.deadlines.advance(clock.nowMs())
      } catch (error) {
        log.error({ err: error }, 'deadline handler failed')
      }
    }, TICK_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
