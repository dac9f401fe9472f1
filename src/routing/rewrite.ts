/** What a route and a target make of a request's host and path. */
import { pathLength } from '../base/path-length.js'
import { formatHostPort } from './host.js'
import { removeDotSegments } from './path.js'
import type { HostPort, Route, Target } from './types.js'

/**
 * The path that is sent to a backend: path_rem or replace_beg applied, dot segments removed. `encoded`: path and query
 * from encodePath. Null: what path_rem or replace_beg left does not begin with `/`; the client gets a 502.
 */
export function rewritePath(route: Route, encoded: string): string | null {
  const { pathRem, replaceBeg } = route
  const rewritten = pathRem > 0 || replaceBeg !== null ? applyReplacement(pathRem, replaceBeg ?? '', encoded) : encoded
  return rewritten.startsWith('/') ? removeDotSegments(rewritten) : null
}

function applyReplacement(pathRem: number, replaceBeg: string, encoded: string): string {
  const end = pathLength(encoded)
  const replaced = replaceBeg + encoded.slice(0, end).slice(pathRem)
  // Nothing left of a path is the root.
  return (replaced === '' ? '/' : replaced) + encoded.slice(end)
}

/**
 * The path that the built-in targets (`test`, `demo`) see: path_beg, without a trailing slash, is taken off after all
 * other rewriting.
 */
export function builtInPath(route: Route, rewritten: string): string {
  const { pathBeg } = route
  const length = pathBeg.endsWith('/') ? pathBeg.length - 1 : pathBeg.length
  const end = pathLength(rewritten)
  const shortened = rewritten.slice(0, end).slice(length)
  return (shortened === '' ? '/' : shortened) + rewritten.slice(end)
}

/** Host and port that the backend is addressed by: the target's host=, else the route's as_host, else the client's. */
export function rewriteHost(route: Route, target: Target, client: HostPort): HostPort {
  return target.hostOverride ?? route.asHost ?? client
}

/** The same as a Host header. */
export function rewrittenHostHeader(route: Route, target: Target, client: HostPort): string {
  return formatHostPort(rewriteHost(route, target, client), target.ssl)
}
