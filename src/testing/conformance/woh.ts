/**
 * Scenarios of WebSocket-over-HTTP: a list of answers of the backend, what the client does, and what both have seen. Each
 * request is checked for what holds of all of them; what is wrong is written into the transcript.
 */
import type { BackendCall } from '../scripted-backend.js'
import { upgradeRequest } from '../websocket-frames.js'
import { Waiters } from '../wait.js'
import type { Item } from '../publish.js'
import { Connection, shown } from './connection.js'
import type { ConnectionOptions } from './connection.js'
import type { Scenario } from './scenario.js'
import { quiet } from './world.js'
import type { World } from './world.js'

export const CONTENT_TYPE = 'application/websocket-events'

export interface Answer {
  /** Default 200. */
  readonly status?: number
  readonly reason?: string
  /** On top of Content-Type; `null` leaves Content-Type out. */
  readonly headers?: Readonly<Record<string, string | null>> | readonly string[]
  /** latin1 */
  readonly body?: string
  /** True: sent when the play releases it. */
  readonly held?: boolean
  /** Exact bytes instead of an answer, then the end of the connection. */
  readonly raw?: string
  /** The connection is reset instead. */
  readonly reset?: boolean
}

/** An event with content, latin1. */
export function event(type: string, content?: string): string {
  return content === undefined ? `${type}\r\n` : `${type} ${content.length.toString(16)}\r\n${content}\r\n`
}
export const OPEN = 'OPEN\r\n'
export const DISCONNECT = 'DISCONNECT\r\n'
export const text = (content: string): string => event('TEXT', content)
export const binary = (content: string): string => event('BINARY', content)
/** CLOSE with a code. */
export function close(code?: number, reason = ''): string {
  if (code === undefined) return 'CLOSE\r\n'
  return event('CLOSE', String.fromCharCode(code >> 8, code & 0xff) + reason)
}
export const control = (message: Readonly<Record<string, unknown>>): string => text(`c:${JSON.stringify(message)}`)
export const subscribe = (channel: string): string => control({ type: 'subscribe', channel })

export function ok(body = '', headers: Readonly<Record<string, string>> = {}): Answer {
  return { body, headers }
}
export function accepts(bytes: number | string, body = '', headers: Readonly<Record<string, string>> = {}): Answer {
  return ok(body, { 'Content-Bytes-Accepted': String(bytes), ...headers })
}
export function held(answer: Answer): Answer {
  return { ...answer, held: true }
}
export const GRIP = { 'Sec-WebSocket-Extensions': 'grip' } as const
export const GRIP_BARE = { 'Sec-WebSocket-Extensions': 'grip; message-prefix=""' } as const

/** A request in the transcript that carries Content-Bytes-Replayed. */
export function replayed(bytes: number, body: string): string {
  return `replayed ${bytes}: ${body}`
}

/** In the order: what the backend got, what the client got. */
export type Transcript = readonly [requests: readonly string[], client: readonly string[]]

export interface WohOptions {
  readonly host?: string
  /** Path and query behind the scenario's own first part. */
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly slow?: boolean
  /** False: the play starts without waiting for the 101. */
  readonly waitsForOpen?: boolean
  readonly connection?: ConnectionOptions
  /** The transcript is all that came when the play ended, instead of what it waited for. */
  readonly ownBackend?: boolean
}

type Answers = readonly Answer[] | ((channel: string) => readonly Answer[])

/** Open, then `play`, then the transcript of the requests and events it waited for. */
export function woh(
  name: string,
  answers: Answers,
  play: (stage: WohStage) => void | Promise<void>,
  expected: Transcript,
  options: WohOptions = {},
): Scenario {
  return wohObserved(
    name,
    answers,
    async (stage) => {
      await play(stage)
      return stage.transcript()
    },
    expected.map((lines) => lines.map(shown)),
    options,
  )
}

/** The same with an observation of its own. */
export function wohObserved(
  name: string,
  answers: Answers,
  play: (stage: WohStage) => unknown,
  expected: unknown,
  options: WohOptions = {},
): Scenario {
  return {
    area: 'WebSocket-over-HTTP',
    name,
    expected,
    ...(options.slow === undefined ? {} : { slow: options.slow }),
    ...(options.ownBackend === undefined ? {} : { ownBackend: options.ownBackend }),
    run: async (world) => {
      const list = typeof answers === 'function' ? answers(world.channel) : answers
      const stage = new WohStage(world, list)
      let host = options.host ?? 'any.test'
      if (options.ownBackend === true) {
        const own = await world.ownBackend((call) => stage.take(call))
        stage.backend = own.backend
        host = own.host
      } else world.onCall((call) => stage.take(call))
      const request = upgradeRequest(world.path(options.path ?? ''), host, options.headers)
      const client = await Connection.open(world.target.ports.http, request, options.connection)
      world.atEnd(() => client.destroy())
      stage.client = client
      if (options.waitsForOpen !== false) {
        await client.opened()
        await stage.requests(1)
      }
      return play(stage)
    },
  }
}

export class WohStage {
  readonly world: World
  /** The first client; set before the play. */
  client!: Connection
  backend: { stop(): Promise<void>; start(): Promise<void> } | null = null
  readonly calls: BackendCall[] = []
  readonly #answers: readonly Answer[]
  readonly #waiters = new Waiters()
  readonly #faults: string[] = []
  #inFlight = 0
  #released = 0
  #requestsSeen = 0
  #eventsSeen = 0

  constructor(world: World, answers: readonly Answer[]) {
    this.world = world
    this.#answers = answers
  }

  get channel(): string {
    return this.world.channel
  }

  /** Until the backend has had so many requests, OPEN included. */
  async requests(count: number): Promise<void> {
    await this.#waiters.until(
      () => this.calls.length >= count || undefined,
      () => `${count} requests; there are ${JSON.stringify(this.calls.map(bodyOf))}`,
      this.deadlineMs,
    )
    this.#requestsSeen = Math.max(this.#requestsSeen, count)
  }

  deadlineMs = 15_000

  /** Until the client has got so many events. */
  async got(count: number): Promise<void> {
    await this.client.got(count)
    this.#eventsSeen = Math.max(this.#eventsSeen, count)
  }

  /** Everything until now counts, after a pause in which nothing more should come. */
  async quiet(ms?: number): Promise<void> {
    await quiet(ms)
    this.#requestsSeen = this.calls.length
    this.#eventsSeen = this.client.events.length
  }

  /** A pause for bytes of the client to arrive. */
  async arrive(): Promise<void> {
    await quiet(150)
  }

  /** Sends the next held answer. */
  release(): void {
    this.#released += 1
    this.#waiters.changed()
  }

  async publish(format: Readonly<Record<string, unknown>>, more: Partial<Item> = {}): Promise<void> {
    await this.world.publish({ channel: this.channel, formats: { 'ws-message': format }, ...more })
  }

  async refresh(): Promise<void> {
    await this.publish({ action: 'refresh' })
  }

  transcript(): Transcript {
    return [
      [...this.calls.slice(0, this.#requestsSeen).map(bodyOf), ...this.#faults],
      this.client.events.slice(0, this.#eventsSeen),
    ]
  }

  /** A script: the next answer of the list; beyond it, CLOSE comes back and the rest is accepted. */
  async take(call: BackendCall): Promise<void> {
    this.#check(call)
    const answer = this.#answers[this.calls.length] ?? { body: defaultAnswer(call.body) }
    this.calls.push(call)
    this.#inFlight += 1
    this.#waiters.changed()
    if (answer.held === true) {
      const turn = this.calls.filter((_, at) => this.#answers[at]?.held === true).length
      await this.#waiters.until(
        () => this.#released >= turn || undefined,
        () => 'the release of an answer',
        60_000,
      )
    }
    this.#inFlight -= 1
    send(call, answer)
  }

  /** What holds of every request (WebSocket-over-HTTP: request). */
  #check(call: BackendCall): void {
    const first = this.calls[0]
    const faults: string[] = []
    const expect = (what: string, holds: boolean): unknown => (holds ? null : faults.push(what))
    expect('one request at a time', this.#inFlight === 0)
    expect('POST', call.method === 'POST')
    expect('the same URI', first === undefined || first.url === call.url)
    expect('Accept', call.header('accept') === CONTENT_TYPE)
    expect('Content-Type', call.header('content-type') === CONTENT_TYPE)
    expect('Content-Length', call.header('content-length') === String(call.body.length))
    expect('Connection-Id', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(call.header('connection-id') ?? ''))
    expect('the same id', first === undefined || first.header('connection-id') === call.header('connection-id'))
    for (const fault of faults) this.#faults.push(`request ${this.calls.length}: not as it must be: ${fault}`)
  }
}

function bodyOf(call: BackendCall): string {
  const bytes = call.header('content-bytes-replayed')
  return shown(`${bytes === null ? '' : `replayed ${bytes}: `}${call.body.toString('latin1')}`)
}

function defaultAnswer(body: Buffer): string {
  const at = body.indexOf('CLOSE')
  return at === -1 ? '' : body.toString('latin1', at)
}

function send(call: BackendCall, answer: Answer): void {
  if (answer.reset === true) return call.reset()
  if (answer.raw !== undefined) return call.endRaw(answer.raw)
  if (answer.reason !== undefined) call.response.statusMessage = answer.reason
  const body = Buffer.from(answer.body ?? '', 'latin1')
  call.response.sendDate = false
  const headers = Array.isArray(answer.headers)
    ? (answer.headers as readonly string[])
    : Object.entries({ 'Content-Type': CONTENT_TYPE, ...answer.headers }).flatMap(([name, value]) =>
        value === null ? [] : [name, value as string],
      )
  call.answer(answer.status ?? 200, [...headers, 'Content-Length', String(body.length)], body)
}
