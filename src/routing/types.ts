/**
 * A route table as the rest of the gateway sees it: plain frozen values.
 * The text form is the `routes` file of Pushpin (docs/CONFIG.md).
 */

export const TargetKind = {
  /** host:port over HTTP/1.1 */
  Http: 'http',
  /** Pushpin's built-in test handler */
  Test: 'test',
  /** the test handler and a page to try it with */
  Demo: 'demo',
  /** ZHTTP over ZeroMQ: streaming */
  Zhttp: 'zhttp',
  /** ZHTTP over ZeroMQ: one packet each way */
  ZhttpReq: 'zhttpreq',
} as const
export type TargetKind = (typeof TargetKind)[keyof typeof TargetKind]

export interface Target {
  readonly kind: TargetKind
  /** As written in the routes file without properties: what logs and debug messages call the target. */
  readonly name: string
  /** Kind Http only, otherwise empty / 0. IPv6 literals without brackets. */
  readonly host: string
  readonly port: number
  /** Kinds Zhttp and ZhttpReq: the ZeroMQ spec, otherwise empty. */
  readonly spec: string
  readonly ssl: boolean
  readonly untrusted: boolean
  readonly trustConnectHost: boolean
  readonly insecure: boolean
  /** host=: replaces the host (and port) of the request URI for this target. */
  readonly hostOverride: HostPort | null
  /** sub=: channels every hold and WebSocket is subscribed to, without the route's prefix. Byte strings. */
  readonly implicitChannels: readonly string[]
  readonly overHttp: boolean
  readonly oneEvent: boolean
  readonly ipcFileMode: number | null
  readonly clientCert: string | null
  readonly clientKey: string | null
  /** first_frame_delay=MS (ours): wait between a 101 and the first frame, for clients that lose frames sent with it. */
  readonly firstFrameDelayMs: number
  /** ping_interval=S, pong_timeout=S (ours): heartbeats of this target's WebSocket clients; null: the settings hold. */
  readonly pingIntervalS: number | null
  readonly pongTimeoutS: number | null
}

export interface HostPort {
  readonly host: string
  /** null: the scheme's default port */
  readonly port: number | null
}

export interface Route {
  /** The explicit id=, or one made of the condition. */
  readonly id: string
  readonly explicitId: boolean
  /** Condition. `*`: every host that no line names. Empty: reachable by id only. IPv6 without brackets. */
  readonly domain: string
  readonly proto: 'http' | 'ws' | null
  readonly ssl: boolean | null
  readonly pathBeg: string
  /** null: the global setting holds. The path in a `file:` key is absolute. */
  readonly sigIss: string | null
  readonly sigKey: string | null
  /** Put in front of every channel the backend names. Byte string. */
  readonly prefix: string
  readonly origHeaders: boolean
  readonly asHost: HostPort | null
  /** Bytes to take off the front of the encoded path; with replace_beg= the length of pathBeg. */
  readonly pathRem: number
  /** Percent-encoded; comes in front of what pathRem has left. */
  readonly replaceBeg: string | null
  readonly debug: boolean
  readonly autoCrossOrigin: boolean
  readonly jsonpMode: 'extended' | 'basic'
  readonly jsonpCallback: string | null
  readonly jsonpBody: string | null
  readonly jsonpDefaultCallback: string | null
  readonly jsonpDefaultMethod: string | null
  readonly session: boolean
  readonly sockjsPath: string | null
  readonly sockjsAsPath: string | null
  /** header=: request headers to set (or with an empty value to remove), in the order to apply them. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly noGrip: boolean
  readonly logLevel: number | null
  readonly targets: readonly Target[]
  /** Line of the routes text, from 1. */
  readonly line: number
}

/** What of a request decides its route. */
export interface RouteQuery {
  readonly proto: 'http' | 'ws'
  readonly ssl: boolean
  /** Host without port, lower case. */
  readonly host: string
  /** Percent-encoded path without query. */
  readonly path: string
}

export interface RouteTable {
  readonly routes: readonly Route[]
  /** Best route by Pushpin's precedence (reference §3.4), or null. */
  match(query: RouteQuery): Route | null
  /** By id; null when unknown or when two lines share the id. */
  byId(id: string): Route | null
  /** Two lines or more have this id: a request that asks for it is routed by its host. */
  isIdShared(id: string): boolean
}

/** A fault of one line: the line is skipped. Or a warning about a line that is kept. */
export interface RouteFault {
  readonly file: string
  readonly line: number
  readonly message: string
}
