import { describe, expect, test } from 'vitest'
import { canonicalAddress, isAddress } from './ip.js'

describe('canonicalAddress', () => {
  test.each([
    ['0000:0000:0000:0000:0000:0000:0000:0001', '::1'],
    ['0000:0000:0000:0000:0000:ffff:7f00:0001', '::ffff:127.0.0.1'],
    ['0000:0000:0000:0000:0000:ffff:c0a8:ff0a', '::ffff:192.168.255.10'],
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['fe80:0000:0000:0000:0202:b3ff:fe1e:8329', 'fe80::202:b3ff:fe1e:8329'],
    ['0000:0000:0000:0000:0000:0000:0000:0000', '::'],
    ['127.0.0.1', '127.0.0.1'],
    ['', ''],
    ['a:b', 'a:b'],
  ])('%s is written %s', (text, expected) => {
    expect(canonicalAddress(text)).toBe(expected)
  })
})

test('isAddress', () => {
  expect(['1.2.3.4', '::1', 'a', '1.2.3', ''].map(isAddress)).toEqual([true, true, false, false, false])
})
