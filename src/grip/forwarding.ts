/**
 * From a client's request head to the head a backend sees (reference: HTTP proxying, request header rules), and from
 * the backend's answer to what the client may see.
 *
 * Header lists are flat (name, value, name, value …) and hold byte strings.
 */
import { canonicalAddress, isAddress } from '../base/ip.js'
import type { Settings, XffRule } from '../config/types.js'
import { type Route, type Target, TargetKind } from '../routing/types.js'
import { headerValue, removeHeaders, trimBlanks } from '../wire/headers.js'
import { type JwtKey, Signer, decodeSigningKey, decodeVerifyingKey, verifyToken } from '../wire/jwt.js'
import type { Header } from '../wire/publish-types.js'
import { type GripLast, gripLastHeaders } from './hold-channels.js'
import { InternedStrings } from './interned-strings.js'

/** A client's request head, copied out of uWebSockets.js. */
export interface ClientHead {
  readonly method: string
  /** Raw path and query, as sent. */
  readonly path: string
  /** Flat list, lower-case names. */
  readonly headers: string[]
  /** Empty for clients of a unix socket, and when nobody wants it: see Forwarding.usesPeerAddress. */
  readonly peerAddress: string
  /** The client came by TLS, to us or to whom we believe it. */
  readonly ssl: boolean
}

/** What goes to the backend. */
export interface Forwarded {
  /** Value of Host: also the name for SNI and certificates. */
  readonly host: string
  readonly path: string
  /** Host first. */
  readonly headers: string[]
  /** The client is a gateway that signs with upstream_key: its Grip headers pass, GRIP answers pass through. */
  readonly trusted: boolean
  /** GRIP instructions in the answer are obeyed. */
  readonly gripActive: boolean
}

/**
 * The part of a WebSocket-over-HTTP session's request head that never changes. A session keeps it as long as it lives,
 * so it holds nothing but what differs between sessions, and strings that are shared where they are equal.
 */
export interface WebSocketHead {
  readonly path: string
  /** Headers before Grip-Sig, flat. */
  readonly clientHeaders: readonly string[]
  readonly connectionId: string
  /** The target is offered the grip extension. */
  readonly isGripOffered: boolean
  readonly trusted: boolean
}

export interface WebSocketRequestParts {
  /** Of Forwarding.signature(); null: unsigned. */
  readonly signature: string | null
  readonly contentLength: number
  /** 0: the header is absent. */
  readonly replayedBytes: number
  readonly meta: readonly Header[]
}

/** How a route addresses the backend. Null: what is left of the path is none. (routing/rewrite.ts has the rules.) */
export type Rewrite = (
  route: Route,
  target: Target,
  client: { readonly host: string; readonly path: string },
) => { readonly host: string; readonly path: string } | null

export interface ForwardOptions {
  readonly webSocket: boolean
  readonly nowEpochMs: number
  /** Of a request that is sent again. */
  readonly lastIds?: GripLast | null
}

/** Where a link leads. */
export interface LinkAddress {
  /** As a Host header has it. */
  readonly host: string
  /** Path and query, encoded. */
  readonly path: string
  readonly ssl: boolean
}

export interface RoutedLink {
  readonly route: Route
  readonly target: Target
}

export interface LinkOptions {
  readonly method: 'GET' | 'POST'
  readonly nowEpochMs: number
  readonly lastIds: GripLast | null
  /** More headers, flat; absent: none. */
  readonly headers?: readonly string[]
  /** Of a POST; absent: none. */
  readonly bodyBytes?: number
}

export interface ForwardedLink {
  readonly path: string
  readonly headers: string[]
}

const GRIP_FEATURES =
  'status, session, link:next, link:gone, filter:skip-self, filter:skip-users, filter:require-sub, filter:build-id, ' +
  'filter:var-subst, filter:http-check, filter:http-modify'

const ORIGINAL_PREFIX = 'eb9bf0f5-'

/** Why a header is not simply copied. */
const Rule = { Drop: 1, CdnLoop: 2, ForwardedFor: 3 } as const
type Rule = (typeof Rule)[keyof typeof Rule]

/** What a route needs per request, made once. */
interface RoutePlan {
  readonly signer: Signer | null
  readonly rules: ReadonlyMap<string, Rule>
  /** header= options: removed first, then added. */
  readonly setHeaders: readonly (readonly [string, string])[]
}

export class Forwarding {
  readonly #settings: Settings
  readonly #readFile: (path: string) => Buffer
  readonly #rewrite: Rewrite
  readonly #upstreamKey: JwtKey | null
  readonly #plans = new WeakMap<Route, RoutePlan>()
  readonly #signers = new Map<string, Signer | null>()
  readonly #needMark: ReadonlySet<string>
  readonly #interned = new InternedStrings()
  /** Whether clients' addresses go into X-Forwarded-For or the log. */
  readonly usesPeerAddress: boolean
  /** Faults of keys, for the log; requests go unsigned then. */
  readonly faults: string[] = []

  /** `readFile` reads what a `file:` key names; it throws when it cannot. */
  constructor(settings: Settings, readFile: (path: string) => Buffer, rewrite: Rewrite) {
    this.#settings = settings
    this.#readFile = readFile
    this.#rewrite = rewrite
    const { logFrom, xForwardedFor, xForwardedForTrusted } = settings.proxy
    this.usesPeerAddress = logFrom || xForwardedFor.append || xForwardedForTrusted.append
    this.#needMark = new Set(settings.proxy.origHeadersNeedMark.map((name) => name.toLowerCase()))
    const { key, fault } = decodeVerifyingKey(settings.proxy.upstreamKey, (path) => this.#read(path))
    this.#upstreamKey = key
    if (fault !== undefined) this.faults.push(`upstream_key: ${fault}`)
  }

  /** Keys are read again for the routes that are prepared from now on; a route that is known keeps its key. */
  forgetKeys(): void {
    this.#signers.clear()
  }

  /** Reads the keys of `routes` now, so that `faults` is complete. */
  prepare(routes: readonly Route[]): void {
    for (const route of routes) this.#plan(route)
  }

  /** Null: the rewritten path is not a path (path_rem left nothing that begins with a slash): 502. */
  forward(head: ClientHead, route: Route, target: Target, options: ForwardOptions): Forwarded | null {
    const plan = this.#plan(route)
    const trusted = this.#isTrusted(head, options.nowEpochMs)
    const addressed = this.#rewrite(route, target, { host: clientHost(head), path: head.path })
    if (addressed === null) return null
    const headers = ['Host', addressed.host]
    this.#copy(headers, head, route, plan, trusted)
    if (!trusted && !route.noGrip) {
      if (plan.signer !== null) headers.push('Grip-Sig', plan.signer.token(options.nowEpochMs))
      headers.push('Grip-Feature', GRIP_FEATURES)
      if (options.lastIds) headers.push(...gripLastHeaders(options.lastIds))
    }
    this.#addForwarded(headers, head, trusted, options.webSocket)
    return { host: addressed.host, path: addressed.path, headers, trusted, gripActive: !trusted && !route.noGrip }
  }

  /**
   * A request of ours for a link of a hold: nothing of the client's request is in it. `routed` null: the link leads out
   * of the route, of which only the signature (`signer`) holds then. Null: the rewritten path is none.
   */
  forwardLink(link: LinkAddress, signer: Route, routed: RoutedLink | null, options: LinkOptions): ForwardedLink | null {
    const head = { method: options.method, path: link.path, headers: [], peerAddress: '', ssl: link.ssl }
    const client = { host: link.host, path: link.path }
    const addressed = routed === null ? client : this.#rewrite(routed.route, routed.target, client)
    if (addressed === null) return null
    const headers = ['Host', addressed.host, ...(options.headers ?? [])]
    if (options.lastIds !== null) headers.push(...gripLastHeaders(options.lastIds))
    const { cdnLoop } = this.#settings.proxy
    if (routed !== null) this.#copy(headers, head, routed.route, this.#plan(routed.route), false)
    else if (cdnLoop !== '') headers.push('CDN-Loop', cdnLoop)
    if (routed === null || !routed.route.noGrip) {
      const token = this.signature(routed?.route ?? signer, options.nowEpochMs)
      if (token !== null) headers.push('Grip-Sig', token)
      headers.push('Grip-Feature', GRIP_FEATURES)
    }
    this.#addForwarded(headers, head, false, false)
    if (options.method === 'POST') headers.push('Content-Length', String(options.bodyBytes ?? 0))
    return { path: addressed.path, headers }
  }

  /**
   * For a WebSocket of our own: without the client's handshake, whose headers belong to its connection. A worker behind
   * ZeroMQ makes no handshake with us, so it is shown that of the client.
   */
  forwardWebSocket(head: ClientHead, route: Route, target: Target, nowEpochMs: number): Forwarded | null {
    const forwarded = this.forward(head, route, target, { webSocket: true, nowEpochMs })
    if (forwarded === null) return null
    const isDropped = (name: string): boolean =>
      target.kind === TargetKind.Zhttp ? NOT_FOR_WORKERS.has(name) : HANDSHAKE.has(name)
    const headers = removeHeaders(forwarded.headers, isDropped)
    if (target.kind === TargetKind.Zhttp) headers.push('Upgrade', 'websocket')
    if (!route.noGrip) headers.push('Sec-WebSocket-Extensions', 'grip')
    return { ...forwarded, headers }
  }

  forwardWebSocketOverHttp(
    head: ClientHead,
    route: Route,
    target: Target,
    options: { readonly connectionId: string; readonly nowEpochMs: number },
  ): WebSocketHead | null {
    const forwarded = this.forward(head, route, target, { webSocket: true, nowEpochMs: options.nowEpochMs })
    if (forwarded === null) return null
    const { path, headers, trusted } = forwarded
    const signed = this.#plan(route).signer !== null
    const kept: string[] = []
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index] as string
      const lower = name.toLowerCase()
      // The signature is made anew for each request.
      if (isNotForEvents(lower) || (signed && lower === 'grip-sig')) continue
      kept.push(this.#interned.intern(name), this.#interned.intern(headers[index + 1] as string))
    }
    return {
      path: this.#interned.intern(path),
      // A copy without the room that push() has left for more.
      clientHeaders: kept.slice(0),
      connectionId: options.connectionId,
      isGripOffered: !route.noGrip,
      trusted,
    }
  }

  /** A string equal to `text`, one for all sessions where many have it. */
  intern(text: string): string {
    return this.#interned.intern(text)
  }

  /** A fresh Grip-Sig for `route`, the same string for calls within one second; null: the route signs nothing. */
  signature(route: Route, nowEpochMs: number): string | null {
    return this.#plan(route).signer?.token(nowEpochMs) ?? null
  }

  /**
   * Whom logs call the client: the first address of X-Forwarded-For where its rule keeps any, otherwise the peer. Null:
   * a unix socket has none.
   */
  clientAddress(head: ClientHead, nowEpochMs: number): string | null {
    const { proxy } = this.#settings
    const rule = this.#isTrusted(head, nowEpochMs) ? proxy.xForwardedForTrusted : proxy.xForwardedFor
    const [first = ''] = rule.truncate === 0 ? [] : splitValues(headerValue(head.headers, 'x-forwarded-for') ?? '')
    return isAddress(first) ? canonicalAddress(first) : head.peerAddress || null
  }

  #isTrusted(head: ClientHead, nowEpochMs: number): boolean {
    if (this.#upstreamKey === null) return false
    const token = headerValue(head.headers, 'grip-sig')
    return token !== null && verifyToken(token, this.#upstreamKey, nowEpochMs)
  }

  /** The client's headers, without what has a rule. Rules of this step keep the order of the reference. */
  #copy(out: string[], head: ClientHead, route: Route, plan: RoutePlan, trusted: boolean): void {
    const source = plan.setHeaders.length === 0 ? head.headers : withSetHeaders(head.headers, plan.setHeaders)
    const originals: string[] = []
    const cdnLoop: string[] = []
    for (let index = 0; index < source.length; index += 2) {
      const name = source[index] as string
      const value = source[index + 1] as string
      const lower = plan.setHeaders.length === 0 ? name : name.toLowerCase()
      if (lower.startsWith(ORIGINAL_PREFIX)) {
        if (route.origHeaders) (trusted ? out : originals).push(name, value)
        continue
      }
      if (route.origHeaders && !trusted && !this.#needMark.has(lower)) {
        originals.push(ORIGINAL_PREFIX + name, value)
      }
      if (!trusted && lower.startsWith('grip-')) continue
      const rule = plan.rules.get(lower)
      if (rule === undefined) out.push(name, value)
      else if (rule === Rule.CdnLoop) cdnLoop.push(...splitValues(value))
    }
    out.push(...originals)
    const { cdnLoop: own } = this.#settings.proxy
    if (own !== '') out.push('CDN-Loop', [...cdnLoop, own].join(', '))
  }

  #addForwarded(out: string[], head: ClientHead, trusted: boolean, webSocket: boolean): void {
    const { proxy } = this.#settings
    if (head.ssl && proxy.setXForwardedProtocol !== 'false') {
      const scheme = webSocket ? 'wss' : 'https'
      out.push('X-Forwarded-Proto', scheme)
      if (proxy.setXForwardedProtocol === 'true') out.push('X-Forwarded-Protocol', scheme)
    }
    const xff = forwardedFor(head, trusted ? proxy.xForwardedForTrusted : proxy.xForwardedFor)
    if (xff !== null) out.push('X-Forwarded-For', xff)
  }

  #plan(route: Route): RoutePlan {
    let plan = this.#plans.get(route)
    if (plan !== undefined) return plan
    plan = { signer: this.#signer(route), rules: this.#rules(), setHeaders: route.headers }
    this.#plans.set(route, plan)
    return plan
  }

  #signer(route: Route): Signer | null {
    const { proxy } = this.#settings
    const iss = route.sigIss ?? proxy.sigIss
    const spec = route.sigKey ?? proxy.sigKey
    if (iss === '' || spec === '') return null
    const id = JSON.stringify([iss, spec])
    let signer = this.#signers.get(id)
    if (signer === undefined) {
      const { key, fault } = decodeSigningKey(spec, (path) => this.#read(path))
      if (fault !== undefined) this.faults.push(`route ${route.id}, sig_key: ${fault}`)
      signer = key === null ? null : new Signer(iss, key)
      this.#signers.set(id, signer)
    }
    return signer
  }

  #rules(): ReadonlyMap<string, Rule> {
    const { proxy } = this.#settings
    const rules = new Map<string, Rule>(NEVER_FORWARDED.map((name) => [name, Rule.Drop]))
    if (proxy.acceptPushpinRoute) rules.set('pushpin-route', Rule.Drop)
    if (proxy.cdnLoop !== '') rules.set('cdn-loop', Rule.CdnLoop)
    if (proxy.acceptXForwardedProtocol || proxy.setXForwardedProtocol !== 'false') {
      rules.set('x-forwarded-proto', Rule.Drop).set('x-forwarded-protocol', Rule.Drop)
    }
    return rules.set('x-forwarded-for', Rule.ForwardedFor)
  }

  #read(path: string): Buffer | null {
    try {
      return this.#readFile(path)
    } catch {
      // decodeKey makes a fault of it, with the path.
      return null
    }
  }
}

const EVENTS_TYPE = 'application/websocket-events'

/**
 * Host is made anew. The others concern the client's connection only, or would make the backend compress.
 * Upgrade is Pushpin's to forward, but without Connection it means nothing, and undici refuses it.
 */
const NEVER_FORWARDED = [
  ...['host', 'connection', 'keep-alive', 'accept-encoding', 'content-encoding', 'transfer-encoding', 'expect'],
  'upgrade',
]

/** Made anew for each hop; a body an upgrade request cannot have. Sec-WebSocket-Protocol passes. */
const NOT_FOR_WORKERS = new Set(['content-length', 'sec-websocket-extensions'])
const HANDSHAKE = new Set([...NOT_FOR_WORKERS, 'sec-websocket-key', 'sec-websocket-version'])

function isNotForEvents(lower: string): boolean {
  switch (lower) {
    case 'accept':
    case 'connection-id':
    case 'content-length':
    case 'content-type':
    case 'sec-websocket-extensions':
      return true
    default:
      return lower.startsWith('meta-')
  }
}

/** The whole header list of one WebSocket-over-HTTP request. */
export function webSocketRequestHeaders(head: WebSocketHead, parts: WebSocketRequestParts): string[] {
  const headers = head.clientHeaders.slice(0)
  if (head.isGripOffered) headers.push('Sec-WebSocket-Extensions', 'grip')
  if (parts.signature !== null) headers.push('Grip-Sig', parts.signature)
  headers.push('Accept', EVENTS_TYPE, 'Connection-Id', head.connectionId, 'Content-Type', EVENTS_TYPE)
  headers.push('Content-Length', String(parts.contentLength))
  if (parts.replayedBytes > 0) headers.push('Content-Bytes-Replayed', String(parts.replayedBytes))
  for (const [name, value] of parts.meta) headers.push(`Meta-${name}`, value)
  return headers
}

/**
 * What the client gets of a backend's header list, order and duplicates kept: without hop-by-hop headers and
 * Content-Encoding (Pushpin's rule), without Content-Length (made anew) and Date (uWebSockets.js writes its own).
 */
export function relayedHeaders(headers: readonly string[]): string[] {
  const kept: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string
    if (!isNeverRelayed(name)) kept.push(name, headers[index + 1] as string)
  }
  return kept
}

/** Looks at the length first: it runs for every header of every answer. */
export function isNeverRelayed(name: string): boolean {
  switch (name.length) {
    case 4:
      return name.toLowerCase() === 'date'
    case 10: {
      const lower = name.toLowerCase()
      return lower === 'connection' || lower === 'keep-alive'
    }
    case 14:
      return name.toLowerCase() === 'content-length'
    case 16:
      return name.toLowerCase() === 'content-encoding'
    case 17:
      return name.toLowerCase() === 'transfer-encoding'
    default:
      return false
  }
}

/** A proxy in front says that it took the request by TLS (accept_x_forwarded_protocol). */
export function isForwardedFromTls(headers: readonly string[]): boolean {
  const proto = headerValue(headers, 'x-forwarded-proto') || headerValue(headers, 'x-forwarded-protocol')
  return proto === 'https' || proto === 'wss'
}

/** The same but for Date. */
export function isFraming(name: string): boolean {
  return isNeverRelayed(name) && name.toLowerCase() !== 'date'
}

/** The host a client asked for; `localhost` when it named none. */
export function clientHost(head: Pick<ClientHead, 'headers'>): string {
  return headerValue(head.headers, 'host') || 'localhost'
}

function withSetHeaders(headers: readonly string[], set: readonly (readonly [string, string])[]): string[] {
  let list = [...headers]
  for (const [name, value] of set) {
    const lower = name.toLowerCase()
    const kept: string[] = []
    for (let index = 0; index < list.length; index += 2) {
      if ((list[index] as string).toLowerCase() !== lower) kept.push(list[index] as string, list[index + 1] as string)
    }
    list = kept
    if (value !== '') list.push(name, value)
  }
  return list
}

/** Null: the header is absent. The address of a unix socket is empty, and is appended all the same, as Pushpin does. */
function forwardedFor(head: ClientHead, rule: XffRule): string | null {
  let values: string[] = []
  const { headers } = head
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index] === 'x-forwarded-for') values.push(...splitValues(headers[index + 1] as string))
  }
  if (rule.truncate !== null) values = values.slice(Math.max(values.length - rule.truncate, 0))
  if (rule.append) values.push(head.peerAddress)
  return values.length === 0 ? null : values.join(', ')
}

function splitValues(value: string): string[] {
  return value.split(',').map(trimBlanks)
}
