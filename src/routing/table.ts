/** Choosing a route (reference: routes file, matching). */
import type { Route, RouteQuery, RouteTable } from './types.js'

export const WILDCARD_DOMAIN = '*'

/** Routes of one host by what a request brings: no rule in a list can fail on proto or ssl. */
interface HostRules {
  readonly http: readonly Route[]
  readonly https: readonly Route[]
  readonly ws: readonly Route[]
  readonly wss: readonly Route[]
}

/** `routes`: without duplicates of a condition, in the order of the file. */
export function routeTableOf(routes: readonly Route[]): RouteTable {
  const byHost = new Map<string, HostRules>()
  for (const [domain, ofDomain] of groupByDomain(routes)) byHost.set(domain, rulesOf(ofDomain))
  const wildcard = byHost.get(WILDCARD_DOMAIN) ?? null
  // A host that happens to be spelled like the wildcard is no host.
  byHost.delete(WILDCARD_DOMAIN)
  const byId = new Map<string, Route | null>()
  for (const route of routes) byId.set(route.id, byId.has(route.id) ? null : route)
  return Object.freeze({
    routes: Object.freeze([...routes]),
    match(query: RouteQuery): Route | null {
      // The wildcard is for hosts without a line of their own, not for those whose lines do not match.
      const rules = byHost.get(query.host) ?? wildcard
      if (rules === null) return null
      const secure = query.ssl ? rules.https : rules.http
      const secureWs = query.ssl ? rules.wss : rules.ws
      return bestOf(query.proto === 'ws' ? secureWs : secure, query.path)
    },
    byId: (id: string): Route | null => byId.get(id) ?? null,
    isIdShared: (id: string): boolean => byId.get(id) === null,
  })
}

function groupByDomain(routes: readonly Route[]): Map<string, Route[]> {
  const groups = new Map<string, Route[]>()
  for (const route of routes) {
    const group = groups.get(route.domain)
    if (group !== undefined) group.push(route)
    else if (route.domain !== '') groups.set(route.domain, [route])
  }
  return groups
}

function rulesOf(routes: readonly Route[]): HostRules {
  const select = (proto: 'http' | 'ws', ssl: boolean): readonly Route[] =>
    routes.filter((route) => (route.proto ?? proto) === proto && (route.ssl ?? ssl) === ssl)
  return {
    http: select('http', false),
    https: select('http', true),
    ws: select('ws', false),
    wss: select('ws', true),
  }
}

function bestOf(rules: readonly Route[], path: string): Route | null {
  let best: Route | null = null
  for (let at = 0; at < rules.length; at++) {
    const rule = rules[at] as Route
    if (!path.startsWith(rule.pathBeg)) continue
    if (best === null || isMoreSpecific(rule, best)) best = rule
  }
  return best
}

/** Both match. The order of the questions is Pushpin's, with its quirk: ssl beats a longer path that came earlier. */
function isMoreSpecific(rule: Route, best: Route): boolean {
  if ((best.proto === null) !== (rule.proto === null)) return best.proto === null
  if (rule.pathBeg.length > best.pathBeg.length) return true
  return best.ssl === null && rule.ssl !== null
}
