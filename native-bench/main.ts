/**
 * `npm run bench:native`: the same work on Tackboard and its peers, in one table; `npm run bench:native -- overload`: what
 * happens to Tackboard when more is published than the machine can do; `scale`: what one connection costs. See README.md.
 */
import { parseArguments, USAGE } from './arguments.js'
import { bench, hasFaults, render } from './bench.js'
import { overload, renderOverload } from './overload.js'
import { OVERLOAD_USAGE, parseOverloadArguments } from './overload-arguments.js'
import { parseScaleArguments, SCALE_USAGE } from './scale/arguments.js'
import { renderScale } from './scale/render.js'
import { scale } from './scale/scale.js'

/** Ends the process with the usage when `parse` finds a fault. */
function parsed<T>(parse: (args: readonly string[]) => T, args: readonly string[]): T {
  try {
    return parse(args)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}${OVERLOAD_USAGE}${SCALE_USAGE}`)
    process.exit(2)
  }
}

const say = (line: string): void => void process.stderr.write(`${line}\n`)
const args = process.argv.slice(2)
if (args[0] === 'overload') {
  const report = await overload(parsed(parseOverloadArguments, args.slice(1)), say)
  console.log(`\n${renderOverload(report)}`)
  process.exitCode = report.verdicts.every(({ holds }) => holds) ? 0 : 1
} else if (args[0] === 'scale') {
  const report = await scale(parsed(parseScaleArguments, args.slice(1)), say)
  console.log(`\n${renderScale(report)}`)
  process.exitCode = report.storms.some(({ errors }) => errors.length > 0) ? 1 : 0
} else {
  const report = await bench(parsed(parseArguments, args), say)
  console.log(`\n${render(report)}`)
  process.exitCode = hasFaults(report) ? 1 : 0
}
