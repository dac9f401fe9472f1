/** The native load client (client/main.c) and the native backend (client/backend.c) as children that speak JSON lines. */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PROJECT_FOLDER } from './project.js'
import { Program } from './program.js'

export const CLIENT_FILE = join(PROJECT_FOLDER, 'dist/native-bench/loadclient')

const OPEN_DEADLINE_MS = 120_000
/** Draining what a slow server has accepted takes its time. */
const ANSWER_DEADLINE_MS = 300_000

/** Nanoseconds. Without `p50` and the others when nothing was counted. */
export interface Latency {
  readonly count: number
  readonly mean?: number
  readonly p50?: number
  readonly p90?: number
  readonly p99?: number
  readonly p99_9?: number
  readonly max?: number
}

/** What went wrong since the client's start, by kind. */
export type Errors = Readonly<Record<string, number>>

export interface Ready {
  readonly event: 'ready'
  readonly receivers: number
  readonly expecting: number
  readonly publisher: boolean
  readonly errors: Errors
}

export interface Result {
  readonly event: 'result'
  /** From the start to the last delivery or answer. */
  readonly seconds: number
  /** Of the client itself, all its threads. */
  readonly cpu_seconds: number
  /** Share of the phase in which the client worked instead of waiting: near 1 it may be the limit. */
  readonly busy: number
  readonly published: number
  readonly refused: number
  readonly delivered: number
  readonly expected: number
  readonly unstamped: number
  readonly published_total: number
  readonly delivered_total: number
  readonly receivers: number
  readonly receivers_per_channel: number
  readonly per_receiver_min: number
  readonly per_receiver_max: number
  readonly latency_ns: Latency
  /** How late the client itself published in a paced phase. */
  readonly late_ns: Latency
  readonly errors: Errors
}

export interface Phase {
  readonly seconds: number
  /** Messages per second; 0 or absent: as fast as accepted. */
  readonly rate?: number
  readonly window?: number
  /** Seconds: nothing has come for so long. */
  readonly stall?: number
  /** Others publish too: ends when nothing has come for `stall`. */
  readonly settle?: boolean
  readonly slow?: boolean
}

/** A child that answers lines with lines of JSON, one at a time. */
class JsonLines {
  readonly program: Program
  #wanted: ((line: string) => void) | null = null
  readonly #lines: string[] = []

  constructor(name: string, args: readonly string[]) {
    this.program = new Program({ name, command: [CLIENT_FILE, ...args] })
    if (this.program.child.stdout === null) throw new Error('no output')
    createInterface({ input: this.program.child.stdout }).on('line', (line) => {
      if (this.#wanted === null) this.#lines.push(line)
      else this.#wanted(line)
    })
  }

  say(line: string): void {
    this.program.child.stdin?.write(`${line}\n`)
  }

  async next<T>(deadlineMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const line = this.#lines.shift()
    const text =
      line ??
      (await new Promise<string>((resolve, reject) => {
        const fail = (): void => {
          const { name, exit, output } = this.program
          reject(new Error(`${name}: ${exit ?? `no answer in ${deadlineMs / 1000} s`}: ${output.trim()}`))
        }
        timer = setTimeout(fail, deadlineMs)
        this.#wanted = resolve
        void this.program.ended().then(() => setTimeout(fail, 50)) // what it printed last may still be on its way
      }))
    clearTimeout(timer)
    this.#wanted = null
    return JSON.parse(text) as T
  }

  async end(): Promise<void> {
    this.program.child.stdin?.end()
    const timer = setTimeout(() => this.program.signal('SIGKILL'), 5_000)
    await this.program.ended()
    clearTimeout(timer)
  }
}

export class LoadClient {
  readonly ready: Ready
  readonly #lines: JsonLines

  private constructor(lines: JsonLines, ready: Ready) {
    this.#lines = lines
    this.ready = ready
  }

  /** Resolves when everything it was told to open is open or has failed; throws when a publisher or trips could not be. */
  static async start(args: readonly string[]): Promise<LoadClient> {
    const lines = new JsonLines('load client', args)
    try {
      return new LoadClient(lines, await lines.next<Ready>(OPEN_DEADLINE_MS))
    } catch (error) {
      await lines.end()
      throw error
    }
  }

  /** The next phase; resolves when it is drained. */
  async run({ seconds, rate = 0, window = 0, stall = 3, settle = false, slow = false }: Phase): Promise<Result> {
    const flags = `slow=${slow ? 1 : 0} settle=${settle ? 1 : 0}`
    this.#lines.say(`run seconds=${seconds} rate=${rate} window=${window} stall=${stall} ${flags}`)
    return this.#lines.next<Result>((seconds + stall) * 1000 + ANSWER_DEADLINE_MS)
  }

  /** Opens more of the first kind of receivers. */
  async open(count: number): Promise<Ready> {
    this.#lines.say(`open count=${count}`)
    return this.#lines.next<Ready>(OPEN_DEADLINE_MS)
  }

  end(): Promise<void> {
    return this.#lines.end()
  }
}

export interface BackendResult {
  readonly requests: number
  readonly cpu_seconds: number
  readonly errors: Errors
}

export class Backend {
  readonly port: number
  readonly #lines: JsonLines

  private constructor(lines: JsonLines, port: number) {
    this.#lines = lines
    this.port = port
  }

  static async start(): Promise<Backend> {
    const lines = new JsonLines('backend', ['backend', '0'])
    return new Backend(lines, (await lines.next<{ port: number }>(ANSWER_DEADLINE_MS)).port)
  }

  get pid(): number {
    return this.#lines.program.pid
  }

  async end(): Promise<BackendResult> {
    const result = this.#lines.next<BackendResult>(ANSWER_DEADLINE_MS)
    await this.#lines.end()
    return result
  }
}
