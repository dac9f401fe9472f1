/** Filters of subscriptions: the same cases on a stream, a long poll and a WebSocket; build-id of first bodies. */
import { responseItem, streamItem } from '../../publish.js'
import type { Item } from '../../publish.js'
import { once, play, script } from '../http-play.js'
import type { Backend, Headers, Play, Seen } from '../http-play.js'
import type { Scenario } from '../scenario.js'
import { GRIP_BARE, OPEN, control, ok, text, woh } from '../woh.js'
import type { Answer, WohOptions, WohStage } from '../woh.js'
import { INSTRUCT, INSTRUCT_FAULT, PLAIN_FAULT } from './http.js'

const AREA = 'filters'

type Meta = Readonly<Record<string, string>>

interface Published {
  readonly content: string
  readonly meta?: Meta
  readonly contentFilters?: readonly string[]
  readonly id?: string
}

interface Case {
  readonly name: string
  /** Of the one channel. */
  readonly filters: readonly string[]
  /** Of the subscription. `{channel}` in a value stands for the channel. */
  readonly meta?: Meta
  readonly items: readonly Published[]
  /** What arrives, item by item. */
  readonly arrives: readonly string[]
  /** What arrives at a WebSocket, where it differs: what failed is an empty message there. */
  readonly webSocket?: readonly string[]
}

const ALICE = { user: 'alice' }

const CASES: readonly Case[] = [
  {
    name: 'skip-self drops what its user sent',
    filters: ['skip-self'],
    meta: ALICE,
    items: [
      { content: 'own', meta: { sender: 'alice' } },
      { content: 'other', meta: { sender: 'bob' } },
    ],
    arrives: ['other'],
  },
  {
    name: 'skip-self without a user drops nothing',
    filters: ['skip-self'],
    meta: { user: '' },
    items: [{ content: 'x', meta: { sender: '' } }],
    arrives: ['x'],
  },
  {
    name: 'skip-users drops for those named, blanks aside',
    filters: ['skip-users'],
    meta: ALICE,
    items: [
      { content: 'not', meta: { skip_users: ' bob ,\talice' } },
      { content: 'yes', meta: { skip_users: 'bob,Alice,alicex,' } },
    ],
    arrives: ['yes'],
  },
  {
    name: 'var-subst puts metas in',
    filters: ['var-subst'],
    meta: ALICE,
    items: [{ content: 'hello %(user)s, 100%% \xe9 %%(user)s' }],
    arrives: ['hello alice, 100% \xc3\xa9 %(user)s'],
  },
  {
    name: 'var-subst with an escape in the name',
    filters: ['var-subst'],
    meta: { 'a)b': 'odd' },
    items: [{ content: '%(a\\)b)s' }],
    arrives: ['odd'],
  },
  ...(
    [
      ['a meta that was not set', '%(nobody)s'],
      ['another letter', '%(user)d'],
      ['no name', '%s'],
      ['an empty name', '%()s'],
      ['an end after %', 'x%'],
      ['an end within the name', '%(user'],
      ['a letter that is none', '% x'],
    ] as const
  ).map(([what, content]) => ({
    name: `var-subst that fails leaves nothing: ${what}`,
    filters: ['var-subst'],
    meta: ALICE,
    items: [{ content }],
    arrives: [''],
  })),
  {
    name: 'build-id writes ids that the content names',
    filters: ['build-id'],
    meta: { id_format: 'x' },
    items: [{ content: '[%(a b)I] %%I' }],
    arrives: ['[a b] %I'],
  },
  {
    name: 'build-id in hexadecimal',
    filters: ['build-id'],
    meta: { id_format: 'x', id_encoding: 'hex' },
    items: [{ content: '%(\xe9!)I' }],
    arrives: ['c3a921'],
  },
  {
    name: 'build-id of a template without channels',
    filters: ['build-id'],
    meta: { id_format: 'x%%y' },
    items: [{ content: '[%I%()I]' }],
    arrives: ['[x%yx%y]'],
    webSocket: [''],
  },
  {
    name: 'build-id that fails leaves nothing: a channel without id',
    filters: ['build-id'],
    meta: { id_format: '%({channel})s' },
    items: [{ content: 'plain', id: '1' }],
    arrives: [''],
    webSocket: ['plain'],
  },
  ...(
    [
      ['no template', {}, 'x'],
      ['an unknown encoding', { id_format: 'x', id_encoding: 'base64' }, 'x'],
      ['a template cut off', { id_format: '%(' }, 'x'],
      ['an end within', { id_format: 'x' }, 'a%(b'],
      ['another letter', { id_format: 'x' }, '%(b)s'],
    ] as const
  ).map(([what, meta, content]) => ({
    name: `build-id that fails leaves nothing: ${what}`,
    filters: ['build-id'],
    meta,
    items: [{ content }],
    arrives: [''],
    ...(what === 'a template cut off' ? { webSocket: ['x'] } : {}),
  })),
  {
    name: 'two content filters in order',
    filters: ['var-subst', 'build-id'],
    meta: { user: '%%I', id_format: 'x' },
    items: [{ content: '%(user)s %%(y)I' }],
    arrives: ['%I y'],
  },
  {
    name: 'the same filter twice runs twice',
    filters: ['var-subst', 'var-subst'],
    meta: { a: '%(b)s', b: 'end' },
    items: [{ content: '%(a)s' }],
    arrives: ['end'],
  },
  {
    name: 'a failure, then a drop: dropped',
    filters: ['var-subst', 'skip-self'],
    meta: ALICE,
    items: [
      { content: '%', meta: { sender: 'alice' } },
      { content: 'x', meta: {} },
    ],
    arrives: ['x'],
  },
  {
    name: 'names nobody knows are passed over, case counts',
    filters: ['foo', 'Skip-Self', 'var-subst', 'http'],
    meta: ALICE,
    items: [{ content: '%(user)s', meta: { sender: 'alice' } }],
    arrives: ['alice'],
  },
  ...(
    [
      ['demanded and there', ['skip-self', 'var-subst'], ['var-subst'], true],
      ['demanded in another order', ['build-id', 'var-subst'], ['var-subst', 'build-id'], false],
      ['fewer demanded', ['build-id', 'var-subst'], ['var-subst'], false],
      ['demanded of a plain subscription', [], ['var-subst'], false],
      ['none demanded of a plain subscription', [], [], true],
      ['none demanded, delivery filters there', ['skip-self', 'foo'], [], true],
      ['none demanded, one there', ['var-subst'], [], false],
      ['a delivery filter demanded', ['skip-self'], ['skip-self'], false],
      ['an unknown one demanded', ['foo'], ['foo'], false],
    ] as const
  ).map(([what, filters, contentFilters, comes]) => ({
    name: `content-filters: ${what}`,
    filters,
    meta: { id_format: 'x' },
    items: [{ content: 'first', contentFilters }, { content: 'second' }],
    arrives: comes ? ['first', 'second'] : ['second'],
  })),
]

type Format = 'http-stream' | 'http-response' | 'ws-message'

function metaOf({ meta = {} }: Case, channel: string): [name: string, value: string][] {
  return Object.entries(meta).map(([name, value]) => [name, value.replaceAll('{channel}', channel)])
}

/** Header values are quoted: metas of the cases have blanks and percent signs. */
function hold(kind: 'stream' | 'response', test: Case): (channel: string) => Headers {
  return (channel) => [
    'Grip-Hold',
    kind,
    'Grip-Channel',
    `${channel}${test.filters.map((filter) => `; filter=${filter}`).join('')}`,
    ...metaOf(test, channel).flatMap(([name, value]) => ['Grip-Set-Meta', `${name}="${value}"`]),
  ]
}

/** Names and ids of a scenario end with its own, for a target remembers them. */
function itemsOf(test: Case, format: Format, channel: string): Item[] {
  return test.items.map(({ content, meta, contentFilters, id }) => ({
    channel,
    formats: {
      [format]: {
        [format === 'http-response' ? 'body' : 'content']: content,
        ...(contentFilters === undefined ? {} : { 'content-filters': contentFilters }),
      },
    },
    ...(meta === undefined ? {} : { meta }),
    ...(id === undefined ? {} : { id: `${id}-${channel}` }),
  }))
}

/** What is published behind another first content, which shows that the head is there. */
function onStream(test: Case): Scenario {
  // build-id would look at the first body too.
  const isPlainFirst = test.filters.includes('build-id')
  const headers = hold('stream', test)
  const backend = isPlainFirst
    ? { headers: (channel: string) => [...headers(channel), 'Grip-Channel', `${channel}-plain`] }
    : { headers, body: 'open ' }
  return once(AREA, `stream: ${test.name}`, backend, ['200 OK', [], `open ${test.arrives.join('')}`], {
    then: async (world) => {
      await world.subscribed()
      if (isPlainFirst) {
        await world.subscribed(`${world.channel}-plain`)
        await world.publish(streamItem(`${world.channel}-plain`, 'open '))
      }
      await world.publish(...itemsOf(test, 'http-stream', world.channel), closeOf(world.channel))
    },
  })
}

function closeOf(channel: string, meta: Meta = {}): Item {
  return { channel, formats: { 'http-stream': { action: 'close' } }, meta }
}

function onLongPoll(test: Case): Scenario {
  const body = test.arrives[0] ?? ''
  const expected: Seen = ['200 OK', [`Content-Length: ${body.length}`], body]
  return once(AREA, `long poll: ${test.name}`, { headers: hold('response', test), body: 'nothing' }, expected, {
    then: async (world) => {
      await world.subscribed()
      await world.publish(...itemsOf(test, 'http-response', world.channel))
    },
  })
}

/** Subscribed by OPEN with filters, metas set before. */
function webSocket(
  name: string,
  test: Pick<Case, 'filters' | 'meta'>,
  play: (s: WohStage) => Promise<void>,
  client: readonly string[],
  options: WohOptions = {},
): Scenario {
  const answers = (channel: string): Answer[] => {
    const metas = metaOf(test as Case, channel).map(([name, value]) => control({ type: 'set-meta', name, value }))
    return [ok(OPEN + metas.join('') + control({ type: 'subscribe', channel, filters: test.filters }), GRIP_BARE)]
  }
  return { ...woh(`WebSocket: ${name}`, answers, play, [[OPEN], client], options), area: AREA }
}

function onWebSocket(test: Case): Scenario {
  const client = (test.webSocket ?? test.arrives).map((content) => `text ${content}`)
  return webSocket(
    test.name,
    test,
    async (s) => {
      await s.world.subscribed()
      await s.world.publish(...itemsOf(test, 'ws-message', s.channel))
      await s.got(client.length)
      await s.quiet(200)
    },
    client,
  )
}

/** The first body of a stream, or the answer without a hold, with a filter on its channel. */
function firstBody(name: string, backend: Backend, expected: Seen, options: Play = {}): Scenario {
  return once(AREA, `first body: ${name}`, backend, expected, options)
}

const setUser = (value: string): string => control({ type: 'set-meta', name: 'user', value })

const SKIP_SELF: Case = { name: '', filters: ['skip-self'], meta: ALICE, items: [], arrives: [] }

const BUILD_ID = ['Grip-Channel', 'c; filter=build-id'] as const
const ID_FORMAT = ['Grip-Set-Meta', 'id_format=x'] as const

export const filters: Scenario[] = [
  ...CASES.flatMap((test) => [onStream(test), onLongPoll(test), onWebSocket(test)]),

  once(AREA, 'stream: a close is dropped too', { headers: hold('stream', SKIP_SELF) }, ['200 OK', [], 'x'], {
    then: async (world) => {
      await world.subscribed()
      await world.publish(
        closeOf(world.channel, { sender: 'alice' }),
        { channel: world.channel, formats: { 'http-stream': { content: 'x' } } },
        closeOf(world.channel),
      )
    },
  }),
  webSocket(
    'a close is dropped too',
    SKIP_SELF,
    async (s) => {
      await s.world.subscribed()
      await s.publish({ action: 'close', code: 4000 }, { meta: { sender: 'alice' } })
      await s.publish({ action: 'close', code: 4001 })
      await s.got(1)
    },
    ['close 4001'],
  ),
  webSocket(
    'a ping is filtered too',
    { filters: ['var-subst'], meta: ALICE },
    async (s) => {
      await s.world.subscribed()
      await s.publish({ type: 'ping', content: '%(user)s' })
      await s.got(1)
    },
    ['ping alice'],
  ),
  {
    ...woh(
      'WebSocket: metas come and go behind the subscription',
      (channel) => [
        ok(OPEN + control({ type: 'subscribe', channel, filters: ['var-subst'] }) + setUser('alice'), GRIP_BARE),
        ok(setUser('bob') + text('end')),
        ok(control({ type: 'set-meta', name: 'user' }) + text('end')),
      ],
      async (s) => {
        await s.world.subscribed()
        await s.publish({ content: '%(user)s' })
        await s.got(1)
        for (let turn = 1; turn <= 2; turn++) {
          s.client.text('x')
          await s.requests(turn + 1)
          await s.got(turn * 2)
          await s.publish({ content: '%(user)s' })
          await s.got(turn * 2 + 1)
        }
      },
      [
        [OPEN, text('x'), text('x')],
        ['text alice', 'text end', 'text bob', 'text end', 'text '],
      ],
    ),
    area: AREA,
  },
  {
    ...woh(
      'WebSocket: subscribed again with other filters',
      (channel) => [
        ok(OPEN + control({ type: 'subscribe', channel, filters: ['var-subst'] }), GRIP_BARE),
        ok(control({ type: 'subscribe', channel })),
        ok(control({ type: 'subscribe', channel, filters: ['var-subst'] }) + text('end')),
      ],
      async (s) => {
        await s.world.subscribed()
        await s.publish({ content: '100%%' })
        await s.got(1)
        s.client.text('1')
        await s.requests(2)
        await s.arrive()
        await s.publish({ content: '100%%' })
        await s.got(2)
        s.client.text('2')
        await s.requests(3)
        await s.got(3)
        await s.publish({ content: '100%%' })
        await s.got(4)
      },
      [
        [OPEN, text('1'), text('2')],
        ['text 100%', 'text 100%%', 'text end', 'text 100%'],
      ],
    ),
    area: AREA,
  },

  firstBody(
    'stream: ids that it names, no others',
    {
      headers: (channel) => ['Grip-Hold', 'stream', 'Grip-Channel', `${channel}; filter=build-id`, ...ID_FORMAT],
      body: 'open %(a)I %%\n',
    },
    ['200 OK', [], 'open a %\n'],
    {
      then: async (world) => {
        await world.subscribed()
        await world.publish(closeOf(world.channel))
      },
    },
  ),
  firstBody(
    'stream: var-subst leaves it alone',
    {
      headers: (channel) => [
        'Grip-Hold',
        'stream',
        'Grip-Channel',
        `${channel}; filter=var-subst`,
        'Grip-Set-Meta',
        'user=alice',
      ],
      body: 'hello %(user)s',
    },
    ['200 OK', [], 'hello %(user)s'],
    {
      then: async (world) => {
        await world.subscribed()
        await world.publish(closeOf(world.channel))
      },
    },
  ),
  firstBody(
    'stream: one that fails ends it',
    { headers: ['Grip-Hold', 'stream', ...BUILD_ID, ...ID_FORMAT], body: '%I' },
    ['200 OK', ['Content-Length: 0'], ''],
  ),
  ...(
    [
      ['%I', ID_FORMAT, 'No ID specified and no default ID in context at position 1'],
      ['a%(b', ID_FORMAT, 'Unterminated field starting at position 1'],
      ['a%', ID_FORMAT, "Expected directive after '%' at position 0"],
      ['a%(', ID_FORMAT, "Expected character after '(' at position 1"],
      ['a%(b\\', ID_FORMAT, "Expected character after '\\' at position 3"],
      ['a%(b)', ID_FORMAT, "Expected directive after ')' at position 3"],
      ['a%(b)x', ID_FORMAT, "Unknown directive 'x' at position 5"],
      ['a%%%5', ID_FORMAT, "Unknown directive '5' at position 4"],
      ['a%s', ID_FORMAT, "Unknown directive 's' at position 2"],
      ['plain', [], "no sub meta 'id_format'"],
      ['plain', [...ID_FORMAT, 'Grip-Set-Meta', 'id_encoding=x'], 'unsupported encoding: x'],
    ] as const
  ).flatMap(([body, metas, fault]) => {
    const message = `filter error: build-id: ${fault}`
    return [
      firstBody(
        `stream: debug mode says why: ${fault}`,
        { headers: ['Grip-Hold', 'stream', ...BUILD_ID, ...metas], body },
        ['200 OK', [`Content-Length: ${message.length + 3}`], `\n\n${message}\n`],
        { host: 'debug.test' },
      ),
      firstBody(
        `no hold: debug mode says why: ${fault}`,
        { headers: [...BUILD_ID, ...metas], body },
        INSTRUCT_FAULT(message),
        {
          host: 'debug.test',
        },
      ),
    ]
  }),
  firstBody('no hold: ids that it names', { headers: [...BUILD_ID, ...ID_FORMAT], body: '%(a)I %%' }, [
    '200 OK',
    ['Content-Length: 3'],
    'a %',
  ]),
  firstBody('no hold: one that fails', { headers: [...BUILD_ID, ...ID_FORMAT], body: '%I' }, PLAIN_FAULT),
  firstBody(
    'no hold: the filter of any channel',
    { headers: ['Grip-Channel', 'a, b; filter=foo, c; filter=build-id', ...ID_FORMAT], body: '%%' },
    ['200 OK', ['Content-Length: 1'], '%'],
  ),
  firstBody(
    'no hold: an instruct in JSON without a body, and build-id',
    {
      headers: [...INSTRUCT, ...BUILD_ID, ...ID_FORMAT],
      body: '{}',
    },
    ['200 OK', ['Content-Length: 0'], ''],
  ),
  firstBody(
    'no hold: an empty one needs the template too',
    { headers: [...BUILD_ID] },
    INSTRUCT_FAULT("filter error: build-id: no sub meta 'id_format'"),
    {
      host: 'debug.test',
    },
  ),
  {
    area: AREA,
    name: 'long poll: the answer at its time-out is as the backend gave it',
    slow: true,
    expected: ['200 OK', ['Content-Length: 2'], '%I'],
    run: (world) => {
      script(world, { headers: ['Grip-Hold', 'response', 'Grip-Timeout', '5', ...BUILD_ID, ...ID_FORMAT], body: '%I' })
      return play(world, {})
    },
  },

  ...(
    [
      ['quoted, is not set', ['Grip-Set-Meta', 'a=""'], ''],
      ['bare', ['Grip-Set-Meta', 'a='], '[]'],
      ['of two in one header', ['Grip-Set-Meta', 'b="", a="x"'], '[x]'],
      ['without a sign, is not set', ['Grip-Set-Meta', 'a'], ''],
    ] as const
  ).map(([what, metas, body]) =>
    once(
      AREA,
      `long poll: an empty meta: ${what}`,
      {
        headers: (channel) => ['Grip-Hold', 'response', 'Grip-Channel', `${channel}; filter=var-subst`, ...metas],
      },
      ['200 OK', [`Content-Length: ${body.length}`], body],
      {
        then: async (world) => {
          await world.subscribed()
          await world.publish(responseItem(world.channel, '[%(a)s]'))
        },
      },
    ),
  ),
  once(
    AREA,
    'long poll: an empty meta: in JSON',
    {
      headers: INSTRUCT,
      body: (channel) =>
        JSON.stringify({ hold: { channels: [{ name: channel, filters: ['var-subst'] }], meta: { a: '' } } }),
    },
    ['200 OK', ['Content-Length: 2'], '[]'],
    {
      then: async (world) => {
        await world.subscribed()
        await world.publish(responseItem(world.channel, '[%(a)s]'))
      },
    },
  ),
  webSocket(
    'an empty meta',
    { filters: ['var-subst'], meta: { a: '' } },
    async (s) => {
      await s.world.subscribed()
      await s.publish({ content: '[%(a)s]' })
      await s.got(1)
    },
    ['text []'],
  ),
  requireSub('the one it holds', (channel) => channel, 'first'),
  requireSub('another', (channel) => `${channel}-x`, 'second'),
  requireSub('another one it holds', () => 'also', 'first'),
  requireSub('by its name with prefix', (channel) => `pre-${channel}`, 'second'),
  ...(
    [
      ['the one it holds', (channel: string) => channel, ['text first', 'text second']],
      ['another', (channel: string) => `${channel}-x`, ['text second']],
    ] as const
  ).map(([what, required, client]) =>
    webSocket(
      `require-sub: ${what}`,
      { filters: ['require-sub'] },
      async (s) => {
        await s.world.subscribed(`pre-${s.channel}`)
        const channel = `pre-${s.channel}`
        await s.publish({ content: 'first' }, { channel, meta: { require_sub: required(s.channel) } })
        await s.publish({ content: 'second' }, { channel })
        await s.got(client.length)
        await s.quiet(200)
      },
      client,
      { host: 'prefix.test' },
    ),
  ),
  webSocket(
    'content-filters: in debug mode a mismatch closes with 1011',
    { filters: ['skip-self', 'var-subst'] },
    async (s) => {
      await s.world.subscribed()
      await s.publish({ content: 'x', 'content-filters': ['a', 'b'] })
      await s.got(1)
    },
    ['close 1011 content filter mismatch: subscription=var-subst message=a,b'],
    { host: 'debug.test' },
  ),
  once(
    AREA,
    'stream: content-filters: in debug mode a mismatch ends it',
    { headers: (channel) => ['Grip-Hold', 'stream', 'Grip-Channel', channel], body: 'open' },
    ['200 OK', [], 'open\n\ncontent filter mismatch: subscription= message=a,b\n'],
    {
      host: 'debug.test',
      then: async (world) => {
        await world.subscribed()
        await world.publish({
          channel: world.channel,
          formats: { 'http-stream': { content: 'x', 'content-filters': ['a', 'b'] } },
        })
      },
    },
  ),
  once(
    AREA,
    'long poll: content-filters: in debug mode a mismatch is the answer',
    { headers: (channel) => ['Grip-Hold', 'response', 'Grip-Channel', `${channel}; filter=var-subst`] },
    [
      '502 Bad Gateway',
      ['Content-Type: text/plain', 'Content-Length: 57'],
      'content filter mismatch: subscription=var-subst message=\n',
    ],
    {
      host: 'debug.test',
      then: async (world) => {
        await world.subscribed()
        await world.publish({
          channel: world.channel,
          formats: { 'http-response': { body: 'x', 'content-filters': [] } },
        })
      },
    },
  ),
]

/** A long poll of two channels on a route with a prefix. */
function requireSub(what: string, required: (channel: string) => string, body: string): Scenario {
  return once(
    AREA,
    `long poll: require-sub: ${what}`,
    { headers: (channel) => ['Grip-Hold', 'response', 'Grip-Channel', `${channel}; filter=require-sub, also`] },
    ['200 OK', [`Content-Length: ${body.length}`], body],
    {
      host: 'prefix.test',
      then: async (world) => {
        const channel = `pre-${world.channel}`
        await world.subscribed(channel)
        const item = (content: string, meta: Meta): Item => ({
          channel,
          formats: { 'http-response': { body: content } },
          meta,
        })
        await world.publish(item('first', { require_sub: required(world.channel) }), item('second', {}))
      },
    },
  )
}
