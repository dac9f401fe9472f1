/**
 * A chat whose backend is restarted again and again: many clients send numbered messages to their rooms all the time.
 *
 * What is checked:
 * - nothing twice: no acknowledgement and no published message comes to a client a second time;
 * - nothing missing on a socket that lives: each message is acknowledged, in order, and everyone in the room hears it;
 * - a socket closes only when the backend is killed while a request of it is complete and not answered, and the gateway
 *   counts as many. After a polite end none does.
 */
import cluster from 'node:cluster'
import type { Worker } from 'node:cluster'
import { once } from 'node:events'
import { join } from 'node:path'
import { Prng } from '../base/prng.js'
import { freePorts } from './free-ports.js'
import { PROJECT_FOLDER, startGateway } from './gateway.js'
import type { Gateway } from './gateway.js'
import { poll, Waiters, withDeadline } from './wait.js'
import { WsClient, WsRejected } from './ws-client.js'

const ROOM_CLIENTS = 10
/** Longer than the gateway retries a request: 1, 2, 4, 8 and 16 s, and up to 1 s more each. */
const SETTLE_MS = 40_000

export interface RestartChatOptions {
  readonly clients: number
  readonly restarts: number
  /** Each client sends this often, on average; it does not wait for acknowledgements. */
  readonly sendEveryMs: number
  /** SIGTERM: the backend finishes its requests. SIGKILL: it does not. */
  readonly signal: 'SIGTERM' | 'SIGKILL'
  readonly seed: number
}

export interface RestartChatReport {
  readonly sent: number
  readonly acknowledged: number
  readonly delivered: number
  readonly retries: number
  /** WebSockets that were closed, and of them those with a message that was not acknowledged. */
  readonly closed: number
  readonly closedWaiting: number
  /** What the gateway says: by a request without answer, and for any other reason. */
  readonly droppedUnanswered: number
  readonly droppedOtherwise: number
  /** Sentences; empty: all is well. */
  readonly faults: readonly string[]
}

export async function runRestartChat(
  options: RestartChatOptions,
  progress: (restart: number) => void = () => {},
): Promise<RestartChatReport> {
  const [port = 0] = await freePorts(1)
  // Idle connections end soon, because a backend that ends politely waits for that; but not between two messages.
  const conf = { 'proxy.backend_keep_alive': '3', 'runner.log_level': '1' }
  const gateway = await startGateway({ routes: [`* 127.0.0.1:${String(port)},over_http`], conf })
  const start = (): Promise<Worker> => startBackend(port, gateway.controlUrl('/publish/'))
  let backend = await start()
  const chat = new Chat(gateway, options)
  try {
    await chat.open()
    for (let restart = 1; restart <= options.restarts; restart++) {
      await chat.heardFromAll()
      backend = await restartBackend(backend, options.signal, start)
      progress(restart)
    }
    await chat.settle()
    return await chat.report()
  } finally {
    chat.stop()
    backend.process.kill('SIGKILL')
    await gateway.kill()
  }
}

async function startBackend(port: number, publishUrl: string): Promise<Worker> {
  // Workers share one listening socket, so that the end of one does not reset connections that wait to be accepted.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({
    exec: join(PROJECT_FOLDER, 'dist/testing/restart-chat-backend.js'),
    args: [],
    execArgv: [],
    serialization: 'json',
  })
  const worker = cluster.fork({ PORT: String(port), PUBLISH_URL: publishUrl, NODE_OPTIONS: '' })
  await withDeadline(once(worker, 'listening'), () => 'the backend listens')
  return worker
}

/** Resolves with the backend that is there afterwards. */
async function restartBackend(
  before: Worker,
  signal: RestartChatOptions['signal'],
  start: () => Promise<Worker>,
): Promise<Worker> {
  // A polite end is that of a rolling restart: the next one listens already. After a crash nobody does for a while.
  const next = signal === 'SIGTERM' ? await start() : null
  const exited = once(before, 'exit') as Promise<[code: number | null]>
  before.process.kill(signal)
  const [code] = await withDeadline(exited, () => `the backend ends after ${signal}`, SETTLE_MS)
  if (signal === 'SIGTERM' && code !== 0) throw new Error(`the backend ended with ${String(code)}`)
  return next ?? start()
}

/** A message: who sent it (one number per socket), and its number from 0. */
interface Numbered {
  readonly sender: number
  readonly number: number
}

class Chat {
  readonly faults: string[] = []
  readonly waiters = new Waiters()
  readonly prng: Prng
  readonly gateway: Gateway
  readonly #options: RestartChatOptions
  /** One for every socket there was. The index is the sender's name. */
  readonly members: Member[] = []
  #isStopped = false

  constructor(gateway: Gateway, options: RestartChatOptions) {
    this.gateway = gateway
    this.#options = options
    this.prng = new Prng(options.seed)
  }

  async open(): Promise<void> {
    for (let client = 0; client < this.#options.clients; client++) await this.#join(Math.floor(client / ROOM_CLIENTS))
  }

  /** Who is still there has been acknowledged something from now on: the backend is up and everyone talks to it. */
  async heardFromAll(): Promise<void> {
    const before = this.members.map(({ acknowledged }) => acknowledged)
    const isHeard = (member: Member): boolean =>
      member.isClosed || member.acknowledged > (before[member.sender] ?? member.acknowledged)
    await this.waiters.until(
      () => (this.members.every((member) => isHeard(member) || before[member.sender] === undefined) ? true : undefined),
      () => 'an acknowledgement for everyone',
      SETTLE_MS,
    )
  }

  /** Nobody sends any more, and everybody has heard what it must. */
  async settle(): Promise<void> {
    this.#isStopped = true
    for (const member of this.members) member.stopSending()
    const isSettled = (): boolean => this.members.every((member) => member.isClosed || member.missing() === null)
    await this.waiters
      .until(
        () => isSettled() || undefined,
        () => 'everything that was sent',
        SETTLE_MS,
      )
      .catch((error: unknown) => {
        for (const member of this.members) {
          const missing = member.isClosed ? null : member.missing()
          if (missing !== null) this.faults.push(`${missing}: ${(error as Error).message.split('\n')[0] ?? ''}`)
        }
      })
  }

  stop(): void {
    this.#isStopped = true
    for (const member of this.members) member.end()
  }

  async report(): Promise<RestartChatReport> {
    const metrics = await this.gateway.metrics()
    const dropped = metrics.value('tackboard_ws_dropped_total')
    const droppedUnanswered = metrics.value('tackboard_ws_dropped_total', { reason: 'unanswered' })
    const closed = this.members.filter(({ isClosed }) => isClosed)
    const sum = (count: (member: Member) => number): number => this.members.reduce((all, one) => all + count(one), 0)
    const report: RestartChatReport = {
      sent: sum(({ sent }) => sent),
      acknowledged: sum(({ acknowledged }) => acknowledged),
      delivered: sum(({ delivered }) => delivered),
      retries: metrics.value('tackboard_ws_retries_total'),
      closed: closed.length,
      closedWaiting: closed.filter(({ sent, acknowledged }) => sent > acknowledged).length,
      droppedUnanswered,
      droppedOtherwise: dropped - droppedUnanswered,
      faults: this.faults,
    }
    if (this.#options.signal === 'SIGTERM' && report.closed > 0) this.faults.push('a polite end has closed WebSockets')
    for (const member of closed) {
      if (member.sent === member.acknowledged) this.faults.push(`closed without an open request: ${member.story()}`)
    }
    if (report.closed !== droppedUnanswered) this.faults.push('the gateway has counted another number of closes')
    if (report.droppedOtherwise > 0) this.faults.push('the gateway has closed WebSockets for another reason')
    return report
  }

  /** A new socket, for one that was closed too. While the backend is away the gateway answers 502. */
  async #join(room: number): Promise<void> {
    const url = this.gateway.wsUrl(`/?room=room-${String(room)}`)
    const client = await poll(
      () =>
        WsClient.connect(url).catch((error: unknown) => {
          if (error instanceof WsRejected && error.status === 502) return undefined
          throw error
        }),
      () => 'the backend accepts a WebSocket',
      SETTLE_MS,
    )
    if (this.#isStopped) {
      client.terminate()
      return
    }
    const member = new Member(this, client, this.members.length, room)
    this.members.push(member)
    member.startSending(() => this.prng.next() * 2 * this.#options.sendEveryMs)
    void client.closed.then(({ code }) => {
      member.handleClosed(code)
      if (this.#isStopped) return
      this.#join(room).catch((error: unknown) => {
        // At the end the gateway goes, and with it who is just coming.
        if (!this.#isStopped) this.faults.push(String(error))
      })
    })
  }
}

/** One socket: what it has sent and heard. */
class Member {
  readonly sender: number
  readonly room: number
  sent = 0
  acknowledged = 0
  delivered = 0
  isClosed = false
  readonly #chat: Chat
  readonly #client: WsClient
  /** For each sender: numbers heard so far, as the next one expected. Rooms keep the order of a sender. */
  readonly #heard = new Map<number, number>()
  /** For each sender that was here already: what it had sent when this socket opened. Later messages must come. */
  readonly #before: readonly number[]
  readonly #openedMs = performance.now()
  #closed = { code: 0, ageMs: 0 }
  #timer: NodeJS.Timeout | undefined

  constructor(chat: Chat, client: WsClient, sender: number, room: number) {
    this.#chat = chat
    this.#client = client
    this.sender = sender
    this.room = room
    this.#before = chat.members.map(({ sent }) => sent)
    for (const { data } of client.messages) this.#handle(data.toString())
    client.socket.on('message', (data: Buffer) => {
      this.#handle(data.toString())
      chat.waiters.changed()
    })
  }

  startSending(delayMs: () => number): void {
    this.#timer = setTimeout(() => {
      this.#client.send(`${String(this.sender)}:${String(this.sent)}`)
      this.sent++
      this.startSending(delayMs)
    }, delayMs())
  }

  stopSending(): void {
    clearTimeout(this.#timer)
  }

  end(): void {
    this.stopSending()
    this.#client.terminate()
  }

  handleClosed(code: number): void {
    this.stopSending()
    this.isClosed = true
    this.#closed = { code, ageMs: Math.round(performance.now() - this.#openedMs) }
    this.#chat.waiters.changed()
  }

  story(): string {
    const { code, ageMs } = this.#closed
    const heard = `${String(this.sent)} messages sent, ${String(this.delivered)} heard`
    return `socket ${String(this.sender)}, ${heard}, code ${String(code)} after ${String(ageMs)} ms`
  }

  /** What a socket that lives still lacks, in words. */
  missing(): string | null {
    if (this.acknowledged < this.sent) return `socket ${String(this.sender)} lacks acknowledgements`
    for (const { sender, room, acknowledged } of this.#chat.members) {
      if (room !== this.room || acknowledged <= (this.#before[sender] ?? 0)) continue
      if ((this.#heard.get(sender) ?? 0) < acknowledged)
        return `socket ${String(this.sender)} lacks messages of ${String(sender)}`
    }
    return null
  }

  #handle(text: string): void {
    const [, ack, sender, number] = /^(ack )?(\d+):(\d+)$/.exec(text) ?? []
    const message: Numbered = { sender: Number(sender), number: Number(number) }
    if (ack !== undefined) this.#acknowledge(message, text)
    else this.#hear(message, text)
  }

  #acknowledge({ sender, number }: Numbered, text: string): void {
    if (sender !== this.sender || number !== this.acknowledged) {
      this.#fault(`got ${text}, expected number ${String(this.acknowledged)}`)
    }
    this.acknowledged = number + 1
  }

  #hear({ sender, number }: Numbered, text: string): void {
    this.delivered++
    const expected = this.#heard.get(sender)
    // The first of a sender may be any that was on its way when this socket opened.
    const isFirst = expected === undefined && number <= (this.#before[sender] ?? 0)
    if (!isFirst && number !== (expected ?? 0)) this.#fault(`heard ${text}, expected number ${String(expected ?? 0)}`)
    this.#heard.set(sender, number + 1)
  }

  #fault(text: string): void {
    this.#chat.faults.push(`socket ${String(this.sender)} ${text}`)
  }
}
