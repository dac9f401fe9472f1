/**
 * Unix sockets of clients, around what a shard does (it binds and listens): the path is made free before, permissions
 * are set after, and the socket is removed when the gateway stops.
 *
 * Pushpin removes whatever has the path. Here only a socket on which nobody listens is removed: a second gateway, or a
 * path written wrong, is a fault.
 */
import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs'
import process from 'node:process'
import type { LocalAddress } from '../config/types.js'
import { freeSocketPath } from './socket-path.js'

export class LocalSockets {
  readonly #addresses: readonly LocalAddress[]
  /** Inode by path, of the sockets that are ours. */
  readonly #inodes = new Map<string, number>()

  constructor(addresses: readonly LocalAddress[]) {
    this.#addresses = addresses
  }

  /** Throws when a path cannot be had, naming it. */
  async free(): Promise<void> {
    for (const { path } of this.#addresses) {
      const taken = await freeSocketPath(path)
      if (taken !== null) throw new Error(`cannot listen on ${path} (runner.local_ports): ${taken}`)
    }
  }

  /** To be called when the shard listens. uWebSockets.js makes sockets that only their owner may use. */
  setPermissions(): void {
    for (const { path, mode, uid, gid } of this.#addresses) {
      this.#inodes.set(path, lstatSync(path).ino)
      const attempt = (what: string, run: () => void): void => {
        try {
          run()
        } catch (error) {
          throw new Error(`failed to set ${what} on ${path}: ${(error as Error).message}`, { cause: error })
        }
      }
      if (uid !== null)
        attempt('user', () => {
          chownSync(path, uid, -1)
        })
      if (gid !== null)
        attempt('group', () => {
          chownSync(path, -1, gid)
        })
      attempt('mode', () => {
        chmodSync(path, mode ?? 0o777 & ~process.umask())
      })
    }
  }

  /**
   * Before the shard stops listening: from then on another gateway may take the path, and it is not ours to remove.
   */
  remove(): void {
    for (const [path, inode] of this.#inodes) {
      try {
        if (lstatSync(path).ino === inode) unlinkSync(path)
      } catch {
        // Somebody else has removed it.
      }
    }
    this.#inodes.clear()
  }
}
