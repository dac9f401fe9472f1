/** Publishers as users write them: HTTP, ZeroMQ PUSH, ZeroMQ PUB that connects or binds. */
import * as zmq from 'zeromq'
import { freePorts } from './free-ports.js'
import { Waiters } from './wait.js'

export interface Item {
  readonly channel: string
  readonly [field: string]: unknown
}

export interface HttpPublishAnswer {
  readonly status: number
  readonly body: string
}

export function streamItem(channel: string, content: string): Item {
  return { channel, formats: { 'http-stream': { content } } }
}

export function responseItem(channel: string, body: string): Item {
  return { channel, formats: { 'http-response': { body } } }
}

export function wsItem(channel: string, content: string): Item {
  return { channel, formats: { 'ws-message': { content } } }
}

/** POST /publish/. `controlUrl`: `gateway.controlUrl('/publish/')`. Throws unless the answer is 200. */
export async function publishHttp(controlUrl: string, ...items: Item[]): Promise<void> {
  const { status, body } = await postPublish(controlUrl, JSON.stringify({ items }))
  if (status !== 200) throw new Error(`publish: ${status} ${body}`)
}

/** The same with any body, and the answer whatever it is. */
export async function postPublish(
  controlUrl: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpPublishAnswer> {
  const response = await fetch(controlUrl, { method: 'POST', body, headers: { ...headers } })
  return { status: response.status, body: await response.text() }
}

export type ItemEncoding = 'json' | 'tnetstring'

/** An item as it goes over ZeroMQ: `J` and JSON, or `T` and a tnetstring. */
export function encodeItem(item: Item, encoding: ItemEncoding = 'json'): Buffer {
  if (encoding === 'json') return Buffer.from(`J${JSON.stringify(item)}`)
  return Buffer.concat([Buffer.from('T'), encodeTnetstring(item)])
}

/** Buffers and strings become byte strings, whole numbers integers. Written apart from the gateway's own codec. */
export function encodeTnetstring(value: unknown): Buffer {
  if (value === null || value === undefined) return tagged(Buffer.alloc(0), '~')
  if (typeof value === 'boolean') return tagged(Buffer.from(String(value)), '!')
  if (typeof value === 'number') return tagged(Buffer.from(String(value)), Number.isInteger(value) ? '#' : '^')
  if (typeof value === 'string') return tagged(Buffer.from(value), ',')
  if (Buffer.isBuffer(value)) return tagged(value, ',')
  if (Array.isArray(value)) return tagged(Buffer.concat(value.map(encodeTnetstring)), ']')
  const pairs = Object.entries(value).flatMap(([name, inner]) => [encodeTnetstring(name), encodeTnetstring(inner)])
  return tagged(Buffer.concat(pairs), '}')
}

function tagged(content: Buffer, tag: string): Buffer {
  return Buffer.concat([Buffer.from(`${content.length}:`), content, Buffer.from(tag)])
}

/** Sends in the order of the calls: a ZeroMQ socket takes one send at a time. */
class SendQueue {
  #last: Promise<void> = Promise.resolve()

  run(send: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(send)
    return this.#last
  }
}

/** PUSH to the gateway's PULL (5560). */
export class PushPublisher {
  readonly socket = new zmq.Push({ linger: 0, sendHighWaterMark: 1_000 })
  readonly #queue = new SendQueue()

  /** Sends wait until the connection is there. */
  static connect(port: number): PushPublisher {
    const publisher = new PushPublisher()
    publisher.socket.connect(`tcp://127.0.0.1:${port}`)
    return publisher
  }

  publish(item: Item, encoding: ItemEncoding = 'json'): Promise<void> {
    return this.sendRaw(encodeItem(item, encoding))
  }

  sendRaw(...parts: Buffer[]): Promise<void> {
    return this.#queue.run(() => this.socket.send(parts))
  }

  close(): void {
    this.socket.close()
  }
}

/**
 * PUB towards the gateway's SUB (5562), as an XPUB, so that it sees which channels somebody listens to: a publish
 * reaches the channels seen, and nothing else is promised.
 */
export class PubPublisher {
  readonly socket = new zmq.XPublisher({ linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0 })
  /** Every subscription and unsubscription seen, in order: `+channel`, `-channel` (latin1). */
  readonly seen: string[] = []
  readonly subscribed = new Set<string>()
  readonly #queue = new SendQueue()
  readonly #waiters = new Waiters()
  #closed = false

  private constructor() {
    void this.#read()
  }

  /** The gateway binds: connect to its port. */
  static connect(port: number): PubPublisher {
    const publisher = new PubPublisher()
    publisher.socket.connect(`tcp://127.0.0.1:${port}`)
    return publisher
  }

  /** The gateway connects (push_in_sub_connect): bind a free port and tell it `spec`. */
  static async bind(port?: number): Promise<{ readonly publisher: PubPublisher; readonly spec: string }> {
    const publisher = new PubPublisher()
    const spec = `tcp://127.0.0.1:${port ?? (await freePorts(1))[0]}`
    await publisher.socket.bind(spec)
    return { publisher, spec }
  }

  /** Resolves when the channel's subscription has come (or is there). */
  async subscribedTo(channel: string): Promise<void> {
    await this.#waiters.until(
      () => this.subscribed.has(channel) || undefined,
      () => `a subscription to ${channel}; seen: ${this.seen.slice(-50).join(' ')}`,
    )
  }

  /** Resolves when the channel has no subscription (any more). */
  async unsubscribedFrom(channel: string): Promise<void> {
    await this.#waiters.until(
      () => !this.subscribed.has(channel) || undefined,
      () => `the end of the subscription to ${channel}; seen: ${this.seen.slice(-50).join(' ')}`,
    )
  }

  publish(item: Item, encoding: ItemEncoding = 'json'): Promise<void> {
    return this.sendRaw(Buffer.from(item.channel), encodeItem(item, encoding))
  }

  sendRaw(...parts: Buffer[]): Promise<void> {
    return this.#queue.run(() => this.socket.send(parts))
  }

  close(): void {
    this.#closed = true
    this.socket.close()
    this.#waiters.fail(new Error('the publisher was closed'))
  }

  async #read(): Promise<void> {
    try {
      for await (const [message] of this.socket) {
        if (message === undefined || message.length === 0) continue
        const channel = message.toString('latin1', 1)
        const comes = message[0] === 1
        this.seen.push((comes ? '+' : '-') + channel)
        if (comes) this.subscribed.add(channel)
        else this.subscribed.delete(channel)
        this.#waiters.changed()
      }
    } catch (error) {
      if (!this.#closed) this.#waiters.fail(error as Error)
    }
  }
}
