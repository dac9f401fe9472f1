/** What is kept of a client's request while its answer is held: to report it, and to send it again. */
import { type ClientHead, clientHost } from '../grip/forwarding.js'
import type { GripLast } from '../grip/hold-channels.js'
import type { Route, Target } from '../routing/types.js'
import { headerValue } from '../wire/headers.js'
import type { ShardContext } from './context.js'

export interface RequestRecord {
  readonly head: ClientHead
  readonly startedMs: number
  /** null: none was found. */
  readonly route: Route | null
  /** The one that was asked last. */
  readonly target: Target | null
  /** null: it has none, or what there is of it cannot be sent again. */
  readonly body: Buffer | null
  /** Last ids that it was sent again with; null: it was sent once. */
  readonly lastIds: GripLast | null
}

/** One line of the access log. */
export function reportAccess(
  context: ShardContext,
  { head, startedMs, route, target, lastIds }: RequestRecord,
  status: number,
  bytes: number,
  outcome: string,
): void {
  const { access } = context
  if (access === null) return
  const { logFrom, logUserAgent } = context.settings.proxy
  access({
    method: head.method,
    url: `${head.ssl ? 'https' : 'http'}://${clientHost(head)}${head.path}`,
    route: route !== null && route.explicitId ? route.id : null,
    target: target?.name ?? null,
    from: logFrom ? context.forwarding.clientAddress(head, context.epochMs()) : null,
    referer: headerValue(head.headers, 'referer'),
    userAgent: logUserAgent ? headerValue(head.headers, 'user-agent') : null,
    status,
    bytes,
    durationMs: context.clock.nowMs() - startedMs,
    outcome,
    ...(lastIds === null ? {} : { retry: true, lastIds: Object.fromEntries(lastIds) }),
  })
}
