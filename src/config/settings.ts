/** From checked values to the frozen Settings: where every key of the table goes. */
import { isAbsolute, join, dirname } from 'node:path'
import { byteStringOfText } from '../base/bytes.js'
import { resolveKeySpec } from '../base/key-spec.js'
import type { Flags } from './cli.js'
import type { KeyName, TypeOfKey } from './table.js'
import type { LocalAddress, Settings } from './types.js'
import type { ValueByType, WrittenLocal } from './values.js'

export type ValueOf = <K extends KeyName>(key: K) => ValueByType[TypeOfKey<K>]

export interface SettingsSurroundings {
  readonly file: string | null
  readonly flags: Flags
  readonly cwd: string
  readonly cores: number
  readonly ipcPrefix: string
  readonly portOffset: number
  /** Ids of the accounts that local_ports names. */
  readonly uidOf: (name: string) => number | null
  readonly gidOf: (name: string) => number | null
}

export function settingsFrom(value: ValueOf, surroundings: SettingsSurroundings): Settings {
  return deepFrozen({
    file: surroundings.file,
    global: globalSettings(value, surroundings),
    runner: runnerSettings(value, surroundings),
    proxy: proxySettings(value, surroundings),
    handler: handlerSettings(value, surroundings),
  })
}

function globalSettings(value: ValueOf, { cwd, ipcPrefix, portOffset }: SettingsSurroundings): Settings['global'] {
  return {
    rundir: absolute(value('global.rundir'), cwd),
    ipcPrefix,
    portOffset,
    statsConnectionTtl: value('global.stats_connection_ttl'),
    statsConnectionSend: value('global.stats_connection_send'),
  }
}

function runnerSettings(value: ValueOf, surroundings: SettingsSurroundings): Settings['runner'] {
  const { file, flags, cwd, cores } = surroundings
  const logdir = value('runner.logdir')
  const workers = flags.workers ?? value('runner.workers')
  return {
    httpPorts: flags.port === null ? value('runner.http_port') : [flags.port],
    httpsPorts: flags.port === null ? value('runner.https_ports') : [],
    localPorts: flags.port === null ? localAddresses(value('runner.local_ports'), surroundings) : [],
    certsDir: join(file === null ? cwd : dirname(file), 'runner/certs'),
    logdir: flags.mergeOutput || logdir === '' ? null : absolute(logdir, cwd),
    logfile: flags.logfile === null ? null : absolute(flags.logfile, cwd),
    logFilePrefix: flags.id === null ? '' : `p${flags.id}-`,
    logLevel: flags.logLevel ?? value('runner.log_level'),
    clientBufferSize: value('runner.client_buffer_size'),
    clientMaxconn: value('runner.client_maxconn'),
    allowCompression: value('runner.allow_compression'),
    workers: workers === 0 ? Math.max(cores, 1) : workers,
  }
}

/** A relative path of a socket is relative to the working directory, as in Pushpin. */
function localAddresses(written: readonly WrittenLocal[], { cwd, uidOf, gidOf }: SettingsSurroundings): LocalAddress[] {
  return written.map(({ path, mode, user, group }) => ({
    path: absolute(path, cwd),
    mode,
    uid: user === null ? null : uidOf(user),
    gid: group === null ? null : gidOf(group),
  }))
}

function proxySettings(value: ValueOf, { file, flags, cwd }: SettingsSurroundings): Settings['proxy'] {
  const directory = file === null ? cwd : dirname(file)
  const routesfile =
    flags.routes === null ? absolute(value('proxy.routesfile'), directory) : absolute(flags.routes, cwd)
  return {
    routesfile: flags.routeLines.length > 0 ? null : routesfile,
    routeLines: flags.routeLines,
    debug: value('proxy.debug'),
    autoCrossOrigin: value('proxy.auto_cross_origin'),
    acceptXForwardedProtocol: value('proxy.accept_x_forwarded_protocol'),
    setXForwardedProtocol: forwardedProtocol(value('proxy.set_x_forwarded_protocol')),
    xForwardedFor: value('proxy.x_forwarded_for'),
    xForwardedForTrusted: value('proxy.x_forwarded_for_trusted'),
    origHeadersNeedMark: value('proxy.orig_headers_need_mark').map(byteStringOfText),
    acceptPushpinRoute: value('proxy.accept_pushpin_route'),
    cdnLoop: byteStringOfText(value('proxy.cdn_loop')),
    logFrom: value('proxy.log_from'),
    logUserAgent: value('proxy.log_user_agent'),
    sigIss: value('proxy.sig_iss'),
    sigKey: resolveKeySpec(value('proxy.sig_key'), directory),
    upstreamKey: resolveKeySpec(value('proxy.upstream_key'), directory),
    sockjsUrl: value('proxy.sockjs_url'),
    backendTimeout: value('proxy.backend_timeout'),
    backendKeepAlive: value('proxy.backend_keep_alive'),
    backendConnectionsMax: value('proxy.backend_connections_max'),
    wsBufferMax: value('proxy.ws_buffer_max'),
    wsBufferTotalMax: value('proxy.ws_buffer_total_max'),
    wsPingInterval: value('proxy.ws_ping_interval'),
    wsPongTimeout: value('proxy.ws_pong_timeout'),
    prometheusPort: value('proxy.prometheus_port'),
    prometheusPrefix: value('proxy.prometheus_prefix'),
  }
}

function forwardedProtocol(choice: string): Settings['proxy']['setXForwardedProtocol'] {
  return choice === 'true' || choice === 'proto-only' ? choice : 'false'
}

function handlerSettings(value: ValueOf, { portOffset }: SettingsSurroundings): Settings['handler'] {
  const httpPort = value('handler.push_in_http_port')
  return {
    ipcFileMode: value('handler.ipc_file_mode'),
    pushInSpecs: value('handler.push_in_spec'),
    pushInSubSpecs: [...value('handler.push_in_sub_specs'), ...value('handler.push_in_sub_spec')],
    pushInSubConnect: value('handler.push_in_sub_connect'),
    // An empty address would open the port to the world.
    pushInHttpAddr: value('handler.push_in_http_addr') || '127.0.0.1',
    pushInHttpPort: httpPort > 0 ? httpPort + portOffset : 0,
    pushInHttpMaxHeadersSize: value('handler.push_in_http_max_headers_size'),
    pushInHttpMaxBodySize: value('handler.push_in_http_max_body_size'),
    commandSpec: value('handler.command_spec')[0] ?? '',
    statsSpec: value('handler.stats_spec')[0] ?? '',
    statsFormat: value('handler.stats_format') === 'json' ? 'json' : 'tnetstring',
    statsSubscriptionTtl: value('handler.stats_subscription_ttl'),
    statsReportInterval: value('handler.stats_report_interval'),
    messageRate: value('handler.message_rate'),
    messageHwm: value('handler.message_hwm'),
    messageBlockSize: value('handler.message_block_size'),
    messageWait: value('handler.message_wait'),
    idCacheTtl: value('handler.id_cache_ttl'),
    updateOnFirstSubscription: value('handler.update_on_first_subscription'),
    connectionSubscriptionMax: value('handler.connection_subscription_max'),
    subscriptionLinger: value('handler.subscription_linger'),
    prometheusPort: value('handler.prometheus_port'),
    prometheusPrefix: value('handler.prometheus_prefix'),
  }
}

function absolute(path: string, directory: string): string {
  return isAbsolute(path) ? path : join(directory, path)
}

function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(deepFrozen)
    Object.freeze(value)
  }
  return value
}
