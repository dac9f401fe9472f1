import { describe, expect, test } from 'vitest'
import type { Target } from '../routing/types.js'
import { isInternalAddress, policyFault, policyOptions } from './internal-addresses.js'

test.each([
  ['127.0.0.1', true],
  ['10.1.2.3', true],
  ['172.16.0.1', true],
  ['172.31.255.255', true],
  ['172.32.0.1', false],
  ['192.168.1.1', true],
  ['169.254.169.254', true],
  ['0.0.0.0', true],
  ['8.8.8.8', false],
  ['::1', true],
  ['::', true],
  ['fd00::1', true],
  ['fe80::1', true],
  ['2001:db8::1', false],
  ['::ffff:10.0.0.1', true],
  ['::ffff:8.8.8.8', false],
])('%s is internal: %s', (address, expected) => {
  expect(isInternalAddress(address)).toBe(expected)
})

describe('a target', () => {
  const target = (host: string, untrusted = true): Target => ({ host, untrusted }) as Target
  const lookedUp = (host: string, all: boolean): Promise<unknown> =>
    new Promise((resolve) => {
      policyOptions(target(host)).lookup?.(host, { all }, (error, address) => {
        resolve(error?.code ?? address)
      })
    })

  test('is judged by its address', () => {
    expect(policyFault(target('127.0.0.1'))?.code).toBe('ERR_POLICY')
    expect(policyFault(target('8.8.8.8'))).toBeNull()
    expect(policyFault(target('127.0.0.1', false))).toBeNull()
    expect(policyFault(target('localhost'))).toBeNull()
  })

  test('is judged by where its name leads', async () => {
    expect(await lookedUp('localhost', true)).toBe('ERR_POLICY')
    expect(await lookedUp('localhost', false)).toBe('ERR_POLICY')
    expect(await lookedUp('8.8.8.8', false)).toBe('8.8.8.8')
    expect(await lookedUp('8.8.8.8', true)).toEqual([{ address: '8.8.8.8', family: 4 }])
    expect(policyOptions(target('localhost', false))).toEqual({})
  })
})
