import { expect, test } from 'vitest'
import { Metrics } from './metrics.js'

const TEXT = `# HELP a_total Things
# TYPE a_total counter
a_total{shard="0",kind="x \\"y\\""} 3
a_total{shard="1",kind="z"} 4.5
b 7
c_bucket{le="+Inf"} +Inf
`

test('values by labels, and summed over the rest', () => {
  const metrics = new Metrics(TEXT)
  expect(metrics.value('a_total')).toBe(7.5)
  expect(metrics.value('a_total', { shard: '0' })).toBe(3)
  expect(metrics.value('a_total', { kind: 'x "y"' })).toBe(3)
  expect(metrics.value('b')).toBe(7)
  expect(metrics.value('c_bucket')).toBe(Infinity)
  expect(metrics.sumOf(/^a_/)).toBe(7.5)
})

test('a name that is not there is no zero', () => {
  expect(() => new Metrics(TEXT).value('a_totals')).toThrow('no metric a_totals')
  expect(() => new Metrics('what is this\n')).toThrow('not a metric: what is this')
})
