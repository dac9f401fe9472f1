/**
 * CORS headers and JSON-P (`aco`). Not compared: the framing of relayed JSON-P answers and whether they mirror
 * Cache-Control, which depend on how the backend's bytes come.
 */
import { type Backend, once, play, type Play, script, type Seen } from '../http-play.js'
import { headerPairs } from '../../../wire/headers.js'
import { streamItem } from '../../publish.js'
import type { Scenario } from '../scenario.js'
import type { World } from '../world.js'

const CORS = 'CORS'
const JSONP = 'JSON-P'

const METHODS = 'Access-Control-Allow-Methods: OPTIONS, HEAD, GET, POST, PUT, DELETE'
const expose = (names: string): string => `Access-Control-Expose-Headers: ${names}`
const CREDENTIALS = 'Access-Control-Allow-Credentials: true'
const ORIGIN = 'Access-Control-Allow-Origin: *'
const MAX_AGE = 'Access-Control-Max-Age: 3600'
const DEFAULTS = [METHODS, CREDENTIALS, ORIGIN, MAX_AGE]

function cors(name: string, backend: Backend, expected: Seen, options: Play = {}): Scenario {
  return once(CORS, `CORS: ${name}`, backend, expected, { host: 'aco.test', ...options })
}

/** A held request, then a publish to it. */
function published(format: Readonly<Record<string, unknown>>): NonNullable<Play['then']> {
  return async (world) => {
    await world.subscribed()
    await world.publish({ channel: world.channel, formats: { 'http-response': format } })
  }
}

const held = (...headers: string[]) =>
  ((channel: string) => [...headers, 'Grip-Hold', 'response', 'Grip-Channel', channel]) satisfies Backend['headers']

const corsScenarios: Scenario[] = [
  cors(
    'every header of the answer that is not simple is exposed',
    {
      headers: ['Date', 'x', 'X-A', '1', 'x-a', '2', 'ETag', '"e"', 'Cache-Control', 'no-cache', 'Expires', '0'],
      body: 'hello',
    },
    [
      '200 OK',
      [
        ...['X-A: 1', 'x-a: 2', 'ETag: "e"', 'Cache-Control: no-cache', 'Expires: 0', METHODS],
        ...[expose('Date, X-A, ETag'), CREDENTIALS, ORIGIN, MAX_AGE, 'Content-Length: 5'],
      ],
      'hello',
    ],
  ),
  cors(
    'what the request asks for is allowed',
    {},
    [
      '200 OK',
      [
        'Access-Control-Allow-Methods: PURGE',
        'Access-Control-Allow-Headers: X-One, x-two',
        CREDENTIALS,
        'Access-Control-Allow-Origin: http://a.test',
        MAX_AGE,
        'Content-Length: 0',
      ],
      '',
    ],
    {
      method: 'OPTIONS',
      headers: [
        'Origin: http://a.test',
        'Access-Control-Request-Method: PURGE',
        'Access-Control-Request-Headers: X-One , x-two,',
      ],
    },
  ),
  cors(
    'headers of the backend are left alone',
    {
      headers: [
        'Access-Control-Allow-Origin',
        'mine',
        'access-control-max-age',
        '1',
        'Access-Control-Allow-Methods',
        '',
      ],
    },
    [
      '200 OK',
      [
        ...['Access-Control-Allow-Origin: mine', 'access-control-max-age: 1', 'Access-Control-Allow-Methods: '],
        ...[CREDENTIALS, 'Content-Length: 0'],
      ],
      '',
    ],
  ),
  cors('an answer without a body', { status: 404, headers: ['X-A', '1'] }, [
    '404 Not Found',
    ['X-A: 1', METHODS, expose('X-A'), CREDENTIALS, ORIGIN, MAX_AGE, 'Content-Length: 0'],
    '',
  ]),
  cors('a GRIP answer without a hold', { headers: ['X-A', '1', 'Grip-Foo', '1'], body: 'x' }, [
    '200 OK',
    ['X-A: 1', METHODS, expose('X-A'), CREDENTIALS, ORIGIN, MAX_AGE, 'Content-Length: 1'],
    'x',
  ]),
  cors('an instruct that cannot be parsed', { headers: ['Grip-Hold', 'foo'] }, [
    '502 Bad Gateway',
    ['Content-Type: text/plain', ...DEFAULTS, 'Content-Length: 32'],
    'Error while proxying to origin.\n',
  ]),
  cors(
    'a dead backend',
    {},
    [
      '502 Bad Gateway',
      ['Content-Type: text/plain', ...DEFAULTS, 'Content-Length: 32'],
      'Error while proxying to origin.\n',
    ],
    { host: 'aco-dead.test' },
  ),
  cors(
    'a held response and its publish',
    { headers: held('X-A', '1') },
    [
      '201 Made',
      [
        ...['X-A: 1', 'Access-Control-Allow-Origin: mine', 'X-P: 1', METHODS, expose('X-A, X-P')],
        ...[CREDENTIALS, MAX_AGE, 'Content-Length: 1'],
      ],
      'p',
    ],
    {
      then: published({
        code: 201,
        reason: 'Made',
        headers: [
          ['Access-Control-Allow-Origin', 'mine'],
          ['X-P', '1'],
        ],
        body: 'p',
      }),
    },
  ),
  cors(
    'a stream',
    {
      headers: (channel) => ['X-A', '1', 'Grip-Hold', 'stream', 'Grip-Channel', channel],
      body: 'open\n',
    },
    ['200 OK', ['X-A: 1', METHODS, expose('X-A'), CREDENTIALS, ORIGIN, MAX_AGE], 'open\none\n'],
    {
      then: async (world) => {
        await world.subscribed()
        await world.publish(streamItem(world.channel, 'one\n'))
        await world.publish({ channel: world.channel, formats: { 'http-stream': { action: 'close' } } })
      },
    },
  ),
  once(CORS, 'CORS: none on other routes', {}, ['200 OK', ['Content-Length: 0'], ''], {
    headers: ['Origin: http://a.test'],
  }),
]

/** What the backend was asked (without what the gateway adds of itself) and what the client got. */
type Jsonp = readonly [request: string, status: string, headers: readonly string[], body: string]

interface JsonpPlay extends Play {
  readonly backend?: Backend
}

const LEFT_OUT_OF_REQUEST = /^(grip-sig|grip-feature|connection|host): /i

async function askJsonp(world: World, { backend, ...options }: JsonpPlay): Promise<Jsonp> {
  const heads: string[] = []
  script(world, backend ?? { body: 'hello\n' })
  const answerer = world.stage.scripts.get(world.scene)
  world.onCall((call) => {
    const lines = headerPairs(call.rawHeaders).map(([name, value]) => `${name.toLowerCase()}: ${value}`)
    heads.push(
      [
        `${call.method} ${call.url.replace(world.scene, 'SCENE')}`,
        ...lines.filter((line) => !LEFT_OUT_OF_REQUEST.test(line)),
        call.body.toString('latin1'),
      ].join('\n'),
    )
    return answerer?.(call)
  })
  const [status, headers, body] = await play(world, { host: 'aco.test', ...options })
  // A long poll may be asked again.
  return [
    [...new Set(heads)].join(' | '),
    status,
    headers.filter((line) => !/^(content-length|cache-control):/i.test(line)),
    body,
  ]
}

function jsonp(name: string, path: string, expected: Jsonp, options: JsonpPlay = {}): Scenario {
  return { area: JSONP, name: `JSON-P: ${name}`, expected, run: (world) => askJsonp(world, { path, ...options }) }
}

const SCRIPT = ['Content-Type: application/javascript']
const HELLO = '/**/cb({"code": 200, "reason": "OK", "headers": {"Content-Length":"6"}, "body": "hello\\n"});\n'
const GET_IT = 'GET /SCENE\naccept: */*\n'

/** The request is another; the answer is the usual one. */
function asked(name: string, query: string, request: string, options: JsonpPlay = {}): Scenario {
  return jsonp(name, query, [request, '200 OK', SCRIPT, HELLO], options)
}

function refused(query: string, parameter: string, options: JsonpPlay = {}): Scenario {
  return jsonp(
    `refused: ${query}`,
    query,
    ['', '400 Bad Request', ['Content-Type: text/plain', ...DEFAULTS], `Invalid ${parameter} parameter.\n`],
    options,
  )
}

/** The answer is another; the request is the usual one. */
function answered(name: string, backend: Backend, body: string, options: JsonpPlay = {}): Scenario {
  const request = options.host === 'aco-basic.test' ? 'POST /SCENE\naccept: */*\ncontent-length: 0\n' : GET_IT
  return jsonp(name, '?callback=cb', [request, '200 OK', SCRIPT, body], { backend, ...options })
}

const param = (json: unknown): string => encodeURIComponent(JSON.stringify(json))

const requestScenarios: Scenario[] = [
  asked('the callback is taken out of the query', '?a=1&callback=cb&b', 'GET /SCENE?a=1&b\naccept: */*\n'),
  asked('nothing is left of the query', '?callback=cb', GET_IT),
  asked('repeated callbacks go too', '?callback=cb&callback=other&', GET_IT),
  asked('empty items stay, but for those in front', '?&&a&&callback=cb&&', 'GET /SCENE?a&&\naccept: */*\n'),
  asked('an empty item keeps the question mark', '?&callback=cb', 'GET /SCENE?\naccept: */*\n'),
  asked('a callback by its escaped name', '?c%61llback=c%62', GET_IT),
  asked('an equal sign in a value is escaped', '?callback=cb&a==b=c&=d', 'GET /SCENE?a=%3Db%3Dc&=d\naccept: */*\n'),
  asked(
    'other parameters keep their form',
    "?callback=cb&a=%20b+c&e&f=&g=%41%2f'",
    'GET /SCENE?a=%20b+c&e&f=&g=A%2F%27\naccept: */*\n',
  ),
  asked('_method', '?callback=cb&_method=PUT', 'PUT /SCENE\naccept: */*\ncontent-length: 0\n'),
  asked(
    '_body',
    '?callback=cb&_method=POST&_body=%22a%25%2B+%26%c3%a9%ff%22',
    'POST /SCENE\naccept: */*\ncontent-length: 10\n"a%++&\xc3\xa9\xff"',
  ),
  asked('_body of a GET', '?callback=cb&_body=abc', 'GET /SCENE\naccept: */*\ncontent-length: 3\nabc'),
  asked(
    '_headers, sorted, and those of the client behind them',
    `?callback=cb&_headers=${param({ 'X-B': 'b', 'X-A': 'a', Host: 'evil', ACCEPT: 'x' })}`,
    'GET /SCENE\nx-a: a\nx-b: b\naccept: */*\nx-own: 1\n',
    { headers: ['X-Own: 1', 'Accept: text/html'] },
  ),
  asked('_headers that are empty', `?callback=cb&_headers=${param({})}`, GET_IT),
  asked('the method of the route', '?callback=cb', 'PATCH /SCENE\naccept: */*\ncontent-length: 0\n', {
    host: 'aco-method.test',
  }),
  asked('_method wins over the method of the route', '?callback=cb&_method=GET', GET_IT, { host: 'aco-method.test' }),
  asked(
    'a body parameter of the route is JSON',
    '?cb=cb&data=%7b%7d',
    'GET /SCENE\ncontent-type: application/json\naccept: */*\ncontent-length: 2\n{}',
    { host: 'aco-body.test' },
  ),
  asked(
    'a Content-Type of _headers gives way to it',
    `?cb=cb&data=1&_headers=${param({ 'content-type': 'x/y' })}`,
    'GET /SCENE\ncontent-type: application/json\naccept: */*\ncontent-length: 1\n1',
    { host: 'aco-body.test' },
  ),
  asked('_body is a parameter like others then', '?cb=cb&_body=x', 'GET /SCENE?_body=x\naccept: */*\n', {
    host: 'aco-body.test',
  }),
  jsonp(
    'the callback of the route, when there is a body',
    '?data=1',
    [
      'GET /SCENE\ncontent-type: application/json\naccept: */*\ncontent-length: 1\n1',
      '200 OK',
      SCRIPT,
      HELLO.replace('cb', 'fallback'),
    ],
    { host: 'aco-body.test' },
  ),
  jsonp('a callback of any characters', '?callback=a.b%5b0%5d(%29%0a%c3%a9%ff', [
    GET_IT,
    '200 OK',
    SCRIPT,
    HELLO.replace('cb', 'a.b[0]()\n\xc3\xa9\xff'),
  ]),
  jsonp('an escape that is none', '?callback=%zz', [GET_IT, '200 OK', SCRIPT, HELLO.replace('cb', '%zz')]),
  refused('?callback=', 'callback'),
  refused('?callback', 'callback'),
  refused('?callback=cb&_method=', '_method'),
  refused('?callback=cb&_method=A%0aB', '_method'),
  refused('?callback=cb&_headers=', '_headers'),
  refused('?callback=cb&_headers=%5b%5d', '_headers'),
  refused('?callback=cb&_headers=%7b%22a%22:1%7d', '_headers'),
  refused('?callback=cb&_body=', '_body'),
  refused('?cb=cb&data=', 'body', { host: 'aco-body.test' }),
  jsonp(
    'not for other methods',
    '?callback=cb',
    ['POST /SCENE?callback=cb\ncontent-length: 1\nx', '200 OK', [...DEFAULTS], 'hello\n'],
    { method: 'POST', body: 'x' },
  ),
  jsonp('a line break in a header of _headers', `?callback=cb&_headers=${param({ X: 'a\r\nY: b' })}`, [
    'GET /SCENE\nx: a\ny: b\naccept: */*\n',
    '200 OK',
    SCRIPT,
    HELLO,
  ]),
  // node:http answers for the scripted backend.
  jsonp('a method that is no token reaches the backend', '?callback=cb&_method=A%20B', [
    '',
    '200 OK',
    SCRIPT,
    '/**/cb({"code": 400, "reason": "Bad Request", "headers": {}, "body": ""});\n',
  ]),
]

const answerScenarios: Scenario[] = [
  answered(
    'headers sorted, the first of each name',
    {
      status: 404,
      reason: 'Nope',
      headers: ['X-B', '"b\\', 'X-A', '1', 'X-A', '2', 'x-a', '3'],
      body: 'x',
    },
    '/**/cb({"code": 404, "reason": "Nope", "headers": {"Content-Length":"1","X-A":"1","X-B":"\\"b\\\\","x-a":"3"}, "body": "x"});\n',
  ),
  answered(
    'a body of many characters',
    {
      body: 'a\xff\x01\x1f\x7f"\\/\b\f\n\r\t\xe2\x80\xa8<>&\'\xf0\x9f\x98\x80\xed\xa0\x80\xc3',
    },
    '/**/cb({"code": 200, "reason": "OK", "headers": {"Content-Length":"28"}, "body": "a\xef\xbf\xbd\\u0001\\u001f\x7f\\"\\\\/\\b\\f\\n\\r\\t\xe2\x80\xa8<>&\'\xf0\x9f\x98\x80' +
      '\xef\xbf\xbd'.repeat(4) +
      '"});\n',
  ),
  answered('basic: one line break is taken off', { body: '{"a":1}\n\n' }, '/**/cb({"a":1}\n);\n', {
    host: 'aco-basic.test',
  }),
  answered('basic: a line break with a carriage return', { body: 'x\r\n' }, '/**/cb(x);\n', { host: 'aco-basic.test' }),
  answered('basic: any bytes', { body: 'a\xff\0b' }, '/**/cb(a\xff\0b);\n', { host: 'aco-basic.test' }),
  answered(
    'a GRIP answer without a hold',
    { headers: ['Content-Type', 'text/plain', 'Grip-Foo', '1'], body: 'x\n' },
    '/**/cb({"code": 200, "reason": "OK", "headers": {"Content-Type":"text/plain"}, "body": "x\\n"});\n',
  ),
  answered(
    'an instruct that cannot be parsed',
    { headers: ['Grip-Hold', 'foo'] },
    '/**/cb({"code": 502, "reason": "Bad Gateway", "headers": {"Content-Length":"32","Content-Type":"text/plain"}, "body": "Error while proxying to origin.\\n"});\n',
  ),
  jsonp(
    'a dead backend',
    '?callback=cb',
    [
      '',
      '200 OK',
      SCRIPT,
      '/**/cb({"code": 502, "reason": "Bad Gateway", "headers": {"Content-Length":"32","Content-Type":"text/plain"}, "body": "Error while proxying to origin.\\n"});\n',
    ],
    { host: 'aco-dead.test' },
  ),
  jsonp(
    'a held response: keys sorted, values joined',
    '?callback=cb',
    [
      GET_IT,
      '200 OK',
      ['X-H: 1', 'x-h: 2', 'X-P: 1', 'X-P: 2', 'Content-Type: application/javascript'],
      '/**/cb({"body":"p\\n","code":201,"headers":{"Content-Type":"text/plain","X-H":"1, 2","X-P":"1, 2"},"reason":"Made"});\n',
    ],
    {
      backend: { headers: held('Content-Type', 'text/plain', 'X-H', '1', 'x-h', '2') },
      then: published({
        code: 201,
        reason: 'Made',
        headers: [
          ['X-P', '1'],
          ['X-P', '2'],
        ],
        body: 'p\n',
      }),
    },
  ),
  jsonp(
    'a held response in basic mode',
    '?callback=cb',
    [
      'POST /SCENE\naccept: */*\ncontent-length: 0\n',
      '200 OK',
      ['X-H: 1', 'Content-Type: application/javascript'],
      '/**/cb(p);\n',
    ],
    {
      host: 'aco-basic.test',
      backend: { headers: held('X-H', '1') },
      then: published({ code: 201, body: 'p\r\n' }),
    },
  ),
  {
    ...jsonp(
      'a held response that times out',
      '?callback=cb',
      [
        GET_IT,
        '200 OK',
        ['Content-Type: application/javascript'],
        '/**/cb({"body":"nothing","code":202,"headers":{},"reason":"Accepted"});\n',
      ],
      { backend: { status: 202, headers: held('Grip-Timeout', '5'), body: 'nothing' } },
    ),
    slow: true,
  },
  jsonp('a stream is not wrapped', '?callback=cb', [GET_IT, '200 OK', [...DEFAULTS], 'open\none\n'], {
    backend: { headers: (channel) => ['Grip-Hold', 'stream', 'Grip-Channel', channel], body: 'open\n' },
    then: async (world) => {
      await world.subscribed()
      await world.publish(streamItem(world.channel, 'one\n'))
      await world.publish({ channel: world.channel, formats: { 'http-stream': { action: 'close' } } })
    },
  }),
]

export const crossOrigin: Scenario[] = [...corsScenarios, ...requestScenarios, ...answerScenarios]
