import { describe, expect, it } from 'vitest'
import { FORMAT_FIELD_BYTES_MAX } from '../base/limits.js'
import type { Instruct } from '../wire/instruct-types.js'
import { type FilteredBody, bodyFilterOf, withFilteredBody } from './body-filter.js'
import { FormatFault } from './format.js'

function instruct(overrides: Partial<Instruct>, body = '%(a)I', filters = ['build-id']): Instruct {
  return {
    hold: 'none',
    channels: [{ name: 'c', prevId: null, filters }],
    timeout: 55,
    keepAlive: null,
    meta: { id_format: 'x' },
    nextLink: null,
    goneLink: null,
    response: { code: 200, reason: 'OK', headers: [], body: Buffer.from(body) },
    ...overrides,
  }
}

const NEXT_LINK = { uri: '/next', timeout: 120 }

function outcome(source: Instruct): string {
  const { instruct: filtered, fault } = withFilteredBody(source)
  return fault ?? filtered.response.body.toString()
}

describe('a first body', () => {
  it.each<[situation: string, source: Instruct, body: string]>([
    ['without a hold', instruct({}), 'a'],
    ['of a stream', instruct({ hold: 'stream' }), 'a'],
    ['ahead of a next link', instruct({ nextLink: NEXT_LINK }), 'a'],
    ['of a long poll', instruct({ hold: 'response' }), '%(a)I'],
    ['without the filter', instruct({}, '%(a)I', ['var-subst']), '%(a)I'],
    [
      'that fails',
      instruct({}, '%I'),
      'filter error: build-id: No ID specified and no default ID in context at position 1',
    ],
    ['that is empty, of a stream', instruct({ hold: 'stream', meta: {} }, ''), ''],
    ['that is empty, ahead of a next link', instruct({ nextLink: NEXT_LINK, meta: {} }, ''), ''],
    ['that is empty, without a hold', instruct({ meta: {} }, ''), "filter error: build-id: no sub meta 'id_format'"],
  ])('%s', (_situation, source, body) => {
    expect(outcome(source)).toBe(body)
  })

  it('is gone when it failed', () => {
    expect(withFilteredBody(instruct({}, '%I')).instruct.response.body.toString()).toBe('')
  })
})

describe('a page that comes in parts', () => {
  function parts(contents: readonly string[], meta: Instruct['meta'] = { id_format: 'x' }): string[] {
    const filter = bodyFilterOf(instruct({ meta }))
    if (filter === null) throw new Error('no filter')
    const shown = (body: FilteredBody): string => (body instanceof FormatFault ? body.message : body.toString('latin1'))
    return [...contents.map((content) => shown(filter.update(Buffer.from(content, 'latin1')))), shown(filter.finish())]
  }

  it('holds a directive back until it is whole', () => {
    expect(parts(['a%', '%b%(', 'x\\', ')', ')', 'I!\xff'])).toEqual(['a', '%b', '', '', '', 'x)!\xff', ''])
  })

  it('fails at its end when a directive is cut off', () => {
    expect(parts(['a%(x'])).toEqual(['a', 'filter error: build-id: Unterminated field starting at position 1'])
  })

  it('fails at each part without a template', () => {
    const fault = "filter error: build-id: no sub meta 'id_format'"
    expect(parts(['a', 'b'], {})).toEqual([fault, fault, fault])
  })

  it('does not keep a directive without end', () => {
    const [first, second] = parts(['%(', 'x'.repeat(FORMAT_FIELD_BYTES_MAX)])
    expect([first, second]).toEqual(['', 'filter error: build-id: Unterminated field starting at position 1'])
  })

  it('needs no filter without build-id', () => {
    expect(bodyFilterOf(instruct({}, '', ['var-subst', 'skip-self']))).toBeNull()
  })
})
