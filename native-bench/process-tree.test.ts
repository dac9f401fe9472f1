import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { parseProcessStat, treeCpuSeconds, treeOf, treePssBytes, treeRssBytes } from './process-tree.js'

const stat = (pid: number, parent: number, user = 0, system = 0): string =>
  `${pid} (a) b ) c) S ${parent} 1 1 0 -1 4194560 100 0 0 0 ${user} ${system} 7000 8000 20 0 1 0 100 1000 10`

test('a process with spaces and parentheses in its name', () => {
  expect(parseProcessStat(stat(7, 3, 150, 25))).toEqual({ pid: 7, parent: 3, cpuSeconds: 1.75 })
})

test('a line that is none', () => {
  expect(() => parseProcessStat('7 nothing')).toThrow('not a line of /proc/PID/stat')
  expect(() => parseProcessStat('7 (a) S 1')).toThrow('not a line of /proc/PID/stat')
})

test('a tree is a process and all that came from it, whatever the order', () => {
  const all = [stat(30, 20), stat(10, 1), stat(20, 10), stat(11, 1), stat(21, 10), stat(31, 11)].map(parseProcessStat)
  expect(treeOf(10, all).map(({ pid }) => pid)).toEqual([10, 20, 21, 30])
  expect(treeOf(99, all)).toEqual([])
})

test('CPU and memory of a shell include those of its child', async () => {
  const work = 'for (const end = Date.now() + 300; Date.now() < end;); console.log(1); setInterval(() => {}, 1000)'
  const child = spawn('sh', ['-c', '"$@"; true', 'sh', process.execPath, '-e', work], { detached: true })
  try {
    await once(child.stdout, 'data')
    const pid = child.pid ?? 0
    expect(treeCpuSeconds(pid)).toBeGreaterThanOrEqual(0.02)
    expect(treePssBytes(pid)).toBeGreaterThan(5_000_000)
    expect(treeRssBytes(pid)).toBeGreaterThan(20_000_000)
  } finally {
    process.kill(-(child.pid ?? 0), 'SIGKILL')
  }
})
