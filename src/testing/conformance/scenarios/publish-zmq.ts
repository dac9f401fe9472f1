/** Publishing over ZeroMQ: PULL and SUB, JSON and tnetstring, what is dropped. */
import { PushPublisher, encodeItem, encodeTnetstring, wsItem } from '../../publish.js'
import type { Item } from '../../publish.js'
import type { Scenario } from '../scenario.js'
import { GRIP_BARE, OPEN, ok, subscribe, woh } from '../woh.js'
import type { WohStage } from '../woh.js'

type Parts = (channel: string) => readonly Buffer[]

/** Messages to the PULL socket, then one that arrives; all that the client gets. */
function pulled(name: string, messages: readonly Parts[], client: readonly string[]): Scenario {
  return sent(`PULL: ${name}`, client, async (s) => {
    const publisher = PushPublisher.connect(s.world.target.ports.pull)
    s.world.atEnd(() => publisher.close())
    for (const parts of messages) await publisher.sendRaw(...parts(s.channel))
    await publisher.publish(wsItem(s.channel, 'end'))
  })
}

/** Messages to the SUB socket, then one that arrives. */
function subbed(name: string, messages: readonly Parts[], client: readonly string[]): Scenario {
  return sent(`SUB: ${name}`, client, async (s) => {
    const { publisher } = s.world.stage
    for (const parts of messages) await publisher.sendRaw(...parts(s.channel))
    await publisher.publish(wsItem(s.channel, 'end'))
  })
}

function sent(name: string, client: readonly string[], play: (s: WohStage) => Promise<void>): Scenario {
  const events = [...client, 'text end']
  return {
    ...woh(
      name,
      (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE)],
      async (s) => {
        await s.world.subscribed()
        await play(s)
        await s.got(events.length)
        await s.quiet(150)
      },
      [[OPEN], events],
    ),
    area: 'ZeroMQ publishing',
  }
}

const item = (channel: string, fields: Readonly<Record<string, unknown>>): Item => ({
  channel,
  formats: { 'ws-message': fields },
})
const raw =
  (bytes: Buffer | string): Parts =>
  () => [Buffer.from(bytes)]
/** Behind its topic. */
const topic =
  (parts: Parts): Parts =>
  (channel) => [Buffer.from(channel), ...parts(channel)]
const encoded =
  (fields: Readonly<Record<string, unknown>>, encoding: 'json' | 'tnetstring' = 'json'): Parts =>
  (channel) => [encodeItem(item(channel, fields), encoding)]

const HELLO = { content: 'hello' }

export const publishZmq: Scenario[] = [
  pulled('JSON', [encoded(HELLO)], ['text hello']),
  pulled('tnetstring', [encoded(HELLO, 'tnetstring')], ['text hello']),
  pulled('tnetstring without T', [(channel) => [encodeTnetstring(item(channel, HELLO))]], ['text hello']),
  pulled(
    'bytes behind a tnetstring do not matter',
    [(channel) => [Buffer.concat([encodeItem(item(channel, HELLO), 'tnetstring'), Buffer.from('xyz')])]],
    ['text hello'],
  ),
  pulled('content-bin in JSON is base64', [encoded({ 'content-bin': 'AP8=' })], ['binary \0\xff']),
  pulled(
    'content-bin in a tnetstring is bytes',
    [encoded({ 'content-bin': Buffer.from([0, 255]) }, 'tnetstring')],
    ['binary \0\xff'],
  ),
  pulled(
    'content in a tnetstring may be any bytes',
    [encoded({ content: Buffer.from([0xff, 0xfe]) }, 'tnetstring')],
    ['text \xff\xfe'],
  ),
  pulled(
    'several, in order, encodings mixed',
    [encoded({ content: '1' }), encoded({ content: '2' }, 'tnetstring'), encoded({ content: '3' })],
    ['text 1', 'text 2', 'text 3'],
  ),
  pulled(
    'the format at top level',
    [(channel) => [Buffer.from(`J${JSON.stringify({ channel, 'ws-message': HELLO })}`)]],
    ['text hello'],
  ),
  pulled('close', [encoded({ action: 'hint' }), encoded({ content: 'x', type: 'ping' })], ['ping x']),
  ...(
    [
      ['two parts', (channel: string) => [encodeItem(item(channel, HELLO)), Buffer.from('x')]],
      ['an empty message', raw('')],
      ['J alone', raw('J')],
      ['T alone', raw('T')],
      ['JSON cut off', raw('J{"channel":')],
      ['a JSON array', raw('J[]')],
      ['JSON without J', (channel: string) => [Buffer.from(JSON.stringify(item(channel, HELLO)))]],
      ['a tnetstring cut off', raw('T50:5:hello,}')],
      ['a tnetstring that is no dict', raw('T5:hello,')],
      ['no channel', raw('J{"formats":{"ws-message":{"content":"x"}}}')],
      ['no formats', (channel: string) => [Buffer.from(`J{"channel":"${channel}"}`)]],
      ['a format without content', encoded({})],
      ['an unknown action', encoded({ action: 'foo', content: 'x' })],
      [
        'items, as over HTTP',
        (channel: string) => [Buffer.from(`J${JSON.stringify({ items: [item(channel, HELLO)] })}`)],
      ],
    ] as readonly (readonly [string, Parts])[]
  ).map(([name, parts]) => pulled(`dropped: ${name}`, [parts], [])),

  subbed('JSON', [topic(encoded(HELLO))], ['text hello']),
  subbed('tnetstring', [topic(encoded(HELLO, 'tnetstring'))], ['text hello']),
  subbed('tnetstring without T', [topic((channel) => [encodeTnetstring(item(channel, HELLO))])], ['text hello']),
  subbed(
    'the topic is the channel, whatever the item says',
    [topic(() => [encodeItem(item('another', HELLO))])],
    ['text hello'],
  ),
  subbed(
    'an item without channel',
    [topic(() => [Buffer.from('J{"formats":{"ws-message":{"content":"hello"}}}')])],
    ['text hello'],
  ),
  subbed(
    'a topic that only begins like the channel',
    [(channel) => [Buffer.from(`${channel}x`), encodeItem(item(channel, HELLO))]],
    [],
  ),
  ...(
    [
      ['one part', (channel: string) => [Buffer.from(channel)]],
      ['three parts', topic((channel) => [encodeItem(item(channel, HELLO)), Buffer.from('x')])],
      ['no JSON', topic(raw('Jx'))],
      ['an empty item', topic(raw(''))],
    ] as readonly (readonly [string, Parts])[]
  ).map(([name, parts]) => subbed(`dropped: ${name}`, [parts], [])),
]
