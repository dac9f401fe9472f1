import { describe, expect, it } from 'vitest'
import { PATCH_WEIGHT_MAX } from '../base/limits.js'
import { PatchFault, patchBody } from './json-patch.js'
import type { Json } from './publish-types.js'

// What Pushpin makes of each operation is shown by the conformance suite, area body-patch. Here: why a patch is void,
// and what would hurt.

function patched(body: string, ...operations: readonly Json[]): string {
  const result = patchBody(Buffer.from(body), operations)
  return result instanceof PatchFault ? `(void) ${result.message}` : result.toString()
}

describe('body-patch', () => {
  it.each<[situation: string, body: string, operation: Json, message: string]>([
    ['no JSON', '{', { op: 'test' }, 'the body is not a JSON object or array'],
    ['a number no double can hold', '[1e999]', { op: 'test' }, 'a number is too large'],
    ['no object', '{}', 'add', 'invalid op'],
    ['no op', '{}', {}, "op does not contain 'op'"],
    ['a wrong op', '{}', { op: 1 }, "op contains 'op' with wrong type"],
    ['no path', '{}', { op: 'add' }, "op does not contain 'path'"],
    ['an unknown op', '{}', { op: 'x', path: '/' }, 'unsupported op: x'],
    ['no value', '{}', { op: 'add', path: '/a' }, "op does not contain 'value'"],
    ['an inherited value', '{}', { op: 'add', path: '/a', ['__proto__']: { value: 1 } }, "op does not contain 'value'"],
    ['no from', '{}', { op: 'move', path: '/a' }, "op does not contain 'from'"],
    ['no slash', '{}', { op: 'add', path: 'a', value: 1 }, 'pointer must start with /'],
    ['an empty piece', '{}', { op: 'add', path: '//', value: 1 }, 'reference cannot be empty'],
    ['nothing to step into', '{}', { op: 'add', path: '/a/b', value: 1 }, 'cannot step into undefined reference'],
    ['a scalar', '[0]', { op: 'add', path: '/0/a', value: 1 }, 'non-container value cannot have child reference'],
    ['no index', '[0]', { op: 'add', path: '/a', value: 1 }, 'index must be an integer'],
    ['an index too high', '[0]', { op: 'add', path: '/1', value: 1 }, 'index out of range'],
    ['nothing there', '{}', { op: 'remove', path: '/a' }, 'location does not exist'],
    ['the root', '{}', { op: 'remove', path: '/' }, 'the root cannot be removed'],
    ['itself', '{"a":{}}', { op: 'move', from: '/a', path: '/a/b' }, 'cannot move location into itself'],
    ['another value', '[0]', { op: 'test', path: '/0', value: 1 }, 'tested values are not equal'],
    ['a scalar as the result', '{}', { op: 'add', path: '/', value: 1 }, 'the result is not an object or array'],
  ])('is void: %s', (_situation, body, operation, message) => {
    expect(patched(body, operation)).toBe(`(void) ${message}`)
  })

  it('stops when copies of the body into itself grow beyond bounds', () => {
    const operations = Array.from({ length: 64 }, (_, at) => ({ op: 'copy', from: '/', path: `/${String(at)}` }))
    expect(patched('{"a":"x"}', ...operations)).toBe('(void) the result is too large')
  })

  it('counts the texts that it copies', () => {
    const text = 'x'.repeat(65_536)
    const operations = Array.from({ length: PATCH_WEIGHT_MAX / text.length + 2 }, () => ({
      op: 'copy',
      from: '/0',
      path: '/-',
    }))
    expect(patched(JSON.stringify([text]), ...operations)).toBe('(void) the result is too large')
  })

  it('nests as deep as a body may, and not deeper with each operation', () => {
    const deepest = `${'['.repeat(1024)}${']'.repeat(1024)}`
    expect(patched(deepest) === deepest).toBe(true)
    expect(patched(`[${deepest}]`)).toBe('(void) the result nests too deeply')
    const value = JSON.parse(deepest) as Json
    const below = (depth: number): Json => ({ op: 'add', path: `${'/0'.repeat(depth)}/-`, value })
    expect(patched(deepest, below(1023)) === `${'['.repeat(2048)}${']'.repeat(2048)}`).toBe(true)
    expect(patched(deepest, below(1023), below(2046))).toBe('(void) the result nests too deeply')
    expect(patched(deepest, below(1023), { op: 'copy', from: '/', path: '/-' })).toBe(
      '(void) the result nests too deeply',
    )
  })
})
