/**
 * A shield for one flaw of this build of uWebSockets.js (its commit b8704be; fixed upstream in July 2026).
 *
 * When an upgrade is made inside res.cork(), the socket shrinks in place, and when the cork ends a flag is read from
 * the 80 bytes that were just given back to the allocator. If something on this thread has got and written them in
 * between (V8, when it installs optimized code, does), the flag can say "close" and the fresh WebSocket ends with its
 * first byte. glibc hands out the small block freed last first, except that a full cache of a size (7 blocks) takes
 * no more: so seven blocks of that size are freed just before, the socket's own goes elsewhere, and whatever asks for
 * one in the meantime gets one of the seven.
 *
 * Nothing is done in between but what cannot be done elsewhere: uWebSockets.js makes the socket, which is noted here,
 * and the frames are sent that go out along with the 101. The session hears of its socket afterwards. So little code is run
 * there, the same for every kind of session, and warm-up.ts sees to it that it has been compiled.
 *
 * Measured, of the first 12,000 openings of fresh gateways, ten of them: 23 lost without the blocks, none with them. Of
 * 800,000 openings of warm ones: 2. The blocks cost 6 µs an opening. Where the allocator is another one they do nothing,
 * and neither do they harm.
 *
 * The blocks are values in uWebSockets.js's key-value store: strings of 65 to 72 bytes with their end.
 */
import uWS from 'uWebSockets.js'
import { WsMessageType } from '../wire/publish-types.js'
import type { FirstFrame } from './client-socket.js'
import type { WsUserData } from './native-upgrade.js'

const BLOCKS = 8
const VALUE = 'x'.repeat(64)

type Socket = uWS.WebSocket<WsUserData>

interface Store {
  setString(key: string, value: string, collection: string): void
  deleteString(key: string, collection: string): void
}

export class UpgradeShield {
  readonly #store = uWS as unknown as Store
  readonly #keys = Array.from({ length: BLOCKS }, (_, index) => `block${String(index)}`)
  readonly #collection: string
  /** The socket that is being opened. */
  #opening: Socket | null = null

  /** `shard`: the store is one for all threads; a shard's blocks must be its own. */
  constructor(shard: number) {
    this.#collection = `shield${String(shard)}`
    this.#fill()
  }

  /** Runs `upgrade`, which corks, upgrades and sends, behind the shield. Null: the WebSocket ended as it opened. */
  open(upgrade: () => void): Socket | null {
    for (const key of this.#keys) this.#store.deleteString(key, this.#collection)
    try {
      upgrade()
      return this.#opening
    } finally {
      this.#opening = null
      this.#fill()
    }
  }

  /** Inside of open(), after the upgrade. */
  send(frames: readonly FirstFrame[], compressedFromBytes: number): void {
    const socket = this.#opening as Socket
    for (let at = 0; at < frames.length; at++) {
      const { type, content } = frames[at] as FirstFrame
      if (type === WsMessageType.Ping) socket.ping(content)
      else socket.send(content, type === WsMessageType.Binary, content.length >= compressedFromBytes)
    }
  }

  /** From the open handler, which uWebSockets.js calls inside of upgrade(). */
  handleOpened(socket: Socket): void {
    this.#opening = socket
  }

  /** From the close handler. False: a socket that has been handed over. */
  handleClosed(socket: Socket): boolean {
    if (this.#opening !== socket) return false
    this.#opening = null
    return true
  }

  #fill(): void {
    for (const key of this.#keys) this.#store.setString(key, VALUE, this.#collection)
  }
}
