/**
 * HTTP sessions that are to ask their backend again soon, in batches of the same key (reference: retry mechanics).
 *
 * Keys take turns. A session is in the queue once.
 */
import { UPDATES_PER_BATCH_MAX } from '../base/limits.js'

export class UpdateQueue<Session> {
  /** By key, in the order of their turns. No list is empty; batches may be. */
  readonly #batches = new Map<string, Set<Session>[]>()
  readonly #batchOf = new Map<Session, Set<Session>>()

  get size(): number {
    return this.#batchOf.size
  }

  /** `isShared`: sessions of this key make one request together, so there can be any number of them in a batch. */
  add(session: Session, key: string, isShared = false): void {
    if (this.#batchOf.has(session)) return
    const batches = this.#batches.get(key) ?? []
    let batch = batches.at(-1)
    if (batch === undefined || (batch.size >= UPDATES_PER_BATCH_MAX && !isShared)) {
      batch = new Set()
      batches.push(batch)
    }
    this.#batches.set(key, batches)
    batch.add(session)
    this.#batchOf.set(session, batch)
  }

  delete(session: Session): void {
    this.#batchOf.get(session)?.delete(session)
    this.#batchOf.delete(session)
  }

  /** The next batch that has somebody in it, taken out; null: the queue is empty. */
  take(): ReadonlySet<Session> | null {
    for (const [key, batches] of this.#batches) {
      // The key goes to the end: it has had its turn.
      this.#batches.delete(key)
      const batch = batches.shift() as Set<Session>
      if (batches.length > 0) this.#batches.set(key, batches)
      if (batch.size === 0) continue
      for (const session of batch) this.#batchOf.delete(session)
      return batch
    }
    return null
  }
}
