/**
 * Plain HTTP requests as fast as it goes (proxy with rate max), by autocannon: each connection sends its next request when the
 * last one is answered. (autocannon can also pace, but sends the requests of a second together at its beginning; hence
 * paced-requests.ts.)
 */
import autocannon from 'autocannon'
import { kindOfError, messageOf } from '../measure/failures.js'
import type { Clients, ClientsContext } from './clients.js'
import { authorityOf } from './connection.js'
import { Live, NO_COUNTS } from './protocol.js'
import type { Counts, Phases } from './protocol.js'

/** autocannon looks so often whether it should stop. */
const SAMPLE_MS = 100

export class AutocannonRequests implements Clients {
  readonly #context: ClientsContext
  #instance: autocannon.Instance | null = null
  #sent = 0
  #answered = 0

  constructor(context: ClientsContext) {
    this.#context = context
  }

  open(): Promise<void> {
    return Promise.resolve()
  }

  begin(phases: Phases): void {
    const { clock } = this.#context
    setTimeout(() => this.#run(phases), phases.startMs - clock.nowMs())
  }

  wake(): void {}

  cut(): void {
    this.#instance?.stop()
  }

  /** Connections still wait for answers when autocannon stops: nothing is known of these requests. */
  missing(): number {
    return 0
  }

  counts(): Counts {
    return { ...NO_COUNTS, sent: this.#sent, expected: this.#answered, received: this.#answered }
  }

  close(): Promise<void> {
    this.#instance?.stop()
    return Promise.resolve()
  }

  #run(phases: Phases): void {
    const { start, tally, clock } = this.#context
    const { target, options, connections } = start
    const responses = tally.series('response')
    const host = { host: authorityOf(target) }
    const address = target.family === 6 ? `[${target.address}]` : target.address
    const seconds = (phases.endMs - phases.startMs) / 1_000
    this.#instance = autocannon(
      {
        url: `${target.secure ? 'https' : 'http'}://${address}:${String(target.port)}${options.path}`,
        connections,
        duration: seconds,
        timeout: Math.ceil(options.timeoutMs / 1_000),
        headers: { ...host, ...options.headers },
        sampleInt: SAMPLE_MS,
        servername: target.hostname,
      },
      () => {},
    )
    this.#instance.on('response', (_client, status, _bytes, responseMs) => {
      const nowMs = clock.nowMs()
      this.#sent += 1
      if (status < 200 || status >= 400) return tally.fail(`answered with status ${String(status)}`)
      this.#answered += 1
      tally.count(Live.Received)
      responses.record(nowMs - responseMs, nowMs)
    })
    this.#instance.on('reqError', (error: unknown) => {
      const isTimeout = messageOf(error) === 'request timed out'
      tally.fail(isTimeout ? 'timed out waiting for an answer' : kindOfError(error), messageOf(error))
    })
  }
}
