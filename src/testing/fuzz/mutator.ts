/**
 * Inputs for a parser, made of good ones: bytes flipped, pieces cut, doubled, swapped with those of another input, numbers
 * pushed over their edges, and words that mean something put where they do not belong. The seed decides everything.
 */
import { Buffer } from 'node:buffer'
import type { Prng } from '../../base/prng.js'

/** An input grows no further than this, in bytes. */
const INPUT_BYTES_MAX = 2_048
/** But a few are a piece repeated up to here: what costs the square of its length is then seen to hang. */
const PUMPED_BYTES = 65_536
const PUMPED_SHARE = 0.0005
const EDGE_NUMBERS = [
  '0',
  '-1',
  '1',
  '255',
  '256',
  '65536',
  '2147483647',
  '2147483648',
  '4294967296',
  '1e9',
  '00',
  '0x7',
]

export class Mutator {
  readonly #prng: Prng
  readonly #corpus: readonly Buffer[]
  readonly #words: readonly Buffer[]

  constructor(prng: Prng, corpus: readonly string[], words: readonly string[]) {
    this.#prng = prng
    this.#corpus = corpus.map((text) => Buffer.from(text, 'latin1'))
    this.#words = [...words, '', '\0', '\r\n', '\xff', '"', '\\', ','].map((word) => Buffer.from(word, 'latin1'))
  }

  next(): Buffer {
    const prng = this.#prng
    // Now and then a good input and bytes that were never good.
    if (prng.happens(0.02)) return prng.pick(this.#corpus)
    if (prng.happens(0.02)) return this.#noise(prng.below(64))
    if (prng.happens(PUMPED_SHARE)) return this.#pumped()
    let bytes = prng.pick(this.#corpus)
    for (let left = 1 + prng.below(6); left > 0; left--) bytes = this.#change(bytes)
    return bytes.length > INPUT_BYTES_MAX ? bytes.subarray(0, INPUT_BYTES_MAX) : bytes
  }

  /** Head, a piece over and over, and tail of a good input. */
  #pumped(): Buffer {
    const bytes = this.#change(this.#prng.pick(this.#corpus))
    const at = this.#prng.below(bytes.length + 1)
    const piece = bytes.subarray(at, at + 1 + this.#prng.below(8))
    const times = piece.length === 0 ? 0 : Math.floor(PUMPED_BYTES / piece.length)
    return Buffer.concat([bytes.subarray(0, at), ...Array.from({ length: times }, () => piece), bytes.subarray(at)])
  }

  #change(bytes: Buffer): Buffer {
    const prng = this.#prng
    const at = prng.below(bytes.length + 1)
    const end = Math.min(bytes.length, at + 1 + prng.below(24))
    switch (prng.below(8)) {
      case 0:
        return splice(bytes, at, Math.min(at + 1, bytes.length), Buffer.from([prng.below(256)]))
      case 1:
        return splice(bytes, at, end, NOTHING)
      case 2:
        return splice(bytes, at, at, bytes.subarray(at, end))
      case 3:
        return splice(bytes, at, at, prng.pick(this.#words))
      case 4:
        return splice(bytes, at, end, prng.pick(this.#words))
      case 5:
        return bytes.subarray(0, at)
      case 6:
        return this.#pushNumber(bytes)
      default:
        return this.#cross(bytes, at)
    }
  }

  /** The first part of one input and the last part of another. */
  #cross(bytes: Buffer, at: number): Buffer {
    const other = this.#prng.pick(this.#corpus)
    return Buffer.concat([bytes.subarray(0, at), other.subarray(this.#prng.below(other.length + 1))])
  }

  #pushNumber(bytes: Buffer): Buffer {
    const numbers = [...bytes.toString('latin1').matchAll(/\d+/g)]
    if (numbers.length === 0) return bytes
    const found = this.#prng.pick(numbers)
    return splice(
      bytes,
      found.index,
      found.index + found[0].length,
      Buffer.from(this.#prng.pick(EDGE_NUMBERS), 'latin1'),
    )
  }

  #noise(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#prng.below(256)))
  }
}

const NOTHING = Buffer.alloc(0)

function splice(bytes: Buffer, from: number, to: number, piece: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, from), piece, bytes.subarray(to)])
}
