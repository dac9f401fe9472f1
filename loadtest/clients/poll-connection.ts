/** Long polls by node:http: each answer is followed by the next poll, on the same connection where the gateway keeps it. */
import http from 'node:http'
import https from 'node:https'
import { kindOfError, messageOf } from '../measure/failures.js'
import { lookupOf } from './connection.js'
import type { Connection, Dial, Sink } from './connection.js'

/** After a poll that failed; otherwise a gateway that is gone would be asked as fast as it goes. */
const POLL_AGAIN_MS = 1_000

export interface PollSink extends Sink {
  /** A poll is on its way. */
  polled(): void
  /** A poll failed, the next one follows. */
  pollFailed(kind: string, example: string): void
}

export class PollConnection implements Connection {
  readonly #dial: Dial
  readonly #path: string
  readonly #sink: PollSink
  readonly #agent: http.Agent
  #request: http.ClientRequest | null = null
  #timer: NodeJS.Timeout | undefined
  #state: 'opening' | 'open' | 'over' = 'opening'

  constructor(dial: Dial, path: string, sink: PollSink) {
    this.#dial = dial
    this.#path = path
    this.#sink = sink
    const settings = { keepAlive: true, maxSockets: 1 }
    this.#agent = dial.target.secure ? new https.Agent(settings) : new http.Agent(settings)
    this.#timer = setTimeout(() => this.#fail('connect timed out', ''), dial.options.timeoutMs)
    this.#poll()
  }

  close(): Promise<void> {
    this.#state = 'over'
    clearTimeout(this.#timer)
    this.#request?.destroy()
    this.#agent.destroy()
    return Promise.resolve()
  }

  #poll(): void {
    const { target, options } = this.#dial
    this.#request = (target.secure ? https : http).get({
      hostname: target.hostname,
      port: target.port,
      lookup: lookupOf(target),
      path: this.#path,
      headers: { ...options.headers },
      agent: this.#agent,
      rejectUnauthorized: !options.insecure,
    })
    this.#request.on('response', (response) => this.#handleResponse(response))
    this.#request.on('error', (error) => this.#fail(kindOfError(error), messageOf(error)))
    // A hold says nothing: the connection is open when the request has been written.
    this.#request.on('finish', () => {
      if (this.#state === 'opening') {
        this.#state = 'open'
        clearTimeout(this.#timer)
        this.#sink.opened()
      }
      if (this.#state === 'open') this.#sink.polled()
    })
  }

  #handleResponse(response: http.IncomingMessage): void {
    if (response.statusCode !== 200) {
      response.resume()
      return this.#fail(`rejected with status ${String(response.statusCode)}`, '')
    }
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('error', (error) => this.#fail(kindOfError(error), messageOf(error)))
    response.on('end', () => {
      if (this.#state !== 'open') return
      const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
      this.#sink.message(body, 0, body.length)
      this.#poll()
    })
  }

  #fail(kind: string, example: string): void {
    if (this.#state === 'opening') {
      this.#state = 'over'
      clearTimeout(this.#timer)
      this.#request?.destroy()
      this.#sink.failed(kind, example)
    }
    if (this.#state !== 'open') return
    this.#sink.pollFailed(kind, example)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#poll(), POLL_AGAIN_MS)
  }
}
