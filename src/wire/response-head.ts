/** Whether the head of a response is one that can be written, for heads that no HTTP parser has seen. */
import { BACKEND_HEADERS_MAX, BACKEND_HEAD_BYTES_MAX } from '../base/limits.js'

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// Line breaks and NUL end or cut a line; the other control characters no standard allows.
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/

/** What is wrong, as an ASCII sentence without an end; null: nothing. `headers` flat: name, value, name, value … */
export function responseHeadFault(status: number | null, reason: string, headers: readonly string[]): string | null {
  if (status === null) return 'has no status'
  if (status < 200 || status > 999) return `has the status ${status}`
  if (CONTROL.test(reason)) return 'has control characters in its reason'
  return headersFault(headers, reason.length)
}

/** The same without the status line. */
export function headersFault(headers: readonly string[], bytesBefore = 0): string | null {
  if (headers.length > 2 * BACKEND_HEADERS_MAX) return `has more than ${BACKEND_HEADERS_MAX} headers`
  let bytes = bytesBefore
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] as string
    const value = headers[index + 1] as string
    if (!TOKEN.test(name)) return `has a header whose name is none: ${JSON.stringify(name.slice(0, 40))}`
    if (CONTROL.test(value)) return `has control characters in the header ${name.slice(0, 40)}`
    bytes += name.length + value.length + 4
  }
  return bytes > BACKEND_HEAD_BYTES_MAX ? `has more than ${BACKEND_HEAD_BYTES_MAX} bytes` : null
}
