import { describe, expect, it } from 'vitest'
import { hasHeader, headerPairs, headerValue, headerValues, removeHeaders, trimBlanks } from './headers.js'

const HEADERS = ['Set-Cookie', 'a', 'X-One', '1', 'set-cookie', 'b', 'GRIP-Hold', '']

describe('flat header lists', () => {
  it('finds headers whatever their case', () => {
    expect(headerValue(HEADERS, 'set-cookie')).toBe('a')
    expect(headerValues(HEADERS, 'set-cookie')).toEqual(['a', 'b'])
    expect(headerValue(HEADERS, 'grip-hold')).toBe('')
    expect(hasHeader(HEADERS, 'grip-hold')).toBe(true)
  })

  it('does not take a value for a name', () => {
    expect(headerValue(['a', 'b', 'c', 'd'], 'b')).toBe(null)
    expect(headerValues(['a', 'b'], 'b')).toEqual([])
    expect(hasHeader([], 'b')).toBe(false)
  })

  it('removes by lower-case name and keeps order, duplicates and spelling', () => {
    expect(removeHeaders(HEADERS, (name) => name.startsWith('grip-') || name === 'x-one')).toEqual([
      'Set-Cookie',
      'a',
      'set-cookie',
      'b',
    ])
    expect(HEADERS).toHaveLength(8)
  })

  it('pairs names and values', () => {
    expect(headerPairs(['a', '1', 'a', '2'])).toEqual([
      ['a', '1'],
      ['a', '2'],
    ])
    expect(() => headerPairs(['a'])).toThrow('a value for every name')
  })
})

describe('trimming', () => {
  it('takes ASCII blanks only: U+00A0 is half a letter in a byte string', () => {
    expect(trimBlanks(' \t\r\n\v\f\xa0x \xc3\xa0 ')).toBe('\xa0x \xc3\xa0')
    expect(trimBlanks(' \t ')).toBe('')
    expect(trimBlanks('')).toBe('')
  })
})
