/**
 * The shards: worker threads of one piscina pool, each running one endless task (shard/main.ts).
 *
 * A shard that fails before it listens fails start(); one that fails later ends the process, since its connections
 * are gone with it and the world outside (systemd, a container) restarts us.
 */
import { randomInt } from 'node:crypto'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { Certificates } from '../config/certificates.js'
import type { Settings } from '../config/types.js'
import type { ShardStart, ToMain, ToShard } from '../link/messages.js'
import { Questions } from './questions.js'

export interface ShardPoolOptions {
  readonly settings: Settings
  readonly shards: number
  /** Text of the routes file; empty when --route lines replace it. */
  readonly routesText: string
  readonly certificates: Certificates
  readonly busAddress: string
  readonly counters: SharedArrayBuffer
  readonly progress: SharedArrayBuffer
  /** A port for each shard, see link/zhttp-link.ts. */
  readonly zhttp: { readonly ports: readonly MessagePort[]; readonly instance: string }
  /** A shard said that it cannot go on, or ended on its own. */
  onFatal(message: string): void
  onMessage(message: ShardMessage, shard: number): void
}

/** What a shard says that is no matter of the pool. */
export type ShardMessage = Exclude<ToMain, { readonly kind: 'listening' | 'fatal' | 'answer' | 'sockjs' }>

export class ShardPool {
  readonly #options: ShardPoolOptions
  readonly #pool: Piscina
  readonly #ports: MessagePort[] = []
  readonly #tasks: Promise<void>[] = []
  readonly #connections = new SharedArrayBuffer(4)
  /** Asks all shards. */
  readonly questions: Questions
  readonly #seed = randomInt(2 ** 32)
  #draining = false

  constructor(options: ShardPoolOptions) {
    this.#options = options
    this.questions = new Questions(options.shards, (message) => {
      this.tell(message)
    })
    this.#pool = new Piscina({
      filename: new URL('../shard/main.js', import.meta.url).href,
      minThreads: options.shards,
      maxThreads: options.shards,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      // Workers are event loops: they must never block waiting for a task.
      atomics: 'disabled',
    })
  }

  /** Client connections open over all shards. */
  get connections(): number {
    return Atomics.load(new Int32Array(this.#connections), 0)
  }

  /** Resolves when every shard listens. */
  async start(): Promise<void> {
    const { shards } = this.#options
    await Promise.all(Array.from({ length: shards }, (_, shard) => this.#startShard(shard)))
  }

  async #startShard(shard: number): Promise<void> {
    const options = this.#options
    const { settings, shards, routesText, certificates, busAddress, counters, progress } = options
    const { port1, port2 } = new MessageChannel()
    const zhttp = { port: options.zhttp.ports[shard] as MessagePort, instance: options.zhttp.instance }
    this.#ports.push(port1)
    const listening = new Promise<void>((resolve) => {
      port1.on('message', (message: ToMain) => {
        if (message.kind === 'listening') resolve()
        else if (message.kind === 'fatal') options.onFatal(message.message)
        else if (message.kind === 'sockjs') this.#connectSockJs(message.shard, message.port)
        else if (message.kind === 'answer') this.questions.handleAnswer(message.number, message.found)
        else options.onMessage(message, shard)
      })
    })
    const start: ShardStart = {
      shard,
      shards,
      settings,
      routesText,
      certificates,
      busAddress,
      counters,
      progress,
      connections: this.#connections,
      port: port2,
      seed: this.#seed,
      zhttp,
    }
    const task = this.#pool.run(start, { transferList: [port2, zhttp.port] }) as Promise<void>
    this.#tasks.push(task)
    await Promise.race([listening, task])
    task.then(
      () => {
        if (!this.#draining) options.onFatal(`shard ${String(shard)} ended by itself`)
      },
      (error: unknown) => {
        options.onFatal(`shard ${String(shard)}: ${(error as Error).message}`)
      },
    )
  }

  #connectSockJs(shard: number, port: MessagePort): void {
    const message: ToShard = { kind: 'sockjs', port }
    this.#ports[shard]?.postMessage(message, [port])
  }

  /** To every shard. */
  tell(message: ToShard): void {
    for (const port of this.#ports) port.postMessage(message)
  }

  /** Every shard stops listening, ends what it holds politely within the deadline, and finishes. */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true
    this.tell({ kind: 'drain', deadlineMs })
    await Promise.allSettled(this.#tasks)
    for (const port of this.#ports) port.close()
    await this.#pool.destroy()
  }
}
