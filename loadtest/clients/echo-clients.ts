/**
 * WebSockets that send messages and get them back (ws-echo).
 *
 * By a schedule the messages go over the connections in turn, whether earlier ones have come back or not. As fast as it goes
 * means that each connection sends its next message when the last one is back.
 */
import { Schedule } from '../measure/schedule.js'
import { Stamper, StampReader } from '../measure/stamp.js'
import { Seen, Sight } from '../measure/seen.js'
import { channelName, pathOf } from '../options.js'
import { sumCounts } from './clients.js'
import type { Clients, ClientsContext } from './clients.js'
import { openOverRamp } from './opening.js'
import { Pacer } from './pacer.js'
import { Live, NO_COUNTS } from './protocol.js'
import type { Counts, Pace, Phases } from './protocol.js'
import type { Series } from './tally.js'
import { WsConnection } from './ws-connection.js'

/** The source in stamps has four digits; which connection it was is known by the connection. */
const SOURCE = 0

export class EchoClients implements Clients {
  readonly #context: ClientsContext
  readonly #stamper: Stamper
  readonly #reader: StampReader
  readonly #roundTrips: Series
  readonly #echoes: Echo[] = []
  #open: Echo[] = []
  #endMs = Infinity
  #pacer: Pacer | null = null

  constructor(context: ClientsContext) {
    const { run, epochMs, options } = context.start
    this.#context = context
    this.#stamper = new Stamper(run, SOURCE, epochMs, options.payloadBytes)
    this.#reader = new StampReader(run, epochMs)
    this.#roundTrips = context.tally.series('roundTrip')
  }

  open(): Promise<void> {
    const { start, clock } = this.#context
    const open = (_n: number, intendedMs: number): Promise<void> => this.#openOne(intendedMs)
    return openOverRamp({ count: start.connections, rampMs: start.options.rampMs, clock, open })
  }

  begin(phases: Phases, pace: Pace | null): void {
    const { clock } = this.#context
    this.#endMs = phases.endMs
    if (pace === null) {
      const sendFirst = (): void => {
        for (const echo of this.#open) this.#send(echo, clock.nowMs())
      }
      setTimeout(sendFirst, phases.startMs - clock.nowMs())
      return
    }
    this.#pacer = new Pacer({
      schedule: new Schedule({ ...pace, endMs: phases.endMs }),
      clock,
      send: (n, intendedMs) => {
        const echo = this.#open[n % this.#open.length]
        if (echo !== undefined) this.#send(echo, intendedMs)
      },
      handleDone: () => {},
    })
  }

  wake(): void {
    this.#pacer?.wake()
  }

  cut(endMs: number): void {
    this.#endMs = Math.min(this.#endMs, endMs)
    this.#pacer?.cut(endMs)
  }

  missing(): number {
    return this.#open.reduce((sum, echo) => sum + echo.sent - echo.received, 0)
  }

  counts(): Counts {
    return sumCounts(this.#echoes.map((echo) => echo.counts()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#echoes.map(({ connection }) => connection?.close() ?? Promise.resolve()))
  }

  #send(echo: Echo, intendedMs: number): void {
    const { tally, clock } = this.#context
    echo.connection?.send(this.#stamper.stamp(echo.sent, intendedMs))
    echo.sent += 1
    tally.sent(intendedMs, clock.nowMs())
  }

  #handleMessage(echo: Echo, bytes: Buffer, start: number, end: number): void {
    const { tally, clock } = this.#context
    if (!this.#reader.read(bytes, start, end)) return
    if (end - start !== this.#context.start.options.payloadBytes) return tally.fail('message of another length')
    if (!echo.see(this.#reader.number)) return tally.fail('duplicate messages')
    const nowMs = clock.nowMs()
    tally.count(Live.Received)
    this.#roundTrips.record(this.#reader.intendedMs, nowMs)
    if (this.#pacer === null && nowMs < this.#endMs) this.#send(echo, nowMs)
  }

  #openOne(intendedMs: number): Promise<void> {
    const { start, tally, clock } = this.#context
    const { options, target } = start
    const echo = new Echo()
    this.#echoes.push(echo)
    const openings = tally.series('connect', 0)
    const path = pathOf(options.path, channelName(options, 0))
    return new Promise((resolve) => {
      echo.connection = new WsConnection({ target, options }, path, {
        opened: () => {
          this.#open.push(echo)
          tally.count(Live.Open)
          openings.record(intendedMs, clock.nowMs())
          resolve()
        },
        message: (bytes, from, to) => this.#handleMessage(echo, bytes, from, to),
        failed: (kind, example) => {
          tally.fail(kind, example)
          resolve()
        },
        closed: (kind, example) => {
          this.#open = this.#open.filter((other) => other !== echo)
          echo.isGone = true
          tally.count(Live.Open, -1)
          tally.fail(kind, example)
        },
      })
    })
  }
}

/** One connection: messages count from 0. */
class Echo {
  connection: WsConnection | null = null
  sent = 0
  received = 0
  /** It was closed; nothing more is expected of it. */
  isGone = false
  readonly #seen = new Seen()
  #outOfOrder = 0
  #duplicates = 0

  /** False: it was back already. */
  see(number: number): boolean {
    const sight = this.#seen.see(number)
    if (sight === Sight.Duplicate) this.#duplicates += 1
    else this.received += 1
    if (sight === Sight.OutOfOrder) this.#outOfOrder += 1
    return sight !== Sight.Duplicate
  }

  counts(): Counts {
    const missing = this.isGone ? 0 : this.sent - this.received
    return {
      ...NO_COUNTS,
      sent: this.sent,
      expected: this.received + missing,
      received: this.received,
      missing,
      duplicates: this.#duplicates,
      outOfOrder: this.#outOfOrder,
    }
  }
}
