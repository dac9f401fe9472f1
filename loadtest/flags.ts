/**
 * The command line: `SCENARIO --flag=value …`, as flag-table.ts lists the flags. A fault names the flag and what it accepts. All faults are reported at once.
 */
import { FlagFault, clientUrl, duration, header, oneOf, publishUrl } from './flag-values.js'
import { rate, someText, wholeNumber, zmqEndpoint } from './flag-values.js'
import type { Read } from './flag-values.js'
import { FLAG_ROWS } from './flag-table.js'
import { STAMP_BYTES } from './measure/stamp.js'
import { SCENARIOS } from './options.js'
import type { LoadOptions, PublishDoor, Scenario } from './options.js'
import { SCENARIO_ROWS } from './scenarios.js'

export type Invocation =
  | { readonly kind: 'run'; readonly options: LoadOptions }
  | { readonly kind: 'help'; readonly scenario: Scenario | null }
  | { readonly kind: 'faults'; readonly faults: readonly string[] }

const CONNECTIONS_MAX = 100_000
const WORKERS_MAX = 64
const PAYLOAD_BYTES_MAX = 1_000_000
const CHANNELS_MAX = 100_000
/** The sending time of each publish is kept: 80 MB. */
const POLL_PUBLISHES_MAX = 10_000_000

/** What cannot be known from the command line. */
export interface Surroundings {
  readonly cores: number
  /** Name of the run, which the default channel carries. */
  readonly run: string
}

/** `argv`: what comes after the command. */
export function parseFlags(argv: readonly string[], surroundings: Surroundings): Invocation {
  const [first, ...rest] = argv
  const scenario = SCENARIOS.find((name) => name === first) ?? null
  const given = new Given(scenario, scenario === null ? argv : rest)
  if (given.has('help')) return { kind: 'help', scenario }
  if (scenario === null) {
    const what = first === undefined || first.startsWith('-') ? 'no scenario is named' : `no such scenario: ${first}`
    return { kind: 'faults', faults: [`${what}; accepted: ${SCENARIOS.join(', ')}`] }
  }
  const options = optionsOf(scenario, given, surroundings)
  return given.faults.length > 0 ? { kind: 'faults', faults: given.faults } : { kind: 'run', options }
}

function optionsOf(scenario: Scenario, given: Given, { cores, run }: Surroundings): LoadOptions {
  const row = SCENARIO_ROWS[scenario]
  const url = given.read('url', clientUrl) ?? { origin: 'http://localhost:7999', path: null }
  const leastConnections = scenario === 'publish' ? 0 : 1
  const connections = given.read('connections', wholeNumber(leastConnections, CONNECTIONS_MAX)) ?? row.connections
  const backendPort = given.read('backend-port', wholeNumber(1, 65_535))
  const churnKind = given.read('kind', oneOf('ws', 'stream')) ?? 'ws'
  const verify = given.has('verify')
  const options: LoadOptions = {
    scenario,
    origin: url.origin,
    path: url.path ?? (churnKind === 'stream' ? '/stream?channel={channel}' : row.path),
    headers: given.headers('header'),
    insecure: given.has('insecure'),
    connections,
    rate: given.read('rate', rate) ?? row.rate,
    durationMs: given.read('duration', duration(100)) ?? 10_000,
    warmupMs: given.read('warmup', duration(0)) ?? 2_000,
    rampMs: given.read('ramp', duration(0)) ?? connections * 2,
    timeoutMs: given.read('timeout', duration(100)) ?? 10_000,
    drainMs: given.read('drain', duration(0)) ?? 5_000,
    settleMs: given.read('settle', duration(0)) ?? 500,
    publish: row.publishes && (scenario !== 'churn' || verify) ? doorOf(given, url.origin) : null,
    channel: given.read('channel', someText) ?? `loadtest-${run}`,
    channels: given.read('channels', wholeNumber(1, CHANNELS_MAX)) ?? 1,
    workers: given.read('workers', wholeNumber(1, WORKERS_MAX)) ?? defaultWorkers(cores, connections),
    payloadBytes: given.read('payload-bytes', wholeNumber(payloadLeast(scenario), PAYLOAD_BYTES_MAX)) ?? 100,
    inFlight: given.read('in-flight', wholeNumber(1, 100_000)) ?? 64,
    churnKind,
    verify,
    backendPort,
    label: given.read('label', someText) ?? '',
    jsonFile: given.read('json', someText),
    reportFile: given.read('report', someText),
  }
  checkTogether(options, given)
  return options
}

/** A message holds a stamp, and where it is a line also the end of it. */
function payloadLeast(scenario: Scenario): number {
  return scenario === 'proxy' ? 0 : STAMP_BYTES + 1
}

function defaultWorkers(cores: number, connections: number): number {
  return Math.max(1, Math.min(connections, Math.max(2, Math.min(8, Math.floor(cores / 2)))))
}

function doorOf(given: Given, origin: string): PublishDoor {
  const endpoint = given.read('zmq-push', zmqEndpoint)
  const url = given.read('publish-url', publishUrl)
  const headers = given.headers('publish-header')
  if (endpoint === null) return { kind: 'http', url: url ?? defaultPublishUrl(origin), headers }
  for (const name of ['publish-url', 'publish-header']) {
    if (given.has(name)) given.fault(`--${name} cannot be given together with --zmq-push`)
  }
  return { kind: 'zmq-push', endpoint }
}

function defaultPublishUrl(origin: string): string {
  const url = new URL(origin)
  return `http://${url.hostname}:5561/publish/`
}

function checkTogether(options: LoadOptions, given: Given): void {
  const { scenario, connections, channels, rate, publish, path, verify } = options
  if (scenario === 'longpoll' && rate === 'max') {
    given.fault('--rate: longpoll takes a number only, since a poll on its way misses what is published meanwhile')
  }
  if (
    scenario === 'longpoll' &&
    rate !== 'max' &&
    (rate * (options.warmupMs + options.durationMs)) / 1_000 > POLL_PUBLISHES_MAX
  ) {
    given.fault(`--duration: longpoll makes at most ${POLL_PUBLISHES_MAX.toLocaleString('en')} publishes`)
  }
  if (channels > 1 && channels > connections && scenario !== 'publish') {
    given.fault(`--channels: at most as many as --connections (${String(connections)})`)
  }
  if (!path.includes('{channel}')) {
    if (channels > 1 || verify) given.fault('--url: its path must contain {channel} when there are several channels')
    else if (publish !== null && !given.has('channel')) {
      given.fault('--channel: needed, because the path in --url does not contain {channel}')
    }
  }
  if (scenario === 'publish' && publish?.kind === 'zmq-push' && connections === 0) {
    given.fault('--connections: at least 1 with --zmq-push, which answers nothing')
  }
  if (scenario === 'churn' && !verify) {
    for (const name of ['publish-url', 'publish-header', 'zmq-push']) {
      if (given.has(name)) given.fault(`--${name}: churn publishes only with --verify`)
    }
  }
}

/** The flags as given. Faults are collected in it. */
class Given {
  readonly faults: string[] = []
  readonly #values = new Map<string, string[]>()

  constructor(scenario: Scenario | null, argv: readonly string[]) {
    for (const arg of argv) this.#take(arg, scenario)
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  fault(text: string): void {
    this.faults.push(text)
  }

  /** Null when it was not given, or is faulty. */
  read<T>(name: string, read: Read<T>): T | null {
    const text = this.#values.get(name)?.at(-1)
    return text === undefined ? null : this.#checked(name, text, read)
  }

  headers(name: string): Record<string, string> {
    const headers: Record<string, string> = {}
    for (const text of this.#values.get(name) ?? []) {
      const pair = this.#checked(name, text, header)
      if (pair !== null) headers[pair[0]] = pair[1]
    }
    return headers
  }

  #checked<T>(name: string, text: string, read: Read<T>): T | null {
    const value = read(text)
    if (!(value instanceof FlagFault)) return value
    this.fault(`--${name}: ${JSON.stringify(text)} is not accepted; accepted: ${value.accepted}`)
    return null
  }

  #take(arg: string, scenario: Scenario | null): void {
    const [, name, value] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? []
    if (name === undefined) return this.fault(`${arg}: flags are written --name=value`)
    const row = FLAG_ROWS.find((row) => row.name === name)
    if (row === undefined) return this.fault(`--${name}: no such flag${suggestion(name)}`)
    if (row.value === null && value !== undefined) return this.fault(`--${name}: takes no value`)
    if (row.value !== null && value === undefined) return this.fault(`--${name}: needs a value, --${name}=${row.value}`)
    if (scenario !== null && row.scenarios !== null && !row.scenarios.includes(scenario)) {
      return this.fault(`--${name}: not a flag of ${scenario}; it is one of ${row.scenarios.join(', ')}`)
    }
    const before = this.#values.get(name) ?? []
    if (before.length > 0 && row.many === undefined) return this.fault(`--${name}: given twice`)
    this.#values.set(name, [...before, value ?? ''])
  }
}

/** Flags that begin alike, for those who do not remember the whole name. */
function suggestion(name: string): string {
  const near = FLAG_ROWS.filter((row) => row.name.startsWith(name.slice(0, 3))).map((row) => `--${row.name}`)
  return near.length === 0 ? '; --help names them all' : `; did you mean ${near.join(' or ')}?`
}
