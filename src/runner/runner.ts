/**
 * The gateway: composition of everything main holds, in the order it starts and stops.
 *
 * Doors that only one process may hold open first, so that a second gateway on the same machine fails loudly before it
 * takes connections from the first (client ports are shared by design: each shard listens on them).
 */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import process from 'node:process'
import { context as zmqContext } from 'zeromq'
import { unreachable } from '../base/assert.js'
import { systemClock } from '../base/clock.js'
import { DRAIN_DEADLINE_MS } from '../base/limits.js'
import type { Log } from '../base/log.js'
import type { Certificates } from '../config/certificates.js'
import type { ListenAddress, Settings } from '../config/types.js'
import { addressText } from '../config/values.js'
import { decodeBusItem, channelOfTopic } from '../link/bus-item.js'
import { BusMain, BusProgress } from '../link/bus.js'
import { Counters } from '../link/counters.js'
import type { ToShard } from '../link/messages.js'
import { loadRoutes } from '../routing/load.js'
import { type ZhttpRoute, zhttpRoutes } from '../routing/zhttp-spec.js'
import type { PublishItem } from '../wire/publish-types.js'
import { type CommandSocket, openCommandSocket } from './command-socket.js'
import { performCommand } from './commands.js'
import { type ControlHttp, openControlHttp } from './control-http.js'
import { FirstUpdates } from './first-updates.js'
import { Door, Ingest } from './ingest.js'
import { LocalSockets } from './local-sockets.js'
import { LoopLag } from './loop-lag.js'
import { MainTimers } from './main-timers.js'
import { type ShardMessage, ShardPool } from './shard-pool.js'
import { Statistics } from './statistics.js'
import { Stats } from './stats.js'
import { ZhttpRelay } from './zhttp-relay.js'
import { openZmqInputs, type ZmqInputs } from './zmq-inputs.js'

export interface RunnerOptions {
  readonly settings: Settings
  /** Text of the routes file; empty when --route lines replace it. */
  readonly routesText: string
  readonly certificates: Certificates
  readonly version: string
  readonly log: Log
  /** Something the gateway cannot live without is gone. Called at most once. */
  onFatal(message: string): void
}

/** One bus per process: tests may run several gateways in one. */
let nextBus = 0

export class Runner {
  readonly #options: RunnerOptions
  readonly #lag = new LoopLag()
  readonly shards: number
  #bus: BusMain | null = null
  #inputs: ZmqInputs | null = null
  #control: ControlHttp | null = null
  #commands: CommandSocket | null = null
  #zhttp: ZhttpRelay | null = null
  #pool: ShardPool | null = null
  readonly #localSockets: LocalSockets
  #ingest: Ingest | null = null
  #statistics: Statistics | null = null
  #firstUpdates: FirstUpdates | null = null
  readonly #timers: MainTimers
  #fatal = false

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#timers = new MainTimers(systemClock, options.log)
    this.shards = options.settings.runner.workers
    this.#localSockets = new LocalSockets(options.settings.runner.localPorts)
  }

  /** Resolves when every shard listens; throws when a door cannot be opened, naming it. */
  async start(): Promise<void> {
    const { settings, log, routesText, certificates, version } = this.#options
    const { httpPorts, httpsPorts } = settings.runner
    for (const address of httpPorts) await assertFree(address, 'runner.http_port')
    for (const address of httpsPorts) await assertFree(address, 'runner.https_ports')
    await this.#localSockets.free()
    zmqContext.blocky = false
    const progressMemory = BusProgress.allocate(this.shards)
    const counters = Counters.allocate(this.shards)
    const busAddress = `inproc://tackboard-bus-${String(nextBus++)}`
    const bus = await BusMain.open(busAddress, this.shards, new BusProgress(progressMemory), {
      onChannel: (channel, subscribed) => {
        this.#handleChannel(channel, subscribed)
      },
      lastId: (channel) => this.#ingest?.lastIds.get(channel) ?? null,
      onError: (error) => {
        this.#die(`bus: ${error.message}`)
      },
    })
    this.#bus = bus
    const { deadlines } = this.#timers
    const rows = Array.from({ length: this.shards }, (_, shard) => new Counters(counters, shard))
    if (settings.handler.updateOnFirstSubscription) {
      this.#firstUpdates = new FirstUpdates({
        bus,
        deadlines,
        nowMs: () => systemClock.nowMs(),
        isWanted: () => rows.some((row) => row.get('updatable_holds') > 0),
      })
    }
    const ingest = new Ingest({
      bus,
      deadlines,
      idCacheTtlMs: settings.handler.idCacheTtl * 1000,
      messageWaitMs: settings.handler.messageWait,
      nowMs: () => systemClock.nowMs(),
      onItem: (item) => {
        this.#statistics?.handleItem(item, bus)
      },
      pause: () => this.#inputs?.pause(),
      resume: () => this.#inputs?.resume(),
    })
    this.#ingest = ingest
    this.#inputs = await openZmqInputs({
      pullSpecs: settings.handler.pushInSpecs,
      subSpecs: settings.handler.pushInSubConnect ? [] : settings.handler.pushInSubSpecs,
      ipcFileMode: settings.handler.ipcFileMode,
      log,
      onItem: (item, door) => {
        ingest.take(item, door)
      },
      onBad: (door) => {
        ingest.counts.bad[door]++
      },
    })
    const zhttp = await this.#openZhttp()
    this.#zhttp = zhttp
    const pool = new ShardPool({
      settings,
      shards: this.shards,
      routesText,
      certificates,
      busAddress,
      counters,
      progress: progressMemory,
      zhttp,
      onFatal: (message) => {
        this.#die(message)
      },
      onMessage: (message, shard) => {
        if (message.kind === 'statistics') this.#statistics?.handleBatch(message.batch)
        else handleShardMessage(message, shard, bus, ingest)
      },
    })
    this.#pool = pool
    const statistics = await Statistics.open({
      settings,
      clock: systemClock,
      log,
      from: `tackboard_${String(process.pid)}`,
      tellShards: (flags) => {
        pool.tell({ kind: 'collect', flags })
      },
    })
    this.#statistics = statistics
    const stats = new Stats({
      shards: this.shards,
      counters,
      ingest,
      bus,
      zhttp,
      statistics,
      version,
      connections: () => pool.connections,
      loopLagMs: () => this.#lag.worstMs,
    })
    let ready = false
    this.#control = await this.#openControl(stats, ingest, () => ready)
    this.#commands = await this.#openCommands(ingest, pool)
    await pool.start()
    this.#localSockets.setPermissions()
    statistics.start()
    ready = true
  }

  #handleChannel(channel: string, subscribed: boolean): void {
    this.#firstUpdates?.handleChannel(channel, subscribed)
    if (subscribed) {
      this.#inputs?.subscribe(channel)
    } else {
      this.#inputs?.unsubscribe(channel)
      this.#ingest?.handleUnsubscribed(channel)
    }
  }

  /** Shards share nothing that could be bound once for all, so the sockets towards workers are here. */
  #openZhttp(): Promise<ZhttpRelay> {
    const { log, routesText } = this.#options
    // Pushpin has the process id alone, which in containers is always the same.
    const instance = `tackboard_${process.pid}_${randomBytes(4).toString('hex')}`
    return ZhttpRelay.open({ routes: this.#zhttpRoutes(routesText), instance, shards: this.shards, log })
  }

  #zhttpRoutes(text: string): readonly ZhttpRoute[] {
    const { routesfile, routeLines } = this.#options.settings.proxy
    const { table } = loadRoutes({ routesfile, routeLines, cwd: process.cwd(), readFile: () => text })
    return zhttpRoutes(table)
  }

  /** New requests go by the routes of `text`, once the sockets towards their workers are there. */
  async replaceRoutes(text: string): Promise<void> {
    await this.#zhttp?.update(this.#zhttpRoutes(text))
    this.tell({ kind: 'routes', text })
  }

  async #openControl(stats: Stats, ingest: Ingest, isReady: () => boolean): Promise<ControlHttp | null> {
    const { settings, log } = this.#options
    const { pushInHttpAddr, pushInHttpPort, pushInHttpMaxHeadersSize, pushInHttpMaxBodySize } = settings.handler
    if (pushInHttpPort === 0) return null
    return openControlHttp({
      host: pushInHttpAddr,
      port: pushInHttpPort,
      headersBytesMax: pushInHttpMaxHeadersSize,
      bodyBytesMax: pushInHttpMaxBodySize,
      connectionsMax: 128,
      log,
      handlers: {
        publish: (items) => {
          for (const item of items) ingest.take(item, Door.Http)
          return ingest.room()
        },
        recover: () => {
          ingest.recover()
        },
        metrics: () => stats.render(),
        health: () => (isReady() ? { ok: true, body: 'ok\n' } : { ok: false, body: 'starting\n' }),
      },
    })
  }

  async #openCommands(ingest: Ingest, pool: ShardPool): Promise<CommandSocket | null> {
    const { settings, log } = this.#options
    const { commandSpec, ipcFileMode } = settings.handler
    if (commandSpec === '') return null
    const options = {
      uris: zmqUris(settings),
      shards: pool.questions,
      publish: (items: readonly PublishItem[]) => {
        for (const item of items) ingest.take(item, Door.Command)
        return ingest.room()
      },
      recover: () => {
        ingest.recover()
      },
    }
    return openCommandSocket({
      spec: commandSpec,
      ipcFileMode,
      log,
      perform: (request) => performCommand(request, options),
    })
  }

  /** To every shard that there is. */
  tell(message: ToShard): void {
    this.#pool?.tell(message)
  }

  #die(message: string): void {
    if (this.#fatal) return
    this.#fatal = true
    this.#options.onFatal(message)
  }

  /** Stops taking publishes and connections, ends what is held, frees everything. Idempotent by its caller. */
  async stop(): Promise<void> {
    this.#fatal = true
    this.#localSockets.remove()
    await this.#commands?.close()
    await this.#pool?.drain(DRAIN_DEADLINE_MS)
    await this.#zhttp?.close()
    this.#ingest?.close()
    await this.#control?.close()
    await this.#statistics?.close()
    await this.#inputs?.close()
    this.#bus?.close()
    this.#lag.stop()
    this.#timers.stop()
  }
}

function handleShardMessage(
  message: Exclude<ShardMessage, { kind: 'statistics' }>,
  shard: number,
  bus: BusMain,
  ingest: Ingest,
): void {
  switch (message.kind) {
    case 'question':
      return bus.handleQuestion(shard, message.number, message.channels)
    case 'forget':
      return ingest.forget(message.channel, message.lastId)
    case 'publish':
      for (const item of message.items) {
        const bytes = Buffer.from(item.buffer, item.byteOffset, item.byteLength)
        ingest.take(decodeBusItem(bytes, channelOfTopic(bytes)), Door.Demo)
      }
      return
    default:
      return unreachable(message)
  }
}

/** Where publishers and commanders connect, as configured (reference: get-zmq-uris). */
function zmqUris({ handler }: Settings): ReadonlyMap<string, string> {
  const uris = new Map<string, string>()
  const [pull] = handler.pushInSpecs
  const [sub] = handler.pushInSubConnect ? [] : handler.pushInSubSpecs
  if (handler.commandSpec !== '') uris.set('command', handler.commandSpec)
  if (pull !== undefined) uris.set('publish-pull', pull)
  if (sub !== undefined) uris.set('publish-sub', sub)
  return uris
}

/** Shards share their port with whoever else asks for it in the same way, so a stranger on it must be found before. */
async function assertFree(address: ListenAddress, key: string): Promise<void> {
  const { host, port } = address
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', (error: NodeJS.ErrnoException) => {
      reject(new Error(`cannot listen on ${addressText(address)} (${key}): ${error.code ?? error.message}`))
    })
    probe.listen({ host, port, exclusive: true }, () => {
      probe.close(() => {
        resolve()
      })
    })
  })
}
