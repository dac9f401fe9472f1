/**
 * The worker threads of a run: one piscina pool, one task per worker with a MessagePort to it.
 *
 * Whoever sends by a schedule (publishers, or else the clients) gets a share of the rate, with its sends between those of
 * the others, and beats from the metronome.
 */
import { MessageChannel } from 'node:worker_threads'
import type { MessagePort, Transferable } from 'node:worker_threads'
import { Piscina } from 'piscina'
import { LIVE_ROW } from '../clients/protocol.js'
import type { Beat, ClientsStart, Command, Interval, MetronomeStart, Pace, Phases } from '../clients/protocol.js'
import type { PublisherStart, Target, WorkerEvent, WorkerResult, WorkerStart } from '../clients/protocol.js'
import { wakeUpsPerSecond } from '../measure/schedule.js'
import type { LoadOptions } from '../options.js'
import { deferred } from './deferred.js'

export interface CrewOptions {
  readonly options: LoadOptions
  readonly target: Target
  readonly run: string
  readonly epochMs: number
  handleInterval(interval: Interval): void
}

interface Worker {
  /** Share of the rate, if it is its kind that sends. */
  readonly share: number
  readonly port: MessagePort
  readonly ticks: MessagePort
  readonly ready: Promise<void>
  /** Publishers: everything has been sent and answered. */
  readonly sent: Promise<void>
  readonly result: Promise<WorkerResult>
}

export class Crew {
  /** Rows of live numbers, one per worker (protocol.ts). */
  readonly live: Float64Array
  readonly #crew: CrewOptions
  readonly #pool: Piscina
  readonly #clients: readonly Worker[]
  readonly #publishers: readonly Worker[]
  readonly #stopMetronome = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))

  constructor(crew: CrewOptions) {
    const { options } = crew
    const publishers = publisherCount(options)
    const clients = Math.min(options.workers, options.connections)
    const workers = publishers + clients
    this.#crew = crew
    this.live = new Float64Array(new SharedArrayBuffer(workers * LIVE_ROW * Float64Array.BYTES_PER_ELEMENT))
    const threads = workers + 1 // the metronome
    this.#pool = new Piscina({
      filename: new URL('../clients/worker.js', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      idleTimeout: Infinity,
      // Workers are event loops: they must never block waiting for a task.
      atomics: 'disabled',
    })
    const sentTimes = new SharedArrayBuffer(sentTimesCount(options) * Float64Array.BYTES_PER_ELEMENT)
    this.#publishers = Array.from({ length: publishers }, (_, n) => this.#startPublisher(n, publishers, sentTimes))
    this.#clients = Array.from({ length: clients }, (_, n) => this.#startClients(n, publishers + n, clients, sentTimes))
  }

  /** Resolves when every connection is open or has failed. */
  async ready(): Promise<void> {
    await Promise.all(this.#all.map(({ ready, result }) => Promise.race([ready, result])))
  }

  /** `receivers`: connections that are open. */
  begin(phases: Phases, receivers: number): void {
    const { rate } = this.#crew.options
    const beats: Beat[] = []
    const paces = new Map<Worker, Pace>()
    let before = 0
    for (const worker of this.#senders) {
      if (rate === 'max' || worker.share === 0) continue
      const ratePerSecond = rate * worker.share
      // Places between the sends of the first one: 0, 1/4, 1/2, 3/4 of the way to its next.
      const startMs = phases.startMs + (before * 1_000) / ratePerSecond
      before += worker.share
      paces.set(worker, { startMs, ratePerSecond })
      beats.push({ port: worker.ticks, startMs, intervalMs: 1_000 / wakeUpsPerSecond(ratePerSecond) })
    }
    for (const worker of this.#all) {
      tell(worker, { kind: 'begin', phases, pace: paces.get(worker) ?? null, receivers })
    }
    if (beats.length > 0) this.#startMetronome(beats, phases.endMs)
  }

  /** Nothing is sent any more. */
  cut(endMs: number): void {
    for (const worker of this.#all) tell(worker, { kind: 'cut', endMs })
  }

  /** Resolves when the publishers have sent everything and got every answer. */
  async sent(): Promise<void> {
    await Promise.all(this.#publishers.map(({ sent, result }) => Promise.race([sent, result])))
  }

  /** Publishers first: what they have published is what the clients must have got. */
  async finish(): Promise<WorkerResult[]> {
    this.#stop()
    const finish = (workers: readonly Worker[], published: WorkerResult['published'][]): Promise<WorkerResult[]> => {
      for (const worker of workers) tell(worker, { kind: 'finish', published })
      return Promise.all(workers.map(({ result }) => result))
    }
    const publishers = await finish(this.#publishers, [])
    const clients = await finish(
      this.#clients,
      publishers.map(({ published }) => published),
    )
    return [...publishers, ...clients]
  }

  /** Ends all threads, whatever they do. */
  async destroy(): Promise<void> {
    this.#stop()
    for (const { port, ticks } of this.#all) {
      port.close()
      ticks.close()
    }
    await this.#pool.destroy()
  }

  get #all(): readonly Worker[] {
    return [...this.#publishers, ...this.#clients]
  }

  get #senders(): readonly Worker[] {
    return this.#publishers.length > 0 ? this.#publishers : this.#clients
  }

  #stop(): void {
    Atomics.store(this.#stopMetronome, 0, 1)
    Atomics.notify(this.#stopMetronome, 0)
  }

  #startPublisher(n: number, publishers: number, sentTimes: SharedArrayBuffer): Worker {
    const rest = { source: n, publishers, sentTimes }
    return this.#startWorker<PublisherStart>('publisher', `publisher ${String(n + 1)}`, n, 1 / publishers, rest)
  }

  /** The connections are dealt out evenly. */
  #startClients(n: number, worker: number, count: number, sentTimes: SharedArrayBuffer): Worker {
    const { connections } = this.#crew.options
    const firstConnection = Math.floor((n * connections) / count)
    const share = Math.floor(((n + 1) * connections) / count) - firstConnection
    const rest = { connections: share, firstConnection, workers: count, sentTimes }
    return this.#startWorker<ClientsStart>('clients', `clients ${String(n + 1)}`, worker, share / connections, rest)
  }

  #startWorker<S extends WorkerStart>(
    name: 'clients' | 'publisher',
    role: string,
    worker: number,
    share: number,
    rest: Omit<S, keyof WorkerStart>,
  ): Worker {
    const { options, target, run, epochMs } = this.#crew
    const { port1: port, port2: theirs } = new MessageChannel()
    const { port1: ticks, port2: theirTicks } = new MessageChannel()
    const told = { ready: deferred(), sent: deferred(), done: deferred() }
    port.on('message', (event: WorkerEvent) => {
      if (event.kind === 'interval') this.#crew.handleInterval(event)
      else told[event.kind].resolve()
    })
    const live = this.live.buffer as SharedArrayBuffer
    const common: WorkerStart = { worker, role, options, target, run, epochMs, live, port: theirs, ticks: theirTicks }
    // A result comes another way than the events: it counts when the last of them is here.
    const result = this.#run<WorkerResult>(name, { ...common, ...rest }, [theirs, theirTicks]).then(async (result) => {
      await told.done.promise
      return result
    })
    result.catch(() => {}) // whoever waits for it is told
    return { share, port, ticks, ready: told.ready.promise, sent: told.sent.promise, result }
  }

  #startMetronome(beats: readonly Beat[], endMs: number): void {
    const start: MetronomeStart = { beats, endMs, stop: this.#stopMetronome.buffer }
    const metronome = this.#run<void>(
      'metronome',
      start,
      beats.map(({ port }) => port),
    )
    // Only destroy() can end it with an error.
    metronome.catch(() => {})
  }

  #run<T>(name: string, data: unknown, transferList: Transferable[]): Promise<T> {
    return this.#pool.run(data, { name, transferList }) as Promise<T>
  }
}

/** In the scenario `publish` publishing is the load; elsewhere one publisher makes all of it. */
function publisherCount({ scenario, workers, publish }: LoadOptions): number {
  if (publish === null || scenario === 'churn') return 0
  return scenario === 'publish' ? workers : 1
}

/** Long polls must know when something was published. */
function sentTimesCount({ scenario, rate, warmupMs, durationMs }: LoadOptions): number {
  return scenario !== 'longpoll' || rate === 'max' ? 0 : Math.ceil((rate * (warmupMs + durationMs)) / 1_000) + 1
}

function tell({ port }: Worker, command: Command): void {
  port.postMessage(command)
}
