/** ZhttpClient without sockets: packets are kept, workers are played by the test, time goes by hand. */
import { pino } from 'pino'
import { ZhttpClient } from '../backend/zhttp-client.js'
import type { BackendExchange, BackendFailure, BackendHandler, BackendRequest } from '../backend/types.js'
import { Deadlines } from '../base/deadlines.js'
import { parseRoutes } from '../routing/routes.js'
import type { Target } from '../routing/types.js'
import {
  type ZhttpRequest,
  type ZhttpResponse,
  decodeZhttpRequest,
  decodeZhttpResponse,
  encodeZhttpResponse,
  isZhttpFault,
} from '../wire/zhttp.js'

export interface SentPacket extends ZhttpRequest {
  /** Where it went; null: to any worker. */
  readonly to: string | null
  readonly target: string
}

export class ZhttpMemory {
  readonly sent: SentPacket[] = []
  readonly withdrawn: string[] = []
  readonly warnings: string[] = []
  late = 0
  readonly client: ZhttpClient
  readonly #deadlines = new Deadlines(0)
  #nowMs = 0

  constructor() {
    const log = pino({ level: 'warn' }, { write: (line: string) => void this.warnings.push(messageOf(line)) })
    this.client = new ZhttpClient({
      instance: 'gateway',
      idPrefix: '7-',
      deadlines: this.#deadlines,
      clock: { nowMs: () => this.#nowMs },
      log,
      onLate: () => {
        this.late++
      },
      wire: {
        send: (target, to, _id, bytes) => {
          const packet = decodeZhttpRequest(bytes)
          if (isZhttpFault(packet)) throw new Error(packet.error)
          this.sent.push({ ...packet, to, target })
        },
        withdraw: (_target, id) => {
          this.withdrawn.push(id)
        },
      },
    })
  }

  /** Moves time. */
  advance(ms: number): void {
    this.#nowMs += ms
    this.#deadlines.advance(this.#nowMs)
  }

  /** The last packet sent. */
  get last(): SentPacket {
    return this.sent.at(-1) as SentPacket
  }

  /** As a worker of `target` sends it. */
  receive(packet: Partial<ZhttpResponse>, target = ZHTTP.name): void {
    const decoded = decodeZhttpResponse(encodeZhttpResponse(packet))
    if (isZhttpFault(decoded)) throw new Error(decoded.error)
    this.client.handlePacket(target, decoded)
  }

  /** The answer number `seq` of the worker to the session of the packet sent last. */
  answer(seq: number | null, packet: Partial<ZhttpResponse> = {}, target = ZHTTP.name): void {
    const id = this.last.ids[0]?.id ?? ''
    this.receive({ from: 'worker', ids: [{ id, seq }], ...packet }, target)
  }

  request(options: Partial<BackendRequest> = {}): RecordedExchange {
    return new RecordedExchange(this.client, {
      target: ZHTTP,
      method: 'GET',
      path: '/',
      headers: ['Host', 'a.test'],
      body: null,
      ...options,
    })
  }
}

function messageOf(line: string): string {
  return (JSON.parse(line) as { msg: string }).msg
}

/** A target of a routes file. */
export function targetOf(section: string): Target {
  const target = parseRoutes(`* ${section}`, '/routes').table.routes[0]?.targets[0]
  if (target === undefined) throw new Error(`no target: ${section}`)
  return target
}

export const ZHTTP = targetOf('zhttp/ipc:///workers')
export const ZHTTPREQ = targetOf('zhttpreq/ipc:///workers')

/** Writes down what the handler of an exchange is told. */
export class RecordedExchange implements BackendHandler {
  /** `200 OK A: b`, `data …`, `end`, or `connect`, `generic` … for failures. */
  readonly events: string[] = []
  failure: BackendFailure | null = null
  /** False: data asks for a pause. */
  isReading = true
  readonly exchange: BackendExchange

  constructor(client: ZhttpClient, request: BackendRequest) {
    this.exchange = client.request(request, this)
  }

  handleHead(status: number, reason: string, headers: string[]): void {
    this.events.push([status, reason, ...headers].join(' ').trim())
  }

  handleData(chunk: Buffer): boolean {
    this.events.push(`data ${chunk.length > 40 ? chunk.length : chunk.toString('latin1')}`)
    return this.isReading
  }

  handleEnd(): void {
    this.events.push('end')
  }

  handleFailure(failure: BackendFailure): void {
    this.failure = failure
    this.events.push(failure.kind)
  }
}
