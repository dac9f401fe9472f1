/** Lines about what is wrong with the holds of a route, at the level its option log_level says (Pushpin: logForRoute). */
import { logLevelName } from '../base/log.js'
import type { Route } from '../routing/types.js'
import type { ShardContext } from './context.js'

const LEVEL_DEBUG = 3

/** A backend has named more channels than `connection_subscription_max` lets a connection hold. */
export function logTooManySubscriptions(
  { log }: Pick<ShardContext, 'log'>,
  { id, logLevel }: Route,
  session: 'httpsession' | 'wssession',
): void {
  log[logLevelName(logLevel ?? LEVEL_DEBUG)]({ route: id }, `${session}: too many subscriptions`)
}
