/**
 * SockJS requests between shards: one that came in here and whose session lives elsewhere goes there, and the answer
 * comes back. A shard makes a channel to another when it needs the first; main only hands its end over. What is on its
 * way is bounded by the connections that clients have open: one request each, of at most SOCKJS_REQUEST_BYTES_MAX.
 */
import { Buffer } from 'node:buffer'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { ClientHead } from '../grip/forwarding.js'
import type { HttpAnswer } from '../grip/http-session.js'
import type { SockJsPending, SockJsRequest, SockJsSessions } from './sockjs-sessions.js'

type ToHome =
  | { readonly kind: 'request'; readonly id: number; readonly head: ClientHead; readonly body: Uint8Array }
  | { readonly kind: 'abort'; readonly id: number }

interface FromHome {
  readonly id: number
  readonly answer: Omit<HttpAnswer, 'body'> & { readonly body: Uint8Array }
}

export interface SockJsRelayOptions {
  readonly sessions: Pick<SockJsSessions, 'take'>
  /** Hands the far end of a new channel to another shard. */
  connect(shard: number, port: MessagePort): void
  onError(error: unknown): void
}

export class SockJsRelay {
  readonly #options: SockJsRelayOptions
  readonly #homes = new Map<number, MessagePort>()
  readonly #guests = new Set<MessagePort>()
  readonly #waiting = new Map<number, (answer: HttpAnswer) => void>()
  #nextId = 1

  constructor(options: SockJsRelayOptions) {
    this.#options = options
  }

  /** `answer` is called once; not after abort. */
  send(shard: number, { head, body }: SockJsRequest, answer: (answer: HttpAnswer) => void): SockJsPending {
    const port = this.#homes.get(shard) ?? this.#connect(shard)
    const id = this.#nextId++
    this.#waiting.set(id, answer)
    port.postMessage({ kind: 'request', id, head, body } satisfies ToHome)
    return {
      abort: () => {
        if (this.#waiting.delete(id)) port.postMessage({ kind: 'abort', id } satisfies ToHome)
      },
    }
  }

  /** Another shard has requests for sessions that live here. */
  serve(port: MessagePort): void {
    const pending = new Map<number, SockJsPending>()
    this.#guests.add(port)
    port.on('message', (message: ToHome) => {
      try {
        if (message.kind === 'request') this.#take(port, pending, message)
        else {
          pending.get(message.id)?.abort()
          pending.delete(message.id)
        }
      } catch (error) {
        this.#options.onError(error)
      }
    })
  }

  close(): void {
    for (const port of [...this.#homes.values(), ...this.#guests]) port.close()
  }

  #connect(shard: number): MessagePort {
    const { port1, port2 } = new MessageChannel()
    port1.on('message', ({ id, answer }: FromHome) => {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      try {
        waiting?.({ ...answer, body: Buffer.from(answer.body) })
      } catch (error) {
        this.#options.onError(error)
      }
    })
    this.#homes.set(shard, port1)
    this.#options.connect(shard, port2)
    return port1
  }

  #take(port: MessagePort, pending: Map<number, SockJsPending>, message: ToHome & { kind: 'request' }): void {
    const { id, head, body } = message
    let isAnswered = false
    const taken = this.#options.sessions.take({ head, body: Buffer.from(body) }, (answer) => {
      isAnswered = true
      pending.delete(id)
      port.postMessage({ id, answer } satisfies FromHome)
    })
    if (!isAnswered) pending.set(id, taken)
  }
}
