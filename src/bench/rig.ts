/** What is measured and its clients, set up for one measurement: a gateway with its backend, or raw uWebSockets.js. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { startGateway } from '../testing/gateway.js'
import type { Gateway } from '../testing/gateway.js'
import { Waiters } from '../testing/wait.js'
import { cpuMicros } from './process-cost.js'
import type { LoadCommand, LoadEvent, LoadStart } from './load-protocol.js'

const COMMAND_DEADLINE_MS = 30_000

export interface Measure {
  readonly units: number
  readonly seconds: number
  readonly cpuMicros: number
}

export class Rig {
  readonly gateway: Gateway
  readonly load: Load
  readonly #backend: ChildProcess

  private constructor(gateway: Gateway, backend: ChildProcess) {
    this.gateway = gateway
    this.#backend = backend
    this.load = new Load(gateway.ports.http)
  }

  static async start(shards: number): Promise<Rig> {
    const backend = fork(new URL('./backend-process.js', import.meta.url), { execArgv: [] })
    const [port] = (await once(backend, 'message')) as [number]
    try {
      const routes = [`* 127.0.0.1:${port},over_http`]
      // The level is the default one: an access line per request is part of what a request costs.
      const args = ['--logfile=/dev/null']
      return new Rig(await startGateway({ routes, args, workers: shards }), backend)
    } catch (error) {
      backend.disconnect()
      throw error
    }
  }

  /** From now until `work` is over: `work` must leave nothing under way. */
  measure(work: () => Promise<void>): Promise<Measure> {
    return measureProcess(this.gateway.pid, this.load, work)
  }

  async stop(): Promise<void> {
    await this.load.stop()
    try {
      await this.gateway.stop()
    } finally {
      this.#backend.disconnect()
    }
  }
}

/** uWebSockets.js alone (raw-server.ts). */
export class RawRig {
  readonly load: Load
  readonly #server: ChildProcess

  private constructor(server: ChildProcess, port: number) {
    this.#server = server
    this.load = new Load(port)
  }

  static async start(): Promise<RawRig> {
    const server = fork(new URL('./raw-server.js', import.meta.url), { execArgv: [] })
    const [port] = (await once(server, 'message')) as [number]
    return new RawRig(server, port)
  }

  publish(content: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.send(content, (error) => {
        if (error === null) resolve()
        else reject(error)
      })
    })
  }

  measure(work: () => Promise<void>): Promise<Measure> {
    return measureProcess(this.#server.pid ?? 0, this.load, work)
  }

  async stop(): Promise<void> {
    await this.load.stop()
    if (this.#server.connected) this.#server.disconnect()
  }
}

async function measureProcess(pid: number, load: Load, work: () => Promise<void>): Promise<Measure> {
  const before = { units: load.units, cpu: cpuMicros(pid), at: performance.now() }
  await work()
  const seconds = (performance.now() - before.at) / 1000
  return { units: load.units - before.units, seconds, cpuMicros: cpuMicros(pid) - before.cpu }
}

export interface LoadSpread {
  readonly perConnectionMin: number
  readonly perConnectionMax: number
}

/** The clients: a thread (load-thread.ts) and the count of what it has done. */
export class Load {
  readonly #worker: Worker
  readonly #units: Float64Array
  readonly #waiters = new Waiters()
  #failure: Error | null = null
  #answer: LoadSpread | null = null

  constructor(port: number) {
    const units = new SharedArrayBuffer(8)
    this.#units = new Float64Array(units)
    const workerData: LoadStart = { port, units }
    this.#worker = new Worker(new URL('./load-thread.js', import.meta.url), { workerData })
    this.#worker.on('message', (event: LoadEvent) => {
      if (event.kind === 'done') this.#answer = event
      if (event.kind === 'failed') this.#failure = new Error(`load client: ${event.message}`)
      this.#waiters.changed()
    })
    this.#worker.on('error', (error) => {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      this.#waiters.changed()
    })
  }

  /** Frames received or round trips made, since the start. */
  get units(): number {
    return this.#units[0] as number
  }

  async run(command: LoadCommand): Promise<LoadSpread> {
    this.#answer = null
    this.#worker.postMessage(command)
    return this.#until(() => this.#answer ?? undefined, `the load client does ${command.kind}`, COMMAND_DEADLINE_MS)
  }

  /** Until `units` has reached `goal`, or has not grown for `stallMs`. */
  async reached(goal: number, stallMs: number): Promise<boolean> {
    let last = this.units
    while (last < goal) {
      const before = last
      const grown = this.#until(() => this.units > before || undefined, 'growth', stallMs)
      await grown.catch((error: unknown) => {
        if (this.#failure !== null) throw error
      })
      last = this.units
      if (last === before) return false
    }
    return true
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }

  #until<T>(take: () => T | undefined, wanted: string, deadlineMs: number): Promise<T> {
    const attempt = (): T | undefined => {
      if (this.#failure !== null) throw this.#failure
      return take()
    }
    return this.#waiters.until(attempt, () => wanted, deadlineMs)
  }
}
