/**
 * Answers to the barriers of one shard, in the order of the barriers, and the last ids that ride on them.
 *
 * A barrier that asks for last ids names the channels by the shard's MessagePort, which is no part of the bus: either
 * may come first. The answer goes out when both are here, and no later barrier of the shard is answered before it.
 * What it says about a channel is true at its place among the items.
 */
interface Waiting {
  readonly number: number
  readonly asks: boolean
  readonly topic: Buffer
}

export class BarrierAnswers {
  readonly #send: (topic: Buffer, channels: readonly string[]) => void
  readonly #waiting: Waiting[] = []
  readonly #questions = new Map<number, readonly string[]>()

  constructor(send: (topic: Buffer, channels: readonly string[]) => void) {
    this.#send = send
  }

  /** The barrier's subscription has come. `asks`: its channels are named by handleQuestion. */
  handleBarrier(topic: Buffer, number: number, asks: boolean): void {
    this.#waiting.push({ topic, number, asks })
    this.#answer()
  }

  handleQuestion(number: number, channels: readonly string[]): void {
    this.#questions.set(number, channels)
    this.#answer()
  }

  #answer(): void {
    for (;;) {
      const first = this.#waiting[0]
      if (first === undefined) return
      const channels = first.asks ? this.#questions.get(first.number) : []
      if (channels === undefined) return
      this.#questions.delete(first.number)
      this.#waiting.shift()
      this.#send(first.topic, channels)
    }
  }
}

const NONE = 0xffffffff

/** The tail of an answer: u32 length and bytes for each id; 0xffffffff: none is known. */
export function encodeLastIds(ids: readonly (string | null)[]): Buffer {
  return Buffer.concat(
    ids.map((id) => {
      const bytes = Buffer.alloc(4 + (id?.length ?? 0))
      bytes.writeUInt32BE(id === null ? NONE : id.length)
      if (id !== null) bytes.write(id, 4, 'latin1')
      return bytes
    }),
  )
}

export function decodeLastIds(tail: Buffer): (string | null)[] {
  const ids: (string | null)[] = []
  let at = 0
  while (at < tail.length) {
    const length = tail.readUInt32BE(at)
    at += 4
    ids.push(length === NONE ? null : tail.toString('latin1', at, at + length))
    if (length !== NONE) at += length
  }
  return ids
}
