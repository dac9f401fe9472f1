import { describe, expect, it } from 'vitest'
import {
  type FilterStack,
  type FilteredSession,
  FilterQuestion,
  contentFilterMismatch,
  filterStackOf,
  NO_FILTERS,
} from './filters.js'
import { FormatFault } from './format.js'
import type { Meta } from './meta.js'

interface Situation {
  readonly subMeta?: Meta
  readonly pubMeta?: Meta
  /** Names as the hub knows them, with their ids. */
  readonly held?: Readonly<Record<string, string | null>>
  readonly session?: Partial<FilteredSession>
}

/** What comes out: the content, dropped, or the text of a fault. */
function filtered(names: readonly string[], content: string, situation: Situation = {}): string {
  const { subMeta = null, pubMeta = null, held = {}, session = {} } = situation
  const holder = {
    naming: { channelPrefix: '', implicitChannels: [] },
    subMeta,
    hasIds: true,
    ...session,
  }
  const channels = Object.entries(held).map(([name, prevId]) => ({ channel: { name }, prevId }))
  const outcome = filterStackOf(names).apply(Buffer.from(content, 'latin1'), holder, channels, pubMeta)
  return shown(outcome)
}

function shown(outcome: ReturnType<FilterStack['apply']>): string {
  if (outcome === null) return '(dropped)'
  if (outcome instanceof FilterQuestion) return `(${outcome.name}?) ${outcome.content.toString('latin1')}`
  return outcome instanceof FormatFault ? `(fault) ${outcome.message}` : outcome.toString('latin1')
}

describe('skip-self', () => {
  it.each<[situation: string, subMeta: Meta, pubMeta: Meta, outcome: string]>([
    ['drops what its user sent', { user: 'alice' }, { sender: 'alice' }, '(dropped)'],
    ['lets pass what another sent', { user: 'alice' }, { sender: 'bob' }, 'x'],
    ['compares case', { user: 'alice' }, { sender: 'Alice' }, 'x'],
    ['lets pass without a sender', { user: 'alice' }, {}, 'x'],
    ['lets pass without a user', {}, { sender: 'alice' }, 'x'],
    ['does not take empty names for the same one', { user: '' }, { sender: '' }, 'x'],
  ])('%s', (_situation, subMeta, pubMeta, outcome) => {
    expect(filtered(['skip-self'], 'x', { subMeta, pubMeta })).toBe(outcome)
  })
})

describe('skip-users', () => {
  it.each<[situation: string, subMeta: Meta, skipped: string, outcome: string]>([
    ['drops for the user named', { user: 'alice' }, 'alice', '(dropped)'],
    ['drops for one of a list with blanks', { user: 'alice' }, 'bob ,\talice\t', '(dropped)'],
    ['lets pass for others', { user: 'alice' }, 'bob,alicex', 'x'],
    ['lets pass without a user', {}, 'alice,,', 'x'],
    ['does not take an empty piece for an empty user', { user: '' }, 'a,,b', 'x'],
  ])('%s', (_situation, subMeta, skipped, outcome) => {
    expect(filtered(['skip-users'], 'x', { subMeta, pubMeta: { skip_users: skipped } })).toBe(outcome)
  })
})

describe('require-sub', () => {
  const session = { naming: { channelPrefix: 'pre-', implicitChannels: ['implied', 'pre-implied'] } }
  const held = { 'pre-a': null, implied: null, 'pre-implied': null }
  it.each([
    ['a channel by its name without prefix', 'a', 'x'],
    ['no channel by its name with it', 'pre-a', '(dropped)'],
    ['an implicit channel by its whole name', 'implied', 'x'],
    ['an implicit channel that begins like the prefix', 'pre-implied', 'x'],
    ['nothing in particular', '', 'x'],
    ['a channel the session does not hold', 'b', '(dropped)'],
  ])('%s', (_situation, required, outcome) => {
    expect(filtered(['require-sub'], 'x', { session, held, pubMeta: { require_sub: required } })).toBe(outcome)
  })

  it('lets pass what requires nothing', () => {
    expect(filtered(['require-sub'], 'x')).toBe('x')
  })
})

describe('var-subst', () => {
  const subMeta = { user: 'alice', 'a)b': 'odd', empty: '', utf8: '\xc3\xa9' }
  it.each([
    ['names', 'hello %(user)s, %(empty)s%(utf8)s!', 'hello alice, \xc3\xa9!'],
    ['a percent sign', '100%% %%(user)s', '100% %(user)s'],
    ['an escape in a name', '%(a\\)b)s %(\\u\\s\\e\\r)s', 'odd alice'],
    ['nothing', 'plain \xff', 'plain \xff'],
    ['names that were not set', 'x%(nobody)s', "(fault) var-subst: No such variable 'nobody' at position 10"],
    ['what every object has', '%(constructor)s', "(fault) var-subst: No such variable 'constructor' at position 14"],
    ['a value with directives, which are left alone', '%(user)s', 'alice'],
    ['an end after %', 'ab%', "(fault) var-subst: Expected directive after '%' at position 2"],
    ['an end after (', 'ab%(', "(fault) var-subst: Expected character after '(' at position 3"],
    ['an end after a backslash', '%(a\\', "(fault) var-subst: Expected character after '\\' at position 3"],
    ['an end within', 'ab%(user', '(fault) var-subst: Unterminated field starting at position 3'],
    ['an end after )', '%(user)', "(fault) var-subst: Expected directive after ')' at position 6"],
    ['an unknown letter', '%x', "(fault) var-subst: Unknown directive 'x' at position 1"],
    ['an unknown letter behind a field', '%(user)d', "(fault) var-subst: Unknown directive 'd' at position 7"],
    ['a percent sign behind a field', '%(user)%', "(fault) var-subst: Unknown directive '%' at position 7"],
    ['no letter', '% 5', "(fault) var-subst: Unknown directive ' ' at position 1"],
    ['a byte above ASCII', '%\xe9', "(fault) var-subst: Unknown directive '\xc3\xa9' at position 1"],
    ['no name', '%s', "(fault) var-subst: Directive 's' requires argument at position 1"],
    ['an empty name', '%()s', "(fault) var-subst: Directive 's' requires argument at position 3"],
  ])('%s', (_situation, content, outcome) => {
    expect(filtered(['var-subst'], content, { subMeta })).toBe(outcome)
  })
})

describe('build-id', () => {
  const held = { 'pre-a': 'i1', 'pre-b': null, implied: 'i9' }
  const session = { naming: { channelPrefix: 'pre-', implicitChannels: ['implied'] } }
  const built = (content: string, subMeta: Meta, more: Situation = {}): string =>
    filtered(['build-id'], content, { subMeta, held, session, ...more })

  it.each([
    ['the id of a channel', '[%I]', { id_format: 'a:%(a)s' }, '[a:i1]'],
    ['of several channels', '%I', { id_format: '%(a)s,%(implied)s' }, 'i1,i9'],
    ['a literal id', '%(x:y)I %()I', { id_format: 'z' }, 'x:y z'],
    ['in hexadecimal', '%I %(\xff)I', { id_format: '%(a)s', id_encoding: 'hex' }, '6931 ff'],
    ['an empty id', '[%I]', { id_format: '' }, '[]'],
    ['a percent sign', '%%I', { id_format: 'z' }, '%I'],
    ['no format', 'x', {}, "(fault) build-id: no sub meta 'id_format'"],
    ['an encoding', 'x', { id_format: 'z', id_encoding: 'HEX' }, '(fault) build-id: unsupported encoding: HEX'],
    [
      'a channel without id',
      'x',
      { id_format: '.%(b)s' },
      "(fault) build-id: failed to render ID: No such variable 'b' at position 5",
    ],
    [
      'a channel that is not held, by its name with prefix',
      'x',
      { id_format: '%(pre-a)s' },
      "(fault) build-id: failed to render ID: No such variable 'pre-a' at position 8",
    ],
    ['another letter', '%s', { id_format: 'z' }, "(fault) build-id: Unknown directive 's' at position 1"],
    ['an end within', 'abc%(x', { id_format: 'z' }, '(fault) build-id: Unterminated field starting at position 1'],
  ])('%s', (_situation, content, subMeta, outcome) => {
    expect(built(content, subMeta as Meta)).toBe(outcome)
  })

  it('has no ids on a WebSocket, and does not look at the template', () => {
    const webSocket = { session: { ...session, hasIds: false } }
    expect(built('plain', { id_format: '%(nobody)s' }, webSocket)).toBe('plain')
    expect(built('%(x)I', { id_format: '%(nobody)s' }, webSocket)).toBe('x')
    expect(built('%I', { id_format: 'z' }, webSocket)).toBe(
      '(fault) build-id: No ID specified and no default ID in context at position 1',
    )
  })
})

describe('a filter that asks the backend', () => {
  const session: FilteredSession = {
    naming: { channelPrefix: '', implicitChannels: [] },
    subMeta: { user: 'alice' },
    hasIds: true,
  }
  const asked = (names: readonly string[], content: string, pubMeta: Meta = {}): FilterQuestion => {
    const outcome = filterStackOf(names).apply(Buffer.from(content), session, [], pubMeta)
    expect(outcome).toBeInstanceOf(FilterQuestion)
    return outcome as FilterQuestion
  }
  const resumed = (question: FilterQuestion, content: string | null, pubMeta: Meta = {}) =>
    question.stack.resume(question, content === null ? null : Buffer.from(content), session, [], pubMeta)

  it('ends the run with a question, about what the filters before it have made', () => {
    expect(shown(asked(['var-subst', 'http-check'], '%(user)s'))).toBe('(http-check?) alice')
    expect(shown(asked(['http-modify', 'var-subst'], '%(user)s'))).toBe('(http-modify?) %(user)s')
  })

  it('is not reached when one before it drops', () => {
    expect(filtered(['skip-self', 'http-check'], 'x', { subMeta: { user: 'a' }, pubMeta: { sender: 'a' } })).toBe(
      '(dropped)',
    )
  })

  it('lets the others go on with the answer', () => {
    const names = ['http-modify', 'var-subst', 'http-check', 'skip-self']
    const first = asked(names, 'x')
    expect(shown(resumed(first, '[%(user)s]'))).toBe('(http-check?) [alice]')
    const second = resumed(first, '[%(user)s]') as FilterQuestion
    expect(shown(resumed(second, null))).toBe('[alice]')
    expect(shown(resumed(second, null, { sender: 'alice' }))).toBe('(dropped)')
  })

  it('does not forget that one before it failed, unless other content takes its place', () => {
    const question = asked(['var-subst', 'http-modify'], '%')
    expect(shown(question)).toBe('(http-modify?) ')
    expect(shown(resumed(question, null))).toBe("(fault) var-subst: Expected directive after '%' at position 0")
    expect(shown(resumed(question, 'new'))).toBe('new')
  })

  it('makes its stack one that asks', () => {
    const stacks = [[], ['var-subst'], ['var-subst', 'http-check'], ['http-modify']].map(filterStackOf)
    expect(stacks.map(({ asksBackend }) => asksBackend)).toEqual([false, false, true, true])
  })
})

describe('a stack', () => {
  it('is shared, and passes over names nobody knows', () => {
    expect(filterStackOf([])).toBe(NO_FILTERS)
    expect(filterStackOf(['foo', 'Skip-Self', ''])).toBe(NO_FILTERS)
    expect(filterStackOf(['foo', 'skip-self'])).toBe(filterStackOf(['skip-self', 'bar']))
    expect(filterStackOf(['skip-self', 'var-subst'])).not.toBe(filterStackOf(['var-subst', 'skip-self']))
    expect(filterStackOf(['skip-self', 'skip-self']).names).toEqual(['skip-self', 'skip-self'])
  })

  it('runs in order', () => {
    const subMeta = { user: '%%I', id_format: 'z' }
    expect(filtered(['var-subst', 'build-id'], '%(user)s', { subMeta })).toBe('%I')
    expect(filtered(['build-id', 'var-subst'], '%%(user)s', { subMeta })).toBe('%%I')
  })

  it('stops at the first that drops, whatever failed before or would fail behind', () => {
    const situation = { subMeta: { user: 'alice' }, pubMeta: { sender: 'alice' } }
    expect(filtered(['skip-self', 'var-subst'], '%', situation)).toBe('(dropped)')
    expect(filtered(['var-subst', 'skip-self'], '%', situation)).toBe('(dropped)')
  })

  it('goes on without content behind one that failed', () => {
    expect(filtered(['var-subst', 'build-id'], '%', { subMeta: { id_format: 'z' } })).toBe(
      "(fault) var-subst: Expected directive after '%' at position 0",
    )
  })

  it.each<[situation: string, filters: string[], demanded: string[] | null, has: boolean]>([
    ['nothing demanded', ['var-subst'], null, true],
    ['none demanded, none there', [], [], true],
    ['none demanded, delivery filters and unknown ones there', ['skip-self', 'foo'], [], true],
    ['none demanded, one there', ['var-subst'], [], false],
    ['the one demanded', ['skip-self', 'var-subst'], ['var-subst'], true],
    ['another one', ['var-subst'], ['build-id'], false],
    ['both in order', ['var-subst', 'build-id'], ['var-subst', 'build-id'], true],
    ['both in another order', ['var-subst', 'build-id'], ['build-id', 'var-subst'], false],
    ['a delivery filter demanded, which never counts', ['skip-self'], ['skip-self'], false],
    ['one that may change the content', ['http-check', 'http-modify'], ['http-modify'], true],
    ['an unknown one demanded and there', ['foo'], ['foo'], false],
  ])('content-filters: %s', (_situation, filters, demanded, has) => {
    expect(filterStackOf(filters).hasContentFilters(demanded)).toBe(has)
  })

  it('names what was demanded and what is there', () => {
    expect(contentFilterMismatch(filterStackOf(['skip-self', 'var-subst', 'build-id']), ['a', 'b'])).toBe(
      'content filter mismatch: subscription=var-subst,build-id message=a,b',
    )
  })
})
