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
 * Measured over 4,000 openings each: the flag's place was overwritten 4 to 7 times without the shield, never with it
 * (apart from the very first opening of a thread, which warm-up.ts makes to itself). It costs 2 µs an opening. Where
 * the allocator is another one it does nothing, and neither does it harm.
 *
 * The blocks are values in uWebSockets.js's key-value store: strings of 65 to 72 bytes with their end.
 */
import uWS from 'uWebSockets.js'

const BLOCKS = 8
const VALUE = 'x'.repeat(64)

interface Store {
  setString(key: string, value: string, collection: string): void
  deleteString(key: string, collection: string): void
}

export class UpgradeShield {
  readonly #store = uWS as unknown as Store
  readonly #keys = Array.from({ length: BLOCKS }, (_, index) => `block${String(index)}`)
  readonly #collection: string

  /** `shard`: the store is one for all threads; a shard's blocks must be its own. */
  constructor(shard: number) {
    this.#collection = `shield${String(shard)}`
    this.#fill()
  }

  /** Runs `upgrade`, which corks and upgrades, behind the shield. */
  around(upgrade: () => void): void {
    for (const key of this.#keys) this.#store.deleteString(key, this.#collection)
    try {
      upgrade()
    } finally {
      this.#fill()
    }
  }

  #fill(): void {
    for (const key of this.#keys) this.#store.setString(key, VALUE, this.#collection)
  }
}
