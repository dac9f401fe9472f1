/** The short form of `npm run restart-chat`. */
import { expect, test } from 'vitest'
import { runRestartChat } from '../restart-chat.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_007)
const CHAT = { clients: 40, restarts: 5, sendEveryMs: 200, seed }
/** A polite end waits until idle connections have ended, a retry for seconds, five times over. */
const DEADLINE_MS = 180_000

test(
  'a backend that finishes its requests is restarted under a chat, and no WebSocket closes',
  async () => {
    const report = await runRestartChat({ ...CHAT, signal: 'SIGTERM' })
    expect(report.faults).toEqual([])
    expect(report).toMatchObject({ closed: 0, droppedUnanswered: 0, acknowledged: report.sent })
  },
  DEADLINE_MS,
)

test(
  'a backend is killed under a chat: only WebSockets with an unanswered request close, and each is counted',
  async () => {
    const report = await runRestartChat({ ...CHAT, signal: 'SIGKILL' })
    expect(report.faults).toEqual([])
    expect(report.closed).toBe(report.droppedUnanswered)
    expect(report.closedWaiting).toBe(report.closed)
    expect(report.retries).toBeGreaterThan(0)
  },
  DEADLINE_MS,
)
