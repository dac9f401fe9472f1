/**
 * What a server's processes cost: CPU time and memory of a process and everything it has started.
 *
 * CPU is user and system time of all threads in /proc/PID/stat, which counts in steps of 10 ms; what a child used that has
 * ended meanwhile is not in it. Memory is PSS, which shares out pages that several processes have mapped.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ: the same on every Linux of today. */
const TICKS_PER_SECOND = 100

export interface ProcessStat {
  readonly pid: number
  readonly parent: number
  /** Seconds of user and system time, all threads. */
  readonly cpuSeconds: number
}

/** Of a line of /proc/PID/stat. The name in it may hold spaces and parentheses. */
export function parseProcessStat(text: string): ProcessStat {
  const nameEnd = text.lastIndexOf(')')
  const fields = text.slice(nameEnd + 2).split(' ')
  const pid = Number.parseInt(text, 10)
  const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number)
  if (nameEnd < 0 || parent === undefined || user === undefined || system === undefined || !(user + system >= 0)) {
    throw new Error(`not a line of /proc/PID/stat: ${text}`)
  }
  return { pid, parent, cpuSeconds: (user + system) / TICKS_PER_SECOND }
}

/** `root` and its descendants, in no order. */
export function treeOf(root: number, all: readonly ProcessStat[]): ProcessStat[] {
  const children = new Map<number, ProcessStat[]>()
  for (const stat of all) children.set(stat.parent, [...(children.get(stat.parent) ?? []), stat])
  const tree = all.filter(({ pid }) => pid === root)
  for (const stat of tree) tree.push(...(children.get(stat.pid) ?? []))
  return tree
}

function allProcesses(): ProcessStat[] {
  const stats: ProcessStat[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      stats.push(parseProcessStat(readFileSync(`/proc/${name}/stat`, 'latin1')))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'ESRCH') throw error // it has ended
    }
  }
  return stats
}

/** CPU seconds of the whole tree since its start. */
export function treeCpuSeconds(root: number): number {
  return treeOf(root, allProcesses()).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0)
}

/** PSS of the whole tree, in bytes. */
export function treePssBytes(root: number): number {
  return sumOfTree(root, 'smaps_rollup', /^Pss: +(\d+) kB$/m)
}

/** RSS of the whole tree, in bytes: cheaper to read than PSS, and shared pages count once for each process. */
export function treeRssBytes(root: number): number {
  return sumOfTree(root, 'status', /^VmRSS:\s+(\d+) kB$/m)
}

function sumOfTree(root: number, file: string, kilobytes: RegExp): number {
  let sum = 0
  for (const { pid } of treeOf(root, allProcesses())) {
    sum += Number(kilobytes.exec(readFileSync(`/proc/${pid}/${file}`, 'latin1'))?.[1] ?? 0) * 1024
  }
  return sum
}

/**
 * Kernel memory for TCP sockets of the whole machine, in bytes, both ends of a connection: their objects (if /proc/slabinfo
 * may be read, which takes root) and what is in their buffers. Null: not known.
 */
export function socketMemoryBytes(): number | null {
  try {
    const slabs = readFileSync('/proc/slabinfo', 'latin1')
    const buffers = /^TCP: .* mem (\d+)$/m.exec(readFileSync('/proc/net/sockstat', 'latin1'))
    let sum = Number(buffers?.[1] ?? 0) * 4096
    for (const [, active, size] of slabs.matchAll(
      /^(?:TCP|sock_inode_cache|filp|eventpoll_epi) +(\d+) +\d+ +(\d+) /gm,
    )) {
      sum += Number(active) * Number(size)
    }
    return sum
  } catch {
    return null
  }
}
