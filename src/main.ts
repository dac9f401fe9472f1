#!/usr/bin/env node
/**
 * tackboard: arguments to settings, settings to a running gateway; signals; exit codes.
 *
 * Exit codes: 0 stopped as asked; 1 could not start or cannot go on; 2 the configuration has faults (all of them are
 * printed, nothing was started). A second signal ends the process as a signal does that nobody catches.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import process from 'node:process'
import { type OpenLog, openLog } from './base/log.js'
import type { FoundCertificates } from './config/certificates.js'
import { helpText } from './config/cli.js'
import { type ConfigFault, describeFault } from './config/fault.js'
import { type Loaded, loadSettings } from './config/load.js'
import { logFileOf } from './config/log-file.js'
import type { Settings } from './config/types.js'
import { type LoadedRoutes, loadRoutes } from './routing/load.js'
import type { RouteFault } from './routing/types.js'
import { bannerText } from './runner/banner.js'
import { Reloading } from './runner/reloading.js'
import { Runner } from './runner/runner.js'
import { systemNeeds, systemWarnings } from './runner/system-checks.js'
import { readSystemValues } from './runner/system-values.js'

const EXIT_FAILED = 1
const EXIT_FAULTS = 2

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}

function load(): Loaded {
  return loadSettings({
    argv: process.argv.slice(2),
    readFile: (path) => readFileSync(path, 'utf8'),
    list: (folder) => readdirSync(folder),
    exists: (path) => existsSync(path) && statSync(path).isFile(),
    cwd: process.cwd(),
    cores: availableParallelism(),
  })
}

function complain(findings: readonly (ConfigFault | RouteFault)[]): void {
  for (const finding of findings) process.stderr.write(`${describeFault(finding)}\n`)
}

/** What the system's settings are too small for. */
function systemLimits(settings: Settings, routes: Routes): readonly string[] {
  return systemWarnings(readSystemValues(), systemNeeds(settings, routes.table.routes))
}

/**
 * --check-config: says everything there is to say; anything that a start would skip or ignore counts too. Settings of the
 * system do not: the machine that checks a file need not be the one that serves.
 */
function check(loaded: Loaded, routes: Routes | null): number {
  const unreadable = routes?.unreadable ?? null
  const findings = [...loaded.faults, ...loaded.warnings, ...(routes?.faults ?? []), ...(routes?.warnings ?? [])]
  complain(findings)
  if (unreadable !== null) process.stderr.write(`${unreadable}\n`)
  for (const notice of loaded.notices) process.stdout.write(`${describeFault(notice)}\n`)
  if (loaded.settings !== null && routes !== null) {
    for (const warning of systemLimits(loaded.settings, routes)) process.stdout.write(`${warning}\n`)
  }
  if (findings.length > 0 || unreadable !== null) return EXIT_FAULTS
  process.stdout.write('configuration is fine\n')
  return 0
}

async function main(): Promise<number> {
  const loaded = load()
  const { command, settings } = loaded
  if (command.kind === 'version') {
    process.stdout.write(`tackboard ${version()}\n`)
    return 0
  }
  if (command.kind === 'help') {
    process.stdout.write(helpText())
    return 0
  }
  const routes = loaded.routes === null ? null : readRoutes(loaded.routes)
  if (command.kind === 'check') return check(loaded, routes)
  const { certificates } = loaded
  if (
    settings === null ||
    routes === null ||
    certificates === null ||
    (routes.faultsAreFatal && routes.faults.length > 0)
  ) {
    complain([...loaded.faults, ...(routes?.faultsAreFatal === true ? routes.faults : [])])
    return EXIT_FAULTS
  }
  return run(settings, loaded, routes, certificates)
}

interface Routes extends LoadedRoutes {
  /** Text of the routes file: the shards parse the same text, whatever happens to the file meanwhile. */
  readonly text: string
}

function readRoutes({ routesfile, routeLines }: NonNullable<Loaded['routes']>): Routes {
  let text = ''
  const readFile = (path: string): string => (text = readFileSync(path, 'utf8'))
  const routes = loadRoutes({ routesfile, routeLines, cwd: process.cwd(), readFile })
  return { ...routes, text }
}

async function run(
  settings: Settings,
  loaded: Loaded,
  routes: Routes,
  certificates: FoundCertificates,
): Promise<number> {
  // uWebSockets.js reads its header limit from the environment when a shard loads it.
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] = String(settings.runner.clientBufferSize)
  let opened: OpenLog
  try {
    opened = openLog({ level: settings.runner.logLevel, file: logFileOf(settings), buffered: false, bindings: {} })
  } catch (error) {
    process.stderr.write(`tackboard: ${(error as Error).message}\n`)
    return EXIT_FAILED
  }
  const { log } = opened
  for (const warning of loaded.warnings) log.warn(describeFault(warning))
  for (const notice of loaded.notices) log.info(describeFault(notice))
  for (const fault of [...routes.faults, ...routes.warnings]) log.warn(describeFault(fault))
  if (routes.unreadable !== null) log.warn(routes.unreadable)
  for (const warning of systemLimits(settings, routes)) log.warn(warning)
  log.info(`routes loaded with ${String(routes.table.routes.length)} entries`)
  return new Promise((resolve) => {
    const runner = new Runner({
      settings,
      routesText: routes.text,
      certificates: certificates.certificates,
      version: version(),
      log,
      onFatal: (message) => {
        log.fatal(message)
        void finish(EXIT_FAILED)
      },
    })
    const reloading = new Reloading({
      settings,
      routesText: routes.text,
      certificates,
      opened,
      replaceRoutes: (text) => {
        void runner.replaceRoutes(text)
      },
      replaceCertificates: (replaced) => {
        runner.tell({ kind: 'certificates', certificates: replaced })
      },
      reopenLogs: () => {
        runner.tell({ kind: 'reopen-log' })
      },
    })
    let stopping = false
    const finish = async (code: number): Promise<void> => {
      if (stopping) return
      stopping = true
      reloading.stop()
      try {
        await runner.stop()
      } catch (error) {
        log.error({ err: error }, 'the gateway did not stop cleanly')
        code = EXIT_FAILED
      }
      log.info('stopped')
      opened.close()
      resolve(code)
    }
    const onSignal = (signal: NodeJS.Signals): void => {
      if (stopping) {
        // A second signal means: now, as if nobody caught it. process.exit() would end the shards' threads first, and
        // uWebSockets.js aborts the process when one ends with its sockets open.
        process.off('SIGTERM', onSignal)
        process.off('SIGINT', onSignal)
        process.kill(process.pid, signal)
        return
      }
      log.info(`${signal}: stopping`)
      void finish(0)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
    process.on('SIGHUP', () => {
      reloading.handleHangup()
    })
    runner.start().then(
      () => {
        if (stopping) return
        reloading.start()
        process.stdout.write(bannerText(settings, runner.shards, routes.table))
      },
      (error: unknown) => {
        log.fatal((error as Error).message)
        process.stderr.write(`tackboard: ${(error as Error).message}\n`)
        void finish(EXIT_FAILED)
      },
    )
  })
}

// Nothing may keep the process once main has decided: a handle left open would be a bug, not a reason to hang.
process.exitCode = await main()
process.exit()
