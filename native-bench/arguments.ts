/** The flags of `npm run bench:native`. */
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
  const flags = new Map<string, string>()
  const conf: Record<string, string> = {}
  for (const arg of args) {
    const [, name = '', value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? []
    if (name === 'tackboard-conf') {
      const [, key = '', setting = ''] = /^(\w+\.\w+)=(.*)$/s.exec(value ?? '') ?? []
      if (key === '') throw new Error(`--tackboard-conf wants section.key=value, not ${value ?? 'nothing'}`)
      conf[key] = setting
    } else if (['only', 'servers', 'runs', 'json', 'window', 'base-port'].includes(name) && (value ?? '') !== '') {
      flags.set(name, value as string)
    } else if (name === 'quick' && value === undefined) {
      flags.set(name, '')
    } else {
      throw new Error(`unknown argument: ${arg}`)
    }
  }
  const quick = flags.has('quick')
  return {
    works: chosenWorks(flags.get('only'), quick),
    servers: chosen(flags.get('servers'), SERVER_NAMES, 'server'),
    runs: wholeNumber(flags.get('runs'), quick ? 1 : 5, 'runs'),
    quick,
    jsonFile: flags.get('json') ?? null,
    window: wholeNumber(flags.get('window'), 1_000, 'window'),
    basePort: wholeNumber(flags.get('base-port'), 18_100, 'base-port'),
    conf,
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

function chosen<T extends string>(text: string | undefined, all: readonly T[], what: string): readonly T[] {
  if (text === undefined) return all
  const names = text.split(',')
  const unknown = names.filter((name) => !(all as readonly string[]).includes(name))
  if (unknown.length > 0) throw new Error(`no such ${what}: ${unknown.join(', ')}`)
  return all.filter((name) => names.includes(name))
}

function wholeNumber(text: string | undefined, otherwise: number, name: string): number {
  if (text === undefined) return otherwise
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} wants a whole number, not ${text}`)
  return Number(text)
}
