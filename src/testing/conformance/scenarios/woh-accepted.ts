/** Content-Bytes-Accepted and Content-Bytes-Replayed: the worked examples and what surrounds them. Bytes stand in full. */
import { Opcode } from '../../websocket-frames.js'
import type { Scenario } from '../scenario.js'
import { GRIP_BARE, OPEN, accepts, binary, close, event, held, ok, replayed, subscribe, text, woh } from '../woh.js'

const opened = (channel: string): string => OPEN + subscribe(channel)
const ANSWER = 'TEXT b\r\n[foo][hello\r\n'

export const accepted: Scenario[] = [
  woh(
    'A: all bytes are accepted when the header is absent',
    [ok(OPEN), ok(text('one')), ok(text('two'))],
    async (s) => {
      s.client.text('hello')
      await s.got(1)
      s.client.text('again')
      await s.got(2)
      await s.requests(3)
    },
    [
      ['OPEN\r\n', 'TEXT 5\r\nhello\r\n', 'TEXT 5\r\nagain\r\n'],
      ['text one', 'text two'],
    ],
  ),
  woh(
    'B: the rest of a message comes again before the next one',
    [ok(OPEN), accepts(5), ok('TEXT 4\r\n[ok]\r\n')],
    async (s) => {
      s.client.text('[foo][hello')
      await s.requests(2)
      await s.arrive()
      s.client.text(' world]')
      await s.got(1)
      await s.requests(3)
    },
    [['OPEN\r\n', ANSWER, 'replayed 6: TEXT 6\r\n[hello\r\nTEXT 7\r\n world]\r\n'], ['text [ok]']],
  ),
  woh(
    'C: the boundary lies inside the second of two batched messages',
    (channel) => [ok(opened(channel), GRIP_BARE), held(ok()), accepts(5), ok(text('done'))],
    async (s) => {
      await s.world.subscribed()
      s.client.text('0')
      await s.requests(2)
      s.client.text('abc')
      s.client.binary('defgh')
      await s.arrive()
      s.release()
      await s.requests(3)
      await s.arrive()
      await s.refresh()
      await s.got(1)
      await s.requests(4)
    },
    [
      ['OPEN\r\n', 'TEXT 1\r\n0\r\n', 'TEXT 3\r\nabc\r\nBINARY 5\r\ndefgh\r\n', 'replayed 3: BINARY 3\r\nfgh\r\n'],
      ['text done'],
    ],
  ),
  woh(
    'D: nothing accepted is polled at the keep-alive interval, raised to 20 s',
    [ok(OPEN), accepts(0, '', { 'Keep-Alive-Interval': '1' }), ok(text('done'), { 'Keep-Alive-Interval': '0' })],
    async (s) => {
      s.deadlineMs = 30_000
      s.client.text('[foo][hello')
      const from = performance.now()
      await s.requests(3)
      await s.got(1)
      if (performance.now() - from < 19_000) throw new Error('the interval was shorter than 20 s')
    },
    [['OPEN\r\n', ANSWER, `replayed 11: ${ANSWER}`], ['text done']],
    { slow: true },
  ),
  woh(
    'E: more accepted than offered drops the client',
    [ok(OPEN), accepts(12)],
    async (s) => {
      s.client.text('[foo][hello')
      await s.got(1)
      await s.quiet()
    },
    [['OPEN\r\n', ANSWER], ['drop']],
  ),
  ...['-1', 'abc', ''].map((value) =>
    woh(
      `F: Content-Bytes-Accepted: ${JSON.stringify(value)} counts as absent`,
      [ok(OPEN), accepts(value), ok(text('done'))],
      async (s) => {
        s.client.text('[foo][hello')
        await s.requests(2)
        await s.arrive()
        s.client.text('next')
        await s.requests(3)
        await s.got(1)
      },
      [['OPEN\r\n', ANSWER, 'TEXT 4\r\nnext\r\n'], ['text done']],
    ),
  ),
  ...(
    [
      ['G: close with bytes retained, answered with CLOSE', ok(close(1000, 'bye')), ['close 1000 bye']],
      ['G: close with bytes retained, all accepted by number', accepts(11, close(1000, 'bye')), ['close 1000 bye']],
    ] as const
  ).map(([name, answer, client]) =>
    woh(
      name,
      [ok(OPEN), accepts(5), answer],
      async (s) => {
        s.client.text('[foo][hello')
        await s.requests(2)
        await s.arrive()
        s.client.close(1000, 'bye')
        await s.requests(3)
        await s.client.ended()
        await s.quiet()
      },
      [['OPEN\r\n', ANSWER, 'replayed 6: TEXT 6\r\n[hello\r\nCLOSE 5\r\n\x03\xe8bye\r\n'], client],
    ),
  ),
  woh(
    'G: the messages accepted and the close not: the client is dropped',
    [ok(OPEN), accepts(5), accepts(6)],
    async (s) => {
      s.client.text('[foo][hello')
      await s.requests(2)
      await s.arrive()
      s.client.close(1000, 'bye')
      await s.requests(3)
      await s.client.ended()
      await s.quiet()
    },
    [['OPEN\r\n', ANSWER, 'replayed 6: TEXT 6\r\n[hello\r\nCLOSE 5\r\n\x03\xe8bye\r\n'], ['drop']],
  ),
  woh(
    'G: close with part of the retained bytes accepted is not sent again at once',
    [ok(OPEN), accepts(5), accepts(3), ok()],
    async (s) => {
      s.client.text('[foo][hello')
      await s.requests(2)
      await s.arrive()
      s.client.close(1000, 'bye')
      await s.requests(3)
      await s.quiet()
    },
    [['OPEN\r\n', ANSWER, 'replayed 6: TEXT 6\r\n[hello\r\nCLOSE 5\r\n\x03\xe8bye\r\n'], []],
  ),
  woh(
    'H: a message without content is accepted with 0 bytes',
    [ok(OPEN), accepts(0), ok(text('done'))],
    async (s) => {
      s.client.text('')
      await s.requests(2)
      await s.arrive()
      s.client.text('x')
      await s.requests(3)
      await s.got(1)
    },
    [['OPEN\r\n', 'TEXT\r\n', 'TEXT 1\r\nx\r\n'], ['text done']],
  ),
  woh(
    'H: a message without content stays behind a retained one',
    [ok(OPEN), held(ok()), accepts(2), ok(text('done'))],
    async (s) => {
      s.client.text('0')
      await s.requests(2)
      s.client.text('abc')
      s.client.text('')
      await s.arrive()
      s.release()
      await s.requests(3)
      await s.arrive()
      s.client.text('d')
      await s.requests(4)
      await s.got(1)
    },
    [
      [
        'OPEN\r\n',
        'TEXT 1\r\n0\r\n',
        'TEXT 3\r\nabc\r\nTEXT\r\n',
        'replayed 1: TEXT 1\r\nc\r\nTEXT\r\nTEXT 1\r\nd\r\n',
      ],
      ['text done'],
    ],
  ),
  woh(
    'I: the rest of a message that came in fragments keeps its type',
    (channel) => [ok(opened(channel), GRIP_BARE), accepts(3), accepts(2), accepts(6), ok(text('done'))],
    async (s) => {
      await s.world.subscribed()
      s.client.frame(Opcode.Binary, 'hello', { fin: false })
      s.client.frame(Opcode.Continuation, ' world')
      await s.requests(2)
      for (const count of [3, 4, 5]) {
        await s.arrive()
        await s.refresh()
        await s.requests(count)
      }
      await s.got(1)
    },
    [
      [
        'OPEN\r\n',
        'BINARY b\r\nhello world\r\n',
        'replayed 8: BINARY 8\r\nlo world\r\n',
        'replayed 6: BINARY 6\r\n world\r\n',
        '',
      ],
      ['text done'],
    ],
  ),
  woh(
    'accepting 0 bytes of OPEN is fine',
    [accepts(0, OPEN), ok(text('done'))],
    async (s) => {
      s.client.text('x')
      await s.requests(2)
      await s.got(1)
    },
    [['OPEN\r\n', 'TEXT 1\r\nx\r\n'], ['text done']],
  ),
  woh(
    'retained bytes alone make no request',
    [ok(OPEN), accepts(0)],
    async (s) => {
      s.client.text('hello')
      await s.requests(2)
      await s.quiet()
    },
    [['OPEN\r\n', 'TEXT 5\r\nhello\r\n'], []],
  ),
  woh(
    'nothing accepted, then a new message: both come, the first replayed',
    [ok(OPEN), accepts(0), ok(text('done'))],
    async (s) => {
      s.client.text('hello')
      await s.requests(2)
      await s.arrive()
      s.client.binary('x')
      await s.requests(3)
      await s.got(1)
    },
    [['OPEN\r\n', text('hello'), replayed(5, text('hello') + binary('x'))], ['text done']],
  ),
  woh(
    'a message that arrived during the request that retained bytes goes out at once',
    [ok(OPEN), held(accepts(2)), ok(text('done'))],
    async (s) => {
      s.client.text('hello')
      await s.requests(2)
      s.client.text('x')
      await s.arrive()
      s.release()
      await s.requests(3)
      await s.got(1)
    },
    [['OPEN\r\n', text('hello'), replayed(3, text('llo') + text('x'))], ['text done']],
  ),
  woh(
    'a refresh sends retained bytes again, as often as nothing is accepted',
    (channel) => [ok(opened(channel), GRIP_BARE), accepts(0), accepts(0), accepts(1), ok(text('done'))],
    async (s) => {
      await s.world.subscribed()
      s.client.text('hello')
      await s.requests(2)
      for (const count of [3, 4, 5]) {
        await s.arrive()
        await s.refresh()
        await s.requests(count)
      }
      await s.got(1)
    },
    [
      [OPEN, text('hello'), replayed(5, text('hello')), replayed(5, text('hello')), replayed(4, text('ello'))],
      ['text done'],
    ],
  ),
  woh(
    'the content of PING and PONG counts',
    [ok(OPEN), held(ok()), accepts(4), ok(text('done'))],
    async (s) => {
      s.client.text('0')
      await s.requests(2)
      s.client.ping('abc')
      s.client.pong('def')
      await s.arrive()
      s.release()
      await s.requests(3)
      await s.arrive()
      s.client.text('x')
      await s.requests(4)
      await s.client.got(1)
    },
    [[OPEN, text('0'), event('PING', 'abc') + event('PONG', 'def'), replayed(2, event('PONG', 'ef') + text('x'))], []],
  ),
  woh(
    'accepted exactly to the end of the first of two messages',
    [ok(OPEN), held(ok()), accepts(3), ok(text('done'))],
    async (s) => {
      s.client.text('0')
      await s.requests(2)
      s.client.text('abc')
      s.client.text('defgh')
      await s.arrive()
      s.release()
      await s.requests(3)
      await s.arrive()
      s.client.text('x')
      await s.requests(4)
      await s.got(1)
    },
    [[OPEN, text('0'), text('abc') + text('defgh'), replayed(5, text('defgh') + text('x'))], ['text done']],
  ),
  woh(
    'DISCONNECT tells what is retained',
    [ok(OPEN), accepts(2)],
    async (s) => {
      s.client.text('hello')
      await s.requests(2)
      await s.arrive()
      s.client.drop()
      await s.requests(3)
      await s.quiet()
    },
    [[OPEN, text('hello'), replayed(3, 'DISCONNECT\r\n')], []],
  ),
  woh(
    'a close accepted in full by number, without retained bytes',
    [ok(OPEN), accepts(5, close(1000, 'bye'))],
    async (s) => {
      s.client.close(1000, 'bye')
      await s.requests(2)
      await s.client.ended()
      await s.quiet()
    },
    [[OPEN, close(1000, 'bye')], ['close 1000 bye']],
  ),
  woh(
    'a close of which nothing is accepted drops the client',
    [ok(OPEN), accepts(0)],
    async (s) => {
      s.client.close(1000, 'bye')
      await s.requests(2)
      await s.client.ended()
      await s.quiet()
    },
    [[OPEN, close(1000, 'bye')], ['drop']],
  ),
  woh(
    'one_event: the rest of the first message is offered again at once',
    [ok(OPEN), held(ok()), accepts(1), accepts(2), ok(), ok(text('done'))],
    async (s) => {
      s.client.text('0')
      await s.requests(2)
      s.client.text('abc')
      s.client.text('de')
      await s.arrive()
      s.release()
      await s.requests(5)
      await s.quiet()
    },
    [[OPEN, text('0'), text('abc'), replayed(2, text('bc')), text('de')], []],
    { host: 'one-event.test' },
  ),
  woh(
    'one_event: accepting nothing while messages wait drops the client',
    [ok(OPEN), held(ok()), accepts(0)],
    async (s) => {
      s.client.text('0')
      await s.requests(2)
      s.client.text('abc')
      s.client.text('de')
      await s.arrive()
      s.release()
      await s.got(1)
      await s.quiet()
    },
    [[OPEN, text('0'), text('abc')], ['drop']],
    { host: 'one-event.test' },
  ),
  ...[1, 8191, 8192, 16_384, 65_536].map((bytes) =>
    woh(
      `${bytes} bytes accepted of a message of 100000 bytes`,
      [ok(OPEN), accepts(bytes), ok(text('done'))],
      async (s) => {
        s.client.text('x'.repeat(100_000))
        await s.requests(2)
        await s.arrive()
        s.client.text('y')
        await s.requests(3)
        await s.got(1)
      },
      [[OPEN, longText(100_000), replayed(100_000 - bytes, longText(100_000 - bytes, text('y')))], ['text done']],
    ),
  ),
]

function longText(length: number, rest = ''): string {
  return text('x'.repeat(length)) + rest
}
