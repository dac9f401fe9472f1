/**
 * The texts that SockJS wraps messages in (reference: SockJS): `o`, `h`, `a["…"]`, `c[code,"reason"]`, and what clients
 * send, a JSON array of strings.
 */
import { Buffer } from 'node:buffer'
import { parseJsonBytes } from './json-text.js'

export const SOCKJS_OPEN = 'o'
export const SOCKJS_HEARTBEAT = 'h'

let lastContent: Buffer | null = null
let lastString = ''

/** A message as a JSON string. What is published to many is made once. Bytes that are not UTF-8 become U+FFFD. */
export function sockJsString(content: Buffer): string {
  if (content !== lastContent) {
    lastString = JSON.stringify(content.toString('utf8'))
    lastContent = content
  }
  return lastString
}

/** `strings`: of sockJsString. */
export function sockJsMessages(strings: readonly string[]): string {
  return `a[${strings.join(',')}]`
}

/** code 0 without a reason: the connection was closed and nobody said why. `reason`: a byte string. */
export function sockJsClose(code: number, reason: string): string {
  const text = reason === '' ? 'Connection closed' : Buffer.from(reason, 'latin1').toString('utf8')
  return `c[${String(code)},${JSON.stringify(text)}]`
}

/** The messages of a client, as UTF-8; null: not a JSON array of strings. */
export function decodeSockJsMessages(bytes: Buffer): Buffer[] | null {
  const values = parseJsonBytes(bytes)
  if (!Array.isArray(values)) return null
  const messages: Buffer[] = []
  for (const value of values) {
    if (typeof value !== 'string') return null
    messages.push(Buffer.from(value))
  }
  return messages
}
