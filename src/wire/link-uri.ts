/** What may stand in a Grip-Link: the check of Qt's QUrl in tolerant mode, which forgives nearly everything but hosts. */
import { Buffer, isUtf8 } from 'node:buffer'
import { isIPv6 } from '../base/ip.js'

/** Whether a byte string is an absolute or relative URL. */
export function isLinkUri(uri: string): boolean {
  if (uri === '') return false
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(uri)?.[0] ?? ''
  const rest = uri.slice(scheme.length)
  if (rest.startsWith('//')) return isAuthority(/^[^/?#]*/.exec(rest.slice(2))?.[0] ?? '')
  // `a b:c` would be read as a scheme by whoever gets it.
  return scheme !== '' || !/^[^/?#]*:/.test(rest)
}

/** `[user@]host[:port]`, where the host may be missing. */
function isAuthority(authority: string): boolean {
  const parts = /^(\[[^\]]*\]|[^:]*)(?::([0-9]*))?$/.exec(authority.slice(authority.indexOf('@') + 1))
  if (parts === null) return false
  const [, host = '', port = ''] = parts
  if (Number(port) > 0xffff) return false
  if (host.startsWith('[')) return isIPv6(host.slice(1, -1)) || IP_FUTURE.test(host)
  return host === '' || isHostName(host)
}

/** RFC 3986 §3.2.2: room for what comes after IPv6. */
const IP_FUTURE = /^\[v[0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+\]$/

/** Labels of letters, digits, underscores, letters beyond ASCII and inner hyphens; a dot may stand at the end. */
function isHostName(host: string): boolean {
  const name = host.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  const labels = name.replace(/\.$/, '').split('.')
  return isUtf8(Buffer.from(name, 'latin1')) && labels.every((label) => LABEL.test(label))
}

const LABEL = /^(?!-)[A-Za-z0-9_\x80-\xff-]{1,63}(?<!-)$/
