/**
 * `npm run conformance [-- FLAGS]`: the suite against the built gateway, or with --target=pushpin against a Pushpin 1.41.
 *
 *   --target=tackboard|pushpin
 *   --only=REGEXP              scenarios whose `area: name` matches
 *   --failures                 prints only what is not a pass
 *   --write=FILE               writes the matrix of a whole run into this Markdown file, between its marks
 *   --version=TEXT             of the target, for --write; default: that of package.json, for a Pushpin 1.41
 *   --stats-format=json|tnetstring
 *                              stats_format of the target (default: tnetstring)
 * for a Pushpin:
 *   --start=COMMAND            shell command that runs one in the foreground, with {routes} {http} {offset} in it, and
 *                              {stats} {format} {prometheus} where it is to have statistics (targets.ts);
 *                              default: the environment's CONFORMANCE_START
 *   --http=PORT --publish=PORT --pull=PORT --sub=PORT --command=PORT
 *                              of one that runs already, with the routes printed by --print-routes
 *   --stats=PORT --prometheus=PORT
 *                              of the same, where it has them; its stats_report_interval should be 1
 *   --backend-ports=PORT       first of the consecutive ports of the backends, as in those routes
 *   --routes-file=PATH         writes the routes there before the ports are tried
 *   --print-routes             prints the routes and ends
 *
 * Exit code 1: a scenario failed that is not a named deviation.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PROJECT_FOLDER } from '../gateway.js'
import { writeMatrix } from './matrix-doc.js'
import { routeLines } from './routes.js'
import { isPlayable, matrix, outcomeLine, runScenarios } from './runner.js'
import type { Outcome } from './runner.js'
import { SCENARIOS, chooseBackendPorts } from './suite.js'
import { runningPushpin, startPushpin, startTackboard } from './targets.js'
import type { StatsFormat, Target, TargetName } from './targets.js'

const PORT_FLAGS = ['http', 'publish', 'pull', 'sub', 'command'] as const

const { values: flags } = parseArgs({
  options: {
    target: { type: 'string', default: 'tackboard' },
    only: { type: 'string' },
    failures: { type: 'boolean', default: false },
    write: { type: 'string' },
    version: { type: 'string' },
    start: { type: 'string' },
    http: { type: 'string' },
    publish: { type: 'string' },
    pull: { type: 'string' },
    sub: { type: 'string' },
    command: { type: 'string' },
    stats: { type: 'string' },
    prometheus: { type: 'string' },
    'stats-format': { type: 'string', default: 'tnetstring' },
    'backend-ports': { type: 'string' },
    'routes-file': { type: 'string' },
    'print-routes': { type: 'boolean', default: false },
  },
})

process.exitCode = await main()

async function main(): Promise<number> {
  if (flags.write !== undefined && flags.only !== undefined)
    throw new Error('--write wants a whole run, without --only')
  const date = new Date().toISOString().slice(0, 10)
  const firstPort = flags['backend-ports'] === undefined ? null : Number(flags['backend-ports'])
  const ports = await chooseBackendPorts(firstPort)
  const routes = routeLines(ports)
  if (flags['print-routes']) {
    process.stdout.write(`${routes.join('\n')}\n`)
    return 0
  }
  if (flags['routes-file'] !== undefined) await writeFile(flags['routes-file'], `${routes.join('\n')}\n`)
  const target = await startTarget(routes)
  try {
    const outcomes = await runScenarios(SCENARIOS, target, ports, {
      ...(flags.only === undefined ? {} : { only: new RegExp(flags.only) }),
      onOutcome: (outcome) => {
        if (!flags.failures || outcome.verdict !== 'pass') process.stdout.write(`${outcomeLine(outcome)}\n`)
      },
    })
    process.stdout.write(`\n${target.name}\n${matrix(outcomes)}\n`)
    const leftOut = SCENARIOS.filter(({ wants }) => !isPlayable(wants, target)).length
    if (leftOut > 0) process.stdout.write(`left out, because the ports of its statistics are not known: ${leftOut}\n`)
    printDeviations(outcomes)
    if (flags.write !== undefined) {
      const run = { target: target.name, version: await versionOf(target.name), date, outcomes }
      await writeFile(flags.write, writeMatrix(await readFile(flags.write, 'utf8'), run))
    }
    return outcomes.some(({ verdict }) => verdict === 'FAIL') ? 1 : 0
  } finally {
    await target.stop()
  }
}

function printDeviations(outcomes: readonly Outcome[]): void {
  for (const { verdict, deviation } of outcomes) {
    if (verdict !== 'deviation' || deviation === null) continue
    const { scenario, reason, row } = deviation
    process.stdout.write(`deviation: ${scenario}: ${reason} (docs/COMPATIBILITY.md: ${row})\n`)
  }
}

async function versionOf(target: TargetName): Promise<string> {
  if (flags.version !== undefined) return flags.version
  if (target === 'pushpin') return '1.41'
  return (JSON.parse(await readFile(join(PROJECT_FOLDER, 'package.json'), 'utf8')) as { version: string }).version
}

function statsFormat(): StatsFormat {
  const format = flags['stats-format']
  if (format !== 'json' && format !== 'tnetstring') throw new Error(`no such stats format: ${format}`)
  return format
}

async function startTarget(routes: readonly string[]): Promise<Target> {
  const format = statsFormat()
  if (flags.target === 'tackboard') return startTackboard(routes, format)
  if (flags.target !== 'pushpin') throw new Error(`no such target: ${flags.target}`)
  const start = flags.start ?? process.env['CONFORMANCE_START']
  if (flags.http === undefined && start !== undefined) return startPushpin(start, routes, format)
  const [http, control, pull, sub, command] = PORT_FLAGS.map((flag) => {
    const port = Number(flags[flag])
    if (!Number.isInteger(port)) throw new Error(`--${flag}=PORT or --start=COMMAND is needed`)
    return port
  }) as [number, number, number, number, number]
  const prometheus = flags.prometheus === undefined ? null : Number(flags.prometheus)
  const stats = flags.stats === undefined ? null : { socket: Number(flags.stats), prometheus, format }
  return runningPushpin({ http, control, pull, sub, command }, stats)
}
