import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Three projects, one after the other: `unit` runs its files side by side; `e2e` starts built gateways with several
 * threads each, so its files run alone; `waiting` are those of them that wait for time-outs most of the time, so they do
 * it together. Forks, not threads: uWebSockets.js and zeromq are native addons, and one that fails takes its process along.
 */
const shared = { root, pool: 'forks', testTimeout: 60_000, hookTimeout: 60_000 } as const

const WAITING = [
  'client-libraries',
  'first-frames',
  'heartbeats',
  'native-compression',
  'native-websocket',
  'slow-uploads',
  'streams',
  'uws-decides',
].map((name) => `src/testing/e2e/${name}.e2e.test.ts`)

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
          exclude: WAITING,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...shared,
          name: 'waiting',
          include: WAITING,
          maxWorkers: 4,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
