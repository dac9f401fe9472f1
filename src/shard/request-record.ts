/** What is kept of a client's request while its answer is held: to report it, and to send it again. */
import { type ClientHead, clientHost } from '../grip/forwarding.js'
import type { GripLast } from '../grip/hold-channels.js'
import type { Subscription } from '../grip/subscriptions.js'
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

export function urlOf({ head }: RequestRecord): string {
  return `${head.ssl ? 'https' : 'http'}://${clientHost(head)}${head.path}`
}

/** To the log: it holds these channels from now on. */
export function reportSubscribed(
  { holdLog }: ShardContext,
  record: RequestRecord,
  subscriptions: readonly Subscription[],
): void {
  if (holdLog === null) return
  const channels = subscriptions.map(({ channel }) => channel.name)
  holdLog.subscribed(urlOf(record), channels, record.lastIds !== null)
}

/** One line of the access log. */
export function reportAccess(
  context: ShardContext,
  record: RequestRecord,
  status: number,
  bytes: number,
  outcome: string,
): void {
  const { access } = context
  const { head, startedMs, route, target, lastIds } = record
  if (access === null) return
  const { logFrom, logUserAgent } = context.settings.proxy
  access({
    method: head.method,
    url: urlOf(record),
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
