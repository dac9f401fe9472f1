/** Makes the path of a unix socket free: only a socket on which nobody listens is removed. */
import { lstatSync, unlinkSync } from 'node:fs'
import { createConnection } from 'node:net'

/** Why the path cannot be had; null: it is free. */
export async function freeSocketPath(path: string): Promise<string | null> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return null
  if (!found.isSocket()) return 'it is there and no socket'
  if (await isListening(path)) return 'EADDRINUSE'
  unlinkSync(path)
  return null
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    // A full backlog (EAGAIN) has a listener behind it.
    probe.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}
