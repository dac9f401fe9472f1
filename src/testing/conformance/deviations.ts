/**
 * What a target shows otherwise than Pushpin 1.41 as compared by a scenario, on purpose: every difference by name, with
 * its reason and the row of docs/COMPATIBILITY.md.
 */
import type { TargetName } from './targets.js'

export interface Deviation {
  /** Name of the scenario. */
  readonly scenario: string
  readonly reason: string
  /** The row of docs/COMPATIBILITY.md, by its first cell. */
  readonly row: string
  /** What is seen instead; absent: anything else than expected, an error included. */
  readonly shows?: unknown
  /** True: it is not played against this target, because it would end it for the others. */
  readonly endsTarget?: boolean
  /** True: it depends on timing, and is not always there. */
  readonly sometimes?: boolean
}

const OPEN = 'OPEN\r\n'
const CLOSE_1000 = 'CLOSE 2\r\n\x03\xe8\r\n'
const HELD_BACK = 'TEXT b\r\n[foo][hello\r\n'
const CLOSE_BYE = 'CLOSE 5\r\n\x03\xe8bye\r\n'
const REST_AND_CLOSE = `replayed 6: TEXT 6\r\n[hello\r\n${CLOSE_BYE}`

/** uWebSockets.js echoes the close frame of a client at once; the backend's answer cannot reach it any more. */
function echoed(scenario: string, requests: readonly string[], close: string): Deviation {
  return {
    scenario,
    reason: 'uWebSockets.js answers the close frame of a client itself, at once',
    row: 'the client closes a WebSocket',
    shows: [requests, [close]],
  }
}

function pongDropped(scenario: string, requests: readonly string[]): Deviation {
  return {
    scenario,
    reason: 'uWebSockets.js cannot send a pong',
    row: 'PONG from a backend',
    shows: [requests, ['text after']],
  }
}

/** Where Pushpin leaves a request of the command socket without a reply. */
function answeredBad(scenario: string): Deviation {
  return {
    scenario: `command: not readable: ${scenario}`,
    reason: 'says what is wrong, so that a REQ peer does not wait for ever',
    row: 'a request of the command socket that cannot be read gets no reply, and a REQ peer waits for ever',
    shows: 'bad-request',
  }
}

function jsonpRefused(scenario: string, parameter: string): Deviation {
  return {
    scenario,
    reason: 'a script element must not write the head of a request to the backend',
    row: 'JSON-P parameters put spaces and line breaks into the head of the request to the backend',
    shows: [
      '',
      '400 Bad Request',
      [
        'Content-Type: text/plain',
        'Access-Control-Allow-Methods: OPTIONS, HEAD, GET, POST, PUT, DELETE',
        'Access-Control-Allow-Credentials: true',
        'Access-Control-Allow-Origin: *',
        'Access-Control-Max-Age: 3600',
      ],
      `Invalid ${parameter} parameter.\n`,
    ],
  }
}

/** Filters that Pushpin has from 2.0 on; 1.41 passes over their names. */
function unknownFilter(scenario: string, shows: unknown): Deviation {
  return { scenario, reason: 'does not know these filters before 2.0', row: '`http-check`, `http-modify`', shows }
}

const TACKBOARD: readonly Deviation[] = [
  {
    scenario: 'next link: a page that breaks off is not asked for again',
    reason: 'an error, because what the page lacks would be lost',
    row: 'a page of a next link that breaks off counts as whole',
    shows: [['GET /start', 'GET /page'], 'one\npart\n\nFailed to retrieve next link.\n'],
  },
  {
    scenario: 'head of the requests: no Connection header',
    reason: 'undici, the HTTP client, writes what HTTP/1.1 means without it',
    row: '`Connection` header to the backend',
    shows: ['keep-alive', 'keep-alive'],
  },
  {
    scenario: 'rejection: no Connection header, and the end of the connection',
    reason: 'uWebSockets.js announces that it ends the connection',
    row: 'an upgrade is refused',
    shows: 'Connection: close',
  },
  echoed('client closes: another code and reason', [OPEN, CLOSE_BYE], 'close 1000 bye'),
  echoed('client closes: a bare CLOSE is 1000', [OPEN, 'CLOSE 2\r\n\x03\xe9\r\n'], 'close 1001'),
  echoed('client closes: a text before CLOSE', [OPEN, CLOSE_1000], 'close 1000'),
  echoed('client closes: no CLOSE in the answer', [OPEN, CLOSE_1000], 'close 1000'),
  echoed('client closes: a text, but no CLOSE', [OPEN, CLOSE_1000], 'close 1000'),
  echoed('client closes: DISCONNECT as the answer', [OPEN, CLOSE_1000], 'close 1000'),
  echoed('client closes: status 500 as the answer', [OPEN, CLOSE_1000], 'close 1000'),
  echoed('a close of which nothing is accepted drops the client', [OPEN, CLOSE_BYE], 'close 1000 bye'),
  echoed(
    'G: the messages accepted and the close not: the client is dropped',
    [OPEN, HELD_BACK, REST_AND_CLOSE],
    'close 1000 bye',
  ),
  echoed(
    'G: close with part of the retained bytes accepted is not sent again at once',
    [OPEN, HELD_BACK, REST_AND_CLOSE, 'replayed 3: DISCONNECT\r\n'],
    'close 1000 bye',
  ),
  {
    scenario: 'client closes: without code',
    reason: 'uWebSockets.js answers an empty close frame with one',
    row: 'the client closes without a code',
    shows: [[OPEN, 'CLOSE\r\n'], ['close']],
  },
  {
    scenario: 'client closes: code 3000',
    reason: 'uWebSockets.js takes these codes for an error and does not tell them',
    row: 'the client closes with a code of 1012–3999, or above 4999',
    shows: [[OPEN, 'DISCONNECT\r\n'], ['close']],
  },
  {
    scenario: 'backend closes: the client leaves without a close frame',
    reason: 'uWebSockets.js ends TCP behind its close frame and does not wait for the one of the client',
    row: 'the backend closes a WebSocket',
    shows: [[OPEN, 'TEXT 1\r\nx\r\n', 'CLOSE 2\r\n\x0f\xa0\r\n'], ['close 4000']],
  },
  {
    scenario: 'stream: without a body its head comes at once',
    reason: 'uWebSockets.js writes the end of a head with the first content',
    row: 'a held stream without a body',
    shows: ['cut off', '201 Made', ['X-A: 1'], 'hello'],
  },
  {
    scenario: 'SockJS: JSON-P',
    reason: 'a plus in a form is a space, and so browsers write spaces',
    row: 'SockJS: what a form sends (`jsonp_send`) has `+` for its spaces',
    shows: [
      '200 application/javascript /**/_jp.a("o");\n',
      '200 text/plain ok',
      '200 application/javascript /**/_jp.b("a[\\"a& b\\"]");\n',
      '400 text/plain Payload expected\n',
    ],
  },
  jsonpRefused('JSON-P: a line break in a header of _headers', '_headers'),
  jsonpRefused('JSON-P: a method that is no token reaches the backend', '_method'),
  {
    scenario: 'long poll: what matches while it waits to be sent again',
    reason: 'it is delivered, because nothing is gained by losing it',
    row: 'what is published to a long poll that waits to be sent again is lost',
    shows: [['GET /SCENE/poll?x=1'], '200 two'],
  },
  pongDropped('answer: pong', [OPEN, 'TEXT 1\r\nx\r\n']),
  pongDropped('publish: a pong', [OPEN]),
  {
    scenario: 'command: not readable: JSON',
    reason: 'commands may be JSON',
    row: 'commands in JSON on 5563',
    shows: 'success',
  },
  answeredBad('text'),
  answeredBad('nothing'),
  answeredBad('no dictionary'),
  answeredBad('a number as id'),
  answeredBad('no method at all'),
  answeredBad('a number as method'),
  answeredBad('arguments that are a list'),
  answeredBad('arguments that are null'),
  answeredBad('T in front of a tnetstring'),
  answeredBad('two parts'),
  answeredBad('no empty part'),
]

const PUSHPIN: readonly Deviation[] = [
  {
    scenario: 'PULL: dropped: a tnetstring cut off',
    reason: 'its handler ends, and with it the whole program',
    row: 'a tnetstring that is cut off, on a ZeroMQ input, ends the program',
    endsTarget: true,
  },
  {
    scenario: 'a message of 300000 bytes drops the client, and the backend is told',
    reason: 'tells nobody',
    row: 'a client message above 200,000 bytes ends the connection, and the backend is not told',
    shows: [[OPEN], ['drop']],
  },
  {
    scenario: 'batch: a message without content first',
    reason: 'loses it',
    row: 'a zero-length WebSocket message that stands first while a request is in flight is never sent',
    shows: [[OPEN, 'TEXT 1\r\n0\r\n', 'TEXT 1\r\nb\r\n'], []],
  },
  {
    scenario: 'batch: a message without content alone',
    reason: 'loses it',
    row: 'a zero-length WebSocket message that stands first while a request is in flight is never sent',
  },
  {
    scenario: 'prefix: a large message that lacks it is dropped whole',
    reason: 'hands its later frames to the client, without a start',
    row: 'a message whose prefix is missing is dropped, but not its later frames, which breaks the connection',
  },
  {
    scenario: 'answer: text and DISCONNECT',
    reason: 'loses the text',
    row: 'messages in front of a DISCONNECT of the backend are lost',
    shows: [[OPEN, 'TEXT 1\r\nx\r\n'], ['drop']],
  },
  ...[
    'stream: content-filters: in debug mode a mismatch ends it',
    'long poll: content-filters: in debug mode a mismatch is the answer',
  ].map((scenario): Deviation => ({
    scenario,
    reason: 'its handler ends, and with it the whole program',
    row: '`content-filters` that a hold of a debug route does not have end the program',
    endsTarget: true,
  })),
  {
    scenario: 'WebSocket: require-sub: the one it holds',
    reason: 'drops it whatever the WebSocket holds',
    row: '`require-sub` on a WebSocket drops every item that names a channel',
  },
  unknownFilter('stream: http-check: what the backend lets pass', ['open a b c d ', []]),
  unknownFilter('stream: http-modify: other content in its place', ['open a b c d ', []]),
  unknownFilter('stream: http-check: in debug mode a failure ends it', ['open c ', []]),
  unknownFilter('stream: http-check: without a URL nothing arrives, in debug mode it says so', ['open a b c d ', []]),
  unknownFilter('long poll: http-modify: the first that the backend lets pass', ['b', []]),
  unknownFilter('long poll: http-check: in debug mode a failure is the answer', ['c', []]),
  unknownFilter('WebSocket: http-check: what the backend lets pass', ['text a ', 'text b ']),
  unknownFilter('WebSocket: http-modify: other content in its place', ['text a ', 'text b ']),
  unknownFilter(
    'Grip-Feature: what it names',
    'status, session, link:next, link:gone, filter:skip-self, filter:skip-users, filter:require-sub, filter:build-id, ' +
      'filter:var-subst',
  ),
]

const DEVIATIONS: Readonly<Record<TargetName, readonly Deviation[]>> = { tackboard: TACKBOARD, pushpin: PUSHPIN }

export function deviationsOf(target: TargetName): readonly Deviation[] {
  return DEVIATIONS[target]
}

export function deviationOf(target: TargetName, scenario: string): Deviation | null {
  return DEVIATIONS[target].find((deviation) => deviation.scenario === scenario) ?? null
}
