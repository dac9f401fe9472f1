import { describe, expect, test } from 'vitest'
import { type SystemNeeds, type SystemValues, systemWarnings } from './system-checks.js'
import { readSystemValues } from './system-values.js'

const ROOMY: SystemValues = {
  filesMax: 1_048_576,
  filesMaxCeiling: 1_048_576,
  somaxconn: 4096,
  synBacklogMax: 2048,
  tcpPagesMax: 575_802,
  localPorts: 28_232,
  migratesRequests: true,
}
const SHIPPED: SystemNeeds = { clientMaxconn: 50_000, shards: 2, backendConnections: 2048, backends: 1 }
const MANY: SystemNeeds = { clientMaxconn: 400_000, shards: 8, backendConnections: 8192, backends: 2 }

describe('systemWarnings', () => {
  test('is silent when there is room', () => {
    expect(systemWarnings(ROOMY, SHIPPED)).toEqual([])
    expect(systemWarnings(ROOMY, MANY)).toEqual([])
  })

  test('is silent about what is not known', () => {
    const unknown = readSystemValues(() => null)
    expect(Object.values(unknown)).toEqual(Object.values(ROOMY).map(() => null))
    expect(systemWarnings(unknown, MANY)).toEqual([])
  })

  test('has one warning for the shipped client_maxconn and 20,000 files', () => {
    const values = { ...ROOMY, filesMax: 20_000, synBacklogMax: 128, tcpPagesMax: 20_000, migratesRequests: false }
    const warnings = systemWarnings(values, SHIPPED)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('may open 20000 files')
    expect(warnings[0]).toContain('client_maxconn=50000')
    expect(warnings[0]).toContain('ulimit -n 53000')
    expect(warnings[0]).not.toContain('fs.nr_open')
  })

  test('counts files of clients, of each backend and of the gateway', () => {
    const needed = 400_000 + 2 * 8192 + 100 + 8 * 30
    expect(systemWarnings({ ...ROOMY, filesMax: needed }, MANY)).toEqual([])
    expect(systemWarnings({ ...ROOMY, filesMax: needed - 1 }, MANY)).toHaveLength(1)
    expect(systemWarnings({ ...ROOMY, filesMax: Infinity }, MANY)).toEqual([])
  })

  test('counts no more connections to backends than there can be clients', () => {
    const needs = { ...SHIPPED, backends: 1000 }
    expect(systemWarnings({ ...ROOMY, filesMax: 100_160 }, needs)).toEqual([])
    expect(systemWarnings({ ...ROOMY, filesMax: 100_159 }, needs)).toHaveLength(1)
  })

  test('says what else must be raised for so many files', () => {
    const [warning] = systemWarnings({ ...ROOMY, filesMax: 1024 }, { ...MANY, clientMaxconn: 2_000_000 })
    expect(warning).toContain('sysctl -w fs.nr_open=2017000, then ulimit -n 2017000')
  })

  test.each<[string, Partial<SystemValues>, Partial<SystemNeeds>, string, string]>([
    ['a short listen backlog', { somaxconn: 128 }, {}, 'somaxconn is 128', 'net.core.somaxconn=4096'],
    ['a short SYN backlog', { synBacklogMax: 256 }, {}, 'syn_backlog is 256', 'net.ipv4.tcp_max_syn_backlog=4096'],
    [
      'little TCP memory',
      { tcpPagesMax: 399_999 },
      {},
      'ends with 399999 pages',
      "net.ipv4.tcp_mem='800000 1200000 1600000'",
    ],
    [
      'few local ports',
      { localPorts: 28_232 },
      { backendConnections: 28_233 },
      'has 28232 ports, 28233 connections',
      "net.ipv4.ip_local_port_range='1024 65535'",
    ],
    ['no migration', { migratesRequests: false }, {}, 'tcp_migrate_req is 0', 'net.ipv4.tcp_migrate_req=1'],
  ])('names %s and the command to run', (_situation, values, needs, said, command) => {
    const warnings = systemWarnings({ ...ROOMY, ...values }, { ...MANY, ...needs })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(said)
    expect(warnings[0]).toContain(`sysctl -w ${command}`)
  })

  test('names a listen backlog that is shorter than the shipped client_maxconn needs', () => {
    expect(systemWarnings({ ...ROOMY, somaxconn: 128 }, SHIPPED)).toHaveLength(1)
    expect(systemWarnings({ ...ROOMY, somaxconn: 128 }, { ...SHIPPED, clientMaxconn: 128 })).toEqual([])
  })

  test('asks for no migration between shards when there is one', () => {
    expect(systemWarnings({ ...ROOMY, migratesRequests: false }, { ...MANY, shards: 1 })).toEqual([])
  })

  test('asks for no local ports when no backend is reached by TCP', () => {
    expect(systemWarnings({ ...ROOMY, localPorts: 10 }, { ...MANY, backends: 0 })).toEqual([])
  })
})

describe('readSystemValues', () => {
  const FILES: Readonly<Record<string, string>> = {
    '/proc/self/limits':
      'Limit                     Soft Limit           Hard Limit           Units     \n' +
      'Max processes             95979                95979                processes \n' +
      'Max open files            20000                524288               files     \n',
    '/proc/sys/fs/nr_open': '1048576\n',
    '/proc/sys/net/core/somaxconn': '4096\n',
    '/proc/sys/net/ipv4/tcp_max_syn_backlog': '2048\n',
    '/proc/sys/net/ipv4/tcp_mem': '287901\t383868\t575802\n',
    '/proc/sys/net/ipv4/ip_local_port_range': '32768\t60999\n',
    '/proc/sys/net/ipv4/tcp_migrate_req': '0\n',
  }

  test('reads what Linux shows', () => {
    expect(readSystemValues((path) => FILES[path] ?? null)).toEqual({
      filesMax: 20_000,
      filesMaxCeiling: 1_048_576,
      somaxconn: 4096,
      synBacklogMax: 2048,
      tcpPagesMax: 575_802,
      localPorts: 28_232,
      migratesRequests: false,
    })
  })

  test('takes an unlimited number of files', () => {
    const limits = 'Max open files            unlimited            unlimited            files     \n'
    expect(readSystemValues((path) => (path === '/proc/self/limits' ? limits : null)).filesMax).toBe(Infinity)
  })

  test('takes nothing from text that is no number', () => {
    expect(Object.values(readSystemValues(() => 'nonsense\n'))).toEqual(Object.values(ROOMY).map(() => null))
  })
})
