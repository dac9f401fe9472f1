import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { cpuMicros, pssBytes } from './process-cost.js'

test('CPU and memory of another process', async () => {
  const script =
    'const s = Date.now(); while (Date.now() - s < 100); process.send(process.cpuUsage()); setInterval(() => {}, 1e6)'
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [usage] = (await once(child, 'message')) as [{ user: number; system: number }]
  const micros = cpuMicros(child.pid ?? 0)
  const pss = pssBytes(child.pid ?? 0)
  child.kill()
  // Both are the kernel's numbers; stat counts in ticks of 10 ms, and the process went on for a moment.
  expect(micros).toBeGreaterThan(usage.user + usage.system - 50_000)
  expect(pss).toBeGreaterThan(5_000_000)
})
