/**
 * What the WebSocket sessions of a shard share: their set, the settings of their machines, the cap over all of them.
 */
import type uWS from 'uWebSockets.js'
import { WS_COMPRESSED_BYTES_MIN, WS_MESSAGE_BYTES_MAX } from '../base/limits.js'
import { LinkedSet } from '../base/linked-set.js'
import type { Settings } from '../config/types.js'
import type { WsEffect } from '../grip/ws-effects.js'
import type { WsSessionConfig } from '../grip/ws-session.js'
import type { Route, Target } from '../routing/types.js'
import { headerValue } from '../wire/headers.js'
import type { HeartbeatTimes } from '../grip/heartbeat.js'
import type { Upgrade } from './client-socket.js'
import type { ShardContext } from './context.js'
import { writeHeaders } from './native-headers.js'
import type { Report } from './report.js'
import { logTooManySubscriptions } from './route-log.js'
import { UpgradeShield } from './upgrade-shield.js'
import type { WsClientSide } from './ws-client-side.js'

export interface WsSharedOptions {
  readonly shard: number
  readonly shards: number
  /** A WebSocket's TCP connection is gone (uWebSockets.js reports only those of HTTP). */
  connectionEnded(): void
  /** A client that polls counts like a connection. */
  polledBegan(): void
}

export class WsShared {
  readonly connections = new LinkedSet<WsClientSide>()
  readonly shield: UpgradeShield
  /** Messages of this length and more are compressed for clients that have negotiated it. */
  readonly compressedFromBytes: number
  readonly #context: ShardContext
  readonly #bufferBytesMax: number
  readonly #configs = new WeakMap<Target, { trusted: WsSessionConfig; plain: WsSessionConfig }>()
  readonly #polledConfigs = new WeakMap<Target, { trusted: WsSessionConfig; plain: WsSessionConfig }>()
  readonly #connectionEnded: () => void
  readonly #polledBegan: () => void
  #bufferedBytes = 0

  constructor(context: ShardContext, options: WsSharedOptions) {
    this.#context = context
    this.compressedFromBytes = compressedFromBytes(context.settings)
    this.#bufferBytesMax = context.settings.proxy.wsBufferTotalMax / options.shards
    this.#connectionEnded = () => {
      options.connectionEnded()
    }
    this.#polledBegan = () => {
      options.polledBegan()
    }
    this.shield = new UpgradeShield(options.shard)
  }

  /** Somebody begins to want statistics: what is open is told to the report. */
  introduce(report: Report): void {
    for (const connection of this.connections) connection.introduce(report)
  }

  sessionConfig(route: Route, target: Target, trusted: boolean, isPolled: boolean): WsSessionConfig {
    const all = isPolled ? this.#polledConfigs : this.#configs
    let configs = all.get(target)
    if (configs === undefined) {
      const plain = { ...this.#makeConfig(route, target), isPolled }
      configs = { plain, trusted: { ...plain, gripAllowed: false, isClientGateway: true } }
      all.set(target, configs)
    }
    return trusted ? configs.trusted : configs.plain
  }

  #makeConfig(route: Route, target: Target): Omit<WsSessionConfig, 'isPolled'> {
    const context = this.#context
    const { settings } = context
    return {
      channelPrefix: route.prefix,
      implicitChannels: target.implicitChannels,
      gripAllowed: !route.noGrip,
      oneEvent: target.oneEvent,
      debug: route.debug || settings.proxy.debug,
      subscriptionMax: settings.handler.connectionSubscriptionMax,
      onSubscriptionRefused: () => {
        logTooManySubscriptions(context, route, 'wssession')
      },
      messageBytesMax: WS_MESSAGE_BYTES_MAX,
      bufferBytesMax: settings.proxy.wsBufferMax,
      random: () => context.random(),
    }
  }

  /** An upgraded connection is no longer one of HTTP; uWebSockets.js does not report that. */
  opened(): void {
    this.#context.counters.add('http_connections', -1)
    this.#context.counters.add('ws_connections', 1)
  }

  /** The flaw that the shield is for. */
  upgradeLost(): void {
    this.#context.counters.add('ws_dropped_upgrade')
  }

  /** A session of a client that polls: it has no connection of its own, and counts as one. */
  polledOpened(): void {
    this.#context.counters.add('http_connections', 1)
    this.#polledBegan()
  }

  closed(): void {
    this.#context.counters.add('ws_connections', -1)
    this.#connectionEnded()
  }

  /** Null: no heartbeats for the clients of this target. */
  heartbeatTimes(target: Target): HeartbeatTimes | null {
    const { wsPingInterval, wsPongTimeout } = this.#context.settings.proxy
    const pingIntervalMs = (target.pingIntervalS ?? wsPingInterval) * 1000
    if (pingIntervalMs === 0) return null
    return { pingIntervalMs, timeoutMs: Math.max(target.pongTimeoutS ?? wsPongTimeout, 1) * 1000 }
  }

  /** Adds to what waits for backends; false when the sum is above the cap. */
  accountBuffer(grownBytes: number): boolean {
    this.#bufferedBytes += grownBytes
    return this.#bufferedBytes <= this.#bufferBytesMax
  }

  /** Answers an upgrade request with an ordinary response; the connection closes behind it. */
  reject(
    res: uWS.HttpResponse,
    answer: Pick<WsEffect & { kind: 'reject' }, 'status' | 'reason' | 'headers' | 'body'>,
  ): void {
    res.cork(() => {
      res.resume()
      res.writeStatus(`${String(answer.status)} ${answer.reason}`)
      writeHeaders(res, answer.headers)
      res.end(answer.body, true)
    })
  }

  access(
    upgrade: Upgrade,
    route: Route | null,
    target: Target | null,
    status: number,
    bytes: number,
    outcome: string,
  ): void {
    const context = this.#context
    const { access } = context
    if (access === null) return
    const { head, startedMs } = upgrade
    const { proxy } = context.settings
    const host = headerValue(head.headers, 'host') ?? 'localhost'
    access({
      method: head.method,
      url: `${head.ssl ? 'wss' : 'ws'}://${host}${head.path}`,
      route: route !== null && route.explicitId ? route.id : null,
      target: target?.name ?? null,
      from: proxy.logFrom ? context.forwarding.clientAddress(head, context.epochMs()) : null,
      referer: headerValue(head.headers, 'referer') ?? null,
      userAgent: proxy.logUserAgent ? (headerValue(head.headers, 'user-agent') ?? null) : null,
      status,
      bytes,
      durationMs: Math.round(context.clock.nowMs() - startedMs),
      outcome,
    })
  }
}

/** Infinity: nothing is compressed. */
export function compressedFromBytes(settings: Settings): number {
  return settings.runner.allowCompression ? WS_COMPRESSED_BYTES_MIN : Number.POSITIVE_INFINITY
}
