/**
 * The headers that `auto_cross_origin` (route option `aco`) adds to an answer, so that scripts of other origins may read
 * it (reference: CORS). A header that the answer has is left alone. Requests with the method OPTIONS go to the backend
 * like all others.
 *
 * Header lists are flat: name, value, name, value …
 */
import { headerList } from '../wire/header-params.js'
import { hasHeader, headerValue } from '../wire/headers.js'

/** What the request says about itself: all that has to be kept of it until the answer is there. */
export interface CorsRequest {
  readonly methods: string
  /** Empty: none were asked for. */
  readonly headers: string
  readonly origin: string
}

export function corsRequest(requestHeaders: readonly string[]): CorsRequest {
  const asked = headerList(requestHeaders, 'access-control-request-headers')
  return {
    methods: headerValue(requestHeaders, 'access-control-request-method') || METHODS,
    headers: asked.filter((name) => name !== '').join(', '),
    origin: headerValue(requestHeaders, 'origin') || '*',
  }
}

const METHODS = 'OPTIONS, HEAD, GET, POST, PUT, DELETE'

/** `headers` with those that it lacks. Give it what the backend said, with Date and Content-Length. */
export function withCors(request: CorsRequest, headers: readonly string[]): string[] {
  const all = [...headers]
  const add = (name: string, value: string): void => {
    if (value !== '' && !hasHeader(headers, name.toLowerCase())) all.push(name, value)
  }
  add('Access-Control-Allow-Methods', request.methods)
  add('Access-Control-Allow-Headers', request.headers)
  add('Access-Control-Expose-Headers', exposed(headers))
  add('Access-Control-Allow-Credentials', 'true')
  add('Access-Control-Allow-Origin', request.origin)
  add('Access-Control-Max-Age', '3600')
  return all
}

/** A script may read these without being told. */
const READABLE = new Set([
  ...['cache-control', 'content-language', 'content-length', 'content-type', 'expires', 'last-modified', 'pragma'],
])

function exposed(headers: readonly string[]): string {
  const names = new Map<string, string>()
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string
    const lower = name.toLowerCase()
    const isLeftOut = READABLE.has(lower) || lower.startsWith('access-control-') || lower.startsWith('grip-')
    if (!isLeftOut && !names.has(lower)) names.set(lower, name)
  }
  return [...names.values()].join(', ')
}
