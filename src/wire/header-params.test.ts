import { describe, expect, it } from 'vitest'
import {
  findParameter,
  gripExtensionEntry,
  headerList,
  headerListWithParameters,
  parseGripExtension,
  parseInteger,
  parseParameters,
  parseValueAndParameters,
  splitList,
} from './header-params.js'

describe('comma lists', () => {
  it.each([
    ['', []],
    [' ', ['']],
    [',', ['']],
    ['a', ['a']],
    ['a,', ['a']],
    ['a,,b', ['a', '', 'b']],
    [' a , b ', ['a', 'b']],
    ['a="1,2",b', ['a="1,2"', 'b']],
    ['a="1\\",2",b', ['a="1\\",2"', 'b']],
    ['a\\,b', ['a\\', 'b']],
    ['a,"b,c', ['a', '"b,c']],
    ['a,"b\\', ['a', '"b\\']],
  ])('splits %j', (value, pieces) => {
    expect(splitList(value)).toEqual(pieces)
  })

  it('goes over all headers of the name', () => {
    expect(headerList(['A', '1,2', 'b', 'x', 'a', '3'], 'a')).toEqual(['1', '2', '3'])
  })
})

describe('parameters', () => {
  it.each([
    ['', []],
    ['a', [['a', null]]],
    ['a=', [['a', '']]],
    ['a=""', [['a', null]]],
    ['a=1', [['a', '1']]],
    [
      ' a = 1 ; b = 2 ',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      'a="1;2"; b',
      [
        ['a', '1;2'],
        ['b', null],
      ],
    ],
    ['a="q\\"\\\\x"', [['a', 'q"\\x']]],
    [
      'a="1"dropped; b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['a= "1"', [['a', '"1"']]],
    [
      'a= "1;2"',
      [
        ['a', '"1'],
        ['2"', null],
      ],
    ],
    ['a=1=2', [['a', '1=2']]],
    [';', [['', null]]],
    [
      'a;;b',
      [
        ['a', null],
        ['', null],
        ['b', null],
      ],
    ],
    ['a="', null],
    ['a="x', null],
    ['a="x\\', null],
    ['b=1; a="x\\"', null],
  ])('parses %j', (text, parameters) => {
    expect(parseParameters(text)).toEqual(parameters)
  })

  it('takes the leading value as it stands, up to the first semicolon', () => {
    expect(parseValueAndParameters(' "q uoted" ')).toEqual([['"q uoted"', null]])
    expect(parseValueAndParameters('"q;x"')).toEqual([
      ['"q', null],
      ['x"', null],
    ])
    expect(parseValueAndParameters('a=b; c=d')).toEqual([
      ['a=b', null],
      ['c', 'd'],
    ])
    expect(parseValueAndParameters(';a=1')).toEqual([
      ['', null],
      ['a', '1'],
    ])
    expect(parseValueAndParameters('')).toEqual([['', null]])
    expect(parseValueAndParameters('x; a="')).toBe(null)
  })

  it('drops a piece that does not parse and keeps the others', () => {
    // The open quote swallows what follows, so only pieces before it survive.
    const headers = ['L', 'one; a=1, two; b="', 'L', 'three']
    expect(headerListWithParameters(headers, 'l')).toEqual([
      [
        ['one', null],
        ['a', '1'],
      ],
      [['three', null]],
    ])
  })

  it('finds the first of a name whatever its case, and tells absent from empty', () => {
    const parameters = parseValueAndParameters('x; A=1; a=2; b; c=') ?? []
    expect(findParameter(parameters, 'a')).toBe('1')
    expect(findParameter(parameters, 'b')).toBe(null)
    expect(findParameter(parameters, 'c')).toBe('')
    expect(findParameter(parameters, 'd')).toBe(undefined)
  })
})

describe('integers', () => {
  it.each([
    ['7', 7],
    [' +7\t', 7],
    ['-7', -7],
    ['007', 7],
    ['2147483647', 2147483647],
    ['-2147483648', -2147483648],
    ['2147483648', null],
    ['7.0', null],
    ['0x7', null],
    ['1e2', null],
    ['', null],
    [' ', null],
    ['- 7', null],
    ['7 7', null],
    ['\xa07', null],
  ])('reads %j as %s', (text, value) => {
    expect(parseInteger(text)).toBe(value)
  })

  it('has no negative zero', () => {
    expect(Object.is(parseInteger('-0'), 0)).toBe(true)
  })
})

describe('the grip extension', () => {
  it.each([
    ['grip', 'm:'],
    ['grip;', 'm:'],
    ['grip; message-prefix="x:"', 'x:'],
    ['grip; message-prefix=x', 'x'],
    ['grip; message-prefix=""', ''],
    ['grip; message-prefix=;a=b', ''],
    ['grip; message-prefix', ''],
    ['grip; message-prefix="a\\"b,;"', 'a"b,;'],
    ['grip; message-prefix=a; message-prefix=b; other=c', 'b'],
    ['grip; Message-Prefix=a', 'm:'],
    ['permessage-deflate; x=1, grip', 'm:'],
    ['grip; message-prefix=1, grip; message-prefix=2', '1'],
    ['grip ; message-prefix=a', 'a'],
  ])('of %j has the prefix %j', (value, messagePrefix) => {
    expect(parseGripExtension(['Sec-WebSocket-Extensions', value])).toEqual({ messagePrefix })
  })

  it.each(['', 'Grip', 'gripe', 'grip=1', 'grip; message-prefix=', 'grip; a=', 'grip; message-prefix="x'])(
    'is not in %j',
    (value) => {
      expect(parseGripExtension(['sec-websocket-extensions', value])).toBe(null)
    },
  )

  it('is looked for in all headers, and the first entry of the name decides', () => {
    const broken = ['Sec-WebSocket-Extensions', 'other', 'Sec-WebSocket-Extensions', 'grip; a="']
    expect(parseGripExtension([...broken, 'Sec-WebSocket-Extensions', 'grip'])).toBe(null)
    expect(parseGripExtension(['X', 'grip'])).toBe(null)
  })

  it('is given as it is written, too', () => {
    const headers = ['Sec-WebSocket-Extensions', 'other, grip ; message-prefix="a,b" , grip']
    expect(gripExtensionEntry(headers)).toBe('grip ; message-prefix="a,b"')
    expect(gripExtensionEntry(['Sec-WebSocket-Extensions', 'gripe'])).toBe(null)
  })
})
