import { describe, expect, test } from 'vitest'
import { describeFault } from './fault.js'
import { parseIni, parseIniValue } from './ini.js'

function entriesOf(text: string): [string, string, readonly string[], number][] {
  const { entries, faults } = parseIni(text, 'f')
  expect(faults).toEqual([])
  return entries.map(({ section, key, parts, line }) => [section, key, parts, line])
}

function faultsOf(text: string): string[] {
  return parseIni(text, 'f').faults.map(describeFault)
}

describe('values', () => {
  test.each<[string, string[]]>([
    ['', ['']],
    ['  ', ['']],
    ['a', ['a']],
    [' a b ', ['a b']],
    ['a,b', ['a', 'b']],
    ['a , b,', ['a', 'b', '']],
    ['"a, b"', ['a, b']],
    ['" a "', [' a ']],
    ['"a" "b"', ['a b']],
    ['"a",b', ['a', 'b']],
    ['x="y"', ['x=y']],
    ['a;b', ['a']],
    ['a ; comment', ['a']],
    ['"a;b"', ['a;b']],
    ['a#b', ['a#b']],
    [String.raw`a\tb\n\"\\`, ['a\tb\n"\\']],
    [String.raw`"a\"b"`, ['a"b']],
    [String.raw`\x41\x20\102`, ['A B']],
    ['\\x20', [' ']],
    ['a=b=c', ['a=b=c']],
    ["it's", ["it's"]],
  ])('%j', (text, parts) => {
    expect(parseIniValue(text)).toEqual({ parts, fault: null })
  })

  test.each([
    ['"a', 'quote without an end'],
    ['a"', 'quote without an end'],
    ['a\\', 'backslash without an escape'],
    ['a\\q', 'unknown escape \\q (a backslash itself is written \\\\)'],
    ['\\x', 'unknown escape \\x (a backslash itself is written \\\\)'],
  ])('%j: %s', (text, fault) => {
    expect(parseIniValue(text)).toEqual({ parts: [], fault })
  })
})

describe('files', () => {
  test('sections, keys, comments, blank lines and their numbers', () => {
    const text = '; top\n[one]\n a = 1 \r\n# x=y\n\nb=2,3\n[two]\nc="d"\n[one]\ne=\n'
    expect(entriesOf(text)).toEqual([
      ['one', 'a', ['1'], 3],
      ['one', 'b', ['2', '3'], 6],
      ['two', 'c', ['d'], 8],
      ['one', 'e', [''], 10],
    ])
  })

  test('a quote in a comment opens nothing', () => {
    expect(entriesOf('[s]\n# a "quote\na=1\n; another "\nb=2')).toHaveLength(2)
  })

  test('keys before any section, and in [General], have none', () => {
    expect(entriesOf('a=1\n[General]\nb=2')).toEqual([
      ['', 'a', ['1'], 1],
      ['', 'b', ['2'], 3],
    ])
  })

  test('a backslash joins lines, a pair of them does not', () => {
    expect(entriesOf('[s]\na=1,\\\n  2,\\\n3\nb=x\\\\\nc=4')).toEqual([
      ['s', 'a', ['1', '2', '3'], 2],
      ['s', 'b', ['x\\'], 5],
      ['s', 'c', ['4'], 6],
    ])
  })

  test('a byte order mark is skipped', () => {
    expect(entriesOf('\uFEFF[s]\na=1')).toEqual([['s', 'a', ['1'], 2]])
  })

  test('every fault is found, with its line', () => {
    expect(faultsOf('[s\n[s]\nstray\n=x\na="b\nc=\\q\nd=1')).toEqual([
      'f:1: section without a closing ]',
      'f:3: expecting [section] or key=value',
      'f:4: expecting [section] or key=value',
      'f:5: s.a: quote without an end',
      'f:6: s.c: unknown escape \\q (a backslash itself is written \\\\)',
    ])
  })
})
