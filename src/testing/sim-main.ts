/**
 * `npm run sim -- [--runs=100000] [--seed=N]`: the model test of WebSocket-over-HTTP sessions at length. Run number n
 * has the seed N + n; a run that fails is named, and comes back with `--runs=1 --seed=` its own.
 */
import { parseArgs } from 'node:util'
import { WsSessionModel } from './ws-session-model.js'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
  },
})
const [runs, seed] = [Number(values.runs), Number(values.seed)]
console.log(`${runs.toLocaleString('en')} random WebSocket-over-HTTP sessions, seed ${String(seed)}`)
let failed = 0
for (let run = 0; run < runs && failed < 10; run++) {
  try {
    new WsSessionModel(seed + run).run()
  } catch (error) {
    failed++
    console.error(`--runs=1 --seed=${String(seed + run)}:`, error)
  }
}
console.log(failed === 0 ? 'every rule was kept' : 'rules were broken')
process.exitCode = failed === 0 ? 0 : 1
