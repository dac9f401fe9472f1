/** A request's head, copied at the native border. */
import { Buffer } from 'node:buffer'
import type uWS from 'uWebSockets.js'
import { byteStringOfText } from '../base/bytes.js'
import type { ClientHead } from '../grip/forwarding.js'
import { headerValue } from '../wire/headers.js'
import { copyHeaders } from './native-headers.js'

export function copyClientHead(res: uWS.HttpResponse, req: uWS.HttpRequest, ssl: boolean): ClientHead {
  // Null without a question mark, '' with nothing behind it; the type does not say so.
  const query = req.getQuery() as string | null | undefined
  const path = byteStringOfText(req.getUrl())
  return {
    method: req.getCaseSensitiveMethod(),
    path: query === null || query === undefined ? path : `${path}?${byteStringOfText(query)}`,
    headers: copyHeaders(req),
    peerAddress: Buffer.from(res.getRemoteAddressAsText()).toString('latin1'),
    ssl,
  }
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** What is wrong with a head that uWebSockets.js let through, in Pushpin's words; null: nothing. */
export function headFault(head: ClientHead): string | null {
  if (!TOKEN.test(head.method)) return 'invalid token'
  const encoding = headerValue(head.headers, 'transfer-encoding')
  if (encoding !== null && encoding.toLowerCase() !== 'chunked') return 'unsupported transfer encoding'
  return null
}

export function hasRequestBody(headers: readonly string[]): boolean {
  const length = headerValue(headers, 'content-length')
  return length === null ? headerValue(headers, 'transfer-encoding') !== null : Number(length) > 0
}
