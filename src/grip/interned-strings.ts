/**
 * Strings that many sessions have in common (header names, user agents, origins), kept once.
 *
 * Bounded, and without a clock: a full table becomes the old one, and what is met again moves on to the new one. So what
 * is common stays, and what came once (keys, cookies) is forgotten after some thousand others.
 */

/** Strings per table; there are at most two tables. */
const ENTRIES_MAX = 2048

/** Longer ones are hardly ever equal. */
const LENGTH_MAX = 256

export class InternedStrings {
  #young = new Map<string, string>()
  #old = new Map<string, string>()

  get size(): number {
    return this.#young.size + this.#old.size
  }

  knows(text: string): boolean {
    return this.#young.has(text) || this.#old.has(text)
  }

  /** A string equal to `text`: the one met before, if it is still known. */
  intern(text: string): string {
    if (text.length > LENGTH_MAX) return text
    const young = this.#young.get(text)
    if (young !== undefined) return young
    const known = this.#old.get(text) ?? text
    if (this.#young.size >= ENTRIES_MAX) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(known, known)
    return known
  }
}
