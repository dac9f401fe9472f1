/** WebSocket-over-HTTP: what answers of the backend do to the client, while opening and after. */
import type { Scenario } from '../scenario.js'
import { OPEN, binary, close, event, held, ok, text, woh, wohObserved } from '../woh.js'
import type { Answer, WohOptions, WohStage } from '../woh.js'

const JSON_TYPE = { 'Content-Type': 'application/json' }

/** The answer to OPEN and the first events of the client. */
function opening(
  name: string,
  body: string,
  client: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Scenario {
  return woh(
    `opening: ${name}`,
    [ok(body, headers)],
    async (s) => {
      await s.got(client.length)
      await s.quiet(200)
    },
    [[OPEN], client],
  )
}

/** The answer to a message of an open connection; the transcript is all that comes. */
function answered(name: string, answer: Answer, client: readonly string[], waitsFor = client.length): Scenario {
  return woh(
    `answer: ${name}`,
    [ok(OPEN), answer],
    async (s) => {
      s.client.text('x')
      await s.requests(2)
      await s.got(waitsFor)
      await s.quiet(250)
    },
    [[OPEN, text('x')], client],
  )
}

const STATUS = /^HTTP\/1\.1 (\d+ [^\r]*)\r\n/

/**
 * Status line, headers and body that the client gets instead of a 101, and all requests. `Date` is left out;
 * `Connection` has a scenario of its own.
 */
function rejected(name: string, answers: readonly Answer[], expected: unknown, options: WohOptions = {}): Scenario {
  return wohObserved(
    `rejection: ${name}`,
    answers,
    async (s) => {
      const whole = await s.client.rejection()
      await s.quiet(200)
      return [...rejectionOf(whole), s.calls.map((call) => call.body.toString('latin1'))]
    },
    expected,
    { waitsForOpen: false, ...options },
  )
}

function rejectionOf(whole: string): readonly [string, string[], string] {
  const end = whole.indexOf('\r\n\r\n')
  const [line = '', ...headers] = whole.slice(0, end).split('\r\n')
  const body = whole.slice(end + 4)
  const status = STATUS.exec(`${line}\r\n`)?.[1] ?? line
  const kept = headers.filter((header) => !/^(date|connection):/i.test(header))
  return [status, kept, body.length > 300 ? `${body.length} bytes` : body]
}

const ORIGIN_ERROR = ['502 Bad Gateway', ['Content-Length: 32'], 'Error while proxying to origin.\n']

/** Headers of the 101, without Date. */
function upgradeHead(
  name: string,
  headers: readonly string[],
  expected: readonly string[],
  options: WohOptions = {},
): Scenario {
  return wohObserved(
    `101: ${name}`,
    [{ body: OPEN, headers: ['Content-Type', 'application/websocket-events', ...headers] }],
    (s: WohStage) =>
      s.client.headText
        .trimEnd()
        .split('\r\n')
        .filter((line) => !/^date:/i.test(line)),
    ['HTTP/1.1 101 Switching Protocols', ...expected],
    options,
  )
}

const UPGRADE = ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=']

export const wohResponses: Scenario[] = [
  opening('a text with OPEN', OPEN + text('hi'), ['text hi']),
  opening(
    'several events with OPEN keep their order',
    OPEN + text('a') + binary('b') + event('PING', 'c') + text('d'),
    ['text a', 'binary b', 'ping c', 'text d'],
  ),
  opening('OPEN and DISCONNECT', `${OPEN}DISCONNECT\r\n`, ['drop']),
  opening('OPEN with content', `OPEN 3\r\nabc\r\n${text('hi')}`, ['text hi']),
  opening('OPEN twice', OPEN + OPEN, ['drop']),
  opening('unknown events are passed over', `${OPEN}FOO\r\nBAR 2\r\nxx\r\n${text('hi')}`, ['text hi']),

  upgradeHead('nothing more than needed', [], UPGRADE),
  upgradeHead(
    'headers of the backend, in order, doubles kept',
    ['X-One', '1', 'Set-Cookie', 'a=b', 'Set-Cookie', 'c=d', 'Sec-WebSocket-Protocol', 'chat'],
    ['X-One: 1', 'Set-Cookie: a=b', 'Set-Cookie: c=d', 'Sec-WebSocket-Protocol: chat', ...UPGRADE],
    { headers: { 'Sec-WebSocket-Protocol': 'chat' } },
  ),
  upgradeHead(
    'what the gateway keeps for itself is left out',
    [
      ...['Keep-Alive-Interval', '30', 'Set-Meta-A', '1', 'Sec-WebSocket-Extensions', 'grip', 'Upgrade', 'foo'],
      ...['Sec-WebSocket-Accept', 'bar', 'Content-Bytes-Accepted', '0', 'Grip-Foo', 'x'],
    ],
    ['Content-Bytes-Accepted: 0', 'Grip-Foo: x', ...UPGRADE],
  ),
  upgradeHead(
    'a protocol that the client did not ask for',
    ['Sec-WebSocket-Protocol', 'chat'],
    ['Sec-WebSocket-Protocol: chat', ...UPGRADE],
  ),

  ...(
    [
      [
        '404 with a body',
        { status: 404, headers: JSON_TYPE, body: '{"no":1}' },
        '404 Not Found',
        ['Content-Type: application/json', 'Content-Length: 8'],
        '{"no":1}',
      ],
      [
        '403 with a reason of its own',
        { status: 403, reason: 'Go Away', headers: { 'Content-Type': null } },
        '403 Go Away',
        ['Content-Length: 0'],
        '',
      ],
      [
        '401 with headers',
        {
          status: 401,
          headers: { 'Content-Type': 'text/plain', 'WWW-Authenticate': 'Basic', 'Set-Cookie': 'a=b' },
          body: 'who?',
        },
        '401 Unauthorized',
        ['Content-Type: text/plain', 'WWW-Authenticate: Basic', 'Set-Cookie: a=b', 'Content-Length: 4'],
        'who?',
      ],
      [
        'a redirect is passed on',
        { status: 302, headers: { 'Content-Type': null, Location: 'http://other.test/' } },
        '302 Found',
        ['Location: http://other.test/', 'Content-Length: 0'],
        '',
      ],
      [
        '500',
        { status: 500, headers: { 'Content-Type': 'text/html' }, body: 'oops' },
        '500 Internal Server Error',
        ['Content-Type: text/html', 'Content-Length: 4'],
        'oops',
      ],
      [
        '503 with events as its type',
        { status: 503, body: OPEN },
        '503 Service Unavailable',
        ['Content-Type: application/websocket-events', 'Content-Length: 6'],
        OPEN,
      ],
      [
        '200 with another type',
        { headers: { 'Content-Type': 'text/plain' }, body: 'hello' },
        '200 OK',
        ['Content-Type: text/plain', 'Content-Length: 5'],
        'hello',
      ],
      ['200 without a type', { headers: { 'Content-Type': null }, body: OPEN }, '200 OK', ['Content-Length: 6'], OPEN],
      [
        '200 with a parameter on the type',
        { headers: { 'Content-Type': 'application/websocket-events; charset=x' }, body: OPEN },
        '200 OK',
        ['Content-Type: application/websocket-events; charset=x', 'Content-Length: 6'],
        OPEN,
      ],
      [
        '200 with the type in upper case',
        { headers: { 'Content-Type': 'Application/websocket-events' }, body: OPEN },
        '200 OK',
        ['Content-Type: Application/websocket-events', 'Content-Length: 6'],
        OPEN,
      ],
      [
        '201',
        { status: 201, body: OPEN },
        '201 Created',
        ['Content-Type: application/websocket-events', 'Content-Length: 6'],
        OPEN,
      ],
      [
        '8192 bytes',
        { status: 400, headers: { 'Content-Type': null }, body: 'x'.repeat(8_192) },
        '400 Bad Request',
        ['Content-Length: 8192'],
        '8192 bytes',
      ],
      [
        '8193 bytes',
        { status: 400, headers: { 'Content-Type': null }, body: 'x'.repeat(8_193) },
        '500 Internal Server Error',
        ['Content-Type: text/plain', 'Content-Length: 57'],
        'Non-101 response body size exceeded limit of 8192 bytes.\n',
      ],
    ] as readonly (readonly [string, Answer, string, string[], string])[]
  ).map(([name, answer, status, headers, body]) => rejected(name, [answer], [status, headers, body, [OPEN]])),
  ...(
    [
      ['TEXT before OPEN', ok(text('x') + OPEN)],
      ['CLOSE instead of OPEN', ok(close(1000))],
      ['no event and no interval', ok()],
      ['malformed events', ok('OPEN')],
      ['an event whose length is no number', ok(`${OPEN}TEXT zz\r\nx\r\n`)],
      ['bytes of OPEN accepted', ok(OPEN, { 'Content-Bytes-Accepted': '1' })],
      ['a body above 1000000 bytes', { body: OPEN + text('x'.repeat(1_000_001)) }],
      ['a reset', { reset: true }],
      ['no HTTP', { raw: 'hello\r\n\r\n' }],
      ['the end without an answer', { raw: '' }],
    ] as readonly (readonly [string, Answer])[]
  ).map(([name, answer]) => rejected(name, [answer], [...ORIGIN_ERROR, [OPEN]])),
  wohObserved(
    'rejection: no Connection header, and the end of the connection',
    [{ status: 403 }],
    async (s) => /^connection:.*$/im.exec(await s.client.rejection())?.[0] ?? null,
    null,
    { waitsForOpen: false },
  ),
  rejected('nobody listens', [], [...ORIGIN_ERROR, []], { host: 'dead.test' }),
  wohObserved(
    'rejection: nobody listens, in debug mode',
    [],
    async (s) => rejectionOf((await s.client.rejection()).replaceAll(String(s.world.stage.ports.dead), 'DEAD'))[2],
    'Unable to connect to any targets. Tried: 127.0.0.1:DEAD\n',
    { host: 'dead-debug.test', waitsForOpen: false },
  ),
  wohObserved(
    'rejection: nobody listens at two targets, in debug mode',
    [],
    async (s) => rejectionOf((await s.client.rejection()).replaceAll(String(s.world.stage.ports.dead), 'DEAD'))[2],
    'Unable to connect to any targets. Tried: 127.0.0.1:DEAD, 127.0.0.1:DEAD\n',
    { host: 'dead-two.test', waitsForOpen: false },
  ),
  woh(
    'failover: the second target opens when the first refuses the connection',
    [ok(OPEN + text('hi'))],
    async (s) => {
      await s.got(1)
      await s.requests(1)
    },
    [[OPEN], ['text hi']],
    { host: 'failover.test' },
  ),
  rejected('no route', [], ['502 Bad Gateway', ['Content-Length: 30'], 'No route for host: proto.test\n', []], {
    host: 'proto.test',
  }),

  answered('text', ok(text('hello')), ['text hello']),
  answered('text without content', ok('TEXT\r\n'), ['text ']),
  answered('text of length 0', ok('TEXT 0\r\n\r\n'), ['text ']),
  answered('binary', ok(binary('\0\xff')), ['binary \0\xff']),
  answered('length in upper case', ok(`TEXT A\r\n0123456789\r\n`), ['text 0123456789']),
  answered('length with 0x', ok(`TEXT 0xa\r\n0123456789\r\n`), ['text 0123456789']),
  answered('length with zeros in front', ok(`TEXT 00a\r\n0123456789\r\n`), ['text 0123456789']),
  answered('content shorter than its length', ok('TEXT 20\r\nshort'), ['text short']),
  answered('the CRLF behind content is not looked at', ok(`TEXT 1\r\naXX${text('b')}`), ['text a', 'text b']),
  answered('type in lower case is unknown', ok(`text 1\r\na\r\n${text('b')}`), ['text b']),
  answered('content with CRLF in it', ok(text('a\r\nb')), ['text a\r\nb']),
  answered('ping', ok(event('PING', 'abc')), ['ping abc']),
  answered('ping without content', ok('PING\r\n'), ['ping ']),
  answered('pong', ok(event('PONG', 'abc') + text('after')), ['pong abc', 'text after'], 1),
  answered('text of 16384 bytes', ok(text('x'.repeat(16_384))), [`text ${'x'.repeat(16_384)}`]),
  answered('text of 16385 bytes', ok(text('x'.repeat(16_385))), [`text ${'x'.repeat(16_385)}`]),
  answered('text of 150000 bytes', ok(text('x'.repeat(150_000))), [`text ${'x'.repeat(150_000)}`]),
  answered('text of 500000 bytes', ok(text('x'.repeat(500_000))), [`text ${'x'.repeat(500_000)}`]),
  answered(
    'messages, large and small, in order',
    ok(text('x'.repeat(20_000)) + text('s') + binary('y'.repeat(40_000))),
    [`text ${'x'.repeat(20_000)}`, 'text s', `binary ${'y'.repeat(40_000)}`],
  ),
  answered('nothing', ok(), []),
  answered('DISCONNECT', ok(`DISCONNECT\r\n${text('x')}`), ['drop']),
  answered('text and DISCONNECT', ok(`${text('last')}DISCONNECT\r\n`), ['text last', 'drop'], 1),
  answered('OPEN again', ok(OPEN), ['drop']),
  answered('status 500', { status: 500, body: text('x') }, ['drop']),
  answered('status 404', { status: 404 }, ['drop']),
  answered('status 204', { raw: 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n' }, ['drop']),
  answered('a redirect', { status: 302, headers: { Location: '/' } }, ['drop']),
  answered('another type', { headers: { 'Content-Type': 'text/plain' }, body: text('x') }, ['drop']),
  answered('malformed: no CRLF', ok('TEXT'), ['drop']),
  answered('malformed: length is no number', ok('TEXT zz\r\nx\r\n'), ['drop']),
  answered('malformed: two blanks', ok('TEXT  1\r\nx\r\n'), ['text x']),
  answered('a malformed event behind a good one: nothing is delivered', ok(`${text('good')}TEXT zz\r\nx\r\n`), [
    'drop',
  ]),
  answered('a body above 1000000 bytes', ok(text('x'.repeat(1_000_001))), ['drop']),
  answered('a body of 990000 bytes', ok(text('x'.repeat(990_000))), [`text ${'x'.repeat(990_000)}`]),
  answered('chunked', chunked([text('hel'), text('lo')]), ['text hel', 'text lo']),
  answered('chunked in the middle of an event', chunked(['TEX', 'T 5\r\nhe', 'llo\r', '\n']), ['text hello']),
  answered(
    'until the end of the connection',
    {
      raw: `HTTP/1.1 200 OK\r\nContent-Type: application/websocket-events\r\nConnection: close\r\n\r\n${text('hello')}`,
    },
    ['text hello'],
  ),
  answered(
    'cut off in the body',
    { raw: `HTTP/1.1 200 OK\r\nContent-Type: application/websocket-events\r\nContent-Length: 50\r\n\r\n${text('x')}` },
    ['drop'],
  ),
  answered('reset after the request was sent', { reset: true }, ['drop']),
  answered('the end of the connection after the request was sent', { raw: '' }, ['drop']),
  answered('no HTTP', { raw: 'nonsense\r\n\r\n' }, ['drop']),

  woh(
    'opening: no event with Keep-Alive-Interval: OPEN comes again',
    [ok('', { 'Keep-Alive-Interval': '20' }), ok(OPEN + text('hi'))],
    async (s) => {
      s.deadlineMs = 30_000
      await s.requests(2)
      await s.client.opened()
      await s.got(1)
    },
    [[OPEN, OPEN], ['text hi']],
    { waitsForOpen: false, slow: true },
  ),
  woh(
    'a client that leaves while OPEN is pending: DISCONNECT after OPEN was accepted',
    [held(ok(OPEN)), ok()],
    async (s) => {
      await s.requests(1)
      s.client.reset()
      await s.arrive()
      s.release()
      await s.requests(2)
      await s.quiet(200)
    },
    [[OPEN, 'DISCONNECT\r\n'], []],
    { waitsForOpen: false },
  ),
  woh(
    'a client that leaves while OPEN is pending: nothing more after a rejection',
    [held({ status: 403 })],
    async (s) => {
      await s.requests(1)
      s.client.reset()
      await s.arrive()
      s.release()
      await s.quiet()
    },
    [[OPEN], []],
    { waitsForOpen: false },
  ),
  woh(
    'frames that come behind the upgrade request are kept for after the 101',
    [held(ok(OPEN)), ok(text('done'))],
    async (s) => {
      await s.requests(1)
      s.client.text('early')
      await s.arrive()
      s.release()
      await s.requests(2)
      await s.got(1)
    },
    [[OPEN, text('early')], ['text done']],
    { waitsForOpen: false },
  ),
]

function chunked(parts: readonly string[]): Answer {
  const chunks = [...parts, ''].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')
  return {
    raw: `HTTP/1.1 200 OK\r\nContent-Type: application/websocket-events\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunks}`,
  }
}
