/**
 * One shard: a thread with its own uWebSockets.js listener, sessions, channels and backend connections.
 *
 * piscina runs `shard` as one endless task; its promise resolves when the shard has drained and every native handle is
 * closed, in the order that does not abort the process: listen sockets, sockets, ZeroMQ, port.
 */
import uWS from 'uWebSockets.js'
import { BackendClients } from '../backend/client.js'
import type { ZhttpClient } from '../backend/zhttp-client.js'
import { unreachable } from '../base/assert.js'
import { systemClock } from '../base/clock.js'
import { Deadlines, TICK_MS } from '../base/deadlines.js'
import { Gate } from '../base/gate.js'
import { GONE_CALLS_MAX, GONE_WAITING_MAX } from '../base/limits.js'
import { openLog } from '../base/log.js'
import { logFileOf } from '../config/log-file.js'
import { encodeBusItem } from '../link/bus-item.js'
import { BusProgress, BusShard } from '../link/bus.js'
import { C, Counters } from '../link/counters.js'
import type { ShardQuestion, ShardStart, ToMain, ToShard } from '../link/messages.js'
import type { ShardContext } from './context.js'
import { DirectFeed } from './direct-feed.js'
import { Fanout } from './fanout.js'
import { Feed } from './feed.js'
import { LimitedFanout } from './limited-fanout.js'
import { type ChannelSource, Hub } from './hub.js'
import { HttpFilterRequests } from './http-filter-requests.js'
import { HttpListener } from './http-listener.js'
import { openHoldLog } from './hold-log.js'
import { Listeners } from './listeners.js'
import { answerQuestion } from './questions.js'
import { Report } from './report.js'
import { ShardRoutes } from './shard-routes.js'
import { SockJsDoor } from './sockjs-door.js'
import { SockJsRelay } from './sockjs-relay.js'
import { SockJsSessions } from './sockjs-sessions.js'
import { warmUp } from './warm-up.js'
import { listenForWebSockets } from './ws-listener.js'
import { compressedFromBytes, WsShared } from './ws-shared.js'
import { openShardZhttp } from './zhttp.js'

/** Runs until main says drain. Fails only before it listens; later trouble is told to main over the port. */
export default async function shard(start: ShardStart): Promise<void> {
  await new Shard(start).run()
}

/** Subscriptions go to the bus, and to direct publishers where there are any; the rest only to main. */
function sourceOf(bus: BusShard, direct: DirectFeed | null, tell: (message: ToMain) => void): ChannelSource {
  return {
    subscribe: (channel) => {
      direct?.subscribe(channel)
      bus.subscribe(channel)
    },
    unsubscribe: (channel) => {
      direct?.unsubscribe(channel)
      bus.unsubscribe(channel)
    },
    sendBarrier: (number, asks) => {
      bus.sendBarrier(number, asks.length > 0)
      if (asks.length > 0) tell({ kind: 'question', number, channels: asks })
    },
    forgetLastId: (channel, lastId) => {
      tell({ kind: 'forget', channel, lastId })
    },
  }
}

/** What the shard measures of its own loop: the worst lateness of the deadline tick in the last second. */
const LAG_WINDOW_TICKS = Math.round(1000 / TICK_MS)

class Shard {
  readonly #start: ShardStart
  readonly #counters: Counters
  readonly #connections: Int32Array
  readonly #deadlines: Deadlines
  readonly #log: ReturnType<typeof openLog>
  readonly #bus: BusShard
  readonly #hub: Hub
  readonly #fanout: Fanout
  /** In its place when message_rate is set. */
  readonly #limited: LimitedFanout | null
  readonly #report: Report
  readonly #feed: Feed
  readonly #direct: DirectFeed | null
  readonly #listeners: Listeners
  readonly #routes: ShardRoutes
  readonly #filterRequests: HttpFilterRequests
  readonly #context: ShardContext
  readonly #backend: BackendClients
  readonly #webSockets: WsShared
  readonly #http: HttpListener
  readonly #sockJs: SockJsSessions
  readonly #relay: SockJsRelay
  #draining = false
  #drainDeadlineMs = 0
  #finish: (() => void) | null = null
  #tickDueMs = 0
  #lagMs = 0
  #lagTicks = 0

  constructor(start: ShardStart) {
    this.#start = start
    const { settings, shard: number } = start
    this.#counters = new Counters(start.counters, number)
    this.#connections = new Int32Array(start.connections)
    this.#deadlines = new Deadlines(systemClock.nowMs())
    this.#log = openLog({
      level: settings.runner.logLevel,
      file: logFileOf(settings),
      buffered: true,
      bindings: { shard: number },
    })
    const { log } = this.#log
    // Without this every answer would name uWebSockets.js. Per thread.
    ;(uWS as unknown as { _cfg(option: string): void })._cfg('silent')
    this.#listeners = new Listeners({
      httpPorts: settings.runner.httpPorts,
      localPorts: number === 0 ? settings.runner.localPorts : [],
      certificates: start.certificates,
      attach: (app, ssl) => {
        this.#attach(app, ssl)
      },
      admit: (res, change) => {
        this.#admit(res, change)
      },
    })
    const progress = new BusProgress(start.progress)
    this.#bus = new BusShard(start.busAddress, number, progress)
    this.#report = new Report({
      shard: number,
      connectionTtlMs: settings.global.statsConnectionTtl * 1000,
      blockBytes: settings.handler.messageBlockSize,
      nowMs: () => systemClock.nowMs(),
      send: (batch) => {
        this.#tell({ kind: 'statistics', batch })
      },
      walk: () => {
        this.#http.introduce(this.#report)
        this.#webSockets.introduce(this.#report)
      },
      channels: () => this.#hub.channels(),
    })
    this.#fanout = new Fanout({
      topics: this.#listeners.topics,
      counters: this.#counters,
      report: this.#report,
      compressedFromBytes: compressedFromBytes(settings),
      onError: (receiver, error) => {
        receiver.fail(error)
      },
    })
    const fanout = this.#fanout
    const { messageRate, messageHwm, messageBlockSize } = settings.handler
    this.#limited =
      messageRate > 0
        ? new LimitedFanout({
            rate: messageRate,
            hwm: messageHwm,
            blockSize: messageBlockSize,
            shards: start.shards,
            counters: this.#counters,
            log,
            onError: (receiver, error) => {
              receiver.fail(error)
            },
          })
        : null
    const deliverer = this.#limited ?? fanout
    const { pushInSubConnect, pushInSubSpecs, idCacheTtl, messageWait } = settings.handler
    this.#direct =
      pushInSubConnect && pushInSubSpecs.length > 0
        ? new DirectFeed({
            specs: pushInSubSpecs,
            idCacheTtlMs: idCacheTtl * 1000,
            messageWaitMs: messageWait,
            deadlines: this.#deadlines,
            clock: systemClock,
            counters: this.#counters,
            log,
            hub: () => this.#hub,
          })
        : null
    const report = this.#report
    const holdLog = openHoldLog(log)
    this.#hub = new Hub({
      source: sourceOf(this.#bus, this.#direct, (message) => {
        this.#tell(message)
      }),
      deadlines: this.#deadlines,
      clock: systemClock,
      counters: this.#counters,
      lingerMs: settings.handler.subscriptionLinger * 1000,
      onChannels: (count) => {
        this.#counters.values[C.channels] = count
      },
      flush: (channel) => {
        fanout.flush(channel)
      },
      deliver: (channel, item) => {
        if (report.wantsFanout) report.delivering(channel, item)
        if (holdLog !== null) holdLog.published(channel, item)
        deliverer.deliver(channel, item)
      },
      onSubscribers: (channel, kind) => {
        if (report.wantsSubscribers) report.subscribersChanged(channel, kind)
      },
      onError: (receiver, error) => {
        receiver.fail(error)
      },
    })
    this.#feed = new Feed({
      hub: this.#hub,
      counters: this.#counters,
      report,
      log,
      onFatal: (message) => {
        this.#tell({ kind: 'fatal', message: `shard ${String(number)}: ${message}` })
      },
      onRecover: () => {
        this.#http.recover()
      },
    })
    const routes = new ShardRoutes(settings, start.routesText, number === 0 ? log : null)
    this.#routes = routes
    const backend = new BackendClients({
      settings,
      deadlines: this.#deadlines,
      publish: (items) => {
        this.#tell({ kind: 'publish', items: items.map((item) => encodeBusItem(item)) })
      },
      zhttp: this.#openZhttp(),
    })
    this.#backend = backend
    this.#filterRequests = new HttpFilterRequests({
      shards: start.shards,
      backend,
      deadlines: this.#deadlines,
      clock: systemClock,
      counters: this.#counters,
      log,
    })
    this.#context = {
      settings,
      routes: () => routes.table,
      forwarding: routes.forwarding,
      backend,
      backendSocket: backend.openSocket,
      filterRequests: this.#filterRequests,
      hub: this.#hub,
      deadlines: this.#deadlines,
      clock: systemClock,
      counters: this.#counters,
      report,
      log,
      goneGate: new Gate(GONE_CALLS_MAX, GONE_WAITING_MAX),
      random: Math.random,
      epochMs: Date.now,
      holdLog,
      access: log.isLevelEnabled('info')
        ? (record) => {
            log.info(record, 'access')
          }
        : null,
    }
    this.#webSockets = new WsShared(this.#context, {
      shard: number,
      shards: start.shards,
      connectionEnded: () => {
        Atomics.sub(this.#connections, 0, 1)
      },
      polledBegan: () => {
        Atomics.add(this.#connections, 0, 1)
      },
    })
    this.#sockJs = new SockJsSessions(this.#context, this.#webSockets)
    this.#relay = new SockJsRelay({
      sessions: this.#sockJs,
      connect: (shard, port) => {
        this.#start.port.postMessage({ kind: 'sockjs', shard, port } satisfies ToMain, [port])
      },
      onError: (error) => {
        this.#counters.add('callback_errors')
        log.error({ err: error }, 'a SockJS request of another shard could not be handled')
      },
    })
    const { shards, seed } = start
    const door = { context: this.#context, sessions: this.#sockJs, relay: this.#relay, shard: number, shards, seed }
    this.#http = new HttpListener(this.#context, () => this.#draining, new SockJsDoor(door))
  }

  #openZhttp(): ZhttpClient {
    const { zhttp, shard } = this.#start
    return openShardZhttp({
      ...zhttp,
      shard,
      deadlines: this.#deadlines,
      clock: systemClock,
      log: this.#log.log,
      onLate: () => {
        this.#counters.add('drop_zhttp_late')
      },
      onError: (error) => {
        this.#counters.add('callback_errors')
        this.#log.log.error({ err: error }, 'a packet of a worker could not be handled')
      },
    })
  }

  async run(): Promise<void> {
    const { port, shard: number } = this.#start
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve
    })
    port.on('message', (message: ToShard) => {
      this.#handleMessage(message)
    })
    const feeding = [this.#bus.run(this.#feed), this.#direct?.run() ?? Promise.resolve()]
    const ticks = setInterval(() => {
      this.#tick()
    }, TICK_MS)
    try {
      await warmUp(this.#context, number)
      this.#listeners.open()
      this.#tell({ kind: 'listening' })
      await finished
    } finally {
      clearInterval(ticks)
      this.#limited?.close()
      this.#filterRequests.close()
      this.#listeners.close()
      await this.#context.backend.close()
      this.#bus.close()
      this.#direct?.close()
      await Promise.all(feeding)
      this.#log.log.debug({ shard: number }, 'shard ended')
      this.#log.close()
      this.#start.zhttp.port.close()
      this.#relay.close()
      port.close()
    }
  }

  #handleMessage(message: ToShard): void {
    try {
      switch (message.kind) {
        case 'drain':
          this.#drain(message.deadlineMs)
          break
        case 'routes':
          this.#routes.replace(message.text)
          this.#reloadClientCertificates()
          break
        case 'sockjs':
          this.#relay.serve(message.port)
          break
        case 'certificates':
          if (!this.#draining) this.#listeners.replaceCertificates(message.certificates)
          break
        case 'ask':
          this.#answer(message.number, message.question)
          break
        case 'collect':
          this.#report.collect(message.flags)
          break
        case 'reopen-log':
          this.#log.reopen()
          break
        default:
          unreachable(message)
      }
    } catch (error) {
      this.#log.log.error({ err: error }, `${message.kind} failed; everything stays as it was`)
    }
  }

  /** Of the backends that this shard has asked: each shard speaks for itself. */
  #reloadClientCertificates(): void {
    for (const fault of this.#backend.reloadCertificates())
      this.#log.log.error(`client certificate stays as it is: ${fault}`)
  }

  #attach(app: uWS.TemplatedApp, ssl: boolean): void {
    listenForWebSockets(app, {
      context: this.#context,
      shared: this.#webSockets,
      ssl,
      isDraining: () => this.#draining,
    })
    this.#http.attach(app, ssl)
  }

  /** Counts connections over all shards and refuses those above client_maxconn. */
  #admit(res: uWS.HttpResponse, change: number): void {
    if (change < 0) {
      Atomics.sub(this.#connections, 0, 1)
      this.#counters.add('http_connections', -1)
      return
    }
    this.#counters.add('http_connections', 1)
    if (Atomics.add(this.#connections, 0, 1) < this.#start.settings.runner.clientMaxconn) return
    this.#counters.add('refused_maxconn')
    res.close()
  }

  #tick(): void {
    const nowMs = systemClock.nowMs()
    this.#measureLag(nowMs)
    try {
      this.#fanout.handleTick()
      this.#deadlines.advance(nowMs)
      this.#report.flush()
    } catch (error) {
      this.#counters.add('callback_errors')
      this.#log.log.error({ err: error }, 'deadline handler failed')
    }
    if (this.#draining) this.#finishWhenDrained(nowMs)
  }

  #measureLag(nowMs: number): void {
    if (this.#tickDueMs > 0) this.#lagMs = Math.max(this.#lagMs, nowMs - this.#tickDueMs)
    this.#tickDueMs = nowMs + TICK_MS
    if (++this.#lagTicks < LAG_WINDOW_TICKS) return
    this.#counters.values[C.loop_lag_ms] = Math.max(0, Math.round(this.#lagMs))
    this.#lagMs = 0
    this.#lagTicks = 0
  }

  #answer(number: number, question: ShardQuestion): void {
    let found: readonly string[] = []
    try {
      found = answerQuestion(question, {
        webSockets: this.#webSockets.connections,
        hub: this.#hub,
        report: this.#report,
      })
    } catch (error) {
      this.#counters.add('callback_errors')
      this.#log.log.error({ err: error }, 'a question of the main thread could not be answered')
    }
    this.#tell({ kind: 'answer', number, found })
  }

  #drain(deadlineMs: number): void {
    if (this.#draining) return
    this.#draining = true
    this.#sockJs.isDraining = true
    this.#drainDeadlineMs = systemClock.nowMs() + deadlineMs
    this.#listeners.closeDoors()
    this.#http.drain()
    for (const connection of this.#webSockets.connections) {
      try {
        connection.drain()
      } catch (error) {
        connection.fail(error)
      }
    }
  }

  #finishWhenDrained(nowMs: number): void {
    const open = this.#http.size + this.#webSockets.connections.size
    if (open > 0 && nowMs < this.#drainDeadlineMs) return
    if (open > 0) this.#log.log.warn({ open }, 'ended with sessions open: the drain deadline passed')
    this.#finish?.()
  }

  #tell(message: ToMain): void {
    this.#start.port.postMessage(message)
  }
}
