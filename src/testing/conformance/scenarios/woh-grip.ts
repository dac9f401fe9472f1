/** The grip extension on WebSockets: message prefix, control messages, publishes. */
import type { Scenario } from '../scenario.js'
import { GRIP, GRIP_BARE, OPEN, binary, close, control, event, ok, subscribe, text, woh } from '../woh.js'
import type { WohOptions, WohStage } from '../woh.js'

const AREA = 'GRIP on WebSockets'

function grip(scenario: Scenario): Scenario {
  return { ...scenario, area: AREA }
}

/** The answer to a message of a connection that negotiated `extension`, and the events the client gets. */
function prefixed(name: string, extension: string | null, body: string, client: readonly string[]): Scenario {
  return grip(
    woh(
      `prefix: ${name}`,
      [ok(OPEN, extension === null ? {} : { 'Sec-WebSocket-Extensions': extension }), ok(body)],
      async (s) => {
        s.client.text('x')
        await s.requests(2)
        await s.got(client.length)
        await s.quiet(200)
      },
      [[OPEN, text('x')], client],
    ),
  )
}

/** Subscribed by OPEN; then publishes, and all that the client gets. */
function published(
  name: string,
  formats: readonly Readonly<Record<string, unknown>>[],
  client: readonly string[],
  more: Readonly<Record<string, unknown>> = {},
): Scenario {
  return grip(
    woh(
      `publish: ${name}`,
      (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE)],
      async (s) => {
        await s.world.subscribed()
        for (const format of formats) await s.publish(format, more)
        await s.got(client.length)
        await s.quiet(250)
      },
      [[OPEN], client],
    ),
  )
}

/** Events with OPEN, then a play; all that the client gets. */
function controlled(
  name: string,
  events: (channel: string) => string,
  play: (s: WohStage) => void | Promise<void>,
  client: readonly string[],
  options: WohOptions = {},
): Scenario {
  return grip(
    woh(
      `control: ${name}`,
      (channel) => [ok(OPEN + events(channel), GRIP_BARE)],
      async (s) => {
        await play(s)
        await s.got(client.length)
        await s.quiet(300)
      },
      [[OPEN], client],
      options,
    ),
  )
}

/** A marker behind the control messages: when it is there, they were worked on. */
const marker = text('marker')

/** Subscribed, then a publish that must come. */
const comes = async (s: WohStage): Promise<void> => {
  await s.world.subscribed()
  await s.publish({ content: 'published' })
}

/** A publish that must not come: nobody subscribed. */
const goesNowhere = async (s: WohStage): Promise<void> => {
  await s.got(1)
  await s.arrive()
  await s.publish({ content: 'published' })
}

const ignored: readonly (readonly [string, string])[] = [
  ['no JSON', text('c:nonsense')],
  ['nothing behind c:', text('c:')],
  ['a JSON array', text('c:[]')],
  ['no type', control({ channel: 'x' })],
  ['an unknown type', control({ type: 'subscribee', channel: 'x' })],
  ['type in upper case', control({ type: 'Subscribe', channel: 'x' })],
  ['type is no string', control({ type: 1 })],
  ['subscribe without channel', control({ type: 'subscribe' })],
  ['subscribe with an empty channel', control({ type: 'subscribe', channel: '' })],
  ['subscribe with a number as channel', control({ type: 'subscribe', channel: 5 })],
  ['subscribe with filters that are no list', control({ type: 'subscribe', channel: 'x', filters: 'skip-self' })],
  ['unsubscribe of an unknown channel', control({ type: 'unsubscribe', channel: 'x' })],
  ['flush-delayed with nothing to flush', control({ type: 'flush-delayed' })],
  ['keep-alive with a negative timeout', control({ type: 'keep-alive', content: 'k', timeout: -1 })],
  ['keep-alive with a timeout that is no number', control({ type: 'keep-alive', content: 'k', timeout: [] })],
  ['send-delayed without content', control({ type: 'send-delayed', timeout: 1 })],
  ['set-meta without name', control({ type: 'set-meta', value: 'x' })],
]

export const wohGrip: Scenario[] = [
  prefixed('m: by default', 'grip', text('m:one') + binary('m:two'), ['text one', 'binary two']),
  prefixed('what lacks it is dropped', 'grip', text('one') + text('m:two'), ['text two']),
  prefixed('empty behind it', 'grip', text('m:'), ['text ']),
  prefixed('an empty message is dropped', 'grip', `TEXT\r\n${text('m:after')}`, ['text after']),
  prefixed('part of it is dropped', 'grip', text('m') + text('m:after'), ['text after']),
  prefixed('once only', 'grip', text('m:m:one'), ['text m:one']),
  prefixed('pings pass without', 'grip', event('PING', 'p') + text('m:one'), ['ping p', 'text one']),
  prefixed('an empty one lets all pass', 'grip; message-prefix=""', text('one') + binary('two'), [
    'text one',
    'binary two',
  ]),
  prefixed('another, quoted', 'grip; message-prefix="msg,"', text('msg,one') + text('m:two'), ['text one']),
  prefixed('another, as a token', 'grip; message-prefix=pre', text('preone') + text('m:two'), ['text one']),
  prefixed('another, with an escape', 'grip; message-prefix="a\\"b"', text('a"bone') + text('m:two'), ['text one']),
  prefixed('the last of two counts', 'grip; message-prefix=a; message-prefix=b', text('aone') + text('btwo'), [
    'text two',
  ]),
  prefixed('unknown parameters', 'grip; foo=bar; message-prefix=a', text('aone'), ['text one']),
  prefixed('among other extensions', 'foo; x=1, grip; message-prefix=a', text('aone'), ['text one']),
  prefixed('an unterminated quote: no grip', 'grip; message-prefix="a', text('one') + text('c:{}'), [
    'text one',
    'text c:{}',
  ]),
  prefixed('grip in upper case is none', 'GRIP', text('one'), ['text one']),
  prefixed('not negotiated: all passes, control messages too', null, text('one') + text('c:{}') + text('m:two'), [
    'text one',
    'text c:{}',
    'text m:two',
  ]),
  prefixed('binary control messages are none', 'grip; message-prefix=""', binary('c:{}'), ['binary c:{}']),
  prefixed('a control message is kept from the client', 'grip; message-prefix=""', text('c:{}') + text('one'), [
    'text one',
  ]),
  prefixed('a large message', 'grip', text(`m:${'x'.repeat(50_000)}`), [`text ${'x'.repeat(50_000)}`]),
  prefixed('a large message that lacks it is dropped whole', 'grip', text('x'.repeat(50_000)) + text('m:after'), [
    'text after',
  ]),
  prefixed(
    'a control message above 16384 bytes is passed over',
    'grip; message-prefix=""',
    text(`c:${' '.repeat(16_384)}{}`) + text('after'),
    ['text after'],
  ),
  grip(
    woh(
      'prefix: negotiated by the answer to OPEN only',
      [ok(OPEN), ok(text('one') + text('m:two'), GRIP)],
      async (s) => {
        s.client.text('x')
        await s.got(2)
      },
      [[OPEN], ['text one', 'text m:two']],
    ),
  ),
  grip(
    woh(
      'prefix: the messages of a client have none',
      [ok(OPEN, GRIP), ok(text('m:done'))],
      async (s) => {
        s.client.text('m:one')
        await s.requests(2)
        await s.got(1)
        s.client.text('c:{"type":"subscribe","channel":"x"}')
        await s.requests(3)
      },
      [[OPEN, text('m:one'), text('c:{"type":"subscribe","channel":"x"}')], ['text done']],
    ),
  ),

  ...ignored.map(([name, message]) =>
    controlled(`ignored: ${name}`, (channel) => message + subscribe(channel), comes, ['text published']),
  ),
  controlled('subscribe', subscribe, comes, ['text published']),
  controlled('subscribe twice delivers once', (channel) => subscribe(channel) + subscribe(channel), comes, [
    'text published',
  ]),
  controlled(
    'subscribe and unsubscribe in one answer',
    (channel) => subscribe(channel) + control({ type: 'unsubscribe', channel }) + marker,
    goesNowhere,
    ['text marker'],
  ),
  controlled('keys nobody knows', (channel) => control({ type: 'subscribe', channel, foo: { bar: [1] } }), comes, [
    'text published',
  ]),
  controlled(
    'a channel with UTF-8 and blanks',
    (channel) => control({ type: 'subscribe', channel: `${channel} x` }),
    async (s) => {
      await s.world.subscribed(`${s.channel} x`)
      await s.publish({ content: 'published' }, { channel: `${s.channel} x` })
    },
    ['text published'],
  ),
  grip(
    woh(
      'control: subscribe by the answer to a message, unsubscribe by the next',
      (channel) => [
        ok(OPEN, GRIP_BARE),
        ok(subscribe(channel)),
        ok(control({ type: 'unsubscribe', channel })),
        ok(text('end')),
      ],
      async (s) => {
        s.client.text('1')
        await s.world.subscribed()
        await s.publish({ content: 'first' })
        await s.got(1)
        s.client.text('2')
        await s.world.unsubscribed()
        await s.publish({ content: 'second' })
        s.client.text('3')
        await s.got(2)
      },
      [[OPEN], ['text first', 'text end']],
    ),
  ),
  grip(
    woh(
      'control: twenty channels and no more',
      (channel) => [
        ok(OPEN + Array.from({ length: 21 }, (_, at) => subscribe(`${channel}-${at}`)).join(''), GRIP_BARE),
      ],
      async (s) => {
        await s.world.subscribed(`${s.channel}-19`)
        await s.publish({ content: 'twentieth' }, { channel: `${s.channel}-19` })
        await s.publish({ content: 'twenty-first' }, { channel: `${s.channel}-20` })
        await s.quiet()
      },
      [[OPEN], ['text twentieth']],
    ),
  ),
  grip(
    woh(
      'control: more than five filters close with 1011',
      (channel) => [
        ok(OPEN + control({ type: 'subscribe', channel, filters: ['a', 'b', 'c', 'd', 'e', 'f'] }), GRIP_BARE),
      ],
      async (s) => {
        await s.got(1)
      },
      [[OPEN], ['close 1011']],
    ),
  ),
  controlled(
    'five filters, unknown ones are passed over',
    (channel) => control({ type: 'subscribe', channel, filters: ['a', 'b', 'c', 'd', 'e'] }),
    comes,
    ['text published'],
  ),
  controlled(
    'filter skip-self drops what the user sent',
    (channel) =>
      control({ type: 'set-meta', name: 'user', value: 'alice' }) +
      control({ type: 'subscribe', channel, filters: ['skip-self'] }),
    async (s) => {
      await s.world.subscribed()
      await s.publish({ content: 'own' }, { meta: { sender: 'alice' } })
      await s.publish({ content: 'other' }, { meta: { sender: 'bob' } })
    },
    ['text other'],
  ),
  controlled(
    'filter skip-users drops for those named',
    (channel) =>
      control({ type: 'set-meta', name: 'user', value: 'alice' }) +
      control({ type: 'subscribe', channel, filters: ['skip-users'] }),
    async (s) => {
      await s.world.subscribed()
      await s.publish({ content: 'no' }, { meta: { skip_users: 'bob, alice' } })
      await s.publish({ content: 'yes' }, { meta: { skip_users: 'bob' } })
    },
    ['text yes'],
  ),
  controlled(
    'filter var-subst puts metas in',
    (channel) =>
      control({ type: 'set-meta', name: 'user', value: 'alice' }) +
      control({ type: 'subscribe', channel, filters: ['var-subst'] }),
    async (s) => {
      await s.world.subscribed()
      await s.publish({ content: 'hello %(user)s, 100%%' })
    },
    ['text hello alice, 100%'],
  ),
  controlled(
    'the prefix of the route',
    subscribe,
    async (s) => {
      await s.world.subscribed(`pre-${s.channel}`)
      await s.publish({ content: 'without' })
      await s.publish({ content: 'with' }, { channel: `pre-${s.channel}` })
    },
    ['text with'],
    { host: 'prefix.test' },
  ),
  grip(
    woh(
      'control: sub= of the target subscribes without grip, messages pass as they are',
      [ok(OPEN + text('c:{}'))],
      async (s) => {
        await s.got(1)
        await s.world.subscribed('implied-channel')
        await s.publish({ content: 'implied' }, { channel: 'implied-channel' })
        await s.got(2)
      },
      [[OPEN], ['text c:{}', 'text implied']],
      { host: 'sub.test' },
    ),
  ),
  grip(
    woh(
      'control: no_grip hands everything to the client',
      [ok(OPEN + subscribe('x'), GRIP)],
      (s) => s.got(1),
      [[OPEN], ['text c:{"type":"subscribe","channel":"x"}']],
      { host: 'no-grip.test' },
    ),
  ),

  controlled(
    'keep-alive: idle, a text after its timeout',
    () => control({ type: 'keep-alive', content: 'still here', timeout: 2 }),
    async (s) => s.got(2),
    ['text still here', 'text still here'],
    { slow: true },
  ),
  controlled(
    'keep-alive: a binary content is a text unless its type is said',
    () => control({ type: 'keep-alive', 'content-bin': 'aGk=', timeout: 2, mode: 'interval' }),
    async (s) => s.got(1),
    ['text hi'],
    { slow: true },
  ),
  controlled(
    'keep-alive: a ping',
    () => control({ type: 'keep-alive', content: 'p', 'message-type': 'ping', timeout: 2 }),
    async (s) => s.got(1),
    ['ping p'],
    { slow: true },
  ),
  controlled(
    'keep-alive: without content it is turned off',
    () => control({ type: 'keep-alive', content: 'never', timeout: 1 }) + control({ type: 'keep-alive' }) + marker,
    async (s) => s.quiet(1_300),
    ['text marker'],
    { slow: true },
  ),
  ...(
    [
      ['an unknown mode is idle', 'often', ['text marker', 'text k']],
      ['ignored: a mode that is no string', 5, ['text marker']],
    ] as const
  ).map(([name, mode, client]) =>
    controlled(
      `keep-alive: ${name}`,
      () => control({ type: 'keep-alive', content: 'k', timeout: 2, mode }) + marker,
      (s) => (client.length > 1 ? s.got(2) : s.quiet(2_300)),
      client,
      { slow: true },
    ),
  ),
  controlled(
    'send-delayed: after its timeout',
    () => control({ type: 'send-delayed', content: 'later', timeout: 1 }) + marker,
    async (s) => s.got(2),
    ['text marker', 'text later'],
    { slow: true },
  ),
  controlled(
    'send-delayed and flush-delayed',
    () => control({ type: 'send-delayed', content: 'later', timeout: 60 }) + control({ type: 'flush-delayed' }),
    async (s) => s.got(1),
    ['text later'],
  ),
  controlled(
    'send-delayed: a second one sends the first at once',
    () =>
      control({ type: 'send-delayed', content: 'first', timeout: 60 }) +
      control({ type: 'send-delayed', content: 'second', timeout: 60 }),
    async (s) => s.got(1),
    ['text first'],
  ),
  controlled(
    'send-delayed: binary',
    () =>
      control({ type: 'send-delayed', 'content-bin': 'AP8=', 'message-type': 'binary', timeout: 60 }) +
      control({ type: 'flush-delayed' }),
    async (s) => s.got(1),
    ['binary \0\xff'],
  ),

  published('content is text', [{ content: 'hello' }], ['text hello']),
  published('content in UTF-8', [{ content: 'h\xe9' }], ['text h\xc3\xa9']),
  published('an empty content', [{ content: '' }], ['text ']),
  published('content-bin is binary', [{ 'content-bin': 'AP8=' }], ['binary \0\xff']),
  published('content-bin as text', [{ 'content-bin': 'aGk=', type: 'text' }], ['text hi']),
  published('content as binary', [{ content: 'hi', type: 'binary' }], ['binary hi']),
  published('content-bin wins', [{ content: 'a', 'content-bin': 'Yg==' }], ['binary b']),
  published('a ping', [{ type: 'ping', content: 'p' }], ['ping p']),
  published('a ping without content', [{ type: 'ping' }], ['ping ']),
  grip(
    woh(
      'publish: a pong',
      (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE)],
      async (s) => {
        await s.world.subscribed()
        await s.publish({ type: 'pong', content: 'p' })
        await s.publish({ content: 'after' })
        await s.got(1)
        await s.quiet(250)
      },
      [[OPEN], ['pong p', 'text after']],
    ),
  ),
  published('action send', [{ action: 'send', content: 'hello' }], ['text hello']),
  published('action hint is passed over', [{ action: 'hint' }, { content: 'after' }], ['text after']),
  published(
    'in order',
    ['1', '2', '3', '4', '5'].map((content) => ({ content })),
    ['text 1', 'text 2', 'text 3', 'text 4', 'text 5'],
  ),
  published('60000 bytes', [{ content: 'x'.repeat(60_000) }], [`text ${'x'.repeat(60_000)}`]),
]

wohGrip.push(
  grip(
    woh(
      'publish: with the item at top level',
      (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE)],
      async (s) => {
        await s.world.subscribed()
        await s.world.publish({ channel: s.channel, 'ws-message': { content: 'flat' } })
        await s.got(1)
      },
      [[OPEN], ['text flat']],
    ),
  ),
  grip(
    woh(
      'publish: an id that came already is dropped',
      (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE)],
      async (s) => {
        await s.world.subscribed()
        await s.publish({ content: 'one' }, { id: 'a' })
        await s.publish({ content: 'two' }, { id: 'a' })
        await s.publish({ content: 'three' }, { id: 'b' })
        await s.got(2)
      },
      [[OPEN], ['text one', 'text three']],
    ),
  ),
  grip(
    woh(
      'publish: prev-id brings items into their order',
      (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE)],
      async (s) => {
        await s.world.subscribed()
        await s.publish({ content: 'a' }, { id: 'a' })
        await s.publish({ content: 'c' }, { id: 'c', 'prev-id': 'b' })
        await s.publish({ content: 'b' }, { id: 'b', 'prev-id': 'a' })
        await s.got(3)
      },
      [[OPEN], ['text a', 'text b', 'text c']],
    ),
  ),
  grip(
    woh(
      'publish: only to those who subscribed',
      (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE)],
      async (s) => {
        await s.world.subscribed()
        await s.publish({ content: 'other' }, { channel: `${s.channel}-other` })
        await s.publish({ content: 'longer' }, { channel: `${s.channel}x` })
        await s.publish({ content: 'own' })
        await s.got(1)
        await s.quiet(200)
      },
      [[OPEN], ['text own']],
    ),
  ),
  grip(
    woh(
      'publish: the subscription ends with the connection',
      (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE)],
      async (s) => {
        await s.world.subscribed()
        s.client.close(1000)
        await s.world.unsubscribed()
        await s.requests(2)
      },
      [[OPEN, close(1000)], []],
    ),
  ),
)
