/** What a user gets to see of a run: summary and report, and the exit code behind them. */
import { describe, expect, test } from 'vitest'
import { NO_COUNTS } from './clients/protocol.js'
import type { Target } from './clients/protocol.js'
import { parseFlags } from './flags.js'
import { encodeHistogram, newHistogram, recordMs } from './measure/histogram.js'
import { Timeline } from './measure/timeline.js'
import { outcomeOf } from './outcome.js'
import type { Outcome } from './outcome.js'
import { reportPage } from './report/page.js'
import { pointsOf } from './report/time-plot.js'
import type { RunRecord } from './run/run.js'
import { seriesOf } from './scenarios.js'
import { summaryText } from './summary.js'

const TARGET: Target = { secure: false, hostname: 'localhost', port: 7999, address: '127.0.0.1', family: 4 }
const HOSTILE = '<script src="http://evil.example/x.js">&"\''

function outcome(flags: string, record: Partial<RunRecord> = {}, empty = false): Outcome {
  const invocation = parseFlags(flags.split(' '), { cores: 4, run: 'c0ffee00' })
  if (invocation.kind !== 'run') throw new Error(JSON.stringify(invocation))
  const { options } = invocation
  const timeline = new Timeline(seriesOf(options)[0])
  for (const name of empty ? [] : seriesOf(options)) {
    for (let second = 0; second < 10; second += 1) {
      const histogram = newHistogram()
      for (let n = 0; n < 100; n += 1) recordMs(histogram, 1 + n / 100 + (n === 99 && second === 5 ? 200 : 0))
      timeline.add({ kind: 'interval', worker: 0, second, series: { [name]: encodeHistogram(histogram) } })
    }
  }
  const whole: RunRecord = {
    measuredMs: 10_000,
    earlyEnd: null,
    open: options.connections,
    timeline,
    failures: [],
    counts: { ...NO_COUNTS, sent: 100, expected: 10_000, received: 10_000 },
    lateSends: newHistogram(),
    workers: [{ role: 'clients 1', busy: 0.2, lagP99Ms: 1 }],
    machineBusy: 0.5,
    ...record,
  }
  const machine = { cpu: 'Some CPU', cores: 4, memoryGb: 8, os: 'Linux 6', node: 'v20.0.0' }
  const startedAt = new Date('2026-05-04T03:02:01Z')
  return outcomeOf(whole, { options, target: TARGET, run: 'c0ffee00', version: '0.1.0', machine, startedAt })
}

describe('outcome', () => {
  test('a run without a fault has passed', () => {
    const { verdict, perSecond, series, seconds, client } = outcome('fanout')
    expect({ verdict, perSecond, limits: client.limits }).toEqual({ verdict: 'passed', perSecond: 100, limits: [] })
    expect(series.map(({ name }) => name)).toEqual(['delivery', 'answer', 'connect'])
    expect(seconds).toHaveLength(10)
  })

  test('a run in which nothing came has failed', () => {
    const { verdict, failures } = outcome('fanout', {}, true)
    expect(verdict).toBe('failed')
    expect(failures).toEqual([{ kind: 'no deliveries within the measurement', count: 1, example: '' }])
  })

  test('what a ZeroMQ socket takes is known by its deliveries', () => {
    expect(outcome('publish --zmq-push=tcp://127.0.0.1:5560')).toMatchObject({ unit: 'deliveries', perSecond: 100 })
    expect(outcome('publish')).toMatchObject({ unit: 'publishes', perSecond: 100 })
  })

  test('the JSON can be written and read', () => {
    const before = outcome('churn --verify')
    expect(JSON.parse(JSON.stringify(before))).toEqual(before)
  })
})

describe('summary', () => {
  test('of a good run', () => {
    const lines = summaryText(outcome('fanout --connections=100 --channels=5 --label=Pushpin')).split('\n')
    expect(lines.slice(0, 2)).toEqual([
      'fanout against Pushpin, http://localhost:7999',
      '100 WebSockets, 5 channels, 10 publishes/s, 100 bytes, published by HTTP, 10.0 s',
    ])
    expect(lines.slice(-7)).toEqual([
      'throughput   100 deliveries/s',
      'in all       100 publishes sent, 10,000 expected, 10,000 received, 0 missing (warm-up included)',
      '',
      'errors       none',
      '',
      'load client  busiest worker 20 %, this machine 50 %, sends p99 0 ms late: not the limit',
      '',
    ])
  })

  test('of a bad one', () => {
    const text = summaryText(
      outcome('ws-echo --rate=max', {
        open: 90,
        earlyEnd: 'by the user',
        failures: [
          { kind: 'connect refused', count: 10, example: 'connect ECONNREFUSED 127.0.0.1:7999' },
          { kind: 'missing messages', count: 3, example: '' },
        ],
        workers: [{ role: 'clients 1', busy: 0.97, lagP99Ms: 40 }],
      }),
    )
    expect(text).toContain('100 WebSockets (90 open), messages as fast as it goes')
    expect(text).toContain('(ended early: by the user)')
    expect(text).toMatch(
      /errors\n {2}10 +connect refused +connect ECONNREFUSED 127.0.0.1:7999\n {2}3 +missing messages\n/,
    )
    expect(text).toMatch(
      /the load client may be the limit:\n {2}clients 1 was busy 97 %.*\n {2}timers of clients 1 came 40 ms late/,
    )
  })
})

describe('report', () => {
  const hostile = outcome('fanout', { failures: [{ kind: HOSTILE, count: 1, example: HOSTILE }] })

  test('has plots and figures', () => {
    const page = reportPage(outcome('fanout'))
    expect(page.match(/<svg /g)).toHaveLength(3)
    expect(page).toContain('99.9 %')
    expect(page).toContain('delivery (publish to receipt)')
    expect(page).toContain('<div class="badge passed">passed</div>')
    expect(page).not.toContain('NaN')
    expect(page).not.toContain('undefined')
  })

  test('needs nothing else and runs nothing, whatever stands in the texts', () => {
    for (const page of [reportPage(hostile), reportPage(outcome('proxy'))]) {
      expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`)
      const tags = [...page.matchAll(/<[a-z][^>]*>/gi)].map(([tag]) => tag)
      for (const tag of tags)
        expect(tag).not.toMatch(/^<(script|link|img|iframe|object|embed|base|form)|\s(src|href|on\w+)=/i)
      expect(page).not.toMatch(/url\(|@import/i)
    }
    expect(reportPage(hostile)).toContain('&#60;script src=')
    expect(reportPage(outcome(`fanout --label=<b>&`))).toContain('&#60;b&#62;&#38;')
  })

  test('every element is closed', () => {
    const open: string[] = []
    const markup = reportPage(hostile).replace(/<style>.*?<\/style>/s, '')
    for (const [, slash, name = ''] of markup.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/gi)) {
      if (name === 'meta') continue
      if (slash === '') open.push(name)
      else expect(open.pop()).toBe(name)
    }
    expect(open).toEqual([])
  })

  test.each(['streams', 'longpoll', 'ws-echo', 'churn --verify', 'publish', 'proxy --rate=max'])('of %s', (flags) => {
    const page = reportPage(outcome(flags))
    expect(page).not.toMatch(/NaN|undefined|Infinity/)
  })

  test('of a run that measured nothing has no plots', () => {
    const page = reportPage(outcome('fanout', { measuredMs: 0 }, true))
    expect(page).not.toContain('<svg')
    expect(page).not.toMatch(/NaN|undefined|Infinity/)
    expect(page).toContain('no deliveries within the measurement')
  })

  test('of a long run has points for groups of seconds', () => {
    const second = { p50Ms: 1, p99Ms: 2, maxMs: 3, connections: 10 }
    const seconds = Array.from({ length: 3_600 }, (_, n) => ({ ...second, second: n, count: 50 }))
    seconds[7] = { ...second, second: 7, count: 50, p99Ms: 900, maxMs: 1_000 }
    const points = pointsOf(seconds, 3_600)
    expect(points.length).toBeLessThanOrEqual(300)
    expect(points.every(({ perSecond }) => perSecond === 50)).toBe(true)
    expect(points[0]).toMatchObject({ at: 6, p99Ms: 900, maxMs: 1_000 })
  })

  test('the last second may be a part of one', () => {
    const second = { p50Ms: 1, p99Ms: 2, maxMs: 3, connections: 10 }
    const points = pointsOf(
      [
        { ...second, second: 0, count: 50 },
        { ...second, second: 1, count: 25 },
      ],
      1.5,
    )
    expect(points.map(({ at, perSecond }) => [at, perSecond])).toEqual([
      [0.5, 50],
      [1.25, 50],
    ])
  })
})
