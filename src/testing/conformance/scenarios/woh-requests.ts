/** WebSocket-over-HTTP: heads and bodies of requests, batching, meta. */
import { Opcode } from '../../websocket-frames.js'
import type { Scenario } from '../scenario.js'
import { GRIP_BARE, OPEN, binary, event, held, ok, subscribe, text, woh, wohObserved } from '../woh.js'
import type { WohOptions, WohStage } from '../woh.js'

/** Of Pushpin 2.0; 1.41 lacks the last two. */
const GRIP_FEATURE =
  'status, session, link:next, link:gone, filter:skip-self, filter:skip-users, filter:require-sub, filter:build-id, filter:var-subst, filter:http-check, filter:http-modify'

/** Names in lower case; what varies is replaced. `Connection` and the value of `Grip-Feature` have scenarios of their own. */
function headOf(s: WohStage, index: number): string[] {
  const call = s.calls[index]
  if (call === undefined) return []
  const names = call.rawHeaders.filter((_, at) => at % 2 === 0)
  const varying: Readonly<Record<string, string>> = {
    'connection-id': 'ID',
    'grip-sig': 'SIG',
    'grip-feature': 'FEATURES',
  }
  return names
    .map((name, at) => {
      const lower = name.toLowerCase()
      return `${lower}: ${varying[lower] ?? call.rawHeaders[2 * at + 1]}`
    })
    .filter((line) => !line.startsWith('connection:'))
}

/** The heads of the requests for OPEN, one message and the close. */
function heads(name: string, expected: readonly (readonly string[])[], options: WohOptions = {}): Scenario {
  return wohObserved(
    name,
    [ok(OPEN, { 'Set-Meta-User': 'alice' }), ok(text('done'))],
    async (s) => {
      s.client.text('hello')
      await s.requests(2)
      await s.got(1)
      s.client.drop()
      await s.requests(3)
      return [headOf(s, 0), headOf(s, 1), headOf(s, 2)]
    },
    expected,
    options,
  )
}

const HANDSHAKE = ['sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version: 13']
const FEATURE = 'grip-feature: FEATURES'
const EVENTS = [
  'accept: application/websocket-events',
  'connection-id: ID',
  'content-type: application/websocket-events',
]
const OWN = ['sec-websocket-extensions: grip', 'grip-sig: SIG', ...EVENTS]

/** One event of the client, the body of its request. */
function oneEvent(name: string, play: (s: WohStage) => void, body: string): Scenario {
  return woh(
    `event: ${name}`,
    [ok(OPEN), ok(text('done'))],
    async (s) => {
      play(s)
      await s.requests(2)
    },
    [[OPEN, body], []],
  )
}

/** What arrives while a request is under way. */
function batch(
  name: string,
  play: (s: WohStage) => void,
  bodies: readonly string[],
  options: WohOptions = {},
  client: readonly string[] = [],
): Scenario {
  return woh(
    `batch: ${name}`,
    [ok(OPEN), held(ok())],
    async (s) => {
      s.client.text('0')
      await s.requests(2)
      play(s)
      await s.arrive()
      s.release()
      await s.requests(2 + bodies.length)
      await s.quiet(200)
    },
    [[OPEN, text('0'), ...bodies], client],
    options,
  )
}

/** Metas set by the answer to OPEN and to the first message, and the Meta- headers of the second and third request. */
function meta(
  name: string,
  first: Readonly<Record<string, string>>,
  second: Readonly<Record<string, string>>,
  expected: readonly (readonly string[])[],
): Scenario {
  return wohObserved(
    `meta: ${name}`,
    [ok(OPEN, first), ok(text('1'), second), ok(text('2'))],
    async (s) => {
      for (const count of [1, 2]) {
        s.client.text('x')
        await s.requests(count + 1)
        await s.got(count)
      }
      const metas = (index: number): string[] => {
        const { rawHeaders } = s.calls[index] ?? { rawHeaders: [] }
        return rawHeaders.flatMap((text, at) =>
          at % 2 === 0 && /^meta-/i.test(text) ? [`${text.toLowerCase()}: ${rawHeaders[at + 1]}`] : [],
        )
      }
      return [metas(1), metas(2)]
    },
    expected,
  )
}

export const wohRequests: Scenario[] = [
  heads('head of the requests', [
    ['host: any.test', ...HANDSHAKE, FEATURE, ...OWN, 'content-length: 6'],
    ['host: any.test', ...HANDSHAKE, FEATURE, ...OWN, 'meta-user: alice', 'content-length: 15'],
    ['host: any.test', ...HANDSHAKE, FEATURE, ...OWN, 'meta-user: alice', 'content-length: 12'],
  ]),
  heads(
    'head of the requests: no_grip',
    [
      ['host: no-grip.test', ...HANDSHAKE, 'grip-sig: SIG', ...EVENTS, 'content-length: 6'],
      ['host: no-grip.test', ...HANDSHAKE, 'grip-sig: SIG', ...EVENTS, 'meta-user: alice', 'content-length: 15'],
      ['host: no-grip.test', ...HANDSHAKE, 'grip-sig: SIG', ...EVENTS, 'meta-user: alice', 'content-length: 12'],
    ],
    { host: 'no-grip.test' },
  ),
  heads(
    'headers of the client are passed on every request, without its own Meta-, Connection-Id, Accept',
    [6, 15, 12].map((length, at) => [
      'host: any.test',
      ...HANDSHAKE,
      'origin: http://page.test',
      'cookie: a=b; c=d',
      'authorization: Bearer xyz',
      'user-agent: suite',
      'sec-websocket-protocol: chat, superchat',
      'x-twice: 1',
      FEATURE,
      'x-forwarded-for: 10.0.0.1, 10.0.0.2',
      ...OWN,
      ...(at === 0 ? [] : ['meta-user: alice']),
      `content-length: ${length}`,
    ]),
    {
      headers: {
        Origin: 'http://page.test',
        Cookie: 'a=b; c=d',
        Authorization: 'Bearer xyz',
        'User-Agent': 'suite',
        Accept: 'text/html',
        'Accept-Encoding': 'gzip',
        'Connection-Id': 'mine',
        'Meta-User': 'mallory',
        'meta-x': 'y',
        'Grip-Sig': 'forged',
        'Grip-Last': 'forged',
        'Keep-Alive': '5',
        'Sec-WebSocket-Protocol': 'chat, superchat',
        'Sec-WebSocket-Extensions': 'permessage-deflate',
        'X-Forwarded-For': '10.0.0.1, 10.0.0.2',
        'X-Twice': '1',
      },
    },
  ),
  heads(
    'headers set and removed by the route',
    [6, 15, 12].map((length, at) => [
      'host: header.test',
      ...HANDSHAKE,
      'x-added: one',
      FEATURE,
      ...OWN,
      ...(at === 0 ? [] : ['meta-user: alice']),
      `content-length: ${length}`,
    ]),
    { host: 'header.test', headers: { 'X-Removed': 'gone', 'X-Added': 'replaced' } },
  ),
  wohObserved(
    'head of the requests: Content-Bytes-Replayed and metas',
    [ok(OPEN, { 'Set-Meta-A': '1' }), ok('', { 'Content-Bytes-Accepted': '2' }), ok(text('done'))],
    async (s) => {
      s.client.text('hello')
      await s.requests(2)
      await s.arrive()
      s.client.text('x')
      await s.requests(3)
      return headOf(s, 2).slice(-4)
    },
    ['content-type: application/websocket-events', 'content-bytes-replayed: 3', 'meta-a: 1', 'content-length: 24'],
  ),
  woh(
    'a message of 300000 bytes drops the client, and the backend is told',
    [ok(OPEN)],
    async (s) => {
      s.client.text('x'.repeat(300_000))
      await s.got(1)
      await s.quiet(1_000)
    },
    [[OPEN, 'DISCONNECT\r\n'], ['drop']],
  ),
  wohObserved('Grip-Feature: what it names', [ok(OPEN)], (s) => s.calls[0]?.header('grip-feature'), GRIP_FEATURE),
  wohObserved(
    'head of the requests: no Connection header',
    [ok(OPEN), ok(text('done'))],
    async (s) => {
      s.client.text('hello')
      await s.requests(2)
      return s.calls.map((call) => call.header('connection'))
    },
    [null, null],
  ),
  wohObserved(
    'Host and path: target option host',
    [ok(OPEN)],
    (s) => [s.calls[0]?.header('host'), s.calls[0]?.url.replace(s.world.scene, 'SCENE')],
    ['other.test', '/SCENE/a?b=c'],
    { host: 'host.test', path: '/a?b=c' },
  ),
  wohObserved(
    'Host and path: as_host',
    [ok(OPEN)],
    (s) => [s.calls[0]?.header('host'), s.calls[0]?.url.replace(s.world.scene, 'SCENE')],
    ['renamed.test:8080', '/SCENE/a?b=c'],
    { host: 'as-host.test', path: '/a?b=c' },
  ),
  wohObserved(
    'the path keeps what is escaped and its query',
    [ok(OPEN)],
    (s) => s.calls[0]?.url.replace(s.world.scene, 'SCENE'),
    '/SCENE/a%20b//c;d/%2F?x=%20y&z',
    { path: '/a%20b//c;d/%2F?x=%20y&z' },
  ),
  wohObserved(
    'the signature is made anew for each request',
    [ok(OPEN), ok(text('done'))],
    async (s) => {
      s.client.text('x')
      await s.requests(2)
      return s.calls.map((call) => {
        const parts = (call.header('grip-sig') ?? '').split('.')
        const [head, claims] = parts.slice(0, 2).map((part) => Buffer.from(part, 'base64url').toString())
        return [head, (claims ?? '').replace(/"exp":\d+/, '"exp":N')]
      })
    },
    Array.from({ length: 2 }, () => ['{"typ":"JWT","alg":"HS256"}', '{"exp":N,"iss":"pushpin"}']),
  ),
  wohObserved(
    'sig_iss of the route',
    [ok(OPEN)],
    (s) => {
      const claims = (s.calls[0]?.header('grip-sig') ?? '').split('.')[1] ?? ''
      return Buffer.from(claims, 'base64url')
        .toString()
        .replace(/"exp":\d+/, '"exp":N')
    },
    '{"exp":N,"iss":"someone"}',
    { host: 'key.test' },
  ),

  oneEvent('TEXT', (s) => s.client.text('hello'), 'TEXT 5\r\nhello\r\n'),
  oneEvent('TEXT of 26 bytes: lower case hexadecimal', (s) => s.client.text('x'.repeat(26)), text('x'.repeat(26))),
  oneEvent('BINARY', (s) => s.client.binary('\0\xff\r\n'), 'BINARY 4\r\n\0\xff\r\n\r\n'),
  oneEvent('TEXT with UTF-8', (s) => s.client.text('h\xc3\xa9'), 'TEXT 3\r\nh\xc3\xa9\r\n'),
  oneEvent('TEXT without content', (s) => s.client.text(''), 'TEXT\r\n'),
  oneEvent('BINARY without content', (s) => s.client.binary(''), 'BINARY\r\n'),
  oneEvent('PING', (s) => s.client.ping('abc'), 'PING 3\r\nabc\r\n'),
  oneEvent('PING without content', (s) => s.client.ping(), 'PING\r\n'),
  oneEvent('PING of 125 bytes', (s) => s.client.ping('p'.repeat(125)), event('PING', 'p'.repeat(125))),
  oneEvent('PONG', (s) => s.client.pong('abc'), 'PONG 3\r\nabc\r\n'),
  oneEvent('PONG without content', (s) => s.client.pong(), 'PONG\r\n'),
  oneEvent('CLOSE with code and reason', (s) => s.client.close(1001, 'going'), 'CLOSE 7\r\n\x03\xe9going\r\n'),
  oneEvent('CLOSE with code', (s) => s.client.close(1000), 'CLOSE 2\r\n\x03\xe8\r\n'),
  oneEvent('CLOSE with a code of 4000', (s) => s.client.close(4000, 'x'), 'CLOSE 3\r\n\x0f\xa0x\r\n'),
  oneEvent('CLOSE without code', (s) => s.client.close(), 'CLOSE\r\n'),
  oneEvent('DISCONNECT when TCP ends', (s) => s.client.drop(), 'DISCONNECT\r\n'),
  oneEvent('DISCONNECT when TCP is reset', (s) => s.client.reset(), 'DISCONNECT\r\n'),
  ...[125, 126, 8_192, 16_384, 16_385, 65_535, 65_536, 150_000, 199_999].map((bytes) =>
    oneEvent(`TEXT of ${bytes} bytes`, (s) => s.client.text('x'.repeat(bytes)), text('x'.repeat(bytes))),
  ),
  oneEvent(
    'fragments are one TEXT',
    (s) => {
      s.client.frame(Opcode.Text, 'hel', { fin: false })
      s.client.frame(Opcode.Continuation, '', { fin: false })
      s.client.frame(Opcode.Continuation, 'lo', { fin: false })
      s.client.frame(Opcode.Continuation, '!')
    },
    'TEXT 6\r\nhello!\r\n',
  ),
  oneEvent(
    'fragments are one BINARY',
    (s) => {
      s.client.frame(Opcode.Binary, 'a', { fin: false })
      s.client.frame(Opcode.Continuation, 'b')
    },
    'BINARY 2\r\nab\r\n',
  ),
  woh(
    'event: a message of which the end is missing is not sent',
    [ok(OPEN)],
    async (s) => {
      s.client.frame(Opcode.Text, 'hel', { fin: false })
      await s.quiet()
    },
    [[OPEN], []],
  ),

  batch('several messages go out together', (s) => ['a', 'b', 'c'].forEach((m) => s.client.text(m)), [
    text('a') + text('b') + text('c'),
  ]),
  batch(
    'types keep their order',
    (s) => {
      s.client.text('a')
      s.client.binary('b')
      s.client.pong('p')
      s.client.text('c')
    },
    [text('a') + binary('b') + event('PONG', 'p') + text('c')],
  ),
  batch('a message without content between others', (s) => ['a', '', 'b'].forEach((m) => s.client.text(m)), [
    `${text('a')}TEXT\r\n${text('b')}`,
  ]),
  batch('a message without content alone', (s) => s.client.text(''), ['TEXT\r\n']),
  batch('a message without content first', (s) => ['', 'b'].forEach((m) => s.client.text(m)), [`TEXT\r\n${text('b')}`]),
  batch(
    'an unfinished message waits for its end',
    (s) => {
      s.client.text('a')
      s.client.frame(Opcode.Text, 'hel', { fin: false })
    },
    [text('a')],
  ),
  batch('90 messages', (s) => Array.from({ length: 90 }, (_, at) => s.client.text(String(at))), [
    Array.from({ length: 90 }, (_, at) => text(String(at))).join(''),
  ]),
  batch(
    'the close comes behind the messages',
    (s) => {
      s.client.text('a')
      s.client.close(1000, 'bye')
    },
    [text('a') + event('CLOSE', '\x03\xe8bye')],
    {},
    ['close 1000 bye'],
  ),
  batch(
    'messages are not sent with DISCONNECT',
    (s) => {
      s.client.text('a')
      s.client.reset()
    },
    ['DISCONNECT\r\n'],
  ),
  batch(
    'one_event: one after the other',
    (s) => ['a', 'b', 'c'].forEach((m) => s.client.text(m)),
    [text('a'), text('b'), text('c')],
    { host: 'one-event.test' },
  ),
  batch(
    'one_event: the close in a request of its own',
    (s) => {
      s.client.text('a')
      s.client.close(1000)
    },
    [text('a'), event('CLOSE', '\x03\xe8')],
    { host: 'one-event.test' },
    ['close 1000'],
  ),

  meta('is sent from the next request on', { 'Set-Meta-User': 'alice' }, {}, [
    ['meta-user: alice'],
    ['meta-user: alice'],
  ]),
  meta('is replaced', { 'Set-Meta-User': 'alice' }, { 'Set-Meta-User': 'bob' }, [
    ['meta-user: alice'],
    ['meta-user: bob'],
  ]),
  meta('an empty value deletes', { 'Set-Meta-User': 'alice', 'Set-Meta-B': '1' }, { 'set-meta-user': '' }, [
    ['meta-user: alice', 'meta-b: 1'],
    ['meta-b: 1'],
  ]),
  meta(
    'a replaced one moves to the end',
    { 'Set-Meta-A': '1', 'Set-Meta-B': '2' },
    { 'Set-Meta-A': '3', 'Set-Meta-C': '4' },
    [
      ['meta-a: 1', 'meta-b: 2'],
      ['meta-b: 2', 'meta-a: 3', 'meta-c: 4'],
    ],
  ),
  meta('a name is needed', { 'Set-Meta-': 'x', 'Set-Meta-A': '1' }, {}, [['meta-a: 1'], ['meta-a: 1']]),

  woh(
    'refresh makes a request without events',
    (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE), ok(text('done'))],
    async (s) => {
      await s.world.subscribed()
      await s.refresh()
      await s.requests(2)
      await s.got(1)
    },
    [[OPEN, ''], ['text done']],
  ),
  woh(
    'a refresh during a request is made after it',
    (channel) => [ok(OPEN + subscribe(channel), GRIP_BARE), held(ok()), ok(text('done'))],
    async (s) => {
      await s.world.subscribed()
      s.client.text('x')
      await s.requests(2)
      await s.refresh()
      await s.arrive()
      s.release()
      await s.requests(3)
      await s.got(1)
    },
    [[OPEN, text('x'), ''], ['text done']],
  ),
]
