/**
 * Connections that come and go (churn): each opening has its time, and when there are more than `connections` the oldest one
 * leaves. As fast as it goes means that each of `connections` places is taken again as soon as it is free.
 *
 * With `verify` each connection listens to a channel of its own, and is published to as soon as it is open: a gateway
 * whose subscription is not live by then loses this message.
 */
import { Schedule } from '../measure/schedule.js'
import { pathOf } from '../options.js'
import { Admission } from './admission.js'
import type { Clients, ClientsContext } from './clients.js'
import type { Connect, Connection } from './connection.js'
import { openOverRamp } from './opening.js'
import { Pacer } from './pacer.js'
import { Live, NO_COUNTS } from './protocol.js'
import type { Counts, Pace, Phases } from './protocol.js'
import type { Series } from './tally.js'

class Guest {
  readonly n: number
  connection: Connection | null = null
  /** Its time is over; it leaves when it has been served. */
  shouldLeave = false

  constructor(n: number) {
    this.n = n
  }
}

export class ChurnClients implements Clients {
  readonly #context: ClientsContext
  readonly #connect: Connect
  readonly #openings: Series
  readonly #admission: Admission | null
  /** The oldest first. */
  readonly #open = new Set<Guest>()
  readonly #leaving = new Set<Promise<void>>()
  #entered = 0
  #endMs = Infinity
  #pacer: Pacer | null = null
  /** As fast as it goes: whoever is served leaves, and another one enters. */
  #isRevolving = false

  constructor(context: ClientsContext, connect: Connect) {
    this.#context = context
    this.#connect = connect
    this.#openings = context.tally.series('connect')
    this.#admission = context.start.options.publish === null ? null : new Admission(context)
  }

  async open(): Promise<void> {
    const { start, clock } = this.#context
    await this.#admission?.open()
    const open = (_n: number, intendedMs: number): Promise<void> => this.#enter(intendedMs)
    await openOverRamp({ count: start.connections, rampMs: start.options.rampMs, clock, open })
  }

  begin(phases: Phases, pace: Pace | null): void {
    const { clock } = this.#context
    this.#endMs = phases.endMs
    if (pace === null) {
      setTimeout(() => this.#revolve(), phases.startMs - clock.nowMs())
      return
    }
    this.#pacer = new Pacer({
      schedule: new Schedule({ ...pace, endMs: phases.endMs }),
      clock,
      send: (_n, intendedMs) => void this.#enter(intendedMs),
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
    return this.#admission?.waiting ?? 0
  }

  counts(): Counts {
    return { ...NO_COUNTS, sent: this.#entered, ...this.#admission?.counts() }
  }

  async close(): Promise<void> {
    this.#endMs = 0
    for (const guest of this.#open) this.#leave(guest)
    await Promise.all(this.#leaving)
    await this.#admission?.close()
  }

  /** Resolves when it is open or has failed. */
  #enter(intendedMs: number): Promise<void> {
    const { start, tally, clock } = this.#context
    const { options, target, worker } = start
    const guest = new Guest(this.#entered)
    this.#entered += 1
    tally.sent(intendedMs, clock.nowMs())
    const channel =
      this.#admission === null ? options.channel : `${options.channel}-${String(worker)}-${String(guest.n)}`
    return new Promise((resolve) => {
      guest.connection = this.#connect({ target, options }, pathOf(options.path, channel), {
        opened: () => {
          this.#openings.record(intendedMs, clock.nowMs())
          tally.count(Live.Open)
          this.#open.add(guest)
          if (this.#admission === null) this.#handleServed(guest)
          else this.#admission.greet(guest.n, channel, () => this.#handleServed(guest))
          this.#makeRoom()
          resolve()
        },
        message: (bytes, from, to) => this.#admission?.receive(guest.n, bytes, from, to),
        failed: (kind, example) => {
          tally.fail(kind, example)
          resolve()
          this.#replace()
        },
        closed: (kind, example) => {
          tally.fail(kind, example)
          tally.count(Live.Open, -1)
          this.#open.delete(guest)
          this.#admission?.forget(guest.n)
          this.#replace()
        },
      })
    })
  }

  /** There is nothing it waits for any more. */
  #handleServed(guest: Guest): void {
    if (guest.shouldLeave || this.#isRevolving) this.#leave(guest)
  }

  #makeRoom(): void {
    let tooMany = this.#open.size - this.#context.start.connections
    for (const guest of this.#open) {
      if (tooMany <= 0) return
      tooMany -= 1
      if (this.#admission?.isWaiting(guest.n) === true) guest.shouldLeave = true
      else this.#leave(guest)
    }
  }

  #revolve(): void {
    this.#isRevolving = true
    for (const guest of this.#open) if (this.#admission?.isWaiting(guest.n) !== true) this.#leave(guest)
  }

  #leave(guest: Guest): void {
    if (guest.connection === null || !this.#open.delete(guest)) return
    this.#context.tally.count(Live.Open, -1)
    const leaving = guest.connection.close().then(() => {
      this.#leaving.delete(leaving)
      this.#replace()
    })
    this.#leaving.add(leaving)
  }

  #replace(): void {
    const nowMs = this.#context.clock.nowMs()
    if (this.#isRevolving && nowMs < this.#endMs) void this.#enter(nowMs)
  }
}
