/** A second after the first subscription to a channel, those who hold it are told to ask their backend again. */
import { DeadlineEntry, type Deadlines, NO_DEADLINE } from '../base/deadlines.js'
import { FirstSubscriptions } from '../grip/first-subscriptions.js'
import { ChannelNote } from '../link/bus-item.js'
import type { BusMain } from '../link/bus.js'

export interface FirstUpdatesOptions {
  readonly bus: Pick<BusMain, 'note'>
  readonly deadlines: Deadlines
  nowMs(): number
  /** Whether any shard holds what can ask its backend again; otherwise nobody is told. */
  isWanted(): boolean
}

export class FirstUpdates extends DeadlineEntry {
  readonly #options: FirstUpdatesOptions
  readonly #channels = new FirstSubscriptions()

  constructor(options: FirstUpdatesOptions) {
    super()
    this.#options = options
  }

  handleChannel(channel: string, subscribed: boolean): void {
    if (!subscribed) return this.#channels.handleLast(channel)
    this.#channels.handleFirst(channel, this.#options.nowMs())
    // It comes after all others: what is set already is sooner.
    if (this.deadlineMs === NO_DEADLINE) this.#options.deadlines.set(this, this.#channels.deadlineMs)
  }

  override handleDeadline(nowMs: number): void {
    const isWanted = this.#options.isWanted()
    for (const channel of this.#channels.takeDue(nowMs)) {
      if (isWanted) this.#options.bus.note(channel, ChannelNote.Update)
    }
    this.#options.deadlines.set(this, this.#channels.deadlineMs)
  }
}
