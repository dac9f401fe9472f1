/** Plays inputs to a parser and watches it: nothing thrown, no input that takes long, no memory that stays. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Prng } from '../../base/prng.js'
import { Mutator } from './mutator.js'

export interface FuzzTarget {
  readonly name: string
  /** Good inputs, one char per byte. */
  readonly corpus: readonly string[]
  /** Words of its language. */
  readonly words: readonly string[]
  /** Parses; true: it was accepted. Throws when the parser does, or when its answer breaks a promise. */
  run(input: Buffer): boolean
}

export interface FuzzReport {
  readonly inputs: number
  readonly accepted: number
  readonly seconds: number
  /** CPU of the slowest input, in milliseconds. */
  readonly slowestMs: number
  /** What the heap has grown from a fifth of the inputs to their end. */
  readonly grownBytes: number
}

/** An input of at most 64 KB that takes a parser longer than this hangs it, for all that a client can tell. */
const SLOW_MS_MAX = 2_000
/** Of an input that is found; the seed brings back the rest. */
const SHOWN_BYTES_MAX = 2_048
/** Caches of compiled code and interned strings settle far below. */
const GROWN_BYTES_MAX = 16 * 2 ** 20

/** Throws with the seed and the input when a promise is broken. */
export function fuzz(target: FuzzTarget, inputs: number, seed: number): FuzzReport {
  const mutator = new Mutator(new Prng(seed), target.corpus, target.words)
  for (const good of target.corpus) play(target, Buffer.from(good, 'latin1'), seed, 0)
  let accepted = 0
  let slowestMs = 0
  let heapBefore = 0
  const startedMs = performance.now()
  for (let count = 1; count <= inputs; count++) {
    if (count === Math.ceil(inputs / 5)) heapBefore = usedHeapBytes()
    const input = mutator.next()
    const cpu = process.cpuUsage()
    if (play(target, input, seed, count)) accepted++
    const { user, system } = process.cpuUsage(cpu)
    slowestMs = Math.max(slowestMs, (user + system) / 1000)
    if (slowestMs > SLOW_MS_MAX) throw faultOf(target, input, seed, count, new Error(`it took ${slowestMs} ms of CPU`))
  }
  const report: FuzzReport = {
    inputs,
    accepted,
    seconds: (performance.now() - startedMs) / 1000,
    slowestMs,
    grownBytes: usedHeapBytes() - heapBefore,
  }
  if (report.grownBytes > GROWN_BYTES_MAX) {
    throw new Error(`${target.name}: the heap has grown by ${report.grownBytes} bytes (FUZZ_SEED=${seed})`)
  }
  return report
}

function play(target: FuzzTarget, input: Buffer, seed: number, count: number): boolean {
  try {
    return target.run(input)
  } catch (error) {
    throw faultOf(target, input, seed, count, error)
  }
}

function faultOf(target: FuzzTarget, input: Buffer, seed: number, count: number, cause: unknown): Error {
  const shown = JSON.stringify(input.toString('latin1', 0, SHOWN_BYTES_MAX))
  const more = input.length > SHOWN_BYTES_MAX ? ` and ${input.length - SHOWN_BYTES_MAX} bytes` : ''
  const text = `${target.name}, FUZZ_SEED=${seed}, input ${count}: ${shown}${more}`
  return new Error(`${text}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
}

function usedHeapBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}
