/** Counters of the kernel's TCP: the pairs of lines of /proc/net/netstat, a line of names and one of values. */
import { readFileSync } from 'node:fs'

export function parseNetstat(text: string): ReadonlyMap<string, number> {
  const lines = text.trim().split('\n')
  const counters = new Map<string, number>()
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const names = (lines[at] ?? '').split(' ')
    const values = (lines[at + 1] ?? '').split(' ')
    if (names[0] !== values[0]) throw new Error(`/proc/net/netstat: ${names[0] ?? ''} has no values`)
    for (let column = 1; column < names.length; column++) counters.set(names[column] ?? '', Number(values[column]))
  }
  return counters
}

/** Connections that the kernel has dropped because a listener's backlog was full, since the machine's start. */
export function listenDrops(): number {
  const counters = parseNetstat(readFileSync('/proc/net/netstat', 'latin1'))
  return (counters.get('ListenDrops') ?? 0) + (counters.get('ListenOverflows') ?? 0)
}
