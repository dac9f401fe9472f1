import { expect, test } from 'vitest'
import { median, medianMeasure, spread } from './statistics.js'
import { number, renderTable } from './table.js'
import type { Cell } from './table.js'
import type { Measure, Work } from './works/work.js'

const work: Work = {
  name: 'fan',
  family: 'fan',
  title: 'one to many',
  unit: 'delivery',
  costUnit: 'µs',
  servers: ['tackboard', 'uws', 'nats'],
  goal: 1,
  run: () => Promise.reject(new Error('not run here')),
}

const measure = (cost: number, more: Partial<Measure> = {}): Measure => ({
  cost,
  rate: null,
  p50: null,
  p99: null,
  clientCores: null,
  remarks: [],
  faults: [],
  ...more,
})

const cell = (server: Cell['server'], measures: Measure[], failure: string | null = null): Cell => ({
  work,
  server,
  measures,
  failure,
})

test('the middle of an odd and of an even number of values', () => {
  expect(median([5, 1, 3])).toBe(3)
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(median([])).toBeNaN()
})

test('each figure has its own median, and every fault is kept once', () => {
  const measures = [
    measure(3, { rate: 10, faults: ['lost'] }),
    measure(1, { rate: 30, p99: 7 }),
    measure(2, { rate: 20, faults: ['lost', 'late'] }),
  ]
  const middle = medianMeasure(measures)
  expect(middle).toMatchObject({ cost: 2, rate: 20, p50: null, p99: 7, faults: ['lost', 'late'] })
  expect(spread(measures)).toBe(1)
})

test('three digits', () => {
  expect([0.0123, 1.234, 12.34, 123.4, 12_345, Number.NaN].map(number)).toEqual([
    '0.012',
    '1.23',
    '12.3',
    '123',
    '12,345',
    '-',
  ])
})

test('a table with ratios to both bases, a goal that is missed and a server that failed', () => {
  const cells = [
    cell('tackboard', [measure(2, { rate: 1000, p50: 1, p99: 2.5, clientCores: 0.5, remarks: ['3 dropped'] })]),
    cell('uws', [measure(0.5)]),
    cell('nats', [], 'no answer'),
  ]
  const lines = renderTable(cells)
    .split('\n')
    .map((line) => line.replace(/ {2,}/g, ' | '))
  expect(lines).toEqual([
    'server | cost | ± % | to tackboard | to uws | per second | p50 ms | p99 ms | client | remarks',
    '',
    'fan: one to many; µs of CPU per delivery; goal ≤ 1 µs',
    'tackboard | 2.00 µs | 1.00× | 4.00× | 1,000 | 1.00 | 2.50 | 0.50 | above its goal; 3 dropped',
    'uws | 0.500 µs | 0.250× | 1.00×',
    'nats | - | no answer',
  ])
})

test('a goal that another server sets, missed, met, and with nobody to set it', () => {
  const proxying: Work = { ...work, goal: { times: 1.5, server: 'nginx' } }
  const lines = (tackboard: number, nginx: number[]): string[] => {
    const cells = [
      cell('tackboard', [measure(tackboard)]),
      cell(
        'nginx',
        nginx.map((cost) => measure(cost)),
      ),
    ]
    return renderTable(cells.map((one) => ({ ...one, work: proxying }))).split('\n')
  }
  expect(lines(16, [10])[2]).toBe('fan: one to many; µs of CPU per delivery; goal ≤ 1.5 × nginx')
  expect(lines(16, [10])[3]).toContain('above its goal')
  expect(lines(15, [10])[3]).not.toContain('above its goal')
  expect(lines(16, [])[3]).not.toContain('above its goal')
})

test('no ratio where there is nothing to compare with', () => {
  expect(renderTable([cell('nats', [measure(1)])])).not.toContain('×')
  expect(renderTable([cell('nats', [measure(1)]), cell('uws', [measure(-1)])])).not.toContain('×')
})
