/** `npm run bench -- NAME`: longer measurements of one thing each. The cost of everything at a glance: bench:smoke. */
import { benchReplay } from './replay.js'

const BENCHES: Readonly<Record<string, () => Promise<void>>> = { replay: benchReplay }

const [name = '', ...rest] = process.argv.slice(2)
const bench = Object.hasOwn(BENCHES, name) && rest.length === 0 ? BENCHES[name] : undefined
if (bench === undefined) {
  process.stderr.write(`usage: bench ${Object.keys(BENCHES).join(' | ')}\n`)
  process.exitCode = 2
} else {
  await bench()
}
