/**
 * `npm run restart-chat -- [--restarts=100] [--clients=200] [--every=1000] [--signal=SIGTERM|SIGKILL] [--seed=1]`:
 * what restart-chat.ts checks, for both signals by default. `every`: milliseconds between two messages of a client.
 */
import { parseArgs } from 'node:util'
import { runRestartChat } from './restart-chat.js'

const { values } = parseArgs({
  options: {
    restarts: { type: 'string', default: '100' },
    clients: { type: 'string', default: '200' },
    every: { type: 'string', default: '1000' },
    signal: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
  },
})
const [restarts, clients, seed] = [Number(values.restarts), Number(values.clients), Number(values.seed)]
const sendEveryMs = Number(values.every)
const signals = (['SIGTERM', 'SIGKILL'] as const).filter(
  (signal) => values.signal === undefined || values.signal === signal,
)

for (const signal of signals) {
  console.log(`${signal}: ${String(restarts)} restarts under ${String(clients)} clients, seed ${String(seed)}`)
  const report = await runRestartChat({ clients, restarts, sendEveryMs, signal, seed }, (restart) => {
    if (restart % 10 === 0) process.stderr.write(`  ${String(restart)} restarts\n`)
  })
  const { faults, ...figures } = report
  for (const [name, value] of Object.entries(figures)) console.log(`  ${name}: ${value.toLocaleString('en')}`)
  for (const fault of faults.slice(0, 20)) console.log(`  FAULT ${fault}`)
  console.log(faults.length === 0 ? '  no fault' : `  ${String(faults.length)} faults`)
  if (faults.length > 0) process.exitCode = 1
}
