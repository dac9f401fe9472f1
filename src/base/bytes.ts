/**
 * Byte strings: the one form in which names from the wire (channels, ids, header names and values, meta)
 * are kept inside.
 *
 * A byte string is a JavaScript string whose every char is one byte (0..255, "latin1"). It compares, hashes and
 * concatenates as fast as any string, takes one byte of memory per byte, and is exact for bytes that are not
 * UTF-8. ASCII text is its own byte string, so the two conversions cost a scan and nothing else there.
 */
import { Buffer } from 'node:buffer'

export const EMPTY_BYTES: Buffer = Buffer.alloc(0)

// eslint-disable-next-line no-control-regex -- the whole ASCII range is meant
const NON_ASCII = /[^\x00-\x7f]/

/** Text (as JSON.parse or uWebSockets.js hands it out) to the byte string of its UTF-8 encoding. */
export function byteStringOfText(text: string): string {
  return NON_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}

/** The text that a byte string holds as UTF-8; bytes that are not UTF-8 become U+FFFD. */
export function textOfByteString(bytes: string): string {
  return NON_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes
}

/** The bytes of a byte string. */
export function bytesOfByteString(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1')
}

/** A copy that owns its memory: what uWebSockets.js lends is gone when its callback returns. */
export function copyOfArrayBuffer(lent: ArrayBuffer): Buffer {
  const copy = Buffer.allocUnsafe(lent.byteLength)
  copy.set(new Uint8Array(lent))
  return copy
}

/** A copy in memory of its own: small buffers share theirs with others, and keep all of it for as long as they live. */
export function ownBytes(bytes: Uint8Array): Buffer {
  if (bytes.length === 0) return EMPTY_BYTES
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
