import { describe, expect, it } from 'vitest'
import { renderScale, replaceTable } from './render.js'
import type { ScaleReport, Step } from './scale.js'

function step(kind: Step['kind'], connections: number, userBytes: number, kernelBytes: number | null): Step {
  return { kind, connections, userBytes, kernelBytes, idleCpu: 0.012, spread: [connections / 2, connections / 2] }
}

const REPORT: ScaleReport = {
  machine: {
    cpu: 'a CPU',
    cores: 2,
    memoryGb: 24,
    kernel: '6.1',
    node: 'v20',
    commit: 'abc',
    date: '2026-01-02T03:04:05Z',
    loadBefore: 0,
  },
  shards: 2,
  steps: [
    step('ws', 1_000, 100 * 2 ** 20, 8_192_000),
    step('ws', 2_000, 100 * 2 ** 20 + 3_072_000, 16_384_000),
    step('stream', 1_000, 100 * 2 ** 20, null),
    step('stream', 2_000, 100 * 2 ** 20 + 4_096_000, null),
  ],
  heartbeats: { connections: 1_000, pings: 5_000, cpuMicros: 12 },
  storms: [{ connections: 4_000, seconds: 2, cpuMicros: 150, drops: 3, errors: [] }],
}

describe('the tables of a scale run', () => {
  const text = renderScale(REPORT)

  it('say what one connection takes, here and in the kernel', () => {
    expect(text).toContain('One WebSocket: 3.00 KB of user memory')
    expect(text).toContain('in the kernel 4.00 KB for the socket of one end')
  })

  it('say nothing of a kernel that they do not know', () => {
    expect(text).toMatch(/One held stream: 4\.00 KB of user memory [^;]*\.$/m)
  })

  it('count heartbeats of a million clients', () => {
    expect(text).toContain('every 30 s for a million clients, 0.40 cores')
  })

  it('tell what happened when all came at once', () => {
    expect(text).toContain('| 4,000 | 2.00 s (2,000/s) | 150 µs | 3 | none |')
  })

  it('go between the marks of a document, and nowhere else', () => {
    const document = 'a\n<!-- scale -->\nold\n<!-- /scale -->\nb\n'
    const written = replaceTable(document, REPORT)
    expect(written).toMatch(/^a\n<!-- scale -->\n/)
    expect(written).toMatch(/\n<!-- \/scale -->\nb\n$/)
    expect(written).not.toContain('old')
    expect(() => replaceTable('nothing', REPORT)).toThrow('to write between')
  })
})
