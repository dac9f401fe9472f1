/** The machine that the load comes from. */
import os from 'node:os'

export interface CpuTimes {
  readonly busyMs: number
  readonly totalMs: number
}

export function cpuTimes(): CpuTimes {
  let busyMs = 0
  let totalMs = 0
  for (const { times } of os.cpus()) {
    const all = times.user + times.nice + times.sys + times.irq + times.idle
    busyMs += all - times.idle
    totalMs += all
  }
  return { busyMs, totalMs }
}

/** Share of all cores' time, 0 to 1, whoever used it. */
export function busyBetween(before: CpuTimes, after: CpuTimes): number {
  const total = after.totalMs - before.totalMs
  return total <= 0 ? 0 : (after.busyMs - before.busyMs) / total
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly os: string
  readonly node: string
}

export function describeMachine(): Machine {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    os: `${os.type()} ${os.release()}`,
    node: process.version,
  }
}
