import { describe, expect, test } from 'vitest'
import { encodePath, normalizePath, removeDotSegments } from './path.js'

const hex = (byte: number): string => '%' + byte.toString(16).padStart(2, '0')

describe('percent-encoding', () => {
  test('letters, digits and -._~ lose it, everything else keeps it in upper case', () => {
    for (let byte = 0; byte < 256; byte++) {
      const char = String.fromCharCode(byte)
      const settled = /[A-Za-z0-9\-._~]/.test(char) ? char : hex(byte).toUpperCase()
      expect(encodePath(`/a${hex(byte)}b?c${hex(byte)}d`)).toBe(`/a${settled}b?c${settled}d`)
    }
  })

  test('what is not encoded and must be, is', () => {
    for (let byte = 0; byte < 256; byte++) {
      const char = String.fromCharCode(byte)
      if (char === '%' || char === '#' || char === '?') continue
      const mustBe = byte <= 0x20 || byte >= 0x7f || '"<>\\^`{|}'.includes(char)
      const encoded = hex(byte).toUpperCase()
      expect(encodePath(`/a${char}b`)).toBe(`/a${mustBe ? encoded : char}b`)
      expect(encodePath(`/p?a${char}b`)).toBe(`/p?a${mustBe || char === "'" ? encoded : char}b`)
    }
  })

  test.each([
    ['/%zz', '/%25zz'],
    ['/%zz%41', '/%25zz%2541'],
    ['/%41%zz', '/%2541%25zz'],
    ['/%', '/%25'],
    ['/%4', '/%254'],
    ['/%%41', '/%25%2541'],
    ['/%%', '/%25%25'],
    ['/%2?x', '/%252?x'],
    ['/%g0%2f', '/%25g0%252f'],
    ['/%25zz', '/%25zz'],
    ['/%2541', '/%2541'],
    ['/%zz?%41', '/%25zz?A'],
    ['/%41?%zz', '/A?%25zz'],
    ['/%41?%zz%41', '/A?%25zz%2541'],
    ['/a?%zz%7e%7C|', '/a?%25zz%257e%257C%7C'],
    ['/%zz|', '/%25zz%7C'],
    ['/%c3%a9', '/%C3%A9'],
    ['/%zz%c3%a9', '/%25zz%25c3%25a9'],
    ["/a'b?c'd#e'f", "/a'b?c%27d#e'f"],
    ["/a#'<%41%zz", "/a#'%3C%2541%25zz"],
    ['/a#b#c', '/a#b%23c'],
    ['/a?b#c?d', '/a?b#c?d'],
    ['/p?', '/p?'],
    ['/p?#', '/p?#'],
    ['/p??', '/p??'],
    ['?x', '/?x'],
    ['', '/'],
    ['/a/%2e%2E/b', '/a/../b'],
    ['/a%2F..%2Fb', '/a%2F..%2Fb'],
    ['//x;y=[z]@:!$&()*+,', '//x;y=[z]@:!$&()*+,'],
  ])('%s -> %s', (path, encoded) => {
    expect(encodePath(path)).toBe(encoded)
  })
})

describe('dot segments', () => {
  test.each([
    ['/a/../b', '/b'],
    ['/..', '/'],
    ['/.', '/'],
    ['/a/.', '/a/'],
    ['/a/b/..', '/a/'],
    ['/a/b/../', '/a/'],
    ['/a//../b', '/a/b'],
    ['/%2e%2e/x', '/x'],
    ['/a/%2E./b', '/b'],
    ['/a/.%2e/b', '/b'],
    ['/../x', '/x'],
    ['/...', '/...'],
    ['//..', '/'],
    ['/a/..?q=/../x', '/?q=/../x'],
    ['/a/.../b', '/a/.../b'],
    ['/a/..b', '/a/..b'],
    ['/a./b', '/a./b'],
    ['//', '//'],
    ['///', '///'],
    ['/./a', '/a'],
    ['/a/b/c/./../../g', '/a/g'],
    ['/a/../../../b', '/b'],
    ['/a/..%2Fb', '/a/..%2Fb'],
    ['/..;/x', '/..;/x'],
    ['/a/%2e%2E', '/'],
    ['/a?b=%2e%2e/%2e', '/a?b=../.'],
    ['/a/..#f', '/#f'],
    ['/a#/../x', '/a#/../x'],
    ['/%zz/../b', '/b'],
    ['/%2f/..', '/'],
    ['/.well-known/x', '/.well-known/x'],
  ])('%s -> %s', (path, normal) => {
    expect(normalizePath(path)).toBe(normal)
  })
})

test('normalizing is done once: a second time changes nothing', () => {
  for (const path of ['/%zz/../%41|?%27', '/a/%2e%2e/b', '/%2541', "/x'?y'#z'"]) {
    const once = normalizePath(path)
    expect(normalizePath(once)).toBe(once)
    expect(removeDotSegments(once)).toBe(once)
  }
})
