/** Plain HTTP requests by a schedule (proxy with a rate), over undici: a request that finds all connections busy waits. */
import { Pool } from 'undici'
import type { Dispatcher } from 'undici'
import { kindOfError, messageOf } from '../measure/failures.js'
import { Schedule } from '../measure/schedule.js'
import type { Clients, ClientsContext } from './clients.js'
import { authorityOf, lookupOf } from './connection.js'
import { Pacer } from './pacer.js'
import { Live, NO_COUNTS } from './protocol.js'
import type { Counts, Pace, Phases } from './protocol.js'
import type { Series } from './tally.js'

export class PacedRequests implements Clients {
  readonly #context: ClientsContext
  readonly #responses: Series
  readonly #pool: Pool
  #pacer: Pacer | null = null
  #sent = 0
  #answered = 0
  #failed = 0

  constructor(context: ClientsContext) {
    const { target, options, connections } = context.start
    const { timeoutMs, insecure } = options
    this.#context = context
    this.#responses = context.tally.series('response')
    this.#pool = new Pool(`${target.secure ? 'https' : 'http'}://${authorityOf(target)}`, {
      connections,
      pipelining: 1,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: { timeout: timeoutMs, rejectUnauthorized: !insecure, lookup: lookupOf(target) },
    })
  }

  /** Connections are made by the first requests, in the warm-up. */
  open(): Promise<void> {
    return Promise.resolve()
  }

  begin(phases: Phases, pace: Pace | null): void {
    if (pace === null) return
    this.#pacer = new Pacer({
      schedule: new Schedule({ ...pace, endMs: phases.endMs }),
      clock: this.#context.clock,
      send: (_n, intendedMs) => this.#send(intendedMs),
      handleDone: () => {},
    })
  }

  wake(): void {
    this.#pacer?.wake()
  }

  cut(endMs: number): void {
    this.#pacer?.cut(endMs)
  }

  missing(): number {
    return this.#sent - this.#answered - this.#failed
  }

  counts(): Counts {
    const missing = this.missing()
    return { ...NO_COUNTS, sent: this.#sent, expected: this.#answered + missing, received: this.#answered, missing }
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }

  #send(intendedMs: number): void {
    const { start, tally, clock } = this.#context
    const { path, headers } = start.options
    this.#sent += 1
    tally.sent(intendedMs, clock.nowMs())
    const handle = (failure: { readonly kind: string; readonly example: string } | null): void => {
      if (failure !== null) {
        this.#failed += 1
        return tally.fail(failure.kind, failure.example)
      }
      this.#answered += 1
      tally.count(Live.Received)
      this.#responses.record(intendedMs, clock.nowMs())
    }
    this.#pool.dispatch({ method: 'GET', path, headers }, new Answer(handle))
  }
}

class Answer implements Dispatcher.DispatchHandler {
  readonly #handle: (failure: { readonly kind: string; readonly example: string } | null) => void
  #status = 0

  constructor(handle: (failure: { readonly kind: string; readonly example: string } | null) => void) {
    this.#handle = handle
  }

  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status
  }

  onResponseData(): void {}

  onResponseEnd(): void {
    const isGood = this.#status >= 200 && this.#status < 400
    this.#handle(isGood ? null : { kind: `answered with status ${String(this.#status)}`, example: '' })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#handle({ kind: kindOfError(error), example: messageOf(error) })
  }
}
