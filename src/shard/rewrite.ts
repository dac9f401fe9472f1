/** The routes' rewriting rules, in the form in which header forwarding takes them. */
import type { Rewrite } from '../grip/forwarding.js'
import { parseHostPort } from '../routing/host.js'
import { encodePath } from '../routing/path.js'
import { rewritePath, rewrittenHostHeader } from '../routing/rewrite.js'

export const rewriteRequest: Rewrite = (route, target, client) => {
  const host = parseHostPort(client.host)
  const path = rewritePath(route, encodePath(client.path))
  return host === null || path === null ? null : { host: rewrittenHostHeader(route, target, host), path }
}
