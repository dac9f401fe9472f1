/**
 * The command line: Pushpin's flags with their meaning, and ours (--routes, --workers, --check-config).
 *
 * Long options may begin with one dash or two and take their value as `--x=v` or `--x v`. Where an option that takes one
 * value is given twice, the last one counts.
 */
import { integerOf, listenAddressOf, logLevelOf } from './values.js'
import type { ConfigFault } from './fault.js'
import type { ListenAddress } from './types.js'

export interface Flags {
  readonly config: string | null
  readonly logfile: string | null
  readonly logLevel: number | null
  readonly mergeOutput: boolean
  readonly port: ListenAddress | null
  readonly id: number | null
  readonly routeLines: readonly string[]
  readonly routes: string | null
  readonly workers: number | null
}

export type Command =
  { readonly kind: 'run' | 'check'; readonly flags: Flags } | { readonly kind: 'version' } | { readonly kind: 'help' }

interface FlagRow {
  readonly name: string
  /** Other spellings, with their dashes. */
  readonly short: readonly string[]
  /** What the help text calls the value; null: the flag takes none. */
  readonly value: string | null
  readonly ours?: true
  readonly doc: string
}

export const FLAGS: readonly FlagRow[] = [
  { name: 'config', short: [], value: 'FILE', doc: 'Configuration file.' },
  { name: 'logfile', short: [], value: 'FILE', doc: 'File to log to; wins over logdir.' },
  { name: 'loglevel', short: [], value: 'N', doc: 'Log level, 0 to 4 (default: 2); wins over log_level.' },
  { name: 'verbose', short: [], value: null, doc: 'The same as --loglevel=3.' },
  { name: 'merge-output', short: ['-m'], value: null, doc: 'Log to standard output; wins over logdir.' },
  {
    name: 'port',
    short: [],
    value: '[ADDR:]PORT',
    doc: 'The one port for clients, without TLS; replaces all listeners of the configuration file.',
  },
  {
    name: 'id',
    short: [],
    value: 'N',
    doc: 'Number of this instance, for several on one machine: ipc prefix pN-, tcp ports moved by 10·N, log file pN-tackboard.log.',
  },
  {
    name: 'route',
    short: [],
    value: 'ROUTE',
    doc: 'A line of the routes file; may be given several times. These lines replace the file.',
  },
  { name: 'routes', short: [], value: 'FILE', ours: true, doc: 'Routes file; wins over routesfile.' },
  {
    name: 'workers',
    short: [],
    value: 'N',
    ours: true,
    doc: 'Threads that serve clients, 0: one per core; wins over workers.',
  },
  {
    name: 'check-config',
    short: [],
    value: null,
    ours: true,
    doc: 'Check the configuration and the routes, print every fault, start nothing. Exit code 2 if there is a fault.',
  },
  { name: 'version', short: ['-v', '-V'], value: null, doc: 'Print the version.' },
  { name: 'help', short: ['-h', '-?'], value: null, doc: 'Print this text.' },
]

const FLAG_BY_SPELLING = new Map(
  FLAGS.flatMap((flag) => [`--${flag.name}`, `-${flag.name}`, ...flag.short].map((spelling) => [spelling, flag])),
)

/** `argv`: what comes after the program's name. */
export function parseArguments(argv: readonly string[]): {
  readonly command: Command
  readonly faults: readonly ConfigFault[]
} {
  const faults: ConfigFault[] = []
  const given = collect(argv, (key, message) => faults.push({ file: null, line: null, key, message }))
  if (given.has('version')) return { command: { kind: 'version' }, faults: [] }
  if (given.has('help')) return { command: { kind: 'help' }, faults: [] }
  const last = (name: string): string | null => given.get(name)?.at(-1) ?? null

  const checked = <T>(name: string, read: (text: string) => T | ConfigFault['message']): T | null => {
    const text = last(name)
    if (text === null) return null
    const value = read(text)
    if (typeof value !== 'string') return value
    faults.push({ file: null, line: null, key: `--${name}`, message: value })
    return null
  }
  const logLevel = checked('loglevel', readLevel)
  const flags: Flags = {
    config: last('config'),
    logfile: last('logfile'),
    logLevel: given.has('verbose') ? 3 : logLevel,
    mergeOutput: given.has('merge-output'),
    port: checked('port', readPort),
    id: checked('id', readId),
    routeLines: given.get('route') ?? [],
    routes: last('routes'),
    workers: checked('workers', readWorkers),
  }
  if (flags.routes !== null && flags.routeLines.length > 0) {
    faults.push({ file: null, line: null, key: '--routes', message: 'cannot be given together with --route' })
  }
  return { command: { kind: given.has('check-config') ? 'check' : 'run', flags }, faults }
}

/** Values by flag name, in order. Flags without a value have `''`. */
function collect(argv: readonly string[], blame: (key: string | null, message: string) => void): Map<string, string[]> {
  const given = new Map<string, string[]>()
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] as string
    if (!argument.startsWith('-') || argument === '-') {
      blame(null, `unexpected argument: ${argument}`)
      continue
    }
    const equals = argument.indexOf('=')
    const spelling = equals === -1 ? argument : argument.slice(0, equals)
    const flag = FLAG_BY_SPELLING.get(spelling)
    if (flag === undefined) {
      blame(spelling, 'unknown option')
      continue
    }
    let value = equals === -1 ? undefined : argument.slice(equals + 1)
    if (flag.value === null) {
      if (value !== undefined) blame(`--${flag.name}`, 'takes no value')
      value = ''
    } else {
      value ??= argv[++at]
      if (value === undefined || value === '') {
        blame(`--${flag.name}`, 'missing value')
        continue
      }
    }
    given.set(flag.name, [...(given.get(flag.name) ?? []), value])
  }
  return given
}

function readLevel(text: string): number | string {
  const level = logLevelOf(text)
  return level.fault ?? level.value
}

function readPort(text: string): ListenAddress | string {
  const address = listenAddressOf(text)
  if (address !== null) return address
  return /^([^:]*:|\[.*\]:)?0*$/.test(text) ? 'port must be greater than or equal to 1' : `invalid http port: ${text}`
}

function readId(text: string): number | string {
  const id = integerOf(text)
  return id === null || id < 0 ? 'id must be greater than or equal to 0' : id
}

function readWorkers(text: string): number | string {
  const workers = integerOf(text)
  return workers === null || workers < 0 || workers > 1024 ? 'must be between 0 and 1024' : workers
}

/** For --help. */
export function helpText(): string {
  const rows = FLAGS.map((flag) => {
    const short = flag.short.filter((spelling) => spelling !== '-?').map((spelling) => `${spelling}, `)
    return [`  ${short.join('')}--${flag.name}${flag.value === null ? '' : `=${flag.value}`}`, flag.doc] as const
  })
  const width = Math.max(...rows.map(([left]) => left.length)) + 2
  const lines = rows.map(([left, doc]) => left.padEnd(width) + doc)
  return `Usage: tackboard [options]\n\n${lines.join('\n')}\n`
}
