/**
 * Effects of a WebSocket session that wait to be performed, in order, and the rule that holds them back: behind a
 * `subscribe` nothing comes out until its channels are live.
 *
 * An idle outbox holds no array.
 */
import type { ChannelInstruct } from '../wire/instruct-types.js'
import type { WsClientEffect } from './ws-effects.js'

export class WsOutbox {
  #effects: WsClientEffect[] | null = null
  #taken = 0
  /** While the answer to OPEN is read: what comes after its channels, the 101 first. */
  #deferred: WsClientEffect[] | null = null
  #isWaiting = false

  /** A subscribe was taken and has not become live yet. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  get isEmpty(): boolean {
    return this.#effects === null
  }

  push(effect: WsClientEffect): void {
    if (this.#deferred !== null) this.#deferred.push(effect)
    else this.#append(effect)
  }

  /** Consecutive ones are one effect; of a channel named twice the later instruct counts. */
  subscribe(channel: ChannelInstruct): void {
    const last = this.#effects?.at(-1)
    if (last === undefined || last.kind !== 'subscribe') {
      this.#append({ kind: 'subscribe', channels: [channel] })
      return
    }
    const channels = last.channels as ChannelInstruct[]
    const index = channels.findIndex(({ name }) => name === channel.name)
    if (index < 0) channels.push(channel)
    else channels[index] = channel
  }

  unsubscribe(channel: string): void {
    this.#append({ kind: 'unsubscribe', channel })
  }

  /** Until endOpening everything but channels goes behind `accept`: the client must not see its 101 before they are live. */
  beginOpening(accept: WsClientEffect): void {
    this.#deferred = [accept]
  }

  endOpening(): void {
    const deferred = this.#deferred
    if (deferred === null) return
    this.#deferred = null
    for (const effect of deferred) this.#append(effect)
  }

  next(): WsClientEffect | null {
    if (this.#isWaiting || this.#effects === null) return null
    const effect = this.#effects[this.#taken++] as WsClientEffect
    if (this.#taken === this.#effects.length) {
      this.#effects = null
      this.#taken = 0
    }
    if (effect.kind === 'subscribe') this.#isWaiting = true
    return effect
  }

  /** Forgets what stands in front of the last one. */
  keepLast(): void {
    const last = this.#effects?.at(-1)
    if (last === undefined) return
    this.#effects = [last]
    this.#taken = 0
  }

  handleLive(): void {
    this.#isWaiting = false
  }

  clear(): void {
    this.#effects = null
    this.#deferred = null
    this.#taken = 0
    this.#isWaiting = false
  }

  #append(effect: WsClientEffect): void {
    if (this.#effects === null) this.#effects = [effect]
    else this.#effects.push(effect)
  }
}
