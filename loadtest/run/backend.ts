/** The load test's own backend (--backend-port), in a thread of its own, from before the probe until after the load. */
import { once } from 'node:events'
import type { EventLoopUtilization } from 'node:perf_hooks'
import { MessageChannel } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { BackendStart } from '../clients/backend.js'
import type { Target } from '../clients/protocol.js'
import { RunError } from './run-error.js'

export interface BackendOptions {
  readonly listenPort: number
  readonly responseBytes: number
  readonly target: Target
}

export class Backend {
  /** The route that leads to it. */
  readonly route: string
  readonly #pool: Piscina
  readonly #port: MessagePort
  readonly #ended: Promise<unknown>
  readonly #requests: Int32Array

  private constructor(start: BackendStart, port: MessagePort, route: string) {
    this.route = route
    this.#port = port
    this.#requests = new Int32Array(start.requests)
    this.#pool = new Piscina({
      filename: new URL('../clients/worker.js', import.meta.url).href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Infinity,
      atomics: 'disabled',
    })
    this.#ended = this.#pool.run(start, { name: 'backend', transferList: [start.port] }) as Promise<unknown>
    this.#ended.catch(() => {}) // stop() tells
  }

  /** Resolves when it listens. Throws a RunError when it cannot. */
  static async start({ listenPort, responseBytes, target }: BackendOptions): Promise<Backend> {
    const { port1, port2 } = new MessageChannel()
    // A gateway on another machine must reach it; one on this machine needs no open port.
    const isLocal = target.address === '::1' || target.address.startsWith('127.')
    const host = isLocal ? '127.0.0.1' : '::'
    const requests = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
    const route = `* ${isLocal ? '127.0.0.1' : 'THIS_HOST'}:${String(listenPort)},over_http`
    const backend = new Backend({ host, listenPort, responseBytes, requests, port: port2 }, port1, route)
    const [message] = (await once(port1, 'message')) as [string]
    if (message === 'listening') return backend
    await backend.stop()
    throw new RunError('backend', `The backend cannot listen on port ${String(listenPort)}: ${message}`)
  }

  /** So far. */
  get requests(): number {
    return this.#requests[0] as number
  }

  /** Of its event loop, since `before` or since the start. */
  utilization(before?: EventLoopUtilization): EventLoopUtilization {
    const idle: EventLoopUtilization = { idle: 0, active: 0, utilization: 0 }
    const performance = this.#pool.threads[0]?.performance
    return performance === undefined ? idle : performance.eventLoopUtilization(before)
  }

  async stop(): Promise<void> {
    this.#port.postMessage('stop')
    await this.#ended.catch(() => {})
    this.#port.close()
    await this.#pool.destroy()
  }
}
