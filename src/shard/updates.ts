/** The shard's sessions that wait to ask their backend again: one batch at a time, with pauses in between. */
import type { Clock } from '../base/clock.js'
import { DeadlineEntry, type Deadlines, NO_DEADLINE } from '../base/deadlines.js'
import { UPDATE_BATCH_MS } from '../base/limits.js'
import { UpdateQueue } from '../grip/update-queue.js'

export interface UpdatedSession {
  /** Its turn has come. It is no longer in the queue. Must not throw. */
  handleUpdateDue(): void
}

export class Updates extends DeadlineEntry {
  readonly #queue = new UpdateQueue<UpdatedSession>()
  readonly #deadlines: Deadlines
  readonly #clock: Clock

  constructor(deadlines: Deadlines, clock: Clock) {
    super()
    this.#deadlines = deadlines
    this.#clock = clock
  }

  /** `key`: sessions that will ask the same thing share it, so that they ask together; `isShared`: by one request. */
  add(session: UpdatedSession, key: string, isShared = false): void {
    this.#queue.add(session, key, isShared)
    if (this.deadlineMs === NO_DEADLINE) this.#deadlines.set(this, this.#clock.nowMs() + UPDATE_BATCH_MS)
  }

  delete(session: UpdatedSession): void {
    this.#queue.delete(session)
  }

  override handleDeadline(nowMs: number): void {
    const batch = this.#queue.take()
    if (batch === null) return
    // Also when nothing is left: what comes next keeps its distance from this batch.
    this.#deadlines.set(this, nowMs + UPDATE_BATCH_MS)
    for (const session of batch) session.handleUpdateDue()
  }
}
