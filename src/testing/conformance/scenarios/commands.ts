/** The command socket: methods, their arguments and replies, what cannot be read. */
import { plainOfTnetstring } from '../../commander.js'
import type { Plain } from '../../commander.js'
import { encodeTnetstring, wsItem } from '../../publish.js'
import type { Scenario } from '../scenario.js'
import { GRIP_BARE, OPEN, ok, subscribe, woh, wohObserved } from '../woh.js'
import type { WohStage } from '../woh.js'
import type { World } from '../world.js'
import { quiet } from '../world.js'

const AREA = 'command socket'

/** A request, and its reply. */
function called(name: string, method: string, args: unknown, reply: Readonly<Record<string, Plain>>): Scenario {
  return {
    area: AREA,
    name: `command: ${name}`,
    expected: { id: 'one', ...reply },
    run: (world) => world.commander().call(method, args),
  }
}

/** The parts that come back, or null when nothing comes. */
async function replyTo(world: World, parts: readonly (Buffer | string)[]): Promise<Buffer[] | null> {
  const answered = world.commander().exchange(...parts.map((part) => Buffer.from(part)))
  answered.catch(() => {}) // The socket is closed when nothing comes.
  return Promise.race([answered, quiet().then(() => null)])
}

/** Parts as they are sent, and those that come back, the content decoded. */
function sent(name: string, parts: readonly (Buffer | string)[], expected: unknown): Scenario {
  return {
    area: AREA,
    name: `command: ${name}`,
    expected,
    run: async (world) => {
      const reply = (await replyTo(world, parts)) ?? []
      return [...reply.slice(0, -1).map(String), plainOfTnetstring(reply.at(-1) as Buffer)]
    },
  }
}

/** What comes back is its condition, `success`, or nothing. */
function unreadable(name: string, parts: readonly (Buffer | string)[]): Scenario {
  return {
    area: AREA,
    name: `command: not readable: ${name}`,
    expected: 'no reply',
    run: async (world) => {
      const content = (await replyTo(world, parts))?.at(-1)
      if (content === undefined) return 'no reply'
      const isJson = content[0] === 0x7b
      const reply = isJson ? (JSON.parse(content.toString()) as Plain) : plainOfTnetstring(content)
      return (reply as { condition?: string }).condition ?? 'success'
    },
  }
}

/** A WebSocket whose backend subscribes it, and what then happens to it. */
function opened(name: string, play: (s: WohStage, id: string) => unknown, expected: unknown): Scenario {
  return {
    ...wohObserved(
      `command: ${name}`,
      (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE)],
      async (s) => {
        await s.world.subscribed()
        return play(s, s.calls[0]?.header('connection-id') ?? '')
      },
      expected,
    ),
    area: AREA,
  }
}

const done = { success: true, value: null }
const bad = { success: false, condition: 'bad-request' }
const request = (fields: Readonly<Record<string, unknown>>): Buffer => encodeTnetstring(fields)
const FOO = { success: false, condition: 'method-not-found' }
const ITEM = { channel: 'nobody', formats: { 'ws-message': { content: 'x' } } }
const invalid = (detail: string): Readonly<Record<string, Plain>> => ({ ...bad, value: `Invalid format: ${detail}` })
const spec = (port: number): string => `tcp://127.0.0.1:${port}`

async function uris(world: World): Promise<unknown> {
  const reply = await world.commander().call('get-zmq-uris')
  const { command, pull, sub } = world.target.ports
  const names = new Map([
    [spec(command), 'COMMAND'],
    [spec(pull), 'PULL'],
    [spec(sub), 'SUB'],
  ])
  const { value } = reply as { value: Record<string, string> }
  return Object.fromEntries(Object.entries(value).map(([name, uri]) => [name, names.get(uri) ?? uri]))
}

const ALL: readonly Scenario[] = [
  {
    area: AREA,
    name: 'command: get-zmq-uris',
    expected: { command: 'COMMAND', 'publish-pull': 'PULL', 'publish-sub': 'SUB' },
    run: uris,
  },
  called('recover', 'recover', undefined, done),
  called('recover with arguments', 'recover', { x: 1 }, done),
  called('publish nothing', 'publish', { items: [] }, done),
  called('publish to nobody', 'publish', { items: [ITEM] }, done),
  called('publish without items', 'publish', {}, invalid("object does not contain 'items'")),
  called('publish without arguments', 'publish', undefined, invalid("object does not contain 'items'")),
  called('publish a text', 'publish', { items: 'x' }, invalid("object contains 'items' with wrong type")),
  called('publish no item', 'publish', { items: [ITEM, 'x'] }, invalid('publish item object is not an object')),
  called(
    'publish an item without channel',
    'publish',
    { items: [{}] },
    invalid("publish item object does not contain 'channel'"),
  ),
  called(
    'publish has the formats of tnetstrings',
    'publish',
    { items: [{ channel: 'a', 'http-response': { 'body-bin': 'eA==' } }] },
    invalid("'http-response' does not contain 'body' or 'body-patch'"),
  ),
  called('conncheck without ids', 'conncheck', {}, bad),
  called('conncheck of a text', 'conncheck', { ids: 'x' }, bad),
  called('conncheck of a number', 'conncheck', { ids: ['x', 1] }, bad),
  called('conncheck of nothing', 'conncheck', { ids: [] }, { success: true, value: [] }),
  called('conncheck of nobody', 'conncheck', { ids: ['x', 'y'] }, { success: true, value: [] }),
  called('refresh without arguments', 'refresh', undefined, bad),
  called('refresh of a number', 'refresh', { cid: 1 }, bad),
  called('refresh of a channel that is a number', 'refresh', { channel: 1 }, bad),
  called('refresh of nobody', 'refresh', { cid: 'x' }, { success: false, condition: 'item-not-found' }),
  called('refresh of a channel without anybody', 'refresh', { channel: 'nobody' }, done),
  called(
    'refresh goes by cid first',
    'refresh',
    { cid: 'x', channel: 'nobody' },
    { success: false, condition: 'item-not-found' },
  ),
  called('an unknown method', 'foo', {}, FOO),
  called('no method', '', {}, FOO),

  sent('without id', ['', request({ method: 'foo' })], ['', FOO]),
  sent('with an empty id', ['', request({ id: '', method: 'foo' })], ['', FOO]),
  sent('with from', ['', request({ from: 'me', id: '1', method: 'foo' })], ['', { id: '1', ...FOO }]),
  sent('with bytes behind it', ['', Buffer.concat([request({ method: 'foo' }), Buffer.from('zz')])], ['', FOO]),
  sent('with parts in front', ['one', 'two', '', request({ method: 'foo' })], ['one', 'two', '', FOO]),
  ...(
    [
      ['text', ['', 'hello']],
      ['nothing', ['', '']],
      ['no dictionary', ['', '1:x,']],
      ['a number as id', ['', request({ id: 1, method: 'recover' })]],
      ['no method at all', ['', request({ id: '1' })]],
      ['a number as method', ['', request({ id: '1', method: 1 })]],
      ['arguments that are a list', ['', request({ id: '1', method: 'recover', args: [] })]],
      ['arguments that are null', ['', request({ id: '1', method: 'recover', args: null })]],
      ['JSON', ['', '{"id":"1","method":"recover"}']],
      ['T in front of a tnetstring', ['', Buffer.concat([Buffer.from('T'), request({ method: 'recover' })])]],
      ['two parts', ['', request({ method: 'recover' }), 'x']],
      ['no empty part', [request({ method: 'recover' })]],
    ] as readonly (readonly [string, readonly (Buffer | string)[]])[]
  ).map(([name, parts]) => unreadable(name, parts)),

  opened(
    'conncheck of a WebSocket',
    async (s, id) => {
      const check = (): Promise<Plain> => s.world.commander().call('conncheck', { ids: ['x', id] })
      const before = await check()
      s.client.close(1000)
      await s.requests(2)
      await s.quiet()
      const found = (reply: Plain): unknown => (reply as { value: Plain[] }).value.map((one) => one === id || one)
      return [found(before), found(await check())]
    },
    [[true], []],
  ),
  opened(
    'refresh of a WebSocket asks its backend',
    async (s, id) => {
      const reply = await s.world.commander().call('refresh', { cid: id })
      await s.requests(2)
      await s.quiet(150)
      return [reply, s.transcript()]
    },
    [{ id: 'one', ...done }, [[OPEN, ''], []]],
  ),
  opened(
    'refresh of a channel asks the backend',
    async (s) => {
      const reply = await s.world.commander().call('refresh', { channel: s.channel })
      await s.requests(2)
      await s.quiet(150)
      return [reply, s.transcript()]
    },
    [{ id: 'one', ...done }, [[OPEN, ''], []]],
  ),
  {
    ...woh(
      'command: publish',
      (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE)],
      async (s) => {
        await s.world.subscribed()
        const items = [wsItem(s.channel, 'one'), { channel: s.channel, 'ws-message': { content: 'two' } }]
        await s.world.commander().call('publish', { items })
        await s.got(2)
      },
      [[OPEN], ['text one', 'text two']],
    ),
    area: AREA,
  },
]

/** These recover (the JSON one here only), and what others hold would be sent again. */
const RECOVERING = ['command: recover', 'command: recover with arguments', 'command: not readable: JSON']

export const commands: readonly Scenario[] = ALL.map((scenario) =>
  RECOVERING.includes(scenario.name) ? { ...scenario, alone: true } : scenario,
)
