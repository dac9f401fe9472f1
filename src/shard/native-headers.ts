/** Header lists across the native border, both ways, without changing a byte. */
import type uWS from 'uWebSockets.js'
import { byteStringOfText, bytesOfByteString } from '../base/bytes.js'
import type { Header } from '../wire/publish-types.js'

// eslint-disable-next-line no-control-regex -- the whole ASCII range is meant
const ASCII = /^[\x00-\x7f]*$/

/** uWebSockets.js writes strings as UTF-8; bytes above ASCII are handed over as bytes. */
export function nativeString(bytes: string): string | Uint8Array {
  return ASCII.test(bytes) ? bytes : bytesOfByteString(bytes)
}

export function writeHeaders(res: uWS.HttpResponse, headers: readonly Header[]): void {
  for (const [name, value] of headers) res.writeHeader(nativeString(name), nativeString(value))
}

/** The request's headers as a flat list; names come in lower case, values that are not UTF-8 lose those bytes. */
export function copyHeaders(req: uWS.HttpRequest): string[] {
  const headers: string[] = []
  req.forEach((name, value) => {
    headers.push(name, byteStringOfText(value))
  })
  return headers
}
