/** Statistics of a shard that nobody wants. */
import { Report } from '../shard/report.js'

export function idleReport(): Report {
  return new Report({
    shard: 0,
    connectionTtlMs: 120_000,
    blockBytes: -1,
    nowMs: () => 0,
    send: () => undefined,
    walk: () => undefined,
    channels: () => [],
  })
}
