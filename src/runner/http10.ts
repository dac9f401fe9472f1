/** Answers of node:http to clients that speak HTTP/1.0. */
import type { ServerResponse } from 'node:http'
import { assert } from '../base/assert.js'

/**
 * node answers every request as HTTP/1.1 and offers no way around; the head that writeHead has made waits in
 * `_header` until the body is written.
 */
export function speakHttp10(response: ServerResponse): void {
  const pending = response as unknown as { _header: string | null }
  assert(
    pending._header !== null && pending._header.startsWith('HTTP/1.1 '),
    'node keeps the head of an answer in _header',
  )
  pending._header = pending._header.replace('HTTP/1.1', 'HTTP/1.0')
}
