/** Publishing by HTTP: a POST per item, over undici. */
import { Pool } from 'undici'
import type { Dispatcher } from 'undici'
import { kindOfError, messageOf } from '../measure/failures.js'
import type { DoorOptions, OpenDoor, PublishFailure } from './publish-door.js'

/** Connections to the door. A publish that finds all of them busy waits for one; its latency counts on. */
const CONNECTIONS = 32

export class HttpDoor implements OpenDoor {
  readonly answers = true
  readonly #pool: Pool
  readonly #path: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #options: DoorOptions

  constructor(url: string, headers: Readonly<Record<string, string>>, options: DoorOptions) {
    const { origin, pathname, search } = new URL(url)
    const { timeoutMs, insecure } = options
    this.#path = pathname + search
    this.#headers = { 'content-type': 'application/json', ...headers }
    this.#options = options
    this.#pool = new Pool(origin, {
      connections: CONNECTIONS,
      pipelining: 1,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: { timeout: timeoutMs, rejectUnauthorized: !insecure },
    })
  }

  publish(n: number, intendedMs: number, item: string): void {
    const request = { method: 'POST', path: this.#path, headers: this.#headers, body: `{"items":[${item}]}` } as const
    this.#pool.dispatch(request, new Answer(n, intendedMs, this.#options))
  }

  close(): Promise<void> {
    return this.#pool.destroy()
  }
}

/** The answer to one POST. */
class Answer implements Dispatcher.DispatchHandler {
  readonly #n: number
  readonly #intendedMs: number
  readonly #options: DoorOptions
  #status = 0
  #text = ''

  constructor(n: number, intendedMs: number, options: DoorOptions) {
    this.#n = n
    this.#intendedMs = intendedMs
    this.#options = options
  }

  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#status !== 200) this.#text += chunk.toString('latin1')
  }

  onResponseEnd(): void {
    if (this.#status === 200) return this.#done(null)
    this.#done({ kind: `publish rejected with status ${String(this.#status)}`, example: this.#text.trim() })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#done({ kind: `publish: ${kindOfError(error)}`, example: messageOf(error) })
  }

  #done(failure: PublishFailure | null): void {
    this.#options.handleDone(this.#n, this.#intendedMs, failure)
  }
}
