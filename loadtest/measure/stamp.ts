/**
 * What a message of the load test begins with, in ASCII: `RUN SOURCE NUMBER TIME `, then filling up to the wanted size.
 *
 * - RUN, 8 characters: messages of other runs and of other publishers are told apart by it.
 * - SOURCE, 4 digits: who sent it (a publisher, a connection).
 * - NUMBER, 10 digits: its place in what this source sends.
 * - TIME, 12 digits: when it should have been sent, microseconds since the run's epoch.
 *
 * Fixed places, so that a receiver reads numbers out of the bytes and makes no strings.
 */

export const STAMP_BYTES = 38

const RUN_BYTES = 8
const SOURCE_AT = 9
const NUMBER_AT = 14
const TIME_AT = 25
const TIME_END = 37
const FILLING = 'x'

export const SOURCE_MAX = 9_999

/** Eight characters that name a run. `random`: 0 up to 1. */
export function newRun(random: () => number): string {
  return Math.floor(random() * 0xffff_ffff)
    .toString(16)
    .padStart(RUN_BYTES, '0')
}

/** Writes the messages of one source. */
export class Stamper {
  readonly #head: string
  readonly #filling: string
  readonly #epochMs: number

  /** `bytes`: length of a message, at least STAMP_BYTES. */
  constructor(run: string, source: number, epochMs: number, bytes: number) {
    this.#head = `${run} ${String(source).padStart(4, '0')} `
    this.#filling = FILLING.repeat(bytes - STAMP_BYTES)
    this.#epochMs = epochMs
  }

  stamp(number: number, intendedMs: number): string {
    const micros = Math.max(0, Math.round((intendedMs - this.#epochMs) * 1_000))
    return `${this.#head}${String(number).padStart(10, '0')} ${String(micros).padStart(12, '0')} ${this.#filling}`
  }
}

/** Reads stamps. The last one read stands in its fields, so that nothing is made per message. */
export class StampReader {
  source = 0
  number = 0
  intendedMs = 0
  readonly #run: Buffer
  readonly #epochMs: number

  constructor(run: string, epochMs: number) {
    this.#run = Buffer.from(run, 'latin1')
    this.#epochMs = epochMs
  }

  /** False when there is no stamp of this run at `start`. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < STAMP_BYTES) return false
    for (let i = 0; i < RUN_BYTES; i += 1) if (bytes[start + i] !== this.#run[i]) return false
    const source = digits(bytes, start + SOURCE_AT, start + NUMBER_AT - 1)
    const number = digits(bytes, start + NUMBER_AT, start + TIME_AT - 1)
    const micros = digits(bytes, start + TIME_AT, start + TIME_END)
    if (source === -1 || number === -1 || micros === -1) return false
    this.source = source
    this.number = number
    this.intendedMs = this.#epochMs + micros / 1_000
    return true
  }
}

/** -1: not digits only. */
function digits(bytes: Uint8Array, from: number, to: number): number {
  let value = 0
  for (let at = from; at < to; at += 1) {
    const digit = (bytes[at] as number) - 0x30
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}
