/** IP address literals. (Here, because the pure rooms import nothing that can open a socket.) */
import { isIPv4, isIPv6 } from 'node:net'

export { isIPv4, isIPv6 } from 'node:net'

/**
 * The usual way to write an address (RFC 5952): `::1` for the eight groups that uWebSockets.js prints, and
 * `::ffff:1.2.3.4` for IPv4 that came in by an IPv6 listener. Text that is no IPv6 address stays as it is.
 */
export function canonicalAddress(text: string): string {
  if (!text.includes(':') || !isIPv6(text) || text.includes('%')) return text
  // A URL's host is in canonical form, but for mapped IPv4.
  const short = new URL(`http://[${text}]/`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short)
  if (mapped === null) return short
  const bytes = mapped.slice(1).flatMap((group) => {
    const number = Number.parseInt(group, 16)
    return [number >> 8, number & 255]
  })
  return `::ffff:${bytes.join('.')}`
}

/** Whether it is an IPv4 or IPv6 address. */
export function isAddress(text: string): boolean {
  return isIPv4(text) || isIPv6(text)
}
