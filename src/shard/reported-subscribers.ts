/**
 * How many receivers the channels of this shard have, for statistics: what has changed since main was told.
 *
 * That a channel has its first receiver of a kind, or lost its last, is told each time, in order; what happens in between
 * once per tick.
 */
import type { ReceiverKind } from '../grip/receiver.js'
import type { Channel } from '../grip/subscriptions.js'
import type { SubEvent } from '../link/statistics.js'

/** Counts told, by kind. */
type Told = Record<ReceiverKind, number>

const KINDS = ['response', 'stream', 'ws'] as const satisfies readonly ReceiverKind[]

export class ReportedSubscribers {
  readonly #onEvent: (event: SubEvent) => void
  readonly #told = new Map<Channel, Told>()
  readonly #changed = new Set<Channel>()

  constructor(onEvent: (event: SubEvent) => void) {
    this.#onEvent = onEvent
  }

  /** A receiver of this kind has joined or left. */
  handleChange(channel: Channel, kind: ReceiverKind): void {
    const count = subscribersOf(channel, kind)
    const told = this.#told.get(channel)?.[kind] ?? 0
    if (count === 0 || told === 0) this.#tell(channel, kind)
    else this.#changed.add(channel)
  }

  handleTick(): void {
    if (this.#changed.size === 0) return
    for (const channel of this.#changed) for (const kind of KINDS) this.#tell(channel, kind)
    this.#changed.clear()
  }

  /** Somebody wants to know: everything that is there. */
  tellAll(channels: Iterable<Channel>): void {
    for (const channel of channels) for (const kind of KINDS) this.#tell(channel, kind)
  }

  /** Nobody wants to know any more: what was told is taken back. */
  clear(): void {
    for (const [channel, told] of this.#told) {
      for (const kind of KINDS) {
        if (told[kind] !== 0) this.#onEvent({ mode: kind, channel: channel.name, change: -told[kind] })
      }
    }
    this.#told.clear()
    this.#changed.clear()
  }

  #tell(channel: Channel, kind: ReceiverKind): void {
    const count = subscribersOf(channel, kind)
    const told = this.#told.get(channel) ?? { response: 0, stream: 0, ws: 0 }
    const change = count - told[kind]
    if (change === 0) return
    told[kind] = count
    if (told.response + told.stream + told.ws === 0) this.#told.delete(channel)
    else this.#told.set(channel, told)
    this.#onEvent({ mode: kind, channel: channel.name, change })
  }
}

function subscribersOf(channel: Channel, kind: ReceiverKind): number {
  switch (kind) {
    case 'stream':
      return channel.streams.length
    case 'response':
      return channel.responses.length
    case 'ws':
      return channel.ws.length
  }
}
