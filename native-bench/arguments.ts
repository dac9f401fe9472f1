/** The flags of `npm run bench:native`. */
import { parseFlags, wholeNumber } from './flags.js'
import { SERVER_NAMES } from './servers/server.js'
import type { ServerName } from './servers/server.js'
import { WORKS } from './works/all.js'
import type { Work } from './works/work.js'

export const USAGE = `usage: bench:native [--only=WORK,…] [--servers=SERVER,…] [--runs=N] [--quick] [--json=FILE]
                    [--window=N] [--base-port=N] [--tackboard-conf=section.key=value …]
works:   ${[...new Set(WORKS.map(({ family }) => family))].join(', ')}
servers: ${SERVER_NAMES.join(', ')}
Peers are looked for in a chroot at PEERS_ROOT (default /opt/tackboard-peers), then in PATH.
`

export interface BenchOptions {
  readonly works: readonly Work[]
  readonly servers: readonly ServerName[]
  readonly runs: number
  readonly quick: boolean
  readonly jsonFile: string | null
  readonly window: number
  readonly basePort: number
  readonly conf: Readonly<Record<string, string>>
}

/** Throws with what is wrong. */
export function parseArguments(args: readonly string[]): BenchOptions {
  const flags = parseFlags(args, ['only', 'servers', 'runs', 'json', 'window', 'base-port'], ['quick'])
  const quick = flags.values.has('quick')
  return {
    works: chosenWorks(flags.values.get('only'), quick),
    servers: chosenServers(flags.values.get('servers')),
    runs: wholeNumber(flags, 'runs', quick ? 1 : 5),
    quick,
    jsonFile: flags.values.get('json') ?? null,
    window: wholeNumber(flags, 'window', 1_000),
    basePort: wholeNumber(flags, 'base-port', 18_100),
    conf: flags.conf,
  }
}

function chosenWorks(text: string | undefined, quick: boolean): readonly Work[] {
  const short = quick ? WORKS.filter(({ long }) => long !== true) : WORKS
  if (text === undefined) return short
  const names = text.split(',')
  const known = new Set(WORKS.flatMap(({ name, family }) => [name, family]))
  const unknown = names.filter((name) => !known.has(name))
  if (unknown.length > 0) throw new Error(`no such work: ${unknown.join(', ')}`)
  return WORKS.filter((work) => names.includes(work.name) || (names.includes(work.family) && short.includes(work)))
}

function chosenServers(text: string | undefined): readonly ServerName[] {
  if (text === undefined) return SERVER_NAMES
  const names = text.split(',')
  const unknown = names.filter((name) => !(SERVER_NAMES as readonly string[]).includes(name))
  if (unknown.length > 0) throw new Error(`no such server: ${unknown.join(', ')}`)
  return SERVER_NAMES.filter((name) => names.includes(name))
}
