/** IP address literals. (Here, because the pure rooms import nothing that can open a socket.) */
import { isIPv4, isIPv6 } from 'node:net'

export { isIPv4, isIPv6 } from 'node:net'

/**
 * The usual way to write an address (RFC 5952): `::1` for the eight groups that uWebSockets.js prints, and
 * `::ffff:1.2.3.4` for IPv4 that came in by an IPv6 listener. Text that is no IPv6 address stays as it is.
 */
export function canonicalAddress(text: string): string {
  if (!text.includes(':')) return text
  // On a listener for all interfaces every client with IPv4 comes by here.
  const mapped = WRITTEN_OUT_IPV4.exec(text)
  if (mapped !== null) return mappedAddress(mapped)
  if (!isIPv6(text) || text.includes('%')) return text
  // A URL's host is in canonical form, but for mapped IPv4.
  const short = new URL(`http://[${text}]/`).hostname.slice(1, -1)
  const inShort = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short)
  return inShort === null ? short : mappedAddress(inShort)
}

/** As uWebSockets.js prints it. */
const WRITTEN_OUT_IPV4 = /^(?:0000:){5}ffff:([0-9a-f]{4}):([0-9a-f]{4})$/

function mappedAddress([, first, second]: RegExpExecArray): string {
  const high = Number.parseInt(first as string, 16)
  const low = Number.parseInt(second as string, 16)
  return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

/** Whether it is an IPv4 or IPv6 address. */
export function isAddress(text: string): boolean {
  return isIPv4(text) || isIPv6(text)
}
