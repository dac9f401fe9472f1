/** Which shard of a gateway a connection has come to: the kernel decides, the metrics tell. */
import type { Gateway } from './gateway.js'
import type { Metrics } from './metrics.js'

/** Values of a per-shard metric; the index is the shard. */
export function byShard(metrics: Metrics, name: string): number[] {
  const values: number[] = []
  for (const { labels, value } of metrics.find(name)) values[Number(labels['shard'])] = value
  return values
}

/**
 * Opens clients, one after the other, until each shard has one, and closes those that are too many. `open` resolves when
 * the gauge `metric` counts the client. Nothing else may move that gauge meanwhile. The index is the shard.
 */
export async function onePerShard<T>(
  gateway: Gateway,
  metric: string,
  open: (attempt: number) => Promise<T>,
  close: (client: T) => void,
): Promise<T[]> {
  const clients: T[] = []
  let before = byShard(await gateway.metrics(), metric)
  const extra: T[] = []
  for (let attempt = 0; Object.keys(clients).length < before.length; attempt += 1) {
    if (attempt > 200) throw new Error(`${attempt} connections did not reach every shard`)
    const client = await open(attempt)
    const counted = (metrics: Metrics): boolean => sum(byShard(metrics, metric)) === sum(before) + 1
    const after = byShard(await gateway.metricsWhere(counted), metric)
    const shard = after.findIndex((value, at) => value !== before[at])
    before = after
    if (clients[shard] === undefined) clients[shard] = client
    else extra.push(client)
  }
  for (const client of extra) close(client)
  await gateway.metricsWhere((metrics) => sum(byShard(metrics, metric)) === sum(before) - extra.length)
  return clients
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** Resolves when the gateway counts no client any more: the state from which onePerShard can count. */
export async function withoutClients(gateway: Gateway): Promise<void> {
  const gauges = ['stream_holds', 'response_holds', 'ws_connections'].map((name) => `tackboard_${name}`)
  await gateway.metricsWhere((metrics) => gauges.every((name) => metrics.value(name) === 0))
}
