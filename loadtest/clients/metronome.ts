/**
 * Beats for the senders. Timers of Node.js have whole milliseconds and come up to one late or early; this thread sleeps to
 * the moment (Atomics.wait) and wakes the sender with a message, which takes about a tenth of a millisecond and leaves
 * the sender's event loop free in between. A thread of its own, because it sleeps.
 */
import { machineClock } from '../measure/clock.js'
import type { Beat, MetronomeStart } from './protocol.js'

export function runMetronome({ beats, endMs, stop }: MetronomeStart): void {
  const stopped = new Int32Array(stop)
  const nextBeat = new NextBeat(beats)
  for (;;) {
    const { port, atMs } = nextBeat.take()
    const waitMs = Math.min(atMs, endMs) - machineClock.nowMs()
    if (waitMs > 0 && Atomics.wait(stopped, 0, 0, waitMs) !== 'timed-out') break
    if (Atomics.load(stopped, 0) !== 0 || atMs >= endMs) break
    port.postMessage(null)
  }
  // One more for each, so that nobody waits for a last beat that fell on the end.
  for (const { port } of beats) port.postMessage(null)
  for (const { port } of beats) port.close()
}

/** The beats of all rows in the order of their times. */
export class NextBeat {
  readonly #rows: readonly { readonly beat: Beat; next: number }[]

  constructor(beats: readonly Beat[]) {
    this.#rows = beats.map((beat) => ({ beat, next: 0 }))
  }

  take(): { readonly port: Beat['port']; readonly atMs: number } {
    let first = this.#rows[0]
    if (first === undefined) throw new Error('a metronome without beats')
    for (const row of this.#rows) if (timeOf(row) < timeOf(first)) first = row
    const atMs = timeOf(first)
    first.next += 1
    return { port: first.beat.port, atMs }
  }
}

function timeOf({ beat, next }: { readonly beat: Beat; readonly next: number }): number {
  return beat.startMs + next * beat.intervalMs
}
