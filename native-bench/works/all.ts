/** The works, in the order of the table. Each is described in README.md. */
import { publishing, publishUnheard } from './publishing.js'
import { tripping } from './tripping.js'
import type { Work } from './work.js'

export const WORKS: readonly Work[] = [
  {
    name: 'fanout-ws',
    family: 'fanout-ws',
    title: '1 channel, 1,000 WebSockets, 64 B, saturated',
    unit: 'delivery',
    costUnit: 'µs',
    servers: ['tackboard', 'uws', 'pushpin', 'nchan', 'nats'],
    run: (kind, environment) =>
      publishing(kind, environment, { receivers: 'ws', connections: 1_000, channels: 1, door: 'publish' }),
  },
  {
    name: 'unicast-push',
    family: 'unicast-push',
    title: '1,000 channels, 1 WebSocket each, ZeroMQ PUSH, 64 B',
    unit: 'delivery',
    costUnit: 'µs',
    servers: ['tackboard', 'uws', 'pushpin', 'nchan', 'nats'],
    run: (kind, environment) =>
      publishing(kind, environment, { receivers: 'ws', connections: 1_000, channels: 1_000, door: 'publish' }),
  },
  {
    name: 'publish-http',
    family: 'publish-http',
    title: 'POST /publish/, one item, nobody listens',
    unit: 'item',
    costUnit: 'µs',
    servers: ['tackboard', 'uws', 'pushpin'],
    run: (kind, environment) => publishUnheard(kind, environment, { items: 1, connections: 8 }),
  },
  {
    name: 'ws-echo',
    family: 'ws-echo',
    title: 'WebSocket-over-HTTP round trip, 64 connections, 64 B',
    unit: 'round trip',
    costUnit: 'µs',
    servers: ['tackboard', 'uws', 'pushpin'],
    run: (kind, environment) => tripping(kind, environment, { role: 'echo', connections: 64 }),
  },
  {
    name: 'proxy',
    family: 'proxy',
    title: 'plain HTTP request, 64 connections, 100 B',
    unit: 'request',
    costUnit: 'µs',
    servers: ['tackboard', 'uws', 'pushpin', 'nginx'],
    run: (kind, environment) => tripping(kind, environment, { role: 'plain', connections: 64 }),
  },
]
