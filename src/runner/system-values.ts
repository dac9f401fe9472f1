/** The system's settings as /proc shows them; what is not there or cannot be read is null. */
import { readFileSync } from 'node:fs'
import type { SystemValues } from './system-checks.js'

/** Content of a file, or null when it cannot be read. */
export type ProcReader = (path: string) => string | null

export function readSystemValues(read: ProcReader = readProc): SystemValues {
  const numbers = (path: string): readonly number[] => numbersOf(read(`/proc/sys/${path}`))
  const [firstPort, lastPort] = numbers('net/ipv4/ip_local_port_range')
  const [migrates] = numbers('net/ipv4/tcp_migrate_req')
  return {
    filesMax: filesMax(read('/proc/self/limits')),
    filesMaxCeiling: numbers('fs/nr_open')[0] ?? null,
    somaxconn: numbers('net/core/somaxconn')[0] ?? null,
    synBacklogMax: numbers('net/ipv4/tcp_max_syn_backlog')[0] ?? null,
    tcpPagesMax: numbers('net/ipv4/tcp_mem')[2] ?? null,
    localPorts: firstPort === undefined || lastPort === undefined ? null : lastPort - firstPort + 1,
    migratesRequests: migrates === undefined ? null : migrates !== 0,
  }
}

/** The soft limit: node has raised it to the hard one when it started. */
function filesMax(limits: string | null): number | null {
  const [, soft] = /^Max open files +(\d+|unlimited) /m.exec(limits ?? '') ?? []
  if (soft === undefined) return null
  return soft === 'unlimited' ? Infinity : Number(soft)
}

/** Empty when anything in the text is no number. */
function numbersOf(text: string | null): readonly number[] {
  const words = (text ?? '').trim().split(/\s+/)
  return words.every((word) => /^\d+$/.test(word)) ? words.map(Number) : []
}

function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return null
  }
}
