/** How evenly the kernel's hashing has spread connections over the shards. */

export interface Imbalance {
  /** The fullest shard above the mean, as a share of the mean. */
  readonly measured: number
  /** What throwing connections at random would give: one standard deviation of a shard's count, as a share of the mean. */
  readonly random: number
}

export function imbalanceOf(counts: readonly number[]): Imbalance {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const mean = total / counts.length
  if (!(mean > 0)) throw new Error('nothing is connected')
  return {
    measured: Math.max(...counts) / mean - 1,
    random: Math.sqrt((total * (1 - 1 / counts.length)) / counts.length) / mean,
  }
}

/** The values of one metric by its label `shard`, in the order of the shards. */
export function byShard(metrics: string, name: string): number[] {
  const values: [number, number][] = []
  for (const [, metric, shard, value] of metrics.matchAll(/^(\w+)\{shard="(\d+)"\} ([\d.e+]+)$/gm)) {
    if (metric === name) values.push([Number(shard), Number(value)])
  }
  return values.sort(([a], [b]) => a - b).map(([, value]) => value)
}
