/** What may stand in a Grip-Link: the check of Qt's QUrl in tolerant mode, which forgives nearly everything. */
import { isIPv6 } from 'node:net'

/** Whether a byte string is an absolute or relative URL. */
export function isLinkUri(uri: string): boolean {
  if (uri === '') return false
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(uri)?.[0] ?? ''
  const rest = uri.slice(scheme.length)
  if (rest.startsWith('//')) return isAuthority(/^[^/?#]*/.exec(rest.slice(2))?.[0] ?? '')
  // `a b:c` would be read as a scheme by whoever gets it.
  return scheme !== '' || !/^[^/?#]*:/.test(rest)
}

function isAuthority(authority: string): boolean {
  const userEnd = authority.lastIndexOf('@')
  const parts = /^(\[[^\]]*\]|[^:]*)(?::([0-9]*))?$/s.exec(authority.slice(userEnd + 1))
  if (parts === null) return false
  const [, host = '', port = ''] = parts
  if (Number(port) > 0xffff) return false
  if (host === '') return userEnd === -1 && port === ''
  return host.startsWith('[') ? isIPv6(host.slice(1, -1)) : !FOREIGN_TO_HOST.test(host)
}

// eslint-disable-next-line no-control-regex -- control characters are among what is foreign
const FOREIGN_TO_HOST = /[\x00-\x20"<>\\^`{|}\x7f]/
