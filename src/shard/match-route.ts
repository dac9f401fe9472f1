/** The route of a request: by id where the client may name one, otherwise by host and path. */
import { pathLength } from '../base/path-length.js'
import { type ClientHead, clientHost } from '../grip/forwarding.js'
import { parseHostPort } from '../routing/host.js'
import { encodePath } from '../routing/path.js'
import type { Route } from '../routing/types.js'
import { headerValue } from '../wire/headers.js'
import type { ShardContext } from './context.js'

export function matchRoute(context: ShardContext, head: ClientHead, proto: 'http' | 'ws'): Route | null {
  if (context.settings.proxy.acceptPushpinRoute) {
    const id = headerValue(head.headers, 'pushpin-route')
    if (id !== null && id !== '') return routeById(context, id, head, proto)
  }
  return routeByHost(context, head, proto)
}

/** Two lines with one id make it unusable: the host decides then. An unknown id has no route. */
export function routeById(context: ShardContext, id: string, head: ClientHead, proto: 'http' | 'ws'): Route | null {
  const routes = context.routes()
  return routes.isIdShared(id) ? routeByHost(context, head, proto) : routes.byId(id)
}

function routeByHost(context: ShardContext, head: ClientHead, proto: 'http' | 'ws'): Route | null {
  const host = parseHostPort(clientHost(head))
  if (host === null) return null
  const encoded = encodePath(head.path)
  return context.routes().match({
    proto,
    ssl: head.ssl,
    host: host.host,
    path: encoded.slice(0, pathLength(encoded)),
  })
}

/** The host that the client asked, without its port. */
export function hostNameOf(head: ClientHead): string {
  const host = clientHost(head)
  return parseHostPort(host)?.host ?? host
}

/** The id that a route was given, or empty: what deliveries are counted and limited by. */
export function statsRouteOf(route: Route | null): string {
  return route !== null && route.explicitId ? route.id : ''
}
