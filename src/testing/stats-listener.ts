/** A listener of statistics, as users write one: a ZeroMQ SUB that keeps the packets it has got. */
import * as zmq from 'zeromq'
import { type Plain, plainOfTnetstring } from './commander.js'
import { Waiters } from './wait.js'

export interface StatsPacketSeen {
  readonly type: string
  /** Of the encoding: J or T. */
  readonly form: string
  readonly fields: { readonly [name: string]: Plain }
}

export class StatsListener {
  readonly packets: StatsPacketSeen[] = []
  readonly #socket = new zmq.Subscriber({ linger: 0 })
  readonly #waiters = new Waiters()

  /** `prefixes`: what it subscribes to. */
  static connect(spec: string, prefixes: readonly string[]): StatsListener {
    const listener = new StatsListener()
    listener.#socket.connect(spec)
    listener.#socket.subscribe(...prefixes)
    void listener.#read()
    return listener
  }

  /** Fields of the first packet of the type that has all of these, whenever it came. */
  async waitFor(type: string, wanted: Readonly<Record<string, Plain>>): Promise<Record<string, Plain>> {
    const fits = (packet: StatsPacketSeen): boolean =>
      packet.type === type && Object.entries(wanted).every(([name, value]) => packet.fields[name] === value)
    return this.#waiters.until(
      () => this.packets.find(fits)?.fields,
      () => `${type} ${JSON.stringify(wanted)} among ${JSON.stringify(this.packets)}`,
    )
  }

  /** What `take` gives once it gives something, asked after each packet. */
  until<T>(take: () => T | undefined, describe: () => string, deadlineMs?: number): Promise<T> {
    return this.#waiters.until(take, describe, deadlineMs)
  }

  close(): void {
    this.#socket.close()
  }

  async #read(): Promise<void> {
    for await (const [message] of this.#socket) {
      this.packets.push(packetOf(message as Buffer))
      this.#waiters.changed()
    }
  }
}

function packetOf(message: Buffer): StatsPacketSeen {
  const space = message.indexOf(' ')
  const body = message.subarray(space + 2)
  const fields = message[space + 1] === 0x4a ? (JSON.parse(body.toString()) as Plain) : plainOfTnetstring(body)
  const form = message.toString('latin1', space + 1, space + 2)
  return { type: message.toString('latin1', 0, space), form, fields: fields as Record<string, Plain> }
}
