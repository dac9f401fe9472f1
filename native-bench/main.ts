/** `npm run bench:native`: the same work on Tackboard and its peers, in one table. See README.md. */
import { parseArguments, USAGE } from './arguments.js'
import type { BenchOptions } from './arguments.js'
import { bench, hasFaults, render } from './bench.js'

function options(): BenchOptions {
  try {
    return parseArguments(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}`)
    process.exit(2)
  }
}

const report = await bench(options(), (line) => process.stderr.write(`${line}\n`))
console.log(`\n${render(report)}`)
process.exitCode = hasFaults(report) ? 1 : 0
