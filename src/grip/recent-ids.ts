/**
 * Which (channel, id) pairs were published a short while ago, so that a second copy is dropped
 * (reference: GRIP reliable delivery, sequencer, step 1).
 *
 * Two generations of a hash table: pairs enter the young one; when it has grown as old as the time to live, or to
 * half of the cap, the old one is dropped whole and the young one takes its place. So a look-up is O(1), forgetting
 * costs nothing per pair, and a pair's own time decides whether it still counts.
 *
 * Invariant: size <= idsMax; every pair younger than ttlMs is in one of the two, unless the cap threw it out.
 */
import { assert } from '../base/assert.js'
import { RECENT_IDS_MAX } from '../base/limits.js'

export class RecentIds {
  /** Pairs forgotten before their time because there were too many. */
  forgottenEarly = 0
  readonly #ttlMs: number
  readonly #generationMax: number
  #young = new Map<string, number>()
  #old = new Map<string, number>()
  #youngSinceMs = Number.NEGATIVE_INFINITY

  /** `ttlMs` 0: nothing is ever a repeat. */
  constructor(ttlMs: number, idsMax: number = RECENT_IDS_MAX) {
    assert(ttlMs >= 0 && idsMax >= 2, 'recent ids have a time to live and room for a pair per generation')
    this.#ttlMs = ttlMs
    this.#generationMax = Math.floor(idsMax / 2)
  }

  /** Pairs held, expired ones included. */
  get size(): number {
    return this.#young.size + this.#old.size
  }

  /**
   * Whether the pair was seen less than the time to live ago; if not, it is remembered from now on. A repeat does
   * not prolong it. `nowMs` must not go back.
   */
  isRepeat(channel: string, id: string, nowMs: number): boolean {
    if (this.#ttlMs === 0) return false
    if (nowMs - this.#youngSinceMs >= this.#ttlMs) this.#age(nowMs)
    // The length in front keeps ('a', 'bc') and ('ab', 'c') apart.
    const key = `${channel.length}:${channel}${id}`
    const seenMs = this.#young.get(key) ?? this.#old.get(key)
    if (seenMs !== undefined && nowMs - seenMs < this.#ttlMs) return true
    if (this.#young.size >= this.#generationMax) {
      this.#countForgotten(nowMs)
      this.#age(nowMs)
    }
    this.#young.set(key, nowMs)
    return false
  }

  #age(nowMs: number): void {
    this.#old = this.#young
    this.#young = new Map()
    this.#youngSinceMs = nowMs
  }

  /** One walk per generation: as many steps as pairs entered it, so still O(1) per pair. */
  #countForgotten(nowMs: number): void {
    for (const seenMs of this.#old.values()) if (nowMs - seenMs < this.#ttlMs) this.forgottenEarly++
  }
}
