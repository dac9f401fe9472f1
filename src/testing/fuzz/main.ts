/** `npm run fuzz -- [--inputs=1000000] [--only=NAME,…] [--seed=N]`: every parser of every door, as in fuzz.ts. */
import { parseArgs } from 'node:util'
import { fuzz } from './fuzz.js'
import { FUZZ_TARGETS } from './targets.js'

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
  },
})
const [inputs, seed] = [Number(values.inputs), Number(values.seed)]
const names = values.only?.split(',')
const targets = FUZZ_TARGETS.filter(({ name }) => names?.includes(name) ?? true)
if (!(inputs > 0) || !(seed >= 0) || targets.length === 0) {
  console.error(
    `usage: fuzz [--inputs=N] [--seed=N] [--only=NAME,…], of ${FUZZ_TARGETS.map(({ name }) => name).join(', ')}`,
  )
  process.exit(2)
}
console.log(`FUZZ_SEED=${seed}, ${inputs.toLocaleString('en')} inputs each`)
for (const target of targets) {
  try {
    const { accepted, seconds, slowestMs, grownBytes } = fuzz(target, inputs, seed)
    const share = `${((accepted / inputs) * 100).toFixed(1)} % accepted`
    const cost = `${((seconds * 1e6) / inputs).toFixed(1)} µs each, slowest ${slowestMs.toFixed(1)} ms`
    console.log(`${target.name}: ${share}, ${cost}, heap ${(grownBytes / 2 ** 20).toFixed(1)} MB`)
  } catch (error) {
    process.exitCode = 1
    console.log(`FAILED ${error instanceof Error ? error.message : String(error)}`)
  }
}
