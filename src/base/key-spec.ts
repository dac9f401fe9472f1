/**
 * Key specs: how `sig_key` and `upstream_key` name a key, in pushpin.conf and in the routes file.
 *
 *   base64:<data>   a binary secret (HS256)
 *   file:<path>     a PEM file (EC: ES256, RSA: RS256), or a file with a secret in hex; a relative path is relative to
 *                   the directory of the file the spec stands in
 *   anything else   the literal bytes are the secret
 *   empty           no key
 */
import { isAbsolute, join } from 'node:path'

const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/

/** What is wrong with a key spec as far as it can be seen without opening a file; null: nothing. */
export function keySpecFault(spec: string): string | null {
  if (spec.startsWith('base64:') && !BASE64.test(spec.slice('base64:'.length))) return 'key is not valid base64'
  if (spec === 'file:') return 'key names no file'
  return null
}

/** The spec with the path of a `file:` made independent of where it was written. */
export function resolveKeySpec(spec: string, directory: string): string {
  if (!spec.startsWith('file:')) return spec
  const path = spec.slice('file:'.length)
  return isAbsolute(path) ? spec : `file:${join(directory, path)}`
}
