/**
 * The control API's paths, methods and Accept rules (reference: HTTP control API): what a request asks for, or the
 * answer it gets at once. Pure; control-http.ts reads and writes.
 *
 * `/metrics` and `/health` are additions of ours; Pushpin's Accept rules do not apply to them.
 */
import { parseValueAndParameters, splitList } from '../wire/header-params.js'

export interface ControlAnswer {
  readonly code: number
  readonly reason: string
  readonly contentType: string
  /** Value of an Allow header, or null. */
  readonly allow: string | null
  readonly body: string
}

/** `json`: the client wants the answer to a publish or recover as JSON. */
export type ControlCall =
  | { readonly kind: 'answer'; readonly answer: ControlAnswer }
  | { readonly kind: 'publish' | 'recover'; readonly json: boolean }
  | { readonly kind: 'metrics' | 'health' }

/** `target` is the request target as sent; `accept` the values of all Accept headers, undefined when there is none. */
export function routeControl(method: string, target: string, accept: readonly string[] | undefined): ControlCall {
  const path = target.length > 1 && target.endsWith('/') ? target.slice(0, -1) : target
  if (path === '/metrics' || path === '/health') {
    return method === 'GET' ? { kind: path === '/metrics' ? 'metrics' : 'health' } : notAllowed(method, 'GET')
  }
  const type = accept === undefined ? TEXT : acceptedType(accept)
  if (type === null) {
    const text = 'Not Acceptable. Supported formats are text/plain and application/json.\n'
    return { kind: 'answer', answer: textAnswer(406, 'Not Acceptable', text) }
  }
  if (path === '/') return { kind: 'answer', answer: textAnswer(200, 'OK', 'Pushpin API\n') }
  if (path === '/publish' || path === '/recover') {
    if (method !== 'POST') return notAllowed(method, 'POST')
    return { kind: path === '/publish' ? 'publish' : 'recover', json: type === JSON_TYPE }
  }
  return { kind: 'answer', answer: textAnswer(404, 'Not Found', 'Not Found\n') }
}

export function textAnswer(code: number, reason: string, body: string): ControlAnswer {
  return { code, reason, contentType: TEXT, allow: null, body }
}

/** 200 with one word, as text or as `{"message":…}`. */
export function messageAnswer(message: string, json: boolean): ControlAnswer {
  if (!json) return textAnswer(200, 'OK', `${message}\n`)
  return { code: 200, reason: 'OK', contentType: JSON_TYPE, allow: null, body: `{"message":"${message}"}\n` }
}

const TEXT = 'text/plain'
const JSON_TYPE = 'application/json'

/** The last type in the list that is known, whatever its q; null: none is. Types are compared as they are written. */
function acceptedType(accept: readonly string[]): typeof TEXT | typeof JSON_TYPE | null {
  let type: typeof TEXT | typeof JSON_TYPE | null = null
  for (const piece of accept.flatMap(splitList)) {
    switch (parseValueAndParameters(piece)?.[0]?.[0]) {
      case 'text/plain':
      case 'text/*':
      case '*/*':
      case '*':
        type = TEXT
        break
      case 'application/json':
      case 'application/*':
        type = JSON_TYPE
        break
      default:
    }
  }
  return type
}

function notAllowed(method: string, allow: string): ControlCall {
  const answer = textAnswer(405, 'Method Not Allowed', `Method not allowed: ${method}.\n`)
  return { kind: 'answer', answer: { ...answer, allow } }
}
