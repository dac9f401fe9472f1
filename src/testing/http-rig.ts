/**
 * The HTTP path of one shard in this process: a real listener, real backends, channels in memory, time by hand.
 */
import type { MessagePort } from 'node:worker_threads'
import { pino } from 'pino'
import uWS from 'uWebSockets.js'
import { BackendClients } from '../backend/client.js'
import { Deadlines } from '../base/deadlines.js'
import { Gate } from '../base/gate.js'
import { GONE_CALLS_MAX, GONE_WAITING_MAX } from '../base/limits.js'
import { loadSettings } from '../config/load.js'
import type { Settings } from '../config/types.js'
import { Forwarding } from '../grip/forwarding.js'
import { filterStackOf } from '../grip/filters.js'
import { type ChannelHub, type Receiver, ReceiverKind } from '../grip/receiver.js'
import { Channel, Subscription } from '../grip/subscriptions.js'
import { Counters } from '../link/counters.js'
import { parseRoutes } from '../routing/routes.js'
import type { RouteTable } from '../routing/types.js'
import { zhttpRoutes } from '../routing/zhttp-spec.js'
import { ZhttpRelay } from '../runner/zhttp-relay.js'
import type { AccessRecord, ShardContext } from '../shard/context.js'
import { HttpFilterRequests } from '../shard/http-filter-requests.js'
import { HttpListener } from '../shard/http-listener.js'
import { rewriteRequest } from '../shard/rewrite.js'
import { openShardZhttp } from '../shard/zhttp.js'
import type { ChannelInstruct } from '../wire/instruct-types.js'
import type { PublishItem } from '../wire/publish-types.js'
import { idleReport } from './idle-report.js'
import { Waiters } from './wait.js'

class MemoryChannel extends Channel {
  override handleDeadline(): void {}
}

/** Makes channels live one turn later, or when told to, and delivers by hand. */
export class MemoryHub implements ChannelHub {
  readonly waiters = new Waiters()
  /** False: handleLive(false). */
  works = true
  /** False: nothing goes live until `release`. */
  isOpen = true
  readonly #channels = new Map<string, MemoryChannel>()
  readonly #waiting: (() => void)[] = []

  subscribe(receiver: Receiver, channels: readonly ChannelInstruct[]): void {
    const join = (): void => {
      if (this.works) for (const channel of channels) this.#join(receiver, channel)
      receiver.handleLive(this.works)
      this.waiters.changed()
    }
    this.#waiting.push(join)
    if (this.isOpen) setImmediate(() => this.release())
    this.waiters.changed()
  }

  get waiting(): number {
    return this.#waiting.length
  }

  release(): void {
    for (const join of this.#waiting.splice(0)) join()
  }

  #join(receiver: Receiver, request: ChannelInstruct): void {
    const held = receiver.subscriptions.find(({ channel }) => channel.name === request.name)
    if (held === undefined) {
      this.#channel(request.name).add(this.#subscription(receiver, request))
      return
    }
    held.prevId = request.prevId
    held.filters = filterStackOf(request.filters)
  }

  unsubscribe(receiver: Receiver, name: string): void {
    const held = receiver.subscriptions.find(({ channel }) => channel.name === name)
    if (held !== undefined) held.channel.remove(held)
  }

  reclassify(): void {}

  forgetLastId(channel: Channel): void {
    channel.lastId = null
  }

  leave(receiver: Receiver): void {
    for (const subscription of [...receiver.subscriptions]) subscription.channel.remove(subscription)
    this.waiters.changed()
  }

  subscribers(name: string): number {
    return this.#channels.get(name)?.subscribers ?? 0
  }

  /** The channel, as nobody has held it if need be. */
  channel(name: string): Channel {
    return this.#channel(name)
  }

  subscribed(name: string, count = 1): Promise<void> {
    return this.waiters.until(
      () => (this.subscribers(name) === count ? null : undefined),
      () => `${String(count)} subscribers of ${name}`,
    ) as unknown as Promise<void>
  }

  /** Delivers outside of any callback of uWebSockets.js, as the feed does. */
  publish(item: PublishItem): void {
    const channel = this.#channels.get(item.channel)
    if (channel === undefined) return
    const { httpStream, httpResponse } = item
    for (const subscription of [...channel.streams, ...channel.responses]) {
      const { receiver } = subscription
      if (receiver.kind === ReceiverKind.Stream && httpStream !== null) {
        const isPlain = httpStream.action === 'send' && subscription.prevId === null && subscription.filters.isEmpty
        const isOne = receiver.subscriptions.length === 1
        const isJoined = isPlain && isOne && !receiver.wantsItems && httpStream.contentFilters === null
        if (isJoined) receiver.deliverChunk(httpStream.content, 1)
        else receiver.deliverItem(item, httpStream, subscription)
      } else if (receiver.kind === ReceiverKind.Response && httpResponse !== null) {
        receiver.deliverResponse(item, httpResponse, subscription)
      }
    }
  }

  #channel(name: string): MemoryChannel {
    const known = this.#channels.get(name)
    if (known !== undefined) return known
    const channel = new MemoryChannel(name)
    this.#channels.set(name, channel)
    return channel
  }

  #subscription(receiver: Receiver, { name, prevId, filters }: ChannelInstruct): Subscription {
    return new Subscription(this.#channel(name), receiver, prevId, filterStackOf(filters))
  }
}

export interface HttpRigOptions {
  /** Lines of a routes file. */
  readonly routes: string
  /** Lines of a pushpin.conf. */
  readonly conf?: string
  /** In [0, 1); default 0. */
  readonly random?: () => number
  /** Default: with the limits of a shard. */
  readonly goneGate?: Gate
}

/** A line of the log below errors. */
export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

const PINO_ERROR = 50

export class HttpRig {
  readonly hub = new MemoryHub()
  readonly counters = new Counters(Counters.allocate(1), 0)
  readonly accesses: AccessRecord[] = []
  readonly errors: unknown[] = []
  readonly logged: LogLine[] = []
  readonly settings: Settings
  readonly listener: HttpListener
  port = 0
  /** True: new requests are refused. */
  isDraining = false
  readonly #waiters = new Waiters()
  readonly #app = uWS.App()
  readonly #relay: ZhttpRelay
  readonly #context: ShardContext
  readonly #filterRequests: HttpFilterRequests
  readonly #deadlines = new Deadlines(0)
  /** Those of requests under way, which no test counts. */
  readonly #backendDeadlines = new Deadlines(0)
  #nowMs = 0

  private constructor(options: HttpRigOptions, table: RouteTable, relay: ZhttpRelay) {
    this.settings = settingsOf(options.conf ?? '')
    this.#relay = relay
    const log = pino({ level: 'debug' }, { write: (line: string) => this.#takeLine(line) })
    const clock = { nowMs: () => this.#nowMs }
    const zhttp = openShardZhttp({
      shard: 0,
      port: relay.ports[0] as MessagePort,
      instance: relay.instance,
      deadlines: this.#deadlines,
      clock,
      log,
      onLate: () => {
        this.counters.add('drop_zhttp_late')
      },
      onError: (error) => {
        this.errors.push(error)
      },
    })
    const backend = new BackendClients({
      settings: this.settings,
      deadlines: this.#backendDeadlines,
      publish: () => {},
      zhttp,
    })
    const deadlines = this.#deadlines
    const { counters } = this
    this.#filterRequests = new HttpFilterRequests({ shards: 1, backend, deadlines, clock, counters, log })
    this.#context = {
      settings: this.settings,
      routes: () => table,
      forwarding: new Forwarding(
        this.settings,
        () => {
          throw new Error('no key files here')
        },
        rewriteRequest,
      ),
      backend,
      backendSocket: backend.openSocket,
      filterRequests: this.#filterRequests,
      hub: this.hub,
      deadlines: this.#deadlines,
      clock,
      counters: this.counters,
      report: idleReport(),
      log,
      goneGate: options.goneGate ?? new Gate(GONE_CALLS_MAX, GONE_WAITING_MAX),
      random: options.random ?? (() => 0),
      epochMs: () => 1_700_000_000_000,
      holdLog: null,
      access: (record) => {
        this.accesses.push(record)
        this.#waiters.changed()
      },
    }
    this.listener = new HttpListener(this.#context, () => this.isDraining)
    this.listener.attach(this.#app, false)
  }

  static async start(options: HttpRigOptions): Promise<HttpRig> {
    // As the shard does: no header that names the server.
    ;(uWS as unknown as { _cfg(option: string): void })._cfg('silent')
    const { table, faults } = parseRoutes(options.routes, '/routes')
    if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join('\n'))
    const log = pino({ level: 'error' })
    const relay = await ZhttpRelay.open({ routes: zhttpRoutes(table), instance: 'rig', shards: 1, log })
    const rig = new HttpRig(options, table, relay)
    await new Promise<void>((resolve, reject) => {
      rig.#app.listen('127.0.0.1', 0, (socket) => {
        if (socket === false) return reject(new Error('cannot listen'))
        rig.port = uWS.us_socket_local_port(socket)
        resolve()
      })
    })
    return rig
  }

  /** Whoever waits for its time. */
  get pendingDeadlines(): number {
    return this.#deadlines.count
  }

  /** Moves time. */
  advance(ms: number): void {
    this.#nowMs += ms
    this.#deadlines.advance(this.#nowMs)
    this.#backendDeadlines.advance(this.#nowMs)
  }

  /** The lines with this text, when there are `count` of them. */
  async loggedLines(msg: string, count = 1): Promise<readonly LogLine[]> {
    const found = (): LogLine[] => this.logged.filter((line) => line.msg === msg)
    return this.#waiters.until(
      () => (found().length >= count ? found() : undefined),
      () => `${String(count)} lines ${msg}`,
    )
  }

  #takeLine(line: string): void {
    const parsed = JSON.parse(line) as LogLine
    if (parsed.level >= PINO_ERROR) this.errors.push(line)
    else this.logged.push(parsed)
    this.#waiters.changed()
  }

  /** The access record number `count`, from 1. */
  async accessed(count: number): Promise<AccessRecord> {
    return this.#waiters.until(
      () => this.accesses[count - 1],
      () => `access line ${String(count)}`,
    )
  }

  async close(): Promise<void> {
    this.#app.close()
    this.#filterRequests.close()
    await this.#context.backend.close()
    await this.#relay.close()
  }
}

/** What a pushpin.conf with these lines means. */
export function settingsOf(conf: string): Settings {
  const { settings, faults } = loadSettings({
    argv: ['--config=/pushpin.conf', '--route=* test', '--port=7999'],
    readFile: (path) => {
      if (path === '/pushpin.conf') return conf
      throw new Error(`no file ${path}`)
    },
    list: () => [],
    exists: (path) => path === '/pushpin.conf',
    cwd: '/',
    cores: 1,
  })
  if (settings === null) throw new Error(faults.map(({ message }) => message).join('\n'))
  return settings
}

/** A publish item with what a test says and defaults for the rest. */
export function publishItem(item: Partial<PublishItem> & { readonly channel: string }): PublishItem {
  return {
    id: null,
    prevId: null,
    httpStream: null,
    httpResponse: null,
    wsMessage: null,
    meta: null,
    size: -1,
    noSeq: false,
    ...item,
  }
}

export function streamItem(channel: string, content: string, more: Partial<PublishItem> = {}): PublishItem {
  const httpStream = { action: 'send', content: Buffer.from(content), contentFilters: null } as const
  return publishItem({ channel, httpStream, ...more })
}
