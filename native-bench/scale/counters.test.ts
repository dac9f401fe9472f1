import { describe, expect, it } from 'vitest'
import { parseNetstat } from './counters.js'

describe('/proc/net/netstat', () => {
  it('pairs names with values', () => {
    const counters = parseNetstat('TcpExt: SyncookiesSent ListenDrops\nTcpExt: 0 12\nIpExt: InNoRoutes\nIpExt: 3\n')
    expect([counters.get('ListenDrops'), counters.get('InNoRoutes')]).toEqual([12, 3])
  })

  it('names what has no values', () => {
    expect(() => parseNetstat('TcpExt: A\nIpExt: 1\n')).toThrow('TcpExt: has no values')
  })
})
