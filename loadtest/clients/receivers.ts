/** Clients that only receive: WebSockets, streams or long polls on the channels of the run. */
import { StampReader } from '../measure/stamp.js'
import { channelName, pathOf } from '../options.js'
import type { Clients, ClientsContext } from './clients.js'
import { sumCounts } from './clients.js'
import type { Connect, Connection } from './connection.js'
import type { Box, Post } from './inbox.js'
import { openOverRamp } from './opening.js'
import { Live } from './protocol.js'
import type { Counts } from './protocol.js'

/** How one receiver gets its messages. */
export interface Plug {
  readonly box: Box
  readonly connect: Connect
}

interface Receiver {
  readonly box: Box
  connection: Connection | null
  open: boolean
}

export class Receivers implements Clients {
  readonly #context: ClientsContext
  readonly #plug: (channel: number, post: Post) => Plug
  readonly #post: Post
  readonly #receivers: Receiver[] = []

  constructor(context: ClientsContext, plug: (channel: number, post: Post) => Plug) {
    const { start, tally } = context
    this.#context = context
    this.#plug = plug
    this.#post = {
      reader: new StampReader(start.run, start.epochMs),
      tally,
      delivery: tally.series('delivery'),
      channels: start.options.channels,
    }
  }

  open(): Promise<void> {
    const { start, clock } = this.#context
    const { rampMs } = start.options
    const open = (n: number, intendedMs: number): Promise<void> => this.#openOne(start.firstConnection + n, intendedMs)
    return openOverRamp({ count: start.connections, rampMs, clock, open })
  }

  begin(): void {}

  wake(): void {}

  cut(): void {}

  missing(published: readonly (readonly number[])[]): number {
    let missing = 0
    for (const { box, open } of this.#receivers) if (open) missing += box.missing(published)
    return missing
  }

  counts(published: readonly (readonly number[])[]): Counts {
    return sumCounts(this.#receivers.map(({ box, open }) => box.counts(open ? published : null)))
  }

  async close(): Promise<void> {
    await Promise.all(this.#receivers.map(({ connection }) => connection?.close() ?? Promise.resolve()))
  }

  /** Resolves also when it could not be opened. */
  #openOne(n: number, intendedMs: number): Promise<void> {
    const { start, tally, clock } = this.#context
    const { options, target } = start
    const { box, connect } = this.#plug(n % options.channels, this.#post)
    const receiver: Receiver = { box, connection: null, open: false }
    this.#receivers.push(receiver)
    const openings = tally.series('connect', 0)
    const path = pathOf(options.path, channelName(options, box.channel))
    return new Promise((resolve) => {
      receiver.connection = connect({ target, options }, path, {
        opened: () => {
          receiver.open = true
          tally.count(Live.Open)
          openings.record(intendedMs, clock.nowMs())
          resolve()
        },
        message: (bytes, from, to) => {
          box.receive(bytes, from, to, clock.nowMs())
        },
        failed: (kind, example) => {
          tally.fail(kind, example)
          resolve()
        },
        closed: (kind, example) => {
          receiver.open = false
          tally.count(Live.Open, -1)
          tally.fail(kind, example)
        },
      })
    })
  }
}
