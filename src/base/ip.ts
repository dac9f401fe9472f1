/** IP address literals. (Here, because the pure rooms import nothing that can open a socket.) */
export { isIPv4, isIPv6 } from 'node:net'
