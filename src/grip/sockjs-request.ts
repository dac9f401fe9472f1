/**
 * What a request below a route's SockJS path asks for (reference: SockJS). Paths here have been settled by encodePath
 * (routing/path.ts), and matched with `sockjs=` byte for byte.
 */
import { Buffer } from 'node:buffer'
import { pathLength } from '../base/path-length.js'
import type { Route } from '../routing/types.js'

/** Where SockJS begins and what stands behind it. */
export interface SockJsPath {
  /** Behind the route's path, without query: `/server/session/xhr`. */
  readonly rest: string
  /** With its question mark; empty: none. */
  readonly query: string
  /** Path and query that the backend sees: of sessions over HTTP, and over WebSockets. */
  readonly polledPath: string
  readonly webSocketPath: string
}

/** Null: the request is none of SockJS. `path`: settled, with its query. */
export function readSockJsPath(route: Pick<Route, 'sockjsPath' | 'sockjsAsPath'>, path: string): SockJsPath | null {
  const base = route.sockjsPath ?? ''
  if (base === '') return null
  const end = pathLength(path)
  const bare = path.slice(0, end)
  if (!bare.startsWith(base)) return null
  const query = path.slice(end)
  const asPath = route.sockjsAsPath || null
  return {
    rest: bare.slice(base.length),
    query,
    polledPath: (asPath ?? base) + query,
    webSocketPath: (asPath ?? `${base}/websocket`) + query,
  }
}

/** The parts of `/server/session/what`; null: it has others. The server is for load balancers and means nothing. */
export function sockJsParts(rest: string): { readonly sid: string; readonly what: string } | null {
  const parts = rest.split('/')
  if (parts.length !== 4 || parts[0] !== '' || parts[2] === '') return null
  return { sid: parts[2] as string, what: parts[3] as string }
}

/** The function that a script of the JSON-P transport calls; null: it names none, or `what` is not of that transport. */
export function sockJsCallback(what: string, query: string): string | null {
  if (!what.startsWith('jsonp')) return null
  const callback = queryValue(query, 'callback') ?? queryValue(query, 'c')
  return callback === null || callback === '' ? null : callback
}

/** The messages of a send: the body, a form's field `d`, in which a plus is a space as browsers write it, or a query's. */
export function sockJsPayload(method: string, what: string, query: string, body: Buffer): Buffer {
  if (method !== 'POST') return Buffer.from(decode(queryValue(query, 'd') ?? ''), 'latin1')
  if (what !== 'jsonp_send') return body
  for (const field of body.toString('latin1').split('&')) {
    const equal = field.indexOf('=')
    if (equal === -1 || decode(field.slice(0, equal)) !== 'd') continue
    const bytes = Buffer.from(decode(field.slice(equal + 1).replaceAll('+', ' ')), 'latin1')
    return Buffer.from(bytes.toString('utf8'))
  }
  return Buffer.alloc(0)
}

function queryValue(query: string, name: string): string | null {
  const hash = query.indexOf('#')
  const text = hash === -1 ? query : query.slice(0, hash)
  if (!text.startsWith('?')) return null
  for (const item of text.slice(1).split('&')) {
    const equal = item.indexOf('=')
    if ((equal === -1 ? item : item.slice(0, equal)) === name) return equal === -1 ? '' : item.slice(equal + 1)
  }
  return null
}

function decode(text: string): string {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
}

/**
 * The shard where a session lives, by its id. Clients choose the ids; `seed`, which they do not know, keeps them from
 * choosing the shard.
 */
export function sockJsHome(sid: string, shards: number, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0
  for (let at = 0; at < sid.length; at++) hash = Math.imul(hash ^ sid.charCodeAt(at), 0x01000193) >>> 0
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0
  return ((hash ^ (hash >>> 13)) >>> 0) % shards
}
