/** CORS and JSON-P of one request: what the backend is asked instead, and what its answer becomes. */
import type { Buffer } from 'node:buffer'
import { CrossOrigin } from '../grip/cross-origin.js'
import type { ClientHead } from '../grip/forwarding.js'
import { type HttpAnswer, badRequest } from '../grip/http-session.js'
import { type JsonpRules, readJsonp } from '../grip/jsonp-request.js'
import { encodePath } from '../routing/path.js'
import type { Route } from '../routing/types.js'
import type { ShardContext } from './context.js'

export interface CrossOriginRequest {
  readonly crossOrigin: CrossOrigin
  /** For the backend; the client's own unless the request is JSON-P. */
  readonly head: ClientHead
  /** A body out of the query; null: none. */
  readonly body: Buffer | null
  /** The request ends with this. */
  readonly fault: HttpAnswer | null
}

const NO_ROUTE: JsonpRules = {
  jsonpMode: 'extended',
  jsonpCallback: null,
  jsonpBody: null,
  jsonpDefaultCallback: null,
  jsonpDefaultMethod: null,
}

/** Null: neither the route nor the settings want it. */
export function crossOriginOf(context: ShardContext, head: ClientHead, route: Route | null): CrossOriginRequest | null {
  if (route?.autoCrossOrigin !== true && !context.settings.proxy.autoCrossOrigin) return null
  const read = readJsonp(head, encodePath(head.path), route ?? NO_ROUTE)
  if (read?.kind !== 'call') {
    const fault = read === null ? null : badRequest(read.message)
    return { crossOrigin: new CrossOrigin(head.headers, null), head, body: null, fault }
  }
  const body = read.body.length === 0 ? null : read.body
  return { crossOrigin: new CrossOrigin(head.headers, read.call), head: read.head, body, fault: null }
}
