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
}

export function backendPortsFrom(first: number, ownCount: number): BackendPorts {
  return { main: first, dead: first + 1, own: Array.from({ length: ownCount }, (_, at) => first + 2 + at) }
}

export function ownHost(index: number): string {
  return `own${index}.test`
}

export function routeLines({ main, dead, own }: BackendPorts): string[] {
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
    ...own.map((port, index) => `${ownHost(index)} 127.0.0.1:${port},over_http`),
  ]
}
