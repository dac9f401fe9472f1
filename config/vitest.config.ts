import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Two projects, one after the other: `unit` runs its files side by side; `e2e` starts built gateways with several
 * threads each, so its files run alone. Forks, not threads: uWebSockets.js and zeromq are native addons, and one that
 * fails takes its process along.
 */
const shared = { root, pool: 'forks', testTimeout: 60_000, hookTimeout: 60_000 } as const

export default defineConfig({
  root,
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['src/**/*.test.ts', 'loadtest/**/*.test.ts', 'native-bench/**/*.test.ts'],
          exclude: ['**/*.e2e.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: 'e2e',
          include: ['src/**/*.e2e.test.ts', 'native-bench/**/*.e2e.test.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
