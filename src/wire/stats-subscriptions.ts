/**
 * Which types of statistics somebody listens to, from what comes up an XPUB: a byte, 1 to subscribe and 0 to unsubscribe,
 * and a prefix of packets.
 *
 * A prefix may be shorter than a type, or name more than it. The socket tells the first subscription to a prefix and the end
 * of the last. Anything else that a peer sends up the socket means nothing.
 */
import type { Buffer } from 'node:buffer'
import { StatsType } from './stats-packet.js'

const SUBSCRIBE = 1
const UNSUBSCRIBE = 0
const HEADS = Object.values(StatsType).map((type) => [type, `${type} `] as const)

export class StatsSubscriptions {
  /** Only those of packets that there are. */
  readonly #prefixes = new Set<string>()
  /** So that a message costs the same, however many prefixes there are. */
  readonly #counts = new Map<StatsType, number>()
  #wanted: ReadonlySet<StatsType> = new Set()

  get wanted(): ReadonlySet<StatsType> {
    return this.#wanted
  }

  /** True: `wanted` has changed. */
  handleFrame(frame: Buffer): boolean {
    const isNew = frame[0] === SUBSCRIBE
    if (!isNew && frame[0] !== UNSUBSCRIBE) return false
    const prefix = frame.toString('latin1', 1)
    const types = HEADS.filter(([, head]) => head.startsWith(prefix) || prefix.startsWith(head))
    if (types.length === 0 || this.#prefixes.has(prefix) === isNew) return false
    if (isNew) this.#prefixes.add(prefix)
    else this.#prefixes.delete(prefix)
    let isChanged = false
    for (const [type] of types) {
      const count = (this.#counts.get(type) ?? 0) + (isNew ? 1 : -1)
      this.#counts.set(type, count)
      if (count === (isNew ? 1 : 0)) isChanged = true
    }
    if (isChanged) this.#wanted = new Set(HEADS.map(([type]) => type).filter((type) => this.#isCounted(type)))
    return isChanged
  }

  #isCounted(type: StatsType): boolean {
    return (this.#counts.get(type) ?? 0) > 0
  }
}
