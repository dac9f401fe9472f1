/** The works, in the order of the table. Each is described in README.md. */
import type { ServerName } from '../servers/server.js'
import { idle } from './idle.js'
import { opening } from './opening.js'
import { publishing, publishUnheard } from './publishing.js'
import type { Publishing } from './publishing.js'
import { start } from './start.js'
import { tripping } from './tripping.js'
import type { Tripping } from './tripping.js'
import type { Work } from './work.js'

const PUBLISHING_TO_WS: readonly ServerName[] = ['tackboard', 'uws', 'pushpin', 'nchan', 'nats']
const HOLDING_STREAMS: readonly ServerName[] = ['tackboard', 'uws', 'pushpin', 'nchan']
const GROWTH_CONNECTIONS = [100, 1_000, 4_000, 16_000]
const GROWTH_CHANNELS = [0, 100_000]
/**
 * With 16,000 receivers a window of 1,000 messages would be a gigabyte under way; and with one receiver Pushpin loses what is
 * more than about a hundred ahead.
 */
const GROWTH_WINDOW = 64
const CHANNELS_PER_CONNECTION = 20

export const WORKS: readonly Work[] = [
  {
    ...publishingWork('fanout-ws', { receivers: 'ws', connections: 1_000, channels: 1, door: 'publish' }),
    title: '1 channel, 1,000 WebSockets, 64 B, saturated',
    servers: PUBLISHING_TO_WS,
    goal: 0.5,
  },
  {
    ...publishingWork('fanout-ws-paced', {
      receivers: 'ws',
      connections: 1_000,
      channels: 1,
      door: 'publish',
      rate: 100,
    }),
    title: '1 channel, 1,000 WebSockets, 64 B, 100 messages a second',
    servers: PUBLISHING_TO_WS.filter((name) => name !== 'pushpin'),
    goal: 6.6,
  },
  {
    ...publishingWork('fanout-stream', { receivers: 'stream', connections: 1_000, channels: 1, door: 'publish' }),
    title: '1 channel, 1,000 HTTP streams, 64 B, saturated',
    servers: HOLDING_STREAMS,
    goal: 0.25,
  },
  {
    ...publishingWork('fanout-stream-paced', {
      receivers: 'stream',
      connections: 1_000,
      channels: 1,
      door: 'publish',
      rate: 50,
    }),
    title: '1 channel, 1,000 HTTP streams, 64 B, 50 messages a second',
    servers: HOLDING_STREAMS.filter((name) => name !== 'pushpin'),
    goal: 10,
  },
  {
    ...publishingWork('unicast-push', { receivers: 'ws', connections: 1_000, channels: 1_000, door: 'publish' }),
    title: '1,000 channels, 1 WebSocket each, ZeroMQ PUSH, 64 B, saturated',
    servers: PUBLISHING_TO_WS,
    goal: 25,
  },
  {
    ...publishingWork('unicast-pub', { receivers: 'ws', connections: 1_000, channels: 1_000, door: 'publish-pub' }),
    title: '1,000 channels, 1 WebSocket each, ZeroMQ PUB that the server connects to, 64 B, saturated',
    servers: ['tackboard', 'pushpin'],
    goal: 18,
  },
  {
    name: 'publish-http',
    family: 'publish-http',
    title: 'POST /publish/, one item, nobody listens',
    unit: 'item',
    costUnit: 'µs',
    servers: ['tackboard', 'uws', 'pushpin', 'nchan'],
    run: (kind, environment) => publishUnheard(kind, environment, { items: 1, connections: 8 }),
    goal: 70,
  },
  {
    name: 'publish-http-100',
    family: 'publish-http-100',
    title: 'POST /publish/, 100 items, nobody listens',
    unit: 'item',
    costUnit: 'µs',
    servers: ['tackboard', 'uws', 'pushpin'],
    run: (kind, environment) => publishUnheard(kind, environment, { items: 100, connections: 8 }),
    goal: 6,
  },
  {
    name: 'ws-open',
    family: 'ws-open',
    title: 'WebSocket opened (OPEN to the backend), 32 at a time, and kept',
    unit: 'opening',
    costUnit: 'µs',
    servers: PUBLISHING_TO_WS,
    goal: 150,
    run: opening,
  },
  {
    ...trippingWork('ws-open-close', { role: 'open', connections: 32 }),
    title: 'the same and closed at once (CLOSE to the backend)',
    unit: 'opening',
    servers: ['tackboard', 'uws', 'pushpin', 'nchan'],
  },
  {
    ...trippingWork('ws-echo', { role: 'echo', connections: 64 }),
    title: 'WebSocket-over-HTTP round trip, 64 connections, 64 B',
    unit: 'round trip',
    servers: ['tackboard', 'uws', 'pushpin'],
    goal: 60,
  },
  {
    ...trippingWork('proxy', { role: 'plain', connections: 64 }),
    title: 'plain HTTP request, 64 connections, 100 B',
    unit: 'request',
    servers: ['tackboard', 'uws', 'pushpin', 'nginx', 'nginx-default'],
    goal: { times: 1.5, server: 'nginx' },
  },
  {
    name: 'idle-ws',
    family: 'idle-ws',
    title: 'idle WebSocket',
    unit: 'connection',
    costUnit: 'KB',
    servers: PUBLISHING_TO_WS,
    goal: 3,
    run: (kind, environment) => idle(kind, environment, { receivers: 'ws' }),
  },
  {
    name: 'idle-stream',
    family: 'idle-stream',
    title: 'held HTTP stream',
    unit: 'connection',
    costUnit: 'KB',
    servers: HOLDING_STREAMS,
    goal: 4,
    run: (kind, environment) => idle(kind, environment, { receivers: 'stream' }),
  },
  ...GROWTH_CONNECTIONS.map((connections): Work => ({
    ...publishingWork(`growth-${connections}`, {
      receivers: 'ws',
      connections,
      channels: 1,
      door: 'publish',
      windowMax: GROWTH_WINDOW,
    }),
    family: 'growth',
    title: `1 channel, ${connections.toLocaleString('en')} WebSockets, 64 B, saturated`,
    servers: ['tackboard', 'uws', 'nchan', 'nats'],
    long: connections > 4_000,
  })),
  ...GROWTH_CHANNELS.map((channels): Work => {
    const idleConnections = channels / CHANNELS_PER_CONNECTION
    return {
      ...publishingWork(`growth-channels-${channels}`, {
        receivers: 'ws',
        connections: 1,
        channels: 1,
        door: 'publish',
        windowMax: GROWTH_WINDOW,
        args: [
          `--idle=${idleConnections}`,
          `--idle-channels=${Math.max(1, idleConnections)}`,
          `--idle-path=/ws?channel={c}&channels=${CHANNELS_PER_CONNECTION}`,
        ],
      }),
      family: 'growth',
      title: `1 channel, 1 WebSocket, ZeroMQ PUSH, ${channels.toLocaleString('en')} other channels held`,
      servers: ['tackboard', 'pushpin'],
      long: channels > 0,
    }
  }),
  {
    name: 'start',
    family: 'start',
    title: 'from the command to the first answer',
    unit: 'start',
    costUnit: 'ms',
    servers: ['tackboard', 'uws', 'pushpin', 'nchan', 'nats', 'nginx'],
    run: start,
    goal: 1000,
  },
]

type Begun = Pick<Work, 'name' | 'family' | 'unit' | 'costUnit' | 'run'>

function publishingWork(name: string, work: Publishing): Begun {
  return {
    name,
    family: name,
    unit: 'delivery',
    costUnit: 'µs',
    run: (kind, environment) => publishing(kind, environment, work),
  }
}

function trippingWork(name: string, work: Tripping): Begun {
  return {
    name,
    family: name,
    unit: 'trip',
    costUnit: 'µs',
    run: (kind, environment) => tripping(kind, environment, work),
  }
}
