/**
 * ZHTTP in main: the sockets of all `zhttp/` and `zhttpreq/` targets, which only one may bind, and packets between them
 * and the shards, which have the sessions.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { ZHTTP_ROUTES_MAX } from '../base/limits.js'
import type { Log } from '../base/log.js'
import { type ZhttpToMain, type ZhttpToShard, bufferOf, postZhttp, shardOfZhttpId } from '../link/zhttp-link.js'
import type { ZhttpRoute } from '../routing/zhttp-spec.js'
import { decodeZhttpResponse, isZhttpFault } from '../wire/zhttp.js'
import { type ZhttpDoor, type ZhttpDoorOptions, closedDoor } from './zhttp-door.js'
import { openZhttpReqDoor } from './zhttp-req-door.js'
import { openZhttpStreamDoor } from './zhttp-stream-door.js'

export interface ZhttpRelayOptions {
  readonly routes: readonly ZhttpRoute[]
  /** Instance id of the gateway. */
  readonly instance: string
  readonly shards: number
  readonly log: Pick<Log, 'warn' | 'error'>
}

export interface ZhttpCounts {
  packetsIn: number
  packetsOut: number
  /** Messages of workers that could not be read. */
  bad: number
  /** Messages of workers for sessions that no shard can have. */
  unknown: number
  /** Packets for workers that were gone. */
  unroutable: number
  /** Requests that no worker took. */
  unsent: number
}

export class ZhttpRelay {
  readonly counts: ZhttpCounts = { packetsIn: 0, packetsOut: 0, bad: 0, unknown: 0, unroutable: 0, unsent: 0 }
  readonly instance: string
  /** For the shards, one each: to be transferred. */
  readonly ports: readonly MessagePort[]
  readonly #options: ZhttpRelayOptions
  readonly #shards: readonly MessagePort[]
  readonly #closed: readonly Promise<void>[]
  readonly #doors = new Map<string, ZhttpDoor>()

  /** A target that cannot be bound is logged; requests to it fail. */
  static async open(options: ZhttpRelayOptions): Promise<ZhttpRelay> {
    const relay = new ZhttpRelay(options)
    await relay.update(options.routes)
    return relay
  }

  /**
   * Binds for targets that are new. Those that have gone stay bound until the end: their sessions go on, and a door
   * without requests costs nothing.
   */
  async update(routes: readonly ZhttpRoute[]): Promise<void> {
    for (const route of routes) {
      if (this.#doors.has(targetOf(route))) continue
      if (this.#doors.size >= ZHTTP_ROUTES_MAX) {
        this.#options.log.warn(`too many unique zhttp route targets, limiting to ${ZHTTP_ROUTES_MAX}`)
        return
      }
      await this.#open(route)
    }
  }

  private constructor(options: ZhttpRelayOptions) {
    this.#options = options
    this.instance = options.instance
    const channels = Array.from({ length: options.shards }, () => new MessageChannel())
    this.ports = channels.map(({ port2 }) => port2)
    this.#shards = channels.map(({ port1 }) => port1)
    this.#closed = this.#shards.map((port, shard) => {
      port.on('message', (message: ZhttpToMain) => {
        this.#handle(shard, message)
      })
      return new Promise((resolve) => port.once('close', resolve))
    })
  }

  /** What the shards have said until they closed their ports goes out. */
  async close(): Promise<void> {
    for (const port of this.ports) port.close()
    await Promise.all(this.#closed)
    await Promise.all([...this.#doors.values()].map((door) => door.close()))
  }

  async #open(route: ZhttpRoute): Promise<void> {
    const { instance, log } = this.#options
    const target = targetOf(route)
    const options: ZhttpDoorOptions = {
      route,
      instance,
      log,
      onMessage: (message) => this.#relay(target, message),
      onUnsent: (id) => {
        this.#unsent(id)
      },
      onBad: () => {
        this.counts.bad++
      },
      onUnroutable: () => {
        this.counts.unroutable++
      },
    }
    try {
      const open = route.kind === 'zhttp' ? openZhttpStreamDoor : openZhttpReqDoor
      this.#doors.set(target, await open(options))
    } catch (error) {
      log.error((error as Error).message)
      this.#doors.set(target, closedDoor(options))
    }
  }

  #handle(shard: number, message: ZhttpToMain): void {
    const door = this.#doors.get(message.target)
    if (message.kind === 'withdraw') return door?.withdraw(message.id)
    const { to, id, packet } = message
    this.counts.packetsOut++
    if (door !== undefined) door.send(to, id, bufferOf(packet))
    else if (to === null) this.#post(shard, { kind: 'unsent', id })
  }

  #unsent(id: string): void {
    this.counts.unsent++
    const shard = shardOfZhttpId(id, this.#options.shards)
    if (shard !== null) this.#post(shard, { kind: 'unsent', id })
  }

  /** A message for several sessions goes to each of their shards once. */
  #relay(target: string, message: Buffer): string | null {
    const packet = decodeZhttpResponse(message)
    if (isZhttpFault(packet)) return packet.error
    if (packet.ids.length === 0) return 'has no id'
    this.counts.packetsIn++
    const shards = new Set(packet.ids.map(({ id }) => shardOfZhttpId(id, this.#options.shards)))
    for (const shard of shards) {
      if (shard === null) this.counts.unknown++
      else this.#post(shard, { kind: 'packet', target, packet: message })
    }
    return null
  }

  #post(shard: number, message: ZhttpToShard): void {
    postZhttp(this.#shards[shard] as MessagePort, message)
  }
}

/** As the routes file calls it. */
function targetOf({ kind, spec }: ZhttpRoute): string {
  return `${kind}/${spec}`
}
