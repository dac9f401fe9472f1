/** What the scenarios are: one row each. */
import type { LoadOptions, Scenario } from './options.js'

export type SeriesName = 'delivery' | 'answer' | 'connect' | 'roundTrip' | 'firstMessage' | 'response'

export const SERIES_TITLES: Readonly<Record<SeriesName, string>> = {
  delivery: 'delivery (publish to receipt)',
  answer: 'publish answer',
  connect: 'opening a connection',
  roundTrip: 'round trip',
  firstMessage: 'first message after opening',
  response: 'response',
}

export interface ScenarioRow {
  /** One line for the help text. */
  readonly doc: string
  /** What `connections` are. */
  readonly clients: string
  /** What `rate` counts. */
  readonly rateUnit: string
  /** What the throughput counts: the entries of the first series. */
  readonly unit: string
  /** The first one is what the run is about. */
  readonly series: readonly [SeriesName, ...SeriesName[]]
  readonly publishes: boolean
  readonly path: string
  readonly connections: number
  readonly rate: number
}

export const SCENARIO_ROWS: Readonly<Record<Scenario, ScenarioRow>> = {
  fanout: {
    doc: 'publish to WebSockets that listen to one channel (or several)',
    clients: 'WebSockets',
    rateUnit: 'publishes',
    unit: 'deliveries',
    series: ['delivery', 'answer', 'connect'],
    publishes: true,
    path: '/ws?channel={channel}',
    connections: 100,
    rate: 10,
  },
  streams: {
    doc: 'the same with HTTP streams',
    clients: 'HTTP streams',
    rateUnit: 'publishes',
    unit: 'deliveries',
    series: ['delivery', 'answer', 'connect'],
    publishes: true,
    path: '/stream?channel={channel}',
    connections: 100,
    rate: 10,
  },
  longpoll: {
    doc: 'the same with long polls: each answer is followed by the next poll',
    clients: 'long polls',
    rateUnit: 'publishes',
    unit: 'deliveries',
    series: ['delivery', 'answer'],
    publishes: true,
    path: '/response?channel={channel}',
    connections: 100,
    rate: 1,
  },
  'ws-echo': {
    doc: 'WebSockets send messages and wait for them to come back',
    clients: 'WebSockets',
    rateUnit: 'messages',
    unit: 'round trips',
    series: ['roundTrip', 'connect'],
    publishes: false,
    path: '/ws?channel={channel}',
    connections: 100,
    rate: 1_000,
  },
  churn: {
    doc: 'connections come and go; with --verify each gets a message when it is open',
    clients: 'connections',
    rateUnit: 'openings',
    unit: 'openings',
    series: ['connect', 'firstMessage'],
    publishes: true,
    path: '/ws?channel={channel}',
    connections: 100,
    rate: 50,
  },
  publish: {
    doc: 'many publishes to few receivers: how fast the gateway takes them',
    clients: 'WebSockets',
    rateUnit: 'publishes',
    unit: 'publishes',
    series: ['answer', 'delivery', 'connect'],
    publishes: true,
    path: '/ws?channel={channel}',
    connections: 1,
    rate: 1_000,
  },
  proxy: {
    doc: 'plain HTTP requests over kept connections',
    clients: 'HTTP connections',
    rateUnit: 'requests',
    unit: 'requests',
    series: ['response'],
    publishes: false,
    path: '/',
    connections: 64,
    rate: 1_000,
  },
}

/** A ZeroMQ socket answers nothing: what is published by it is known by its deliveries. */
export function seriesOf({ scenario, publish }: LoadOptions): readonly [SeriesName, ...SeriesName[]] {
  if (scenario === 'publish' && publish?.kind === 'zmq-push') return ['delivery', 'connect']
  return SCENARIO_ROWS[scenario].series
}

export function unitOf(options: LoadOptions): string {
  return seriesOf(options)[0] === 'delivery' ? 'deliveries' : SCENARIO_ROWS[options.scenario].unit
}
