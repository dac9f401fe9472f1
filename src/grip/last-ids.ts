/**
 * The id of the item published last to each channel somebody holds (reference: recorded last-ids).
 *
 * Above half of its capacity the table is kept in the order of setting, and what was set longest ago makes room. Below
 * it the order does not matter, and an id is replaced in its place: moving entries in a Map leaves holes behind, and
 * closing those of a large table stops the loop for long.
 */
import { LAST_IDS_MAX } from '../base/limits.js'

export class LastIds {
  /** Ids forgotten because there were too many channels. */
  evicted = 0
  readonly #max: number
  readonly #ids = new Map<string, string>()

  constructor(max: number = LAST_IDS_MAX) {
    this.#max = max
  }

  get size(): number {
    return this.#ids.size
  }

  /** null: none is known. */
  get(channel: string): string | null {
    return this.#ids.get(channel) ?? null
  }

  set(channel: string, id: string): void {
    const ids = this.#ids
    if (ids.size > this.#max / 2) ids.delete(channel)
    if (ids.size >= this.#max && !ids.has(channel)) {
      ids.delete(ids.keys().next().value as string)
      this.evicted++
    }
    ids.set(channel, id)
  }

  delete(channel: string): void {
    this.#ids.delete(channel)
  }

  clear(): void {
    this.#ids.clear()
  }
}
