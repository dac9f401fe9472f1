import { expect, it } from 'vitest'
import { statusReason } from './status-reasons.js'

it('knows the phrases of 2012 and no newer ones', () => {
  expect([200, 302, 413, 414, 416, 431, 511].map(statusReason)).toEqual([
    'OK',
    'Found',
    'Request Entity Too Large',
    'Request-URI Too Long',
    'Requested Range Not Satisfiable',
    'Request Header Fields Too Large',
    'Network Authentication Required',
  ])
  for (const code of [0, 99, 103, 418, 421, 425, 451, 777, 999]) expect(statusReason(code)).toBe('Undefined Reason')
})
