/** Hosts with an optional port: as_host=, host=, and the Host header of a request. */
import type { HostPort } from './types.js'

const PORT = /^\d{1,5}$/

// A request's host is asked for more than once, and the next request mostly names the same.
let lastText = ''
let lastHost: HostPort | null = null

/** What a Host header or as_host names, lower case, IPv6 without brackets; null: it is no host. */
export function parseHostPort(text: string): HostPort | null {
  if (text !== lastText) {
    lastHost = readHostPort(text)
    lastText = text
  }
  return lastHost
}

function readHostPort(text: string): HostPort | null {
  const bracket = text.startsWith('[') ? text.indexOf(']') : -1
  if (text.startsWith('[') && bracket === -1) return null
  const colon = text.indexOf(':', bracket + 1)
  const name = colon === -1 ? text : text.slice(0, colon)
  const host = bracket === -1 ? name : name.slice(1, -1)
  if (bracket === -1 ? !isHostName(host) : !isAddress(host) || name.length !== bracket + 1) return null
  if (colon === -1) return { host: host.toLowerCase(), port: null }
  const digits = text.slice(colon + 1)
  if (!PORT.test(digits) || Number(digits) > 65_535) return null
  return { host: host.toLowerCase(), port: Number(digits) }
}

function isHostName(host: string): boolean {
  return host !== '' && /^[A-Za-z0-9._~!$&'()*+;=-]+$/.test(host)
}

function isAddress(host: string): boolean {
  return /^[0-9A-Fa-f:.]+$/.test(host)
}

// One string for the requests that follow each other: each new one would be flattened when it is checked.
let lastTarget: HostPort | null = null
let lastSsl = false
let lastName = ''

/** The Host header for a host and port: without the scheme's own port, IPv6 in brackets. */
export function formatHostPort(target: HostPort, ssl: boolean): string {
  if (target !== lastTarget || ssl !== lastSsl) {
    lastName = hostHeader(target, ssl)
    lastTarget = target
    lastSsl = ssl
  }
  return lastName
}

function hostHeader(target: HostPort, ssl: boolean): string {
  const name = target.host.includes(':') ? `[${target.host}]` : target.host
  const isDefault = target.port === null || target.port === (ssl ? 443 : 80)
  return isDefault ? name : `${name}:${target.port}`
}
