/**
 * Workers behind ZeroMQ as users write them, for tests: of `zhttp/` targets (PULL, ROUTER, PUB) and of `zhttpreq/`
 * targets. A script is called for each packet and answers through the session.
 */
import { Pull, Router, XPublisher } from 'zeromq'
import {
  type ZhttpRequest,
  type ZhttpResponse,
  type ZhttpType,
  decodeZhttpRequest,
  encodeZhttpResponse,
  isZhttpFault,
} from '../wire/zhttp.js'
import { Waiters, withDeadline } from './wait.js'

export type WorkerScript = (session: WorkerSession, packet: ZhttpRequest) => void | Promise<void>

/** Parts of a message, without what leads to the gateway. */
type Send = (parts: readonly Buffer[]) => Promise<void>

export class WorkerSession {
  readonly id: string
  /** Instance id of the gateway. */
  readonly from: string
  /** What has come, in order. */
  readonly packets: ZhttpRequest[] = []
  /** Number of the next packet. */
  seq = 0
  readonly #worker: string
  readonly #send: Send
  readonly #isNumbered: boolean
  readonly #waiters = new Waiters()

  constructor(first: ZhttpRequest, worker: string, isNumbered: boolean, send: Send) {
    this.id = first.ids[0]?.id ?? ''
    this.from = first.from
    this.#worker = worker
    this.#isNumbered = isNumbered
    this.#send = send
  }

  get first(): ZhttpRequest {
    return this.packets[0] as ZhttpRequest
  }

  /** All bodies so far, joined. */
  get body(): Buffer {
    return Buffer.concat(this.packets.map(({ body }) => body ?? Buffer.alloc(0)))
  }

  /** Sends a packet of this session, numbered; what `packet` says itself counts. */
  send(packet: Partial<ZhttpResponse>): Promise<void> {
    const own = this.#isNumbered ? { from: this.#worker, seq: this.seq++ } : { from: '', seq: null }
    const { from, seq } = own
    return this.sendRaw(encodeZhttpResponse({ from, ids: [{ id: this.id, seq }], ...packet }))
  }

  /** Any parts; a packet is one. */
  sendRaw(...parts: Buffer[]): Promise<void> {
    return this.#send(parts)
  }

  /** A whole answer in one packet. */
  answer(status: number, headers: readonly string[], body: string | Buffer): Promise<void> {
    return this.send({ code: status, reason: 'OK', headers, body: Buffer.from(body) })
  }

  /** The first packet of this type, now or when it has come. */
  received(type: ZhttpType): Promise<ZhttpRequest> {
    return this.until(() => this.packets.find((packet) => packet.type === type), `a packet of type ${type}`)
  }

  until<T>(take: () => T | undefined, what: string): Promise<T> {
    return this.#waiters.until(take, () => `${what} in ${JSON.stringify(this.packets.map(({ type }) => type))}`)
  }

  /** @internal */
  take(packet: ZhttpRequest): void {
    this.packets.push(packet)
    this.#waiters.changed()
  }
}

abstract class Worker {
  readonly sessions: WorkerSession[] = []
  script: WorkerScript
  /** What went wrong here: a packet that is none, a script that threw. */
  readonly errors: unknown[] = []
  readonly #byId = new Map<string, WorkerSession>()
  readonly #waiters = new Waiters()

  constructor(script: WorkerScript) {
    this.script = script
  }

  /** The session number `count`, from 1, of those that `take`; now or when it has come. */
  session(count = 1, take: (session: WorkerSession) => boolean = () => true): Promise<WorkerSession> {
    return this.#waiters.until(
      () => this.sessions.filter(take)[count - 1],
      () => `session ${count} of a worker`,
    )
  }

  protected abstract open(packet: ZhttpRequest, context: Buffer): WorkerSession

  /** `context`: what an answer needs, of the first packet. */
  protected take(message: Buffer, context: Buffer): void {
    const packet = decodeZhttpRequest(message)
    if (isZhttpFault(packet)) {
      this.errors.push(packet.error)
      return
    }
    for (const { id } of packet.ids) this.#takeFor(id, packet, context)
  }

  #takeFor(id: string, packet: ZhttpRequest, context: Buffer): void {
    let session = this.#byId.get(id)
    if (session === undefined) {
      session = this.open(packet, context)
      this.#byId.set(id, session)
      this.sessions.push(session)
    }
    session.take(packet)
    this.#waiters.changed()
    Promise.resolve(session)
      .then((known) => this.script(known, packet))
      .catch((error: unknown) => this.errors.push(error))
  }
}

/** Sends in the order of the calls: a ZeroMQ socket takes one send at a time. */
class Outbox {
  #last: Promise<void> = Promise.resolve()

  send(socket: XPublisher | Router, parts: Buffer[]): Promise<void> {
    this.#last = this.#last.then(() => (socket.closed ? undefined : socket.send(parts as never)))
    return this.#last
  }
}

const EMPTY = Buffer.alloc(0)

export interface StreamWorkerOptions {
  readonly instance?: string
  /** Answers go over the ROUTER instead of PUB. */
  readonly viaRouter?: boolean
}

/** A worker of `zhttp/<spec>`. */
export class StreamWorker extends Worker {
  readonly instance: string
  readonly #pull = new Pull({ linger: 0 })
  readonly #router: Router
  readonly #pub = new XPublisher({ linger: 0 })
  readonly #viaRouter: boolean
  readonly #outbox = new Outbox()
  readonly #loops: Promise<void>[] = []

  /** Resolves when the gateway has subscribed: nothing that is sent is lost. `addresses`: those of zhttpAddresses(). */
  static async connect(
    addresses: { readonly out: string; readonly outStream: string; readonly in: string },
    script: WorkerScript,
    options: StreamWorkerOptions = {},
  ): Promise<StreamWorker> {
    const worker = new StreamWorker(script, options)
    worker.#pull.connect(addresses.out)
    worker.#router.connect(addresses.outStream)
    worker.#pub.connect(addresses.in)
    await withDeadline(worker.#pub.receive(), () => `the gateway subscribes at ${addresses.in}`)
    worker.#loops.push(
      receive(worker.#pull, ([message = EMPTY]) => worker.take(message, EMPTY)),
      receive(worker.#router, (parts) => worker.take(parts[2] ?? EMPTY, EMPTY)),
    )
    return worker
  }

  private constructor(script: WorkerScript, { instance = 'worker', viaRouter = false }: StreamWorkerOptions) {
    super(script)
    this.instance = instance
    this.#viaRouter = viaRouter
    this.#router = new Router({ routingId: instance, linger: 0 })
  }

  /** Any parts, to the gateway with this instance id. */
  sendTo(gateway: string, first: Buffer = EMPTY, ...more: Buffer[]): Promise<void> {
    return this.#outbox.send(this.#pub, [Buffer.concat([Buffer.from(`${gateway} `), first]), ...more])
  }

  /** Any parts, over the ROUTER. */
  sendRouted(parts: readonly Buffer[]): Promise<void> {
    return this.#outbox.send(this.#router, [...parts])
  }

  async close(): Promise<void> {
    for (const socket of [this.#pull, this.#router, this.#pub]) socket.close()
    await Promise.all(this.#loops)
  }

  protected override open(packet: ZhttpRequest): WorkerSession {
    const { from } = packet
    return new WorkerSession(packet, this.instance, true, (parts) =>
      this.#viaRouter ? this.sendRouted([Buffer.from(from), EMPTY, ...parts]) : this.sendTo(from, ...parts),
    )
  }
}

/** A worker of `zhttpreq/<spec>`, that may also answer late, twice or never. */
export class ReqWorker extends Worker {
  readonly #socket = new Router({ linger: 0 })
  readonly #outbox = new Outbox()
  #loop: Promise<void> = Promise.resolve()

  static connect(address: string, script: WorkerScript): ReqWorker {
    const worker = new ReqWorker(script)
    worker.#socket.connect(address)
    worker.#loop = receive(worker.#socket, (parts) => worker.take(parts[2] ?? EMPTY, parts[0] ?? EMPTY))
    return worker
  }

  async close(): Promise<void> {
    this.#socket.close()
    await this.#loop
  }

  protected override open(packet: ZhttpRequest, gateway: Buffer): WorkerSession {
    return new WorkerSession(packet, '', false, (parts) => this.#outbox.send(this.#socket, [gateway, EMPTY, ...parts]))
  }
}

async function receive(
  socket: { readonly closed: boolean; receive(): Promise<Buffer[]> },
  take: (parts: Buffer[]) => void,
): Promise<void> {
  for (;;) {
    let parts: Buffer[]
    try {
      parts = await socket.receive()
    } catch (error) {
      if (socket.closed) return
      throw error
    }
    take(parts)
  }
}
