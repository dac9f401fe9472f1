/**
 * Everything the gateway is told at its start, flags and pushpin.conf, to frozen Settings; or all the faults at once.
 * Files are read through functions that are passed in. Routes are not looked at here (routing/load.ts).
 */
import { basename, dirname, isAbsolute, join } from 'node:path'
import { accountId } from './accounts.js'
import { findCertificates } from './certificates.js'
import { parseArguments } from './cli.js'
import { parseIni, parseIniValue } from './ini.js'
import { settingsFrom } from './settings.js'
import { substitute } from './substitution.js'
import { KEYS, WIRING_BECAUSE, WIRING_KEYS } from './table.js'
import { addressText, readValue } from './values.js'
import type { FoundCertificates } from './certificates.js'
import type { Command, Flags } from './cli.js'
import type { ConfigFault } from './fault.js'
import type { IniEntry } from './ini.js'
import type { KeyRow } from './keys/row.js'
import type { ValueOf } from './settings.js'
import type { Variables } from './substitution.js'
import type { Settings } from './types.js'

export interface LoadInput {
  /** What comes after the program's name. */
  readonly argv: readonly string[]
  /** Text of a file; throws when it cannot be read. */
  readonly readFile: (path: string) => string
  /** Names of the files in a folder; throws when it cannot be read. */
  readonly list: (folder: string) => readonly string[]
  /** Whether there is a file (not a directory). */
  readonly exists: (path: string) => boolean
  /** Absolute. */
  readonly cwd: string
  /** Processor cores, for `workers=0`. */
  readonly cores: number
}

export interface Loaded {
  readonly command: Command
  /** Null: there are faults, or the command needs none (version, help). */
  readonly settings: Settings | null
  /** Where the routes are, also when there are faults, so that theirs can be told with the others. Null: not known. */
  readonly routes: Pick<Settings['proxy'], 'routesfile' | 'routeLines'> | null
  /** What TLS listeners show; null as `routes`. */
  readonly certificates: FoundCertificates | null
  /** Nothing may be started. */
  readonly faults: readonly ConfigFault[]
  /** To be looked at: unknown keys, keys set twice. */
  readonly warnings: readonly ConfigFault[]
  /** Keys that are known and have no effect, with the reason. */
  readonly notices: readonly ConfigFault[]
}

const SYSTEM_CONFIG = '/etc/pushpin/pushpin.conf'
/** Tried in this order, below the working directory. */
const SEARCHED = ['config/pushpin.conf', 'pushpin.conf', 'examples/config/pushpin.conf']

export function loadSettings(input: LoadInput): Loaded {
  const { command, faults } = parseArguments(input.argv)
  const findings: Findings = { faults: [...faults], warnings: [], notices: [] }
  let loaded: Settings | null = null
  let certificates: FoundCertificates | null = null
  if (command.kind === 'run' || command.kind === 'check') {
    const loading = new Loading(input, command.flags, findings)
    loaded = loading.load()
    if (loaded !== null) certificates = loading.lookForCertificates(loaded)
  }
  return {
    command,
    settings: findings.faults.length === 0 ? loaded : null,
    routes: loaded?.proxy ?? null,
    certificates,
    faults: inOrder(findings.faults),
    warnings: inOrder(findings.warnings),
    notices: inOrder(findings.notices),
  }
}

/** Flags first, then line by line. */
function inOrder(findings: readonly ConfigFault[]): readonly ConfigFault[] {
  return findings.toSorted((a, b) => {
    const [fileA, fileB] = [a.file ?? '', b.file ?? '']
    if (fileA !== fileB) return fileA < fileB ? -1 : 1
    return (a.line ?? 0) - (b.line ?? 0)
  })
}

interface Findings {
  readonly faults: ConfigFault[]
  readonly warnings: ConfigFault[]
  readonly notices: ConfigFault[]
}

/** One load under way: where its parts put what they find. */
class Loading {
  readonly #input: LoadInput
  readonly #flags: Flags
  readonly #findings: Findings
  /** What the file says, by `section.key`; an included file's values where it says nothing. */
  readonly #entries = new Map<string, IniEntry>()

  constructor(input: LoadInput, flags: Flags, findings: Findings) {
    this.#input = input
    this.#flags = flags
    this.#findings = findings
  }

  load(): Settings | null {
    const file = this.#findFile()
    if (file === undefined) return null
    if (file !== null) this.#readWithInclude(file)
    const variables = this.#variables(file)
    const values = this.#values(file, variables)
    const value = ((key: string) => values.get(key)) as ValueOf
    const settings = settingsFrom(value, {
      file,
      flags: this.#flags,
      cwd: this.#input.cwd,
      cores: this.#input.cores,
      ipcPrefix: variables.ipcPrefix,
      portOffset: variables.portOffset,
      uidOf: (name) => this.#accountId('user', name),
      gidOf: (name) => this.#accountId('group', name),
    })
    this.#checkRelations(settings)
    return settings
  }

  lookForCertificates({ runner }: Settings): FoundCertificates {
    const { faults, warnings, notices } = this.#findings
    const key = 'runner.https_ports'
    const entry = this.#entries.get(key)
    const of = (message: string): ConfigFault => ({
      file: entry?.file ?? null,
      line: entry?.line ?? null,
      key,
      message,
    })
    const found = findCertificates(runner.certsDir, runner.httpsPorts, this.#input)
    faults.push(...found.faults.map(of))
    warnings.push(...found.warnings.map(of))
    notices.push(...found.notices.map(of))
    return found
  }

  #fault(message: string, key: string | null = null, entry?: IniEntry): void {
    this.#findings.faults.push({ file: entry?.file ?? null, line: entry?.line ?? null, key, message })
  }

  #accountId(kind: 'user' | 'group', name: string): number | null {
    const file = kind === 'user' ? '/etc/passwd' : '/etc/group'
    let text = ''
    try {
      text = this.#input.readFile(file)
    } catch {
      // Then only numbers are known.
    }
    const id = accountId(text, name)
    const key = 'runner.local_ports'
    if (id === null) this.#fault(`no such ${kind} in ${file}: ${name}`, key, this.#entries.get(key))
    return id
  }

  /** Null: none is needed; undefined: there should be one. */
  #findFile(): string | null | undefined {
    const { config, routeLines, routes } = this.#flags
    const { cwd, exists } = this.#input
    const candidates = config === null ? [...SEARCHED.map((path) => join(cwd, path)), SYSTEM_CONFIG] : [config]
    const absolutes = candidates.map((path) => (isAbsolute(path) ? path : join(cwd, path)))
    const found = absolutes.find(exists)
    if (found !== undefined) return found
    if (config === null && (routeLines.length > 0 || routes !== null)) return null
    this.#fault(`no configuration file found. Tried: ${candidates.join(' ')}`)
    return undefined
  }

  #readWithInclude(file: string): void {
    for (const entry of this.#read(file)) this.#take(entry, false)
    const include = this.#includedFile(file)
    if (include === null) return
    const ofMain = new Set(this.#entries.keys())
    for (const entry of this.#read(include)) {
      if (!ofMain.has(`${entry.section}.${entry.key}`)) this.#take(entry, true)
    }
  }

  #read(file: string): readonly IniEntry[] {
    let text: string
    try {
      text = this.#input.readFile(file)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#findings.faults.push({ file, line: null, key: null, message: `failed to open ${file}: ${reason}` })
      return []
    }
    const { entries, faults } = parseIni(text, file)
    this.#findings.faults.push(...faults)
    return entries
  }

  /** Keeps an entry whose key is known, and says so when it is not. */
  #take(entry: IniEntry, included: boolean): void {
    const key = entry.section === '' ? entry.key : `${entry.section}.${entry.key}`
    const place = { file: entry.file, line: entry.line, key }
    if (WIRING_KEYS.test(key)) {
      // In an included file they come from Pushpin's own internal.conf, and nobody here has chosen them.
      if (!included) this.#findings.notices.push({ ...place, message: noMeaning(WIRING_BECAUSE) })
      return
    }
    if (!ROW_BY_KEY.has(key)) {
      this.#findings.warnings.push({ ...place, message: 'unknown key' })
      return
    }
    const earlier = this.#entries.get(key)
    if (earlier !== undefined) {
      const message = `has no effect: set again in line ${entry.line}`
      this.#findings.warnings.push({ ...place, line: earlier.line, message })
    }
    this.#entries.set(key, entry)
  }

  #includedFile(file: string): string | null {
    const entry = this.#entries.get('global.include')
    const written = entry?.parts.join(',') ?? ''
    if (entry === undefined || written === '') return null
    const variables = this.#variables(file)
    const path = substitute(written, variables)
    const isWiring = basename(path) === 'internal.conf'
    // Without a libdir there is nothing that Pushpin's `{libdir}/internal.conf` could mean, and nothing to miss.
    if (isWiring && variables.libdir === '' && /^(?:\{libdir\}\/)?internal\.conf$/.test(written)) return null
    const absolute = isAbsolute(path) ? path : join(dirname(file), path)
    if (this.#input.exists(absolute)) return absolute
    if (!isWiring) this.#fault(`no such file: ${absolute}`, 'global.include', entry)
    return null
  }

  #variables(file: string | null): Variables {
    const { id } = this.#flags
    const raw = (key: string): string => this.#partsOf(rowOf(key), file).join(',')
    return {
      libdir: raw('global.libdir'),
      rundir: raw('global.rundir'),
      ipcPrefix: id === null ? raw('global.ipc_prefix') : `p${id}-`,
      portOffset: id !== null && id > 0 ? id * 10 : Number(raw('global.port_offset')) || 0,
    }
  }

  /** What the file says of a key, or its default. */
  #partsOf(row: KeyRow, file: string | null): readonly string[] {
    const oldPlace = row.key === 'global.rundir' ? this.#entries.get('runner.rundir') : undefined
    const entry = this.#entries.get(row.key) ?? oldPlace
    const isEmpty = entry === undefined || entry.parts.every((part) => part === '')
    if (!isEmpty || (entry !== undefined && row.type !== 'integer' && row.type !== 'log level')) return entry.parts
    return parseIniValue(file === null ? row.shipped : (row.absent ?? row.shipped)).parts
  }

  #values(file: string | null, variables: Variables): Map<string, unknown> {
    const values = new Map<string, unknown>()
    for (const row of KEYS) {
      const entry = this.#entries.get(row.key)
      const parts = this.#partsOf(row, file)
      const isVariable = row.key.startsWith('global.')
      const result = readValue(isVariable ? parts : parts.map((part) => substitute(part, variables)), row)
      if (result.fault === null) values.set(row.key, result.value)
      else {
        this.#fault(result.fault, row.key, entry)
        // The load goes on, to find what else is wrong; a default stands in.
        values.set(row.key, readValue(parseIniValue(row.shipped).parts, row).value)
      }
      if (entry !== undefined) this.#notice(row, entry)
    }
    return values
  }

  /** Says that a key has no effect, unless it says what holds anyway. */
  #notice(row: KeyRow, entry: IniEntry): void {
    const place = { file: entry.file, line: entry.line, key: row.key }
    if (row.key === 'runner.rundir') {
      const message = 'rundir in [runner] section is deprecated. put in [global]'
      this.#findings.notices.push({ ...place, message })
    }
    if (row.meaning.kind === 'used' || row.quiet === 'every') return
    const written = entry.parts.join(',')
    if (written === '' || [row.shipped, row.absent, ...(row.quiet ?? [])].includes(written)) return
    this.#findings.notices.push({ ...place, message: noEffect(row) })
  }

  #checkRelations(settings: Settings): void {
    const { httpPorts, httpsPorts, localPorts } = settings.runner
    if (httpPorts.length + httpsPorts.length + localPorts.length === 0) {
      this.#fault('no server ports configured', 'runner.http_port', this.#entries.get('runner.http_port'))
    }
    this.#checkDoubles('runner.http_port', httpPorts.map(addressText), [])
    this.#checkDoubles('runner.https_ports', httpsPorts.map(addressText), httpPorts.map(addressText))
    this.#checkDoubles(
      'runner.local_ports',
      localPorts.map(({ path }) => path),
      [],
    )
    const { wsBufferMax, wsBufferTotalMax } = settings.proxy
    if (wsBufferTotalMax < wsBufferMax) {
      const key = 'proxy.ws_buffer_total_max'
      this.#fault('must not be less than ws_buffer_max', key, this.#entries.get(key))
    }
    const { pushInHttpPort } = settings.handler
    if (pushInHttpPort < 0 || pushInHttpPort > 65_535) {
      const key = 'handler.push_in_http_port'
      this.#fault('port_offset moves it out of the range of ports', key, this.#entries.get(key))
    }
    for (const key of ['handler.stats_spec', 'handler.command_spec']) {
      const entry = this.#entries.get(key)
      if (entry !== undefined && entry.parts.length > 1) this.#fault('expecting one end point', key, entry)
    }
  }

  /** Our listeners share their ports with whoever asks in the same way, so that nothing else would find this. */
  #checkDoubles(key: string, named: readonly string[], before: readonly string[]): void {
    for (const [index, name] of named.entries()) {
      if (!before.includes(name) && named.indexOf(name) === index) continue
      this.#fault(`named twice: ${name}`, key, this.#entries.get(key))
    }
  }
}

const ROW_BY_KEY = new Map(KEYS.map((row) => [row.key, row]))
function rowOf(key: string): KeyRow {
  return ROW_BY_KEY.get(key) as KeyRow
}

function noMeaning(because: string): string {
  return `has no meaning here because ${because}`
}

function noEffect(row: KeyRow): string {
  if (row.meaning.kind === 'none') return noMeaning(row.meaning.because)
  return 'is not in this version yet: it has no effect'
}
