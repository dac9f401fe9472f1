/** HTTP streams by node:http: open with the first byte of the body, then one message per line. */
import http from 'node:http'
import https from 'node:https'
import { kindOfError, messageOf } from '../measure/failures.js'
import { lookupOf } from './connection.js'
import type { Connection, Dial, Sink } from './connection.js'

const LINE_FEED = 0x0a
/** A line longer than this is not ours. */
const LINE_BYTES_MAX = 16 * 1024 * 1024

export class StreamConnection implements Connection {
  readonly #request: http.ClientRequest
  readonly #sink: Sink
  readonly #timer: NodeJS.Timeout
  #state: 'opening' | 'open' | 'over' = 'opening'
  /** The beginning of a line whose end has not come. */
  #rest: Buffer | null = null

  constructor({ target, options }: Dial, path: string, sink: Sink) {
    this.#sink = sink
    this.#request = (target.secure ? https : http).get({
      hostname: target.hostname,
      port: target.port,
      lookup: lookupOf(target),
      path,
      headers: { ...options.headers },
      agent: false,
      rejectUnauthorized: !options.insecure,
    })
    this.#timer = setTimeout(() => this.#end('connect timed out'), options.timeoutMs)
    this.#request.on('response', (response) => this.#handleResponse(response))
    this.#request.on('error', (error) => this.#end(kindOfError(error), messageOf(error)))
    this.#request.on('close', () => {
      this.#end(this.#state === 'opening' ? 'connection closed before the answer' : 'stream cut off')
    })
  }

  close(): Promise<void> {
    this.#state = 'over'
    clearTimeout(this.#timer)
    this.#request.destroy()
    return Promise.resolve()
  }

  #handleResponse(response: http.IncomingMessage): void {
    if (response.statusCode !== 200) return this.#end(`rejected with status ${String(response.statusCode)}`)
    response.on('data', (chunk: Buffer) => this.#handleChunk(chunk))
    response.on('end', () => this.#end('stream ended'))
    response.on('error', (error) => this.#end('stream cut off', messageOf(error)))
  }

  #handleChunk(chunk: Buffer): void {
    if (this.#state === 'opening') {
      this.#state = 'open'
      clearTimeout(this.#timer)
      this.#sink.opened()
    }
    const bytes = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk])
    let start = 0
    while (this.#state === 'open') {
      const end = bytes.indexOf(LINE_FEED, start)
      if (end === -1) break
      this.#sink.message(bytes, start, end)
      start = end + 1
    }
    this.#rest = start === bytes.length ? null : bytes.subarray(start)
    if (this.#rest !== null && this.#rest.length > LINE_BYTES_MAX) this.#end('a line that does not end')
  }

  #end(kind: string, example = ''): void {
    const before = this.#state
    this.#state = 'over'
    if (before === 'over') return
    clearTimeout(this.#timer)
    this.#request.destroy()
    if (before === 'opening') this.#sink.failed(kind, example)
    else this.#sink.closed(kind, example)
  }
}
