/**
 * Requests and WebSockets to workers without a web server, over ZeroMQ (reference: ZHTTP targets). The sockets are
 * elsewhere (ZhttpWire); here are the sessions, by their ids.
 */
import { randomUUID } from 'node:crypto'
import { assert } from '../base/assert.js'
import { ZHTTP_IDS_MAX } from '../base/limits.js'
import { TargetKind } from '../routing/types.js'
import { type ZhttpId, type ZhttpResponse, ZhttpType, encodeZhttpRequest } from '../wire/zhttp.js'
import type { BackendSocket, BackendSocketHandler, BackendSocketRequest } from './socket-types.js'
import type { BackendClient, BackendExchange, BackendHandler, BackendRequest } from './types.js'
import { ZhttpExchange } from './zhttp-exchange.js'
import type { ZhttpHost, ZhttpOptions, ZhttpSessionHandle } from './zhttp-host.js'
import { ZhttpReqExchange } from './zhttp-req-exchange.js'
import { ZhttpSocket } from './zhttp-socket.js'

interface KeepAlives {
  readonly target: string
  readonly worker: string
  readonly ids: ZhttpId[]
}

export class ZhttpClient implements BackendClient, ZhttpHost {
  readonly options: ZhttpOptions
  readonly #sessions = new Map<string, ZhttpSessionHandle>()
  /** By target and worker. */
  readonly #keepAlives = new Map<string, KeepAlives>()
  #keepAliveTimer: NodeJS.Immediate | null = null
  #isClosed = false

  constructor(options: ZhttpOptions) {
    this.options = options
  }

  /** The target's kind must be `zhttp` or `zhttpreq`. */
  request(request: BackendRequest, handler: BackendHandler): BackendExchange {
    const { kind } = request.target
    assert(kind === TargetKind.Zhttp || kind === TargetKind.ZhttpReq, 'workers are asked in their own way')
    const Exchange = kind === TargetKind.Zhttp ? ZhttpExchange : ZhttpReqExchange
    const exchange = new Exchange(this, this.#newId(), request, handler)
    this.#sessions.set(exchange.id, exchange)
    if (this.#isClosed) setImmediate(() => exchange.shutDown())
    else exchange.start()
    return exchange
  }

  /** The target's kind must be `zhttp`. */
  webSocket(request: BackendSocketRequest, handler: BackendSocketHandler): BackendSocket {
    assert(request.target.kind === TargetKind.Zhttp, 'one packet each way makes no WebSocket')
    const socket = new ZhttpSocket(this, this.#newId(), request, handler)
    this.#sessions.set(socket.id, socket)
    return socket
  }

  /** A packet of a worker of `target` for sessions of this thread; those of others in it are passed over. */
  handlePacket(target: string, packet: ZhttpResponse): void {
    for (const { id, seq } of packet.ids) {
      const session = this.#sessions.get(id)
      // Nobody answers for the workers of another target.
      if (session?.target.name === target) session.handlePacket(seq, packet)
      else if (id.startsWith(this.options.idPrefix)) this.options.onLate()
    }
  }

  handleUnsent(id: string): void {
    this.#sessions.get(id)?.handleUnsent()
  }

  close(): Promise<void> {
    this.#isClosed = true
    for (const session of [...this.#sessions.values()]) session.shutDown()
    this.#sendKeepAlives()
    return Promise.resolve()
  }

  send(target: string, to: string | null, id: string, packet: Buffer): void {
    this.#sendKeepAlives()
    this.options.wire.send(target, to, id, packet)
  }

  forget(session: ZhttpSessionHandle): void {
    this.#sessions.delete(session.id)
  }

  keepAlive(target: string, worker: string, id: string, seq: number): void {
    const key = JSON.stringify([target, worker])
    let group = this.#keepAlives.get(key)
    if (group === undefined) {
      group = { target, worker, ids: [] }
      this.#keepAlives.set(key, group)
    }
    group.ids.push({ id, seq })
    if (group.ids.length >= ZHTTP_IDS_MAX) this.#sendKeepAlives()
    else this.#keepAliveTimer ??= setImmediate(() => this.#sendKeepAlives())
  }

  #sendKeepAlives(): void {
    if (this.#keepAlives.size === 0) return
    if (this.#keepAliveTimer !== null) clearImmediate(this.#keepAliveTimer)
    this.#keepAliveTimer = null
    const { wire, instance: from } = this.options
    for (const { target, worker, ids } of this.#keepAlives.values()) {
      const packet = encodeZhttpRequest({ from, ids, type: ZhttpType.KeepAlive })
      wire.send(target, worker, (ids[0] as ZhttpId).id, packet)
    }
    this.#keepAlives.clear()
  }

  /** Random, so that a worker cannot guess the sessions of others. */
  #newId(): string {
    return this.options.idPrefix + randomUUID()
  }
}
