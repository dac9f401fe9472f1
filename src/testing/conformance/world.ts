/** What one scenario has: the target, its own part of the backends, a name of its own for paths, channels and ids. */
import { randomBytes } from 'node:crypto'
import { Commander } from '../commander.js'
import { PubPublisher, postPublish } from '../publish.js'
import type { Item } from '../publish.js'
import { RawClient } from '../raw-client.js'
import { ScriptedBackend } from '../scripted-backend.js'
import type { BackendScript } from '../scripted-backend.js'
import { poll } from '../wait.js'
import { StatsListener } from '../stats-listener.js'
import { ReqWorker, StreamWorker } from '../zhttp-worker.js'
import type { WorkerScript } from '../zhttp-worker.js'
import { zhttpAddresses } from '../../routing/zhttp-spec.js'
import { ownHost, workerSpec } from './routes.js'
import type { BackendPorts } from './routes.js'
import type { Target } from './targets.js'

/** Scenarios find their script by the first part of the path. */
export class Stage {
  readonly target: Target
  readonly ports: BackendPorts
  /** Different in each run: a target may remember channels and ids of an earlier one. */
  readonly runName = randomBytes(4).toString('hex')
  readonly publisher: PubPublisher
  readonly scripts = new Map<string, BackendScript>()
  readonly workerScripts: Map<string, WorkerScript>
  readonly #main: ScriptedBackend
  readonly #workers: readonly (StreamWorker | ReqWorker)[]
  #stats: Promise<StatsListener> | null = null

  private constructor(
    target: Target,
    ports: BackendPorts,
    main: ScriptedBackend,
    workers: { readonly all: readonly (StreamWorker | ReqWorker)[]; readonly scripts: Map<string, WorkerScript> },
  ) {
    this.target = target
    this.ports = ports
    this.#main = main
    this.#workers = workers.all
    this.workerScripts = workers.scripts
    this.publisher = PubPublisher.connect(target.ports.sub)
  }

  static async open(target: Target, ports: BackendPorts): Promise<Stage> {
    const scripts: { current: Map<string, BackendScript> } = { current: new Map() }
    const main = await ScriptedBackend.start(
      (call) => {
        const script = scripts.current.get(sceneOf(call.url))
        if (script === undefined) call.answer(404, {}, 'no such scenario')
        else return script(call)
      },
      { port: ports.main },
    )
    const stage = new Stage(target, ports, main, await openWorkers(target, ports))
    scripts.current = stage.scripts
    return stage
  }

  /** One that hears everything, for all scenarios. */
  stats(): Promise<StatsListener> {
    this.#stats ??= openStats(this.target, [''])
    return this.#stats
  }

  async close(): Promise<void> {
    ;(await this.#stats)?.close()
    this.publisher.close()
    await this.#main.stop()
    await Promise.all(this.#workers.map((worker) => worker.close()))
  }
}

/** One worker of each kind for all scenarios; resolves when requests reach the streaming one. */
async function openWorkers(target: Target, ports: BackendPorts) {
  const scripts = new Map<string, WorkerScript>()
  const script: WorkerScript = (session, packet) => {
    if (session.first.uri.endsWith('/worker-ready')) return session.answer(200, [], 'ready')
    return scripts.get(sceneOf(session.first.uri))?.(session, packet)
  }
  const { req, stream } = ports.workers
  const all = [
    await StreamWorker.connect(zhttpAddresses(workerSpec(stream)), script),
    ReqWorker.connect(workerSpec(req), script),
  ]
  await poll(
    async () => {
      const client = await RawClient.connect(target.ports.http)
      await client.send('GET /worker-ready HTTP/1.1\r\nHost: stream.test\r\n\r\n')
      const { status } = await client.readAnswer()
      client.destroy()
      return status === 200 ? true : undefined
    },
    () => 'the streaming worker is reached',
  )
  return { all, scripts }
}

/** Resolves when it hears of a request: that one did not come too early. `prefixes`: one of them is that of `counts`. */
async function openStats({ stats, ports }: Target, prefixes: readonly string[]): Promise<StatsListener> {
  if (stats === null) throw new Error('the port of statistics is not known')
  const listener = StatsListener.connect(`tcp://127.0.0.1:${stats.socket}`, prefixes)
  await poll(
    async () => {
      const client = await RawClient.connect(ports.http)
      await client.send('GET /stats-ready HTTP/1.1\r\nHost: any.test\r\n\r\n')
      await client.readAnswer()
      client.destroy()
      return listener.packets.some(({ type }) => type === 'counts') || undefined
    },
    () => 'statistics are heard',
  )
  return listener
}

function sceneOf(url: string): string {
  return /s\d+-[0-9a-f]{8}/.exec(url)?.[0] ?? ''
}

export class World {
  readonly stage: Stage
  readonly target: Target
  /** Part of every path, channel and id of this scenario. */
  readonly scene: string
  readonly #ownIndex: number | null
  readonly #endings: (() => void | Promise<void>)[] = []

  constructor(stage: Stage, index: number, ownIndex: number | null) {
    this.stage = stage
    this.target = stage.target
    this.scene = `s${index}-${stage.runName}`
    this.#ownIndex = ownIndex
  }

  /** `/<scene><rest>` */
  path(rest = ''): string {
    return `/${this.scene}${rest}`
  }

  get channel(): string {
    return `channel-${this.scene}`
  }

  /** The answers of the main backend below this scenario's path. They stay when the scenario is over. */
  onCall(script: BackendScript): void {
    this.stage.scripts.set(this.scene, script)
  }

  /** The answers of both workers below this scenario's path. */
  onPacket(script: WorkerScript): void {
    this.stage.workerScripts.set(this.scene, script)
  }

  /** A backend of its own, and the Host of its route. */
  async ownBackend(script: BackendScript): Promise<{ readonly backend: ScriptedBackend; readonly host: string }> {
    if (this.#ownIndex === null) throw new Error('the scenario has not asked for a backend of its own')
    const backend = await ScriptedBackend.start(script, { port: this.stage.ports.own[this.#ownIndex] as number })
    this.atEnd(() => backend.stop())
    return { backend, host: ownHost(this.#ownIndex) }
  }

  atEnd(ending: () => void | Promise<void>): void {
    this.#endings.push(ending)
  }

  async end(): Promise<void> {
    for (const ending of this.#endings.splice(0).reverse()) await ending()
  }

  async client(): Promise<RawClient> {
    const client = await RawClient.connect(this.target.ports.http)
    this.atEnd(() => client.destroy())
    return client
  }

  async controlClient(): Promise<RawClient> {
    const client = await RawClient.connect(this.target.ports.control)
    this.atEnd(() => client.destroy())
    return client
  }

  stats(): Promise<StatsListener> {
    return this.stage.stats()
  }

  /** A listener that has subscribed to nothing but these, and `counts`. */
  async statsOf(...prefixes: string[]): Promise<StatsListener> {
    const listener = await openStats(this.target, [...prefixes, 'counts'])
    this.atEnd(() => listener.close())
    return listener
  }

  commander(): Commander {
    const commander = Commander.connect(this.target.ports.command)
    this.atEnd(() => commander.close())
    return commander
  }

  /** POST /publish/. Throws unless the answer is 200. */
  async publish(...items: Item[]): Promise<void> {
    const { status, body } = await this.postPublish(JSON.stringify({ items }))
    if (status !== 200) throw new Error(`publish: ${status} ${body}`)
  }

  postPublish(body: string | Buffer): Promise<{ readonly status: number; readonly body: string }> {
    return postPublish(`http://127.0.0.1:${this.target.ports.control}/publish/`, body)
  }

  /** Resolves when the target's SUB socket has subscribed to the channel: somebody listens. */
  subscribed(channel = this.channel): Promise<void> {
    return this.stage.publisher.subscribedTo(channel)
  }

  unsubscribed(channel = this.channel): Promise<void> {
    return this.stage.publisher.unsubscribedFrom(channel)
  }
}

/** Only to show that something does not happen, or to let a client's bytes arrive where no event can tell. */
export function quiet(ms = 350): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
