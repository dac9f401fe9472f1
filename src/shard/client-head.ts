/** A request's head, copied at the native border. */
import type uWS from 'uWebSockets.js'
import { byteStringOfText } from '../base/bytes.js'
import { type ClientHead, isForwardedFromTls } from '../grip/forwarding.js'
import { headerValue } from '../wire/headers.js'
import { addressOf } from './client-socket.js'
import type { ShardContext } from './context.js'
import { copyHeaders } from './native-headers.js'

/** How clients reach the listener. */
export interface ClientDoor {
  readonly ssl: boolean
  /** A client may say that TLS ended in front of us. */
  readonly acceptForwardedProtocol: boolean
}

export function copyClientHead(
  res: uWS.HttpResponse,
  req: uWS.HttpRequest,
  door: ClientDoor,
  { forwarding, report }: Pick<ShardContext, 'forwarding' | 'report'>,
): ClientHead {
  // Null without a question mark, '' with nothing behind it; the type does not say so.
  const query = req.getQuery() as string | null | undefined
  const path = byteStringOfText(req.getUrl())
  const headers = copyHeaders(req)
  return {
    method: req.getCaseSensitiveMethod(),
    path: query === null || query === undefined ? path : `${path}?${byteStringOfText(query)}`,
    headers,
    // The kernel is asked for it each time: 5 % of a proxied request.
    peerAddress: forwarding.usesPeerAddress || report.wantsConnections ? addressOf(res) : '',
    ssl: door.ssl || (door.acceptForwardedProtocol && isForwardedFromTls(headers)),
  }
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** DEL, or what is left of bytes that are not UTF-8. */
const NOT_IN_TARGET = /\x7f|\xef\xbf\xbd/
const DIGITS = /^[0-9]+$/

/**
 * What is wrong with a head that uWebSockets.js let through, in Pushpin's words; null: nothing.
 *
 * uWebSockets.js calls its handlers before it has looked at the framing, and then reads any Transfer-Encoding as
 * chunked and the first of several Content-Lengths. Whoever stands before or behind us may read it otherwise and find
 * requests where we see a body (RFC 9112 §11.2), so only what has one meaning passes.
 */
export function headFault({ method, path, headers }: ClientHead): string | null {
  if (!TOKEN.test(method) || NOT_IN_TARGET.test(path)) return parseFault('invalid token')
  let lengths = 0
  let encodings = 0
  for (let index = 0; index < headers.length; index += 2) {
    const value = headers[index + 1] as string
    switch (headers[index]) {
      case 'content-length':
        if (++lengths > 1 || !DIGITS.test(value) || !Number.isSafeInteger(Number(value)))
          return parseFault('invalid content length')
        break
      case 'transfer-encoding':
        if (++encodings > 1 || value.toLowerCase() !== 'chunked') return parseFault('unsupported transfer encoding')
        break
      case 'upgrade':
        // A valid one has gone to the WebSocket listener.
        if (isWebSocket(value)) return BAD_UPGRADE
        break
      default:
        break
    }
  }
  return lengths + encodings > 1 ? parseFault('invalid content length') : null
}

function parseFault(reason: string): string {
  return `Failed to parse request: ${reason}`
}

export const BAD_UPGRADE =
  'Request contained an Upgrade header with value "websocket" but the request was not a valid WebSocket request.'

function isWebSocket(upgrade: string): boolean {
  return upgrade.toLowerCase() === 'websocket'
}

/**
 * uWebSockets.js takes every GET with a key of 24 bytes for a WebSocket. False: it is none, or a malformed one; either
 * way a matter of the HTTP listener. (RFC 6455 §4.2.1, without Connection, at which Pushpin does not look.)
 */
export function isWebSocketRequest(req: uWS.HttpRequest): boolean {
  const length = req.getHeader('content-length')
  return (
    isWebSocket(req.getHeader('upgrade')) &&
    req.getHeader('sec-websocket-version') === '13' &&
    req.getHeader('transfer-encoding') === '' &&
    (length === '' || length === '0')
  )
}

export function isChunked(headers: readonly string[]): boolean {
  return headerValue(headers, 'transfer-encoding') !== null
}

export function hasRequestBody(headers: readonly string[]): boolean {
  const length = headerValue(headers, 'content-length')
  return length === null ? isChunked(headers) : Number(length) > 0
}
