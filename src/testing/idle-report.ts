/** Statistics of a shard that nobody wants, before collect() says otherwise. */
import type { StatsBatch } from '../link/statistics.js'
import { Report } from '../shard/report.js'

export function idleReport(send: (batch: StatsBatch) => void = () => undefined): Report {
  return new Report({
    shard: 0,
    connectionTtlMs: 120_000,
    blockBytes: -1,
    nowMs: () => 0,
    send,
    walk: () => undefined,
    channels: () => [],
  })
}
