import { describe, expect, test } from 'vitest'
import { parseLine } from './line.js'
import type { Section } from './line.js'

const section = (value: string, ...props: [string, string][]): Section => ({ value, props })

describe('sections of a line', () => {
  test.each<[string, string, Section[]]>([
    ['a value alone', 'apple', [section('apple')]],
    ['two sections', 'apple banana', [section('apple'), section('banana')]],
    ['spaces before, between and behind', '  apple   banana  ', [section('apple'), section('banana')]],
    ['three sections', 'a b:1 c:2', [section('a'), section('b:1'), section('c:2')]],
    ['nothing', '', []],
    ['spaces alone', '   ', []],
    ['a comment alone', '  # apple banana', []],
    ['a comment behind a section', 'apple # banana', [section('apple')]],
    ['a comment that ends a value', 'apple#banana cherry', [section('apple')]],
    ['a comment that ends a prop', 'apple,x=1#,y=2', [section('apple', ['x', '1'])]],
    ['a tab is ordinary text', 'apple\tbanana', [section('apple\tbanana')]],
    ['props with and without a value', 'apple,x=1,flag b', [section('apple', ['x', '1'], ['flag', '']), section('b')]],
    ['a prop with an equals sign in its value', 'apple,x=a=b', [section('apple', ['x', 'a=b'])]],
    ['a prop that comes twice', 'a,h=1,h=2', [section('a', ['h', '1'], ['h', '2'])]],
    ['a quoted value', '"a, b#c" d', [section('a, b#c'), section('d')]],
    ['a quoted part inside a token', 'a,from="x, y"z', [section('a', ['from', 'x, yz'])]],
    ['escapes inside quotes', String.raw`a,x="q\"b\\s"`, [section('a', ['x', 'q"b\\s'])]],
    ['a backslash outside quotes', String.raw`a\b c`, [section('a\\b'), section('c')]],
    ['an empty quoted value', '"" a', [section(''), section('a')]],
    ['a leading comma', ',organic apple', [section('', ['organic', '']), section('apple')]],
    ['a first token that is a prop', 'path_beg=/x o:80', [section('', ['path_beg', '/x']), section('o:80')]],
    ['a quoted equals sign makes a prop too', '"a=b" c', [section('', ['a', 'b']), section('c')]],
    ['a prop with a quoted name', 'a,"x=1"', [section('a', ['x', '1'])]],
  ])('%s', (_, line, sections) => {
    expect(parseLine(line)).toEqual({ sections, fault: null })
  })
})

describe('faults of a line', () => {
  test.each([
    ['a "b', 'unterminated quoted section'],
    ['a,x="b', 'unterminated quoted section'],
    ['a "b\\', 'unterminated escape sequence'],
    ['a "b\\n"', 'unexpected escape character: n'],
    ['a,', 'expecting prop'],
    ['a, b', 'expecting prop'],
    ['a,x=1,', 'expecting prop'],
    ['a,,b', 'expecting prop'],
    ['a,#b', 'expecting prop'],
    [',', 'expecting prop'],
    ['a,=x', 'empty prop name'],
    ['=x a', 'empty prop name'],
    ['a,"=x"', 'empty prop name'],
    ['a b,x "c', 'unterminated quoted section'],
  ])('%s: %s', (line, fault) => {
    expect(parseLine(line)).toEqual({ sections: null, fault })
  })
})

test('a line cut anywhere has the sections it had before the cut, or a fault', () => {
  const line = String.raw`host,path_beg=/a,header="x-a: \"b\"" one:80,ssl two:81,sub="a b",over_http # end`
  const whole = parseLine(line).sections ?? []
  expect(whole).toHaveLength(3)
  for (let cut = 0; cut <= line.length; cut++) {
    const { sections, fault } = parseLine(line.slice(0, cut))
    if (sections === null) {
      expect(fault).toMatch(/^(?:unterminated (?:escape sequence|quoted section)|expecting prop)$/)
      continue
    }
    // All but the last section had ended before the cut.
    expect(sections.slice(0, -1)).toEqual(whole.slice(0, Math.max(sections.length - 1, 0)))
    expect(whole[sections.length - 1]?.value ?? '').toMatch(new RegExp(`^${sections.at(-1)?.value ?? ''}`))
  }
})
