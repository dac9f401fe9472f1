/** Waiting for events with a deadline: no test waits for a fixed time. */

/** How long a test waits for something that must happen before it fails and says what was missing. */
export const EVENT_DEADLINE_MS = 15_000

export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}

/** Settles as `promise` does, or fails at the deadline with `describe()`, asked only then. */
export async function withDeadline<T>(
  promise: Promise<T>,
  describe: () => string,
  deadlineMs = EVENT_DEADLINE_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new DeadlineError(`not within ${deadlineMs} ms: ${describe()}`))
    }, deadlineMs)
  })
  try {
    return await Promise.race([promise, deadline])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Waiters on a state that changes by events: `changed()` is called after each event, and every waiter whose `take`
 * then gives a value is answered with it.
 */
export class Waiters {
  readonly #waiting = new Set<{ readonly attempt: () => boolean; readonly fail: (error: Error) => void }>()

  /** Asks every waiter again, the oldest first. */
  changed(): void {
    for (const waiter of this.#waiting) if (waiter.attempt()) this.#waiting.delete(waiter)
  }

  /** No event will come any more. */
  fail(error: Error): void {
    for (const waiter of this.#waiting) waiter.fail(error)
    this.#waiting.clear()
  }

  /** The first value other than undefined that `take` gives, now or after an event. An error it throws is passed on. */
  async until<T>(take: () => T | undefined, describe: () => string, deadlineMs = EVENT_DEADLINE_MS): Promise<T> {
    const now = take()
    if (now !== undefined) return now
    let remove = (): void => {}
    const taken = new Promise<T>((resolve, reject) => {
      const waiter = {
        attempt: (): boolean => {
          try {
            const value = take()
            if (value !== undefined) resolve(value)
            return value !== undefined
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)))
            return true
          }
        },
        fail: reject,
      }
      this.#waiting.add(waiter)
      remove = () => this.#waiting.delete(waiter)
    })
    try {
      return await withDeadline(taken, describe, deadlineMs)
    } finally {
      remove()
    }
  }
}

/**
 * Asks again and again until `attempt` gives a value: only for states that announce nothing (a counter behind HTTP, a
 * port of another process).
 */
export async function poll<T>(
  attempt: () => Promise<T | undefined>,
  describe: () => string,
  deadlineMs = EVENT_DEADLINE_MS,
): Promise<T> {
  const giveUpAt = performance.now() + deadlineMs
  for (;;) {
    const value = await attempt()
    if (value !== undefined) return value
    if (performance.now() > giveUpAt) throw new DeadlineError(`not within ${deadlineMs} ms: ${describe()}`)
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
}
