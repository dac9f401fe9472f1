/**
 * The routes of the suite: the same text for every target. Scenarios choose a route by their Host header and find their
 * script by the first part of the path.
 */

export interface BackendPorts {
  /** The backend of nearly all scenarios. */
  readonly main: number
  /** Nobody listens there. */
  readonly dead: number
  /** Backends that one scenario each may stop. */
  readonly own: readonly number[]
  /** Workers behind ZeroMQ. Those of streaming targets take three consecutive ports each. */
  readonly workers: { readonly req: number; readonly stream: number; readonly nobody: number }
  /** A native WebSocket backend, started by the scenario that wants it. */
  readonly native: number
}

/** Scenarios of statistics have a route each, whose id is the name; NATIVE leads to the native backend. */
export const STATS_NAMES = ['conn', 'http', 'upload', 'retry', 'stream', 'poll', 'woh', 'reject', 'activity'] as const
export const STATS_NATIVE = 'native'

export function statsHost(name: string): string {
  return `${name}.stats.test`
}

export function backendPortsFrom(first: number, ownCount: number): BackendPorts {
  const behind = first + 2 + ownCount
  return {
    main: first,
    dead: first + 1,
    own: Array.from({ length: ownCount }, (_, at) => first + 2 + at),
    workers: { req: behind, stream: behind + 1, nobody: behind + 4 },
    native: behind + 7,
  }
}

export function ownHost(index: number): string {
  return `own${index}.test`
}

export function workerSpec(port: number): string {
  return `tcp://127.0.0.1:${port}`
}

export function routeLines({ main, dead, own, workers, native }: BackendPorts): string[] {
  const req = `zhttpreq/${workerSpec(workers.req)}`
  const stream = `zhttp/${workerSpec(workers.stream)}`
  const target = `127.0.0.1:${main}`
  const woh = `${target},over_http`
  const refused = `127.0.0.1:${dead}`
  return [
    `* ${woh}`,
    `debug.test,debug ${woh}`,
    `one-event.test ${woh},one_event`,
    `no-grip.test,no_grip ${woh}`,
    `prefix.test,prefix=pre- ${woh}`,
    `sub.test ${woh},sub=implied-channel`,
    `prefix-sub.test,prefix=pre- ${woh},sub=implied-too`,
    `header.test,header=x-added:one,header=x-removed: ${woh}`,
    `host.test ${woh},host=other.test`,
    `as-host.test,as_host=renamed.test:8080 ${woh}`,
    `path.test,path_beg=/cut,path_rem=4 ${woh}`,
    `replace.test,path_beg=/old,replace_beg=/new ${woh}`,
    `proto.test,proto=http ${woh}`,
    `key.test,sig_iss=someone,sig_key=secret ${woh}`,
    `failover.test ${refused},over_http ${woh}`,
    `dead.test ${refused},over_http`,
    `dead-debug.test,debug ${refused},over_http`,
    `dead-two.test,debug ${refused},over_http ${refused},over_http`,
    `http.test ${target}`,
    `aco.test,aco ${target}`,
    `aco-debug.test,aco,debug ${target}`,
    `aco-basic.test,aco,jsonp_mode=basic ${target}`,
    `aco-body.test,aco,jsonp_cb=cb,jsonp_body=data,jsonp_defcb=fallback ${target}`,
    `aco-method.test,aco,jsonp_defmethod=PATCH ${target}`,
    `aco-dead.test,aco ${refused}`,
    `req.test,debug ${req}`,
    `stream.test,debug ${stream}`,
    `req-woh.test ${req},over_http`,
    `stream-woh.test ${stream},over_http`,
    `nobody.test,debug zhttp/${workerSpec(workers.nobody)}`,
    `worker-failover.test ${req} ${stream}`,
    `sockjs.test,sockjs=/sj ${woh}`,
    ...STATS_NAMES.map((name) => `${statsHost(name)},id=${name} ${woh}`),
    `${statsHost(STATS_NATIVE)},id=${STATS_NATIVE} 127.0.0.1:${native}`,
    ...own.map((port, index) => `${ownHost(index)} 127.0.0.1:${port},over_http`),
  ]
}
