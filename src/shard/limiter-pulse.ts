/** Runs a PublishLimiter: at the end of the turn in which something was added, then in its intervals while something waits. */
import type { PublishLimiter } from '../grip/publish-limiter.js'

export class LimiterPulse {
  readonly #limiter: Pick<PublishLimiter<unknown>, 'intervalMs' | 'run'>
  #timer: NodeJS.Timeout | null = null
  #isScheduled = false
  #isClosed = false

  constructor(limiter: Pick<PublishLimiter<unknown>, 'intervalMs' | 'run'>) {
    this.#limiter = limiter
  }

  /** To be called when something was added. Never runs it at once: callers may be inside a callback of uWebSockets.js. */
  schedule(): void {
    if (this.#isScheduled || this.#isClosed) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#run()
    })
  }

  close(): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #run(): void {
    if (this.#isClosed) return
    this.#isScheduled = this.#limiter.run()
    if (!this.#isScheduled) return
    this.#timer = setTimeout(() => {
      this.#run()
    }, this.#limiter.intervalMs)
  }
}
