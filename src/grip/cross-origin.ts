/**
 * What `auto_cross_origin` (route option `aco`) makes of an answer: CORS headers, or a script when the request was
 * JSON-P. Sessions of routes without it have none of this.
 */
import type { Header } from '../wire/publish-types.js'
import { headerPairs, withoutConnectionHeaders } from '../wire/headers.js'
import { type CorsRequest, corsRequest, withCors } from './cors.js'
import type { HttpAnswer } from './http-session.js'
import type { JsonpCall } from './jsonp-request.js'
import { heldJsonpScript, jsonpScript, JsonpScript, type WrappedHead } from './jsonp-response.js'

export class CrossOrigin {
  readonly #cors: CorsRequest
  readonly #call: JsonpCall | null

  /** `requestHeaders`: the client's own, flat. */
  constructor(requestHeaders: readonly string[], call: JsonpCall | null) {
    this.#cors = corsRequest(requestHeaders)
    this.#call = call
  }

  get isJsonp(): boolean {
    return this.#call !== null
  }

  /** The head of a relayed answer: `head` is the backend's own, and what comes out may still have its Date and length. */
  relayed(head: WrappedHead): WrappedHead {
    if (this.#call !== null) return { status: 200, reason: 'OK', headers: [...SCRIPT_TYPE, ...mirrored(head.headers)] }
    return { ...head, headers: withCors(this.#cors, withoutConnectionHeaders(head.headers)) }
  }

  /** The script that a relayed body goes through, begun; null: it goes as it is. */
  script(head: WrappedHead): { readonly start: Buffer; readonly rest: JsonpScript } | null {
    if (this.#call === null) return null
    const rest = new JsonpScript(this.#call)
    return { start: rest.start({ ...head, headers: withoutConnectionHeaders(head.headers) }), rest }
  }

  /** An error of the gateway's, which says its length in the script. */
  error(answer: HttpAnswer): HttpAnswer {
    return this.answer({ ...answer, headers: [...answer.headers, ['Content-Length', String(answer.body.length)]] })
  }

  /** A whole answer that is not held. */
  answer(answer: HttpAnswer): HttpAnswer {
    const head = { ...answer, headers: answer.headers.flat() }
    const headers = headerPairs(this.relayed(head).headers)
    if (this.#call === null) return { ...answer, headers }
    return { status: 200, reason: 'OK', headers, body: jsonpScript(this.#call, head, answer.body) }
  }

  /** The answer to a held response. */
  held(answer: HttpAnswer): HttpAnswer {
    const head = { ...answer, headers: answer.headers.flat() }
    if (this.#call === null) return { ...answer, headers: headerPairs(withCors(this.#cors, head.headers)) }
    const others = answer.headers.filter(([name]) => name.toLowerCase() !== 'content-type')
    const body = heldJsonpScript(this.#call, head, answer.body)
    return { status: 200, reason: 'OK', headers: [...others, ['Content-Type', SCRIPT]], body }
  }

  /** Of a stream: it is not wrapped. */
  streamed(headers: readonly Header[]): Header[] {
    return headerPairs(withCors(this.#cors, headers.flat()))
  }
}

const SCRIPT = 'application/javascript'
const SCRIPT_TYPE = ['Content-Type', SCRIPT]

function mirrored(headers: readonly string[]): string[] {
  return headerPairs(headers)
    .filter(([name]) => name.toLowerCase() === 'cache-control')
    .flat()
}
