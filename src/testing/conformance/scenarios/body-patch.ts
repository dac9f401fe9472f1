/** body-patch: a published patch of the body that a long poll was held with. */
import type { Scenario } from '../scenario.js'
import { once } from '../http-play.js'

const AREA = 'body-patch'

/** null: the patch is void. */
type Case = readonly [name: string, body: string, operations: readonly unknown[], result: string | null]

const add = (path: string, value: unknown): object => ({ op: 'add', path, value })
const test = (path: string, value: unknown): object => ({ op: 'test', path, value })
const remove = (path: string): object => ({ op: 'remove', path })
const replace = (path: string, value: unknown): object => ({ op: 'replace', path, value })
const move = (from: string, path: string): object => ({ op: 'move', from, path })
const copy = (from: string, path: string): object => ({ op: 'copy', from, path })

const CASES: readonly Case[] = [
  ['no operation', '{ "b" : 1, "a" : [ ] }', [], '{"a":[],"b":1}'],
  ['an array', '[1,2]', [], '[1,2]'],
  ['a line feed at the end stays', '{}\n', [add('/a', 1)], '{"a":1}\n'],
  ['a line break at the end stays', '{}\r\n', [add('/a', 1)], '{"a":1}\r\n'],
  ['one of two line feeds stays', '{}\n\n', [add('/a', 1)], '{"a":1}\n'],
  ['blanks at the end go', '{} ', [add('/a', 1)], '{"a":1}'],
  [
    'names in order, also those that look like numbers',
    '{"b":1,"10":2,"9":3,"B":4,"":5}',
    [],
    '{"":5,"10":2,"9":3,"B":4,"b":1}',
  ],
  [
    'names in the order of UTF-16',
    '{"\xef\xbf\xbd":1,"\xf0\x9f\x98\x80":2}',
    [],
    '{"\xf0\x9f\x98\x80":2,"\xef\xbf\xbd":1}',
  ],
  [
    'escapes',
    '{"a":"\\u0000\\u001f\\n\\/\\"\\\\\\u00e9\\u007f\\u2028"}',
    [],
    '{"a":"\\u0000\\u001f\\n/\\"\\\\\xc3\xa9\x7f\xe2\x80\xa8"}',
  ],
  ['half of a character', '{"a":"x\\ud800y"}', [], '{"a":"x\\ud800y"}'],
  ['numbers', '[1,1.0,-0,0.5,1e2,-1.25e-3,123456789012]', [], '[1,1,0,0.5,100,-0.00125,123456789012]'],
  ['a number of 17 digits', '[12345678901234567]', [], '[12345678901234568]'],
  ['a number above 64 bits', '[123456789012345678901234]', [], '[1.2345678901234569e+23]'],
  ['small numbers', '[0.0001,0.00001,1e-7,1.5e-10]', [], '[0.0001,1e-05,1e-07,1.5e-10]'],
  [
    'large numbers',
    '[1e15,1e16,1e17,1e20,1e21,1e22,1.5e300]',
    [],
    '[1000000000000000,10000000000000000,100000000000000000,1e+20,1e+21,1e+22,1.5e+300]',
  ],
  [
    'whole numbers of many digits',
    '[4611686018427387904,-9007199254740993,12345678900e9,18446744073709551615,1e19]',
    [],
    '[4611686018427388000,-9007199254740992,12345678900000000000,18446744073709552000,10000000000000000000]',
  ],
  [
    'numbers at the bounds of a double',
    '[1.7976931348623157e308,5e-324,1.23456789e20]',
    [],
    '[1.7976931348623157e+308,5e-324,1.23456789e+20]',
  ],
  ['a number beyond a double', '[1e999]', [], null],
  [
    'numbers in need of many digits',
    '[0.1,0.30000000000000004,3.141592653589793]',
    [],
    '[0.1,0.30000000000000004,3.141592653589793]',
  ],
  ['true, false, null', '[true,false,null]', [], '[true,false,null]'],
  ['a name that comes twice', '{"a":1,"a":2}', [], '{"a":2}'],
  ['a byte order mark', '\xef\xbb\xbf{"a":1}', [], '{"a":1}'],
  ['a scalar is no body', '1', [add('/', [])], null],
  ['no JSON', '{', [], null],
  ['nothing', '', [], null],

  ['add a member', '{"a":1}', [add('/b', { c: [null] })], '{"a":1,"b":{"c":[null]}}'],
  ['add over a member', '{"a":1}', [add('/a', 2)], '{"a":2}'],
  ['add at an index replaces', '[1,2,3]', [add('/1', 'x')], '[1,"x",3]'],
  ['add at the end', '[1]', [add('/-', 2), add('/-', 3)], '[1,2,3]'],
  ['add at the length', '[1]', [add('/1', 2)], null],
  ['add at a negative index', '[1]', [add('/-1', 2)], null],
  ['add at no index', '[1]', [add('/x', 2)], null],
  ['an index with a sign', '[1]', [add('/+0', 2)], '[2]'],
  ['an index with a zero in front', '[1,2]', [add('/01', 3)], '[1,3]'],
  ['an index with a blank', '[1,2]', [add('/ 1', 3)], '[1,3]'],
  ['an index as a fraction', '[1,2]', [add('/1.0', 3)], null],
  ['add over the root', '{"a":1}', [add('/', [1])], '[1]'],
  ['the root becomes a scalar', '{"a":1}', [add('/', 1)], null],
  ['the root becomes a scalar for a while', '{"a":1}', [add('/', 1), replace('/', {})], '{}'],
  ['add below what is not there', '{}', [add('/a/b', 1)], null],
  ['add below a scalar', '{"a":1}', [add('/a/b', 1)], null],
  ['add below null', '{"a":null}', [add('/a/b', 1)], null],
  ['add without a value', '{}', [{ op: 'add', path: '/a' }], null],
  ['add null', '{}', [add('/a', null)], '{"a":null}'],
  ['add deep inside', '{"a":[{"b":{}}]}', [add('/a/0/b/c', 1)], '{"a":[{"b":{"c":1}}]}'],
  ['add behind the last below', '{"a":[]}', [add('/a/-', 1), add('/a/-/b', 1)], null],
  ['a pointer that is empty', '{}', [add('', 1)], null],
  ['a pointer without a slash', '{}', [add('a', 1)], null],
  ['an empty piece', '{"":{}}', [add('//a', 1)], null],
  ['a slash at the end', '{"a":{}}', [add('/a/', 1)], null],
  ['escapes in a pointer', '{}', [add('/a~1b~0c', 1)], '{"a/b~c":1}'],
  ['~01 in a pointer', '{}', [add('/~01', 1)], '{"~1":1}'],
  ['other escapes in a pointer', '{}', [add('/~2~', 1)], '{"~2~":1}'],
  ['a pointer in UTF-8', '{"\xc3\xa9":1}', [replace('/\xe9', 2)], '{"\xc3\xa9":2}'],
  ['a name every object has', '{}', [add('/__proto__', 1), add('/constructor', 2)], '{"__proto__":1,"constructor":2}'],
  [
    'a value is not changed by what follows',
    '{}',
    [add('/a', {}), copy('/a', '/b'), add('/a/c', 1)],
    '{"a":{"c":1},"b":{}}',
  ],

  ['remove a member', '{"a":1,"b":2}', [remove('/a')], '{"b":2}'],
  ['remove an element', '[1,2,3]', [remove('/1')], '[1,3]'],
  ['remove what is not there', '{}', [remove('/a')], null],
  ['remove behind the last', '[1]', [remove('/-')], null],
  ['remove the root', '{}', [remove('/')], null],
  ['replace a member', '{"a":1}', [replace('/a', 2)], '{"a":2}'],
  ['replace what is not there', '{}', [replace('/a', 2)], null],
  ['replace behind the last', '[1]', [replace('/-', 2)], null],
  ['replace without a value', '{"a":1}', [{ op: 'replace', path: '/a' }], null],
  ['move a member', '{"a":1}', [move('/a', '/b')], '{"b":1}'],
  ['move an element to the end', '[1,2,3]', [move('/0', '/-')], '[2,3,1]'],
  ['move: the target is looked for afterwards', '[1,2]', [move('/0', '/1')], null],
  ['move to itself', '{"a":1}', [move('/a', '/a')], '{"a":1}'],
  ['move into itself', '{"a":{}}', [move('/a', '/a/b')], null],
  ['move into what begins alike', '{"a":1,"ab":{}}', [move('/a', '/ab/c')], '{"ab":{"c":1}}'],
  ['move the root', '{"a":1}', [move('/', '/b')], '{"a":1,"b":{"a":1}}'],
  ['move what is not there', '{}', [move('/a', '/b')], null],
  ['move without from', '{}', [{ op: 'move', path: '/a' }], null],
  ['copy a member', '{"a":[1]}', [copy('/a', '/b')], '{"a":[1],"b":[1]}'],
  ['copy the root into itself', '{"a":1}', [copy('/', '/b')], '{"a":1,"b":{"a":1}}'],
  ['copy what is not there', '{}', [copy('/a', '/b')], null],

  ['test', '{"a":1}', [test('/a', 1), add('/b', 1)], '{"a":1,"b":1}'],
  ['test that fails', '{"a":1}', [add('/b', 1), test('/a', 2)], null],
  ['test the root', '{"a":[1,{"b":"c"}]}', [test('/', { a: [1, { b: 'c' }] })], '{"a":[1,{"b":"c"}]}'],
  ['test rounds', '[1.4]', [test('/0', 1)], '[1.4]'],
  ['test rounds halves', '[1.5,-1.5,2.5]', [test('/0', 2), test('/1', -1), test('/2', 3)], '[1.5,-1.5,2.5]'],
  ['test knows the low 32 bits', '[4294967297]', [test('/0', 1)], '[4294967297]'],
  ['test: a text of digits', '["5"]', [test('/0', 5)], '["5"]'],
  ['test: a text of digits, the other way', '[5]', [test('/0', '5')], '[5]'],
  ['test: a text of letters is 0', '["x"]', [test('/0', 0)], '["x"]'],
  ['test: two texts of one number', '["5"]', [test('/0', '5.0')], null],
  ['test: true is 1', '[true]', [test('/0', 1)], '[true]'],
  ['test: false is a text', '[false]', [test('/0', 'x')], '[false]'],
  ['test: true is no false', '[true]', [test('/0', false)], null],
  ['test: null and null', '[null]', [test('/0', null)], null],
  ['test: null and 0', '[null]', [test('/0', 0)], null],
  ['test: null and an empty text', '[null]', [test('/0', '')], null],
  ['test: a list and a number', '[[]]', [test('/0', 0)], null],
  ['test: a list and an object', '[[]]', [test('/0', {})], null],
  ['test: an empty list', '[[]]', [test('/0', [])], '[[]]'],
  ['test: lists of another length', '[[1]]', [test('/0', [1, 2])], null],
  ['test: members in another order', '{"a":1,"b":2}', [test('/', { b: 2, a: 1 })], '{"a":1,"b":2}'],
  ['test: another member', '{"a":1}', [test('/', { b: 1 })], null],
  ['test: what is not there, and null', '{}', [test('/a', null)], null],
  ['test: behind the last', '[1]', [test('/-', 1)], null],

  ['an unknown operation', '{}', [{ op: 'foo', path: '/' }], null],
  ['an operation in upper case', '{}', [{ op: 'ADD', path: '/a', value: 1 }], null],
  ['an operation without a name', '{}', [{ path: '/a', value: 1 }], null],
  ['an operation without a path', '{}', [{ op: 'add', value: 1 }], null],
  ['a path that is no text', '[1]', [{ op: 'add', path: 0, value: 1 }], null],
  ['an operation that is no object', '{}', ['add'], null],
  ['a list as an operation', '{}', [[]], null],
  ['null as an operation', '{}', [null], null],
]

export const bodyPatch: Scenario[] = [
  ...CASES.map(([name, body, operations, result]) =>
    once(
      AREA,
      name,
      {
        headers: (channel) => ['X-A', '1', 'Grip-Hold', 'response', 'Grip-Channel', channel],
        body,
      },
      ['202 Accepted', ['X-A: 1', `Content-Length: ${(result ?? '').length}`], result ?? ''],
      {
        then: async (world) => {
          await world.subscribed()
          await world.publish({
            channel: world.channel,
            formats: { 'http-response': { code: 202, 'body-patch': operations } },
          })
        },
      },
    ),
  ),
]
