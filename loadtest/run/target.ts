/** Finds the address of the gateway: of several (localhost is often two) the one that takes connections. */
import { lookup } from 'node:dns/promises'
import { isIP, connect } from 'node:net'
import { once } from 'node:events'
import type { Target } from '../clients/protocol.js'
import { kindOfError } from '../measure/failures.js'
import { RunError } from './run-error.js'

/** Throws a RunError when nothing takes a connection. */
export async function findTarget(origin: string, timeoutMs: number): Promise<Target> {
  const { protocol, hostname, port } = new URL(origin)
  const secure = protocol === 'https:'
  const bare = hostname.replace(/^\[|\]$/g, '')
  const portNumber = port === '' ? (secure ? 443 : 80) : Number(port)
  let last: unknown = new Error('no address')
  for (const { address, family } of await addressesOf(bare, origin)) {
    const target: Target = { secure, hostname, port: portNumber, address, family: family === 6 ? 6 : 4 }
    try {
      await tryAddress(target, timeoutMs)
      return target
    } catch (error) {
      last = error
    }
  }
  throw new RunError(kindOfError(last), `Nothing answers at ${origin}. Is the gateway running? (npm start)`)
}

async function addressesOf(host: string, origin: string): Promise<readonly { address: string; family: number }[]> {
  if (isIP(host) !== 0) return [{ address: host, family: isIP(host) }]
  try {
    return await lookup(host, { all: true, order: 'ipv4first' })
  } catch (error) {
    throw new RunError(kindOfError(error), `The host of ${origin} has no address.`)
  }
}

async function tryAddress({ address, port }: Target, timeoutMs: number): Promise<void> {
  const socket = connect({ host: address, port })
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' }))
  }, timeoutMs)
  try {
    await once(socket, 'connect')
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}
