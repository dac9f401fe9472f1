/** Worst lateness of this thread's event loop, per second. */
const SAMPLE_MS = 50
const WINDOW_SAMPLES = 20

export class LoopLag {
  readonly #timer: NodeJS.Timeout
  #dueMs = performance.now() + SAMPLE_MS
  #worstMs = 0
  #samples = 0
  /** Of the last full second, milliseconds. */
  worstMs = 0

  constructor() {
    this.#timer = setInterval(() => {
      this.#sample()
    }, SAMPLE_MS)
    this.#timer.unref()
  }

  #sample(): void {
    const nowMs = performance.now()
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#dueMs)
    this.#dueMs = nowMs + SAMPLE_MS
    if (++this.#samples < WINDOW_SAMPLES) return
    this.worstMs = Math.max(0, Math.round(this.#worstMs))
    this.#worstMs = 0
    this.#samples = 0
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
