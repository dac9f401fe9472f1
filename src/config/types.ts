/**
 * Settings: pushpin.conf and flags, parsed once, frozen, handed to every thread as plain data
 * (they cross a structured clone, so: no functions, no class instances).
 */

/** [addr:]port */
export interface ListenAddress {
  /** `0.0.0.0` when the file names a port only. IPv6 without brackets. */
  readonly host: string
  readonly port: number
}

/** A unix socket. */
export interface LocalAddress {
  /** Absolute. */
  readonly path: string
  /** Null: what the umask leaves. */
  readonly mode: number | null
  /** Null: as the process. */
  readonly uid: number | null
  readonly gid: number | null
}

export type XffRule = { readonly truncate: number | null; readonly append: boolean }

export interface Settings {
  /** Path of the file the settings came from, or null. */
  readonly file: string | null
  readonly global: {
    readonly rundir: string
    readonly ipcPrefix: string
    readonly portOffset: number
    readonly statsConnectionTtl: number
    readonly statsConnectionSend: boolean
  }
  readonly runner: {
    readonly httpPorts: readonly ListenAddress[]
    readonly httpsPorts: readonly ListenAddress[]
    readonly localPorts: readonly LocalAddress[]
    /** Folder of the certificates of httpsPorts. Absolute. */
    readonly certsDir: string
    /** Directory for tackboard.log as an absolute path, or null: log to stdout. */
    readonly logdir: string | null
    /** --logfile as an absolute path, or null. */
    readonly logfile: string | null
    /** Stands in front of `tackboard.log` in logdir: `pN-` with --id=N, otherwise empty. */
    readonly logFilePrefix: string
    /** 0 error, 1 warn, 2 info, 3 debug, 4 trace */
    readonly logLevel: number
    readonly clientBufferSize: number
    readonly clientMaxconn: number
    readonly allowCompression: boolean
    /** Ours. Shards, 1 or more: a 0 in the file has become the number of cores. */
    readonly workers: number
  }
  readonly proxy: {
    /** Absolute path, or null when routes came from --route. */
    readonly routesfile: string | null
    /** --route lines; when non-empty they replace the file. */
    readonly routeLines: readonly string[]
    readonly debug: boolean
    readonly autoCrossOrigin: boolean
    readonly acceptXForwardedProtocol: boolean
    readonly setXForwardedProtocol: 'true' | 'proto-only' | 'false'
    readonly xForwardedFor: XffRule
    readonly xForwardedForTrusted: XffRule
    readonly origHeadersNeedMark: readonly string[]
    readonly acceptPushpinRoute: boolean
    readonly cdnLoop: string
    readonly logFrom: boolean
    readonly logUserAgent: boolean
    readonly sigIss: string
    /** Key spec (see docs/CONFIG.md), the path of a `file:` made absolute; empty: none. */
    readonly sigKey: string
    readonly upstreamKey: string
    readonly sockjsUrl: string
    /** Ours. Seconds a backend may send nothing before its request fails. */
    readonly backendTimeout: number
    /** Ours. Idle connections to a backend are kept this many seconds. */
    readonly backendKeepAlive: number
    /** Ours. Connections each shard may open to one backend. */
    readonly backendConnectionsMax: number
    /** Ours. Bytes of one WebSocket session that may wait for its backend. */
    readonly wsBufferMax: number
    /** Ours. The same, for the whole process. */
    readonly wsBufferTotalMax: number
    /** Ours. Seconds; 0: never. */
    readonly wsPingInterval: number
    readonly wsPongTimeout: number
    /** As in `handler`. */
    readonly prometheusPort: string
    readonly prometheusPrefix: string
  }
  readonly handler: {
    readonly ipcFileMode: number | null
    /** PULL bind specs; empty: off. */
    readonly pushInSpecs: readonly string[]
    readonly pushInSubSpecs: readonly string[]
    readonly pushInSubConnect: boolean
    readonly pushInHttpAddr: string
    /** 0: off */
    readonly pushInHttpPort: number
    readonly pushInHttpMaxHeadersSize: number
    readonly pushInHttpMaxBodySize: number
    readonly commandSpec: string
    readonly statsSpec: string
    readonly statsFormat: 'tnetstring' | 'json'
    readonly statsSubscriptionTtl: number
    readonly statsReportInterval: number
    /** -1: unlimited */
    readonly messageRate: number
    readonly messageHwm: number
    readonly messageBlockSize: number
    /** ms */
    readonly messageWait: number
    /** s; 0: off */
    readonly idCacheTtl: number
    readonly updateOnFirstSubscription: boolean
    readonly connectionSubscriptionMax: number
    /** s */
    readonly subscriptionLinger: number
    /** `[addr:]port` or `ipc://path`; empty: off. */
    readonly prometheusPort: string
    readonly prometheusPrefix: string
  }
}
