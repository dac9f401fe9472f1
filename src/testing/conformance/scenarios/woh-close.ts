/** WebSocket-over-HTTP: close and DISCONNECT in every direction; retries. */
import type { Scenario } from '../scenario.js'
import { quiet } from '../world.js'
import { GRIP_BARE, OPEN, close, control, held, ok, subscribe, text, woh } from '../woh.js'
import type { Answer } from '../woh.js'

/** The client closes, the backend answers. */
function clientCloses(
  name: string,
  [code, reason]: readonly [code?: number, reason?: string],
  answer: Answer,
  body: string,
  client: readonly string[],
): Scenario {
  return woh(
    `client closes: ${name}`,
    [ok(OPEN), answer],
    async (s) => {
      s.client.close(code, reason)
      await s.requests(2)
      await s.client.ended()
      await s.quiet(250)
    },
    [[OPEN, body], client],
  )
}

/** The backend closes; the client answers with the same code. */
function backendCloses(name: string, answer: string, client: readonly string[], told: string): Scenario {
  return woh(
    `backend closes: ${name}`,
    [ok(OPEN), ok(answer)],
    async (s) => {
      s.client.text('x')
      await s.requests(3)
      await s.got(client.length)
      await s.client.ended()
      await s.quiet(250)
    },
    [[OPEN, text('x'), told], client],
  )
}

const opened = (channel: string): string => OPEN + subscribe(channel)

export const wohClose: Scenario[] = [
  clientCloses('the same code comes back', [1000, 'bye'], ok(close(1000, 'bye')), close(1000, 'bye'), [
    'close 1000 bye',
  ]),
  clientCloses('another code and reason', [1000, 'bye'], ok(close(4001, 'ciao')), close(1000, 'bye'), [
    'close 4001 ciao',
  ]),
  clientCloses('a bare CLOSE is 1000', [1001, ''], ok('CLOSE\r\n'), close(1001), ['close 1000']),
  clientCloses('without code', [], ok('CLOSE\r\n'), 'CLOSE\r\n', ['close 1000']),
  clientCloses('code 3000', [3000, ''], ok(close(3000)), close(3000), ['close 3000']),
  clientCloses('code 4999', [4999, 'app'], ok(close(4999, 'app')), close(4999, 'app'), ['close 4999 app']),
  clientCloses('a text before CLOSE', [1000, ''], ok(text('last') + close(1000)), close(1000), [
    'text last',
    'close 1000',
  ]),
  clientCloses('no CLOSE in the answer', [1000, ''], ok(), close(1000), ['drop']),
  clientCloses('a text, but no CLOSE', [1000, ''], ok(text('last')), close(1000), ['drop']),
  clientCloses('DISCONNECT as the answer', [1000, ''], ok('DISCONNECT\r\n'), close(1000), ['drop']),
  clientCloses('status 500 as the answer', [1000, ''], { status: 500 }, close(1000), ['drop']),
  woh(
    'client closes: messages sent before are delivered before',
    [ok(OPEN), held(ok()), ok(close(1000))],
    async (s) => {
      s.client.text('a')
      await s.requests(2)
      s.client.text('b')
      s.client.close(1000)
      await s.arrive()
      s.release()
      await s.requests(3)
      await s.client.ended()
      await s.quiet(250)
    },
    [[OPEN, text('a'), text('b') + close(1000)], ['close 1000']],
  ),

  backendCloses('code and reason', close(4000, 'bye'), ['close 4000 bye'], close(4000, 'bye')),
  backendCloses('a bare CLOSE', 'CLOSE\r\n', ['close 1000'], close(1000)),
  backendCloses('one byte of content is no code', 'CLOSE 1\r\nx\r\n', ['close 1000'], close(1000)),
  backendCloses(
    'a text before it, one after it',
    text('a') + close(1001) + text('b'),
    ['text a', 'close 1001'],
    close(1001),
  ),
  woh(
    'backend closes: with the answer to OPEN',
    [ok(OPEN + close(4000, 'no'))],
    async (s) => {
      await s.got(1)
      await s.requests(2)
    },
    [[OPEN, close(4000, 'no')], ['close 4000 no']],
  ),
  woh(
    'backend closes: the client leaves without a close frame',
    [ok(OPEN), ok(close(4000))],
    async (s) => {
      s.client.text('x')
      await s.got(1)
      await s.requests(2)
      s.client.drop()
      await s.requests(3)
      await s.quiet(250)
    },
    [[OPEN, text('x'), 'DISCONNECT\r\n'], ['close 4000']],
    { connection: { answersClose: false } },
  ),

  woh(
    'DISCONNECT: after the request under way',
    [ok(OPEN), held(ok(text('late'))), ok()],
    async (s) => {
      s.client.text('x')
      await s.requests(2)
      s.client.reset()
      await s.arrive()
      s.release()
      await s.requests(3)
      await s.quiet(250)
    },
    [[OPEN, text('x'), 'DISCONNECT\r\n'], []],
  ),
  woh(
    'DISCONNECT: its answer does not matter',
    [ok(OPEN), { status: 500 }],
    async (s) => {
      s.client.reset()
      await s.requests(2)
      await s.quiet(250)
    },
    [[OPEN, 'DISCONNECT\r\n'], []],
  ),
  woh(
    'DISCONNECT: not after a clean close',
    [ok(OPEN)],
    async (s) => {
      s.client.close(1000)
      await s.requests(2)
      await s.client.ended()
      await s.quiet()
    },
    [[OPEN, close(1000)], ['close 1000']],
  ),
  ...(
    [
      ['a frame with reserved opcode 3', Buffer.from([0x83, 0x80, 0, 0, 0, 0])],
      ['a ping of 126 bytes', Buffer.concat([Buffer.from([0x89, 0xfe, 0, 126, 0, 0, 0, 0]), Buffer.alloc(126)])],
      ['a fragmented ping', Buffer.from([0x09, 0x80, 0, 0, 0, 0])],
      ['RSV1', Buffer.from([0xc1, 0x80, 0, 0, 0, 0])],
    ] as const
  ).map(([name, bytes]) =>
    woh(
      `DISCONNECT: ${name}`,
      [ok(OPEN)],
      async (s) => {
        s.client.write(bytes)
        await s.requests(2)
        await s.got(1)
        await s.quiet(250)
      },
      [[OPEN, 'DISCONNECT\r\n'], ['drop']],
    ),
  ),

  woh(
    'publish close: code and reason, and a bare CLOSE for the backend',
    (channel) => [ok(opened(channel), GRIP_BARE)],
    async (s) => {
      await s.world.subscribed()
      await s.publish({ action: 'close', code: 4002, reason: 'out' })
      await s.got(1)
      await s.requests(2)
      await s.quiet(250)
    },
    [[OPEN, 'CLOSE\r\n'], ['close 4002 out']],
  ),
  woh(
    'publish close: without code',
    (channel) => [ok(opened(channel), GRIP_BARE)],
    async (s) => {
      await s.world.subscribed()
      await s.publish({ action: 'close' })
      await s.got(1)
      await s.requests(2)
      await s.quiet(250)
    },
    [[OPEN, 'CLOSE\r\n'], ['close 1000']],
  ),
  woh(
    'detach: a bare CLOSE for the backend, publishes go on, the client can close',
    (channel) => [ok(opened(channel) + control({ type: 'detach' }), GRIP_BARE)],
    async (s) => {
      await s.requests(2)
      await s.publish({ content: 'still here' })
      await s.got(1)
      s.client.text('into the void')
      await s.arrive()
      s.client.close(1000)
      await s.got(2)
      await s.client.ended()
      await s.quiet(250)
    },
    [
      [OPEN, 'CLOSE\r\n'],
      ['text still here', 'close 1000'],
    ],
  ),
  woh(
    'detach: what comes behind it in the same answer',
    (channel) => [ok(opened(channel) + text('before') + control({ type: 'detach' }) + text('after'), GRIP_BARE)],
    async (s) => {
      await s.requests(2)
      await s.publish({ content: 'published' })
      await s.quiet()
    },
    [
      [OPEN, 'CLOSE\r\n'],
      ['text before', 'text after', 'text published'],
    ],
  ),
  woh(
    'detach: an error of the backend does not matter any more',
    (channel) => [ok(opened(channel) + control({ type: 'detach' }), GRIP_BARE), { status: 500 }],
    async (s) => {
      await s.requests(2)
      await s.arrive()
      await s.publish({ content: 'still here' })
      await s.got(1)
      await s.quiet(250)
    },
    [[OPEN, 'CLOSE\r\n'], ['text still here']],
  ),
  woh(
    'detach: twice',
    (channel) => [ok(opened(channel) + control({ type: 'detach' }) + control({ type: 'detach' }), GRIP_BARE)],
    async (s) => {
      await s.requests(2)
      await s.publish({ content: 'still here' })
      await s.got(1)
      await s.quiet(250)
    },
    [[OPEN, 'CLOSE\r\n'], ['text still here']],
  ),
  woh(
    'detach: a publish close still closes',
    (channel) => [ok(opened(channel) + control({ type: 'detach' }), GRIP_BARE)],
    async (s) => {
      await s.requests(2)
      await s.publish({ action: 'close', code: 4003 })
      await s.got(1)
      await s.quiet(250)
    },
    [[OPEN, 'CLOSE\r\n'], ['close 4003']],
  ),
  woh(
    'detach: the client leaves, and the backend is not told',
    (channel) => [ok(opened(channel) + control({ type: 'detach' }), GRIP_BARE)],
    async (s) => {
      await s.requests(2)
      s.client.reset()
      await s.quiet()
    },
    [[OPEN, 'CLOSE\r\n'], []],
  ),

  woh(
    'retry: a refused connection, first after 1 to 2 s, with the same body; what came meanwhile follows',
    [ok(OPEN), ok(text('one')), ok(text('two'))],
    async (s) => {
      await s.backend?.stop()
      const from = performance.now()
      s.client.text('hello')
      await s.arrive()
      s.client.text('meanwhile')
      await s.arrive()
      await s.backend?.start()
      await s.requests(2)
      const afterMs = performance.now() - from
      if (afterMs < 990 || afterMs > 2_500) throw new Error(`retried after ${afterMs} ms`)
      await s.requests(3)
      await s.got(2)
    },
    [
      [OPEN, text('hello'), text('meanwhile')],
      ['text one', 'text two'],
    ],
    { ownBackend: true },
  ),
  woh(
    'retry: the second after 2 to 3 s more, with Content-Bytes-Replayed as before',
    [ok(OPEN), { ...ok(), headers: { 'Content-Bytes-Accepted': '2' } }, ok(text('done'))],
    async (s) => {
      s.client.text('hello')
      await s.requests(2)
      await s.arrive()
      await s.backend?.stop()
      const from = performance.now()
      s.client.text('x')
      await quiet(2_200)
      await s.backend?.start()
      await s.requests(3)
      const afterMs = performance.now() - from
      if (afterMs < 2_990 || afterMs > 5_500) throw new Error(`retried after ${afterMs} ms`)
      await s.got(1)
    },
    [[OPEN, text('hello'), `replayed 3: ${text('llo')}${text('x')}`], ['text done']],
    { ownBackend: true },
  ),
  woh(
    'retry: DISCONNECT too',
    [ok(OPEN), ok()],
    async (s) => {
      await s.backend?.stop()
      s.client.reset()
      await s.arrive()
      await s.backend?.start()
      await s.requests(2)
    },
    [[OPEN, 'DISCONNECT\r\n'], []],
    { ownBackend: true },
  ),
  woh(
    'retry: the client leaves while it is waited for; the message first, then DISCONNECT',
    [ok(OPEN), ok(text('one')), ok()],
    async (s) => {
      await s.backend?.stop()
      s.client.text('hello')
      await s.arrive()
      s.client.reset()
      await s.arrive()
      await s.backend?.start()
      await s.requests(3)
    },
    [[OPEN, text('hello'), 'DISCONNECT\r\n'], []],
    { ownBackend: true },
  ),
  woh(
    'retry: CLOSE too',
    [ok(OPEN), ok(close(1000))],
    async (s) => {
      await s.backend?.stop()
      s.client.close(1000)
      await s.arrive()
      await s.backend?.start()
      await s.requests(2)
    },
    [[OPEN, close(1000)], []],
    { ownBackend: true },
  ),
]
