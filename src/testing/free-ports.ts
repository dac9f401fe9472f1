/**
 * Ports nobody uses, below the range from which the kernel takes ports for outgoing connections (32768 and up on
 * Linux), so that none is taken between the probe and the bind.
 */
import { once } from 'node:events'
import net from 'node:net'

const FIRST = 12_000
const LAST = 31_999

let next = FIRST + ((process.pid * 97) % (LAST - FIRST))

/** `count` different free ports on 127.0.0.1. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  for (let attempts = 0; ports.length < count; attempts += 1) {
    if (attempts > LAST - FIRST) throw new Error('no free port')
    next = next >= LAST ? FIRST : next + 1
    // Others take ports while this one is tried.
    const port = next
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

/** The first of `count` consecutive free ports on 127.0.0.1. */
export async function freePortRun(count: number): Promise<number> {
  for (;;) {
    const [first = 0] = await freePorts(1)
    const rest = await Promise.all(Array.from({ length: count - 1 }, (_, index) => isFree(first + 1 + index)))
    next = first + count - 1
    if (rest.every((free) => free)) return first
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer()
  try {
    server.listen({ port, host: '127.0.0.1', exclusive: true })
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch {
    return false
  }
}
