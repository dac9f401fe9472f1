/** WebSockets by the package ws. */
import { WebSocket } from 'ws'
import { kindOfError, messageOf } from '../measure/failures.js'
import { authorityOf, lookupOf, politely } from './connection.js'
import type { Connection, Dial, Sink } from './connection.js'

export class WsConnection implements Connection {
  readonly #socket: WebSocket
  readonly #sink: Sink
  #state: 'opening' | 'open' | 'over' = 'opening'

  constructor({ target, options }: Dial, path: string, sink: Sink) {
    this.#sink = sink
    this.#socket = new WebSocket(`${target.secure ? 'wss' : 'ws'}://${authorityOf(target)}${path}`, {
      headers: { ...options.headers },
      handshakeTimeout: options.timeoutMs,
      lookup: lookupOf(target),
      perMessageDeflate: false,
      rejectUnauthorized: !options.insecure,
      // The payload is ours and checked by us.
      skipUTF8Validation: true,
    })
    this.#socket.on('open', () => {
      this.#state = 'open'
      sink.opened()
    })
    this.#socket.on('message', (data) => {
      const bytes = data as Buffer // binaryType is nodebuffer
      sink.message(bytes, 0, bytes.length)
    })
    this.#socket.on('unexpected-response', (request, response) => {
      request.destroy()
      this.#end(`rejected with status ${String(response.statusCode)}`)
    })
    this.#socket.on('error', (error) => this.#end(kindOfError(error), messageOf(error)))
    this.#socket.on('close', (code) => this.#end(`closed with code ${String(code)}`))
  }

  send(text: string): void {
    this.#socket.send(text)
  }

  close(): Promise<void> {
    this.#state = 'over'
    if (this.#socket.readyState === WebSocket.CLOSED) return Promise.resolve()
    return politely(
      (gone) => {
        this.#socket.once('close', gone)
        this.#socket.close(1000)
      },
      () => this.#socket.terminate(),
    )
  }

  #end(kind: string, example = ''): void {
    const before = this.#state
    this.#state = 'over'
    if (before === 'opening') this.#sink.failed(kind, example)
    if (before === 'open') this.#sink.closed(kind, example)
  }
}
