/** `npm run loadtest -- SCENARIO [--flag=value …]`: see README.md. Exit codes: 0, 1 errors, 2 bad flags. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import os from 'node:os'
import { parseFlags } from './flags.js'
import { helpText } from './help.js'
import type { Target } from './clients/protocol.js'
import { newRun } from './measure/stamp.js'
import type { LoadOptions } from './options.js'
import { outcomeOf } from './outcome.js'
import type { Outcome } from './outcome.js'
import { ProgressLine } from './progress.js'
import { reportPage } from './report/page.js'
import { Backend } from './run/backend.js'
import { describeMachine } from './run/machine.js'
import { probe } from './run/probe.js'
import { RunError } from './run/run-error.js'
import { runLoad } from './run/run.js'
import type { Progress } from './run/run.js'
import { findTarget } from './run/target.js'
import { summaryText } from './summary.js'

const run = newRun(Math.random)
const invocation = parseFlags(process.argv.slice(2), { cores: os.cpus().length, run })
switch (invocation.kind) {
  case 'help':
    process.stdout.write(helpText(invocation.scenario))
    break
  case 'faults':
    for (const fault of invocation.faults) process.stderr.write(`${fault}\n`)
    process.exitCode = 2
    break
  case 'run':
    process.exitCode = await runAndTell(invocation.options)
    break
}

/** The exit code. */
async function runAndTell(options: LoadOptions): Promise<number> {
  const progress = new ProgressLine(process.stderr, options)
  const cut = new AbortController()
  // Once: measure no longer. Twice: as a command that does not listen.
  process.once('SIGINT', () => cut.abort())
  try {
    const startedAt = new Date()
    const target = await findTarget(options.origin, options.timeoutMs)
    const backend = await startBackend(options, target)
    const hooks = { progress: (state: Progress) => progress.show(state), cut: cut.signal, backend }
    const record = await probe(options, target, backend)
      .then(() => runLoad(options, target, run, hooks))
      .finally(() => backend?.stop())
    progress.clear()
    const outcome = outcomeOf(record, {
      options,
      target,
      run,
      version: version(),
      machine: describeMachine(),
      startedAt,
    })
    process.stdout.write(summaryText(outcome))
    await writeFiles(outcome)
    return outcome.verdict === 'passed' ? 0 : 1
  } catch (error) {
    progress.clear()
    if (!(error instanceof RunError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
}

async function startBackend({ backendPort, payloadBytes }: LoadOptions, target: Target): Promise<Backend | null> {
  if (backendPort === null) return null
  const backend = await Backend.start({ listenPort: backendPort, responseBytes: payloadBytes, target })
  process.stderr.write(`backend started; the gateway's route to it: ${backend.route}\n`)
  return backend
}

async function writeFiles(outcome: Outcome): Promise<void> {
  const { jsonFile, reportFile } = outcome.options
  if (jsonFile !== null) await writeFile(jsonFile, `${JSON.stringify(outcome, null, 2)}\n`)
  if (reportFile === null) return
  await writeFile(reportFile, reportPage(outcome))
  process.stdout.write(`\nreport       ${reportFile}\n`)
}

function version(): string {
  // From dist/loadtest and from loadtest: the nearest package.json above.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as Record<
        string,
        unknown
      >
      if (name === 'tackboard' && typeof version === 'string') return version
    } catch {
      // not here
    }
  }
  return 'unknown'
}
