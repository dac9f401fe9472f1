/**
 * The request for a link of a session, or for the URL of its filters: to whom it goes, and with what head.
 *
 * A link to the host the client asked goes to the targets of the hold's route, when the path is one of that route; the
 * network would bring it there too. Any other goes straight to the host it names, which a route whose target is
 * untrusted may reach only where that target may. Each request has its line in the log.
 */
import type { BackendRequest } from '../backend/types.js'
import { type ClientHead, clientHost } from '../grip/forwarding.js'
import type { GripLast } from '../grip/hold-channels.js'
import { isSameOrigin } from '../grip/next-link.js'
import { formatHostPort } from '../routing/host.js'
import { encodePath, normalizePath } from '../routing/path.js'
import { type Route, type Target, TargetKind } from '../routing/types.js'
import type { ShardContext } from './context.js'
import { routeById, statsRouteOf } from './match-route.js'
import type { RequestRecord } from './request-record.js'
import type { RouteTraffic } from './route-traffic.js'

/** The request that a hold came from, as far as its links care. */
export interface LinkOrigin {
  /** What the client asked for; links are resolved against it. */
  readonly uri: string
  readonly route: Route
  /** The one that answered. */
  readonly target: Target
}

export function linkOriginOf(head: ClientHead, route: Route, target: Target): LinkOrigin {
  return { uri: `${head.ssl ? 'https' : 'http'}://${clientHost(head)}${encodePath(head.path)}`, route, target }
}

/** That of a held request; null: it had no target. */
export function originOf({ head, route, target }: RequestRecord): LinkOrigin | null {
  return route === null || target === null ? null : linkOriginOf(head, route, target)
}

/** To count the requests for its links by, for statistics; null: they are not wanted. */
export function linkTraffic({ report }: ShardContext, { route }: LinkOrigin): RouteTraffic | null {
  return report.traffic(statsRouteOf(route))
}

export interface LinkCall {
  readonly method: 'GET' | 'POST'
  readonly lastIds: GripLast | null
  /** More headers, flat; absent: none. */
  readonly headers?: readonly string[]
  /** Of a POST; absent: none. */
  readonly body?: Buffer | null
}

/** One for each target that may be tried, in this order; none: the link leads nowhere. */
export function linkRequests(
  context: ShardContext,
  origin: LinkOrigin,
  uri: string,
  { method, lastIds, headers = [], body = null }: LinkCall,
): BackendRequest[] {
  if (!URL.canParse(uri)) return []
  const url = new URL(uri)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return []
  const address = { host: url.host, path: encodePath(url.pathname + url.search), ssl: url.protocol === 'https:' }
  const options = { method, lastIds, headers, bodyBytes: body?.length ?? 0, nowEpochMs: context.epochMs() }
  if (!isSameOrigin(uri, origin.uri) || !address.path.startsWith(origin.route.pathBeg)) {
    const target = directTarget(url, origin.target)
    const direct = { ...address, path: normalizePath(address.path) }
    const forwarded = context.forwarding.forwardLink(direct, origin.route, null, options)
    return forwarded === null ? [] : [{ ...forwarded, target, method, body, isStranger: true }]
  }
  const head = { method, path: address.path, headers: ['host', url.host], peerAddress: '', ssl: address.ssl }
  const route = routeById(context, origin.route.id, head, 'http')
  if (route === null) return []
  return route.targets.flatMap((target) => {
    const forwarded = context.forwarding.forwardLink(address, route, { route, target }, options)
    return forwarded === null ? [] : [{ ...forwarded, target, method, body, routePathBeg: route.pathBeg }]
  })
}

export interface LinkReport {
  readonly method: 'GET' | 'POST'
  readonly uri: string
  /** Of the answer; 0: there was none. */
  readonly status: number
  readonly bytes?: number
  readonly startedMs: number
  readonly lastIds?: GripLast
  /** Null: it went well. */
  readonly fault: string | null
}

/** Its line in the log, which Pushpin has beside the lines of clients' requests. */
export function reportLink(context: ShardContext, { route }: LinkOrigin, report: LinkReport): void {
  if (!context.log.isLevelEnabled('info')) return
  const { method, uri, status, bytes = 0, startedMs, lastIds, fault } = report
  const record = {
    method,
    url: uri,
    route: route.explicitId ? route.id : null,
    status,
    bytes,
    durationMs: Math.round(context.clock.nowMs() - startedMs),
    ...(lastIds === undefined || lastIds.size === 0 ? {} : { lastIds: Object.fromEntries(lastIds) }),
    ...(fault === null ? {} : { fault }),
  }
  context.log.info(record, 'link')
}

function directTarget({ protocol, hostname, port }: URL, { untrusted }: Target): Target {
  const ssl = protocol === 'https:'
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  const numeric = port === '' ? (ssl ? 443 : 80) : Number(port)
  return {
    ...{ kind: TargetKind.Http, name: formatHostPort({ host, port: numeric }, false), host, port: numeric, ssl },
    ...{ untrusted, spec: '', trustConnectHost: false, insecure: false, hostOverride: null, implicitChannels: [] },
    ...{ overHttp: false, oneEvent: false, ipcFileMode: null, clientCert: null, clientKey: null },
    ...{ firstFrameDelayMs: 0, pingIntervalS: null, pongTimeoutS: null },
  }
}
