/**
 * All chosen works on all chosen servers: for each work A B C A B C …, so that what happens to the machine meanwhile
 * happens to all of them. Every run has a fresh server.
 */
import { writeFileSync } from 'node:fs'
import type { BenchOptions } from './arguments.js'
import { Backend } from './load-client.js'
import { machine } from './machine.js'
import type { Machine } from './machine.js'
import { SERVERS } from './servers/all.js'
import { Ports } from './servers/server.js'
import type { ServerKind, ServerName } from './servers/server.js'
import { medianMeasure } from './statistics.js'
import { renderTable } from './table.js'
import type { Cell } from './table.js'
import type { Environment, Measure, Work } from './works/work.js'

export interface Presence {
  readonly name: ServerName
  readonly version: string | null
  /** Why it is not here. */
  readonly missing: string | null
  readonly configuration: string
}

export interface Report {
  readonly machine: Machine
  readonly servers: readonly Presence[]
  readonly cells: readonly Cell[]
}

/** `say`: where progress goes. */
export async function bench(options: BenchOptions, say: (line: string) => void): Promise<Report> {
  const about = machine()
  const kinds = SERVERS.filter(({ name }) => options.servers.includes(name))
  const servers = kinds.map(presenceOf)
  const present = kinds.filter(({ name }) => servers.some((server) => server.name === name && server.version !== null))
  const backend = await Backend.start()
  const environment: Environment = {
    backend,
    ports: new Ports(options.basePort),
    conf: options.conf,
    warmSeconds: options.quick ? 0.25 : 1.5,
    warmUnits: options.quick ? 1_000 : 20_000,
    seconds: options.quick ? 0.5 : 3,
    window: options.window,
    quick: options.quick,
  }
  const cells: Cell[] = []
  try {
    for (const work of options.works) cells.push(...(await measure(work, present, options.runs, environment, say)))
  } finally {
    await backend.end()
  }
  const report = { machine: about, servers, cells }
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, `${JSON.stringify(jsonOf(report), null, 2)}\n`)
  return report
}

function presenceOf(kind: ServerKind): Presence {
  const { name, configuration } = kind
  const found = kind.find()
  return 'version' in found
    ? { name, configuration, version: found.version, missing: null }
    : { name, configuration, version: null, missing: found.missing }
}

async function measure(
  work: Work,
  present: readonly ServerKind[],
  runs: number,
  environment: Environment,
  say: (line: string) => void,
): Promise<Cell[]> {
  const kinds = present.filter(({ name }) => work.servers.includes(name))
  const measures = new Map<ServerName, Measure[]>(kinds.map(({ name }) => [name, []]))
  const failures = new Map<ServerName, string>()
  for (let run = 1; run <= runs; run++) {
    for (const kind of kinds) {
      say(`${work.name}, ${kind.name}, run ${run}`)
      try {
        measures.get(kind.name)?.push(await work.run(kind, environment))
      } catch (error) {
        const message = (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ').slice(0, 300)
        say(`${work.name}, ${kind.name} failed: ${message}`)
        failures.set(kind.name, message)
      }
    }
  }
  return kinds.map(({ name }) => ({
    work,
    server: name,
    measures: measures.get(name) ?? [],
    failure: failures.get(name) ?? null,
  }))
}

export function render({ machine: about, servers, cells }: Report): string {
  const lines = [
    `${about.date}, commit ${about.commit}`,
    `${about.cores} × ${about.cpu}, ${about.memoryGb} GB, Linux ${about.kernel}, Node.js ${about.node}, ` +
      `load before the run ${about.loadBefore.toFixed(2)}`,
    '',
    renderTable(cells),
    '',
  ]
  for (const { name, version, missing, configuration } of servers) {
    lines.push(missing === null ? `${name}: ${version}; ${configuration}` : `${name}: not here (${missing})`)
  }
  return lines.join('\n')
}

function jsonOf({ machine: about, servers, cells }: Report): unknown {
  const works = cells.map(({ work, server, measures, failure }) => ({
    work: work.name,
    server,
    unit: work.unit,
    costUnit: work.costUnit,
    goal: work.goal ?? null,
    failure,
    median: measures.length === 0 ? null : medianMeasure(measures),
    runs: measures,
  }))
  return { machine: about, servers, works }
}

/** Whether anything failed or was lost. */
export function hasFaults({ cells }: Report): boolean {
  return cells.some(({ failure, measures }) => failure !== null || measures.some(({ faults }) => faults.length > 0))
}
