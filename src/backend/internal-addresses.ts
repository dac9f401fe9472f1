/**
 * The policy for targets marked `untrusted`: whoever chose their name must not reach what is internal to this network
 * (reference: outbound client). A name is judged by the addresses it leads to, at the moment of connecting to one.
 */
import { lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import type { Target } from '../routing/types.js'

const INTERNAL = new BlockList()
for (const [net, prefix] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  // Pushpin has not thought of this one, by which Linux reaches itself.
  ['0.0.0.0', 8],
] as const) {
  INTERNAL.addSubnet(net, prefix, 'ipv4')
}
INTERNAL.addAddress('::', 'ipv6')
INTERNAL.addAddress('::1', 'ipv6')
INTERNAL.addSubnet('fc00::', 7, 'ipv6')
INTERNAL.addSubnet('fe80::', 10, 'ipv6')

/** IPv4 written as IPv6 counts too. */
export function isInternalAddress(address: string): boolean {
  return INTERNAL.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

export const POLICY_CODE = 'ERR_POLICY'

function policyError(host: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${host} is internal, and the target untrusted`), { code: POLICY_CODE })
}

/** Null: connecting may be tried. (An address is connected to without asking lookup.) */
export function policyFault(target: Target): NodeJS.ErrnoException | null {
  return target.untrusted && isIP(target.host) !== 0 && isInternalAddress(target.host) ? policyError(target.host) : null
}

/** Options of a connection to the target. */
export function policyOptions(target: Target): { lookup?: LookupFunction } {
  return target.untrusted ? { lookup: lookupExternal } : {}
}

const lookupExternal: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, [])
    if (addresses.some(({ address }) => isInternalAddress(address))) return callback(policyError(host), [])
    const [first] = addresses
    if (options.all === true || first === undefined) callback(null, addresses)
    else callback(null, first.address, first.family)
  })
}
