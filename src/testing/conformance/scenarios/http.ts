/** HTTP: proxying, holds by headers and by JSON, publishes to holds, faults of instructions. */
import { responseItem, streamItem } from '../../publish.js'
import { type Backend, type Headers, NOT_COMPARED, type Play, type Seen, once, play, script } from '../http-play.js'
import type { Scenario } from '../scenario.js'
import type { World } from '../world.js'
import { quiet } from '../world.js'

export const GRIP = 'GRIP over HTTP'
const PROXY = 'HTTP proxying'

export const INSTRUCT_FAULT = (detail: string): Seen => [
  '502 Bad Gateway',
  ['Content-Type: text/plain', `Content-Length: ${`Failed to parse accept instructions: ${detail}\n`.length}`],
  `Failed to parse accept instructions: ${detail}\n`,
]

export const PLAIN_FAULT: Seen = [
  '502 Bad Gateway',
  ['Content-Type: text/plain', 'Content-Length: 32'],
  'Error while proxying to origin.\n',
]

/** Headers of an answer, and the fault that debug mode tells. */
const HEADER_FAULTS: readonly (readonly [Headers, string])[] = [
  [['Grip-Hold', 'foo'], "Grip-Hold must be set to either 'response' or 'stream'"],
  [['Grip-Hold', 'Response'], "Grip-Hold must be set to either 'response' or 'stream'"],
  [['Grip-Timeout', 'x'], 'failed to parse Grip-Timeout'],
  [['Grip-Timeout', '7.0'], 'failed to parse Grip-Timeout'],
  [['Grip-Timeout', '-1'], 'Grip-Timeout has invalid value'],
  [['Grip-Hold', 'stream', 'Grip-Keep-Alive', 'x; mode=foo'], "no such Grip-Keep-Alive mode 'foo'"],
  [['Grip-Hold', 'stream', 'Grip-Keep-Alive', 'x; timeout=y'], 'failed to parse Grip-Keep-Alive timeout value'],
  [['Grip-Hold', 'stream', 'Grip-Keep-Alive', 'x; timeout=-1'], 'Grip-Keep-Alive timeout has invalid value'],
  [['Grip-Hold', 'stream', 'Grip-Keep-Alive', 'x; format=foo'], "no such Grip-Keep-Alive format 'foo'"],
  [['Grip-Hold', 'stream', 'Grip-Keep-Alive', 'x\\; format=cstring'], 'failed to parse Grip-Keep-Alive cstring format'],
  [['Grip-Hold', 'stream', 'Grip-Keep-Alive', '; format=raw'], 'Grip-Keep-Alive cannot be empty'],
  [['Grip-Link', 'x; rel=next'], 'failed to parse Grip-Link value'],
  [['Grip-Link', '<>; rel=next'], 'failed to parse Grip-Link value'],
  [['Grip-Link', '</x>; rel=next; timeout=y'], 'failed to parse Grip-Link timeout value'],
  [['Grip-Link', '</x>; rel=next; timeout=-1'], 'Grip-Link timeout has invalid value'],
  [['Grip-Status', 'x'], 'Grip-Status contains invalid status code'],
  [['Grip-Status', '1000'], 'Grip-Status contains invalid status code'],
  [
    ['Grip-Hold', 'stream', 'Grip-Channel', 'c; filter=a; filter=b; filter=c; filter=d; filter=e; filter=f'],
    "too many filters for channel 'c'",
  ],
]

const JSON_FAULTS: readonly (readonly [string, string])[] = [
  ['x', 'failed to parse application/grip-instruct content as JSON'],
  ['[]', 'instruct must be an object'],
  ['{"hold":1}', "instruct contains 'hold' with wrong type"],
  ['{"hold":{}}', "hold does not contain 'channels'"],
  ['{"hold":{"channels":1}}', "hold contains 'channels' with wrong type"],
  ['{"hold":{"channels":[],"mode":5}}', "hold contains 'mode' with wrong type"],
  ['{"hold":{"channels":[],"mode":"x"}}', "hold 'mode' must be set to either 'response' or 'stream'"],
  ['{"hold":{"channels":[],"timeout":-1}}', "hold contains 'timeout' with invalid value"],
  ['{"hold":{"channels":[],"timeout":[]}}', "hold contains 'timeout' with wrong type"],
  ['{"hold":{"channels":[1]}}', 'channel is not an object'],
  ['{"hold":{"channels":[{}]}}', "channel does not contain 'name'"],
  ['{"hold":{"channels":[{"name":"a","prev-id":1}]}}', "channel contains 'prev-id' with wrong type"],
  ['{"hold":{"channels":[{"name":"a","filters":1}]}}', "channel contains 'filters' with wrong type"],
  ['{"hold":{"channels":[{"name":"a","filters":[1]}]}}', 'filters contains value with wrong type'],
  ['{"hold":{"channels":[],"keep-alive":1}}', "hold contains 'keep-alive' with wrong type"],
  ['{"hold":{"channels":[],"keep-alive":{"content":1}}}', "keep-alive contains 'content' with wrong type"],
  [
    '{"hold":{"channels":[],"keep-alive":{"content":"x","timeout":-1}}}',
    "keep-alive contains 'timeout' with invalid value",
  ],
  ['{"hold":{"channels":[],"meta":1}}', "hold contains 'meta' with wrong type"],
  ['{"hold":{"channels":[],"meta":{"a":1}}}', "'meta' contains 'a' with wrong type"],
  ['{"response":{"code":[]}}', "response contains 'code' with wrong type"],
  ['{"response":{"code":1000}}', "response contains 'code' with invalid value"],
  ['{"response":{"reason":1}}', "response contains 'reason' with wrong type"],
  ['{"response":{"headers":1}}', "response contains 'headers' with wrong type"],
  ['{"response":{"headers":[1]}}', 'headers contains element with wrong type'],
  ['{"response":{"headers":[["a"]]}}', 'headers contains list with wrong number of elements'],
  ['{"response":{"headers":{"a":1}}}', "headers contains 'a' with wrong type"],
  ['{"response":{"body":1}}', "response contains 'body' with wrong type"],
  ['{"response":{"body-bin":1}}', "response contains 'body-bin' with wrong type"],
]

export const INSTRUCT = ['Content-Type', 'application/grip-instruct'] as const

function instruct(name: string, json: unknown, expected: Seen, options: Play = {}): Scenario {
  return once(GRIP, `instruct: ${name}`, { headers: INSTRUCT, body: JSON.stringify(json) }, expected, options)
}

/** A long poll, answered by this publish. */
function answeredBy(
  name: string,
  format: Readonly<Record<string, unknown>>,
  expected: Seen,
  headers: Headers = ['Content-Type', 'text/plain', 'X-Origin', '1'],
): Scenario {
  return once(
    GRIP,
    `long poll: ${name}`,
    { headers: (channel) => [...headers, 'Grip-Hold', 'response', 'Grip-Channel', channel], body: 'nothing\n' },
    expected,
    {
      then: async (world) => {
        await world.subscribed()
        await world.publish({ channel: world.channel, formats: { 'http-response': format } })
      },
    },
  )
}

/** A stream, publishes to it, and its body when the last one closed it. */
function streamed(name: string, backend: Backend, items: readonly string[], body: string, play: Play = {}): Scenario {
  return once(
    GRIP,
    `stream: ${name}`,
    { headers: (channel) => ['Grip-Hold', 'stream', 'Grip-Channel', channel], ...backend },
    ['200 OK', [], body],
    {
      then: async (world) => {
        await world.subscribed()
        await world.publish(...items.map((content) => streamItem(world.channel, content)))
        await world.publish({ channel: world.channel, formats: { 'http-stream': { action: 'close' } } })
      },
      ...play,
    },
  )
}

const proxying: Scenario[] = [
  ...(
    [
      [200, 'OK'],
      [201, 'Created'],
      [400, 'Bad Request'],
      [404, 'Not Found'],
      [418, "I'm a Teapot"],
      [500, 'Internal Server Error'],
      [599, 'unknown'],
    ] as const
  ).map(([status, reason]) =>
    once(
      PROXY,
      `status ${status}`,
      {
        status,
        reason,
        headers: ['Content-Type', 'text/plain', 'X-A', '1', 'Set-Cookie', 'a', 'Set-Cookie', 'b'],
        body: 'hello',
      },
      [
        `${status} ${reason}`,
        ['Content-Type: text/plain', 'X-A: 1', 'Set-Cookie: a', 'Set-Cookie: b', 'Content-Length: 5'],
        'hello',
      ],
    ),
  ),
  once(PROXY, 'an empty body', {}, ['200 OK', ['Content-Length: 0'], '']),
  once(
    PROXY,
    'hop-by-hop headers of the answer are left out',
    { headers: ['Keep-Alive', 'x', 'Content-Encoding', 'gzip', 'X-A', '1'], body: 'x' },
    ['200 OK', ['X-A: 1', 'Content-Length: 1'], 'x'],
  ),
  once(PROXY, 'nobody listens', {}, PLAIN_FAULT, { host: 'dead.test' }),
  once(
    PROXY,
    'failover when the first target refuses',
    { body: 'second' },
    ['200 OK', ['Content-Length: 6'], 'second'],
    {
      host: 'failover.test',
    },
  ),
  once(
    PROXY,
    'a client may not send WebSocket events',
    {},
    [
      '403 Forbidden',
      ['Content-Type: text/plain', 'Content-Length: 54'],
      'Client not allowed to send WebSocket events directly.\n',
    ],
    { method: 'POST', headers: ['Content-Type: application/websocket-events; x=y'], body: 'OPEN\r\n' },
  ),
  once(
    PROXY,
    'no_grip passes GRIP headers on',
    { headers: ['Grip-Hold', 'stream', 'Grip-Channel', 'x'], body: 'x' },
    ['200 OK', ['Grip-Hold: stream', 'Grip-Channel: x', 'Content-Length: 1'], 'x'],
    { host: 'no-grip.test' },
  ),
  ...(
    [
      ['path_rem cuts the path', 'path.test', '/cut/', '/SCENE'],
      ['replace_beg changes the path', 'replace.test', '/old/', '/new/SCENE'],
    ] as const
  ).map(([name, host, start, path]) => ({
    area: PROXY,
    name,
    expected: path,
    run: async (world: World) => {
      const requests = script(world, {})
      const client = await world.client()
      await client.send(`GET ${start}${world.scene} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      await client.readAnswer()
      return requests[0]?.split(' ')[1]
    },
  })),
]

export const http: Scenario[] = [
  ...proxying,

  once(GRIP, 'no hold: Grip headers are taken out', { headers: ['Grip-Foo', 'x', 'X-A', '1'], body: 'plain' }, [
    '200 OK',
    ['X-A: 1', 'Content-Length: 5'],
    'plain',
  ]),
  once(GRIP, 'Grip-Status with a reason', { headers: ['Grip-Status', '404 Gone Fishing'], body: 'x' }, [
    '404 Gone Fishing',
    ['Content-Length: 1'],
    'x',
  ]),
  once(GRIP, 'Grip-Status without a reason', { headers: ['Grip-Status', '413'], body: 'x' }, [
    '413 Request Entity Too Large',
    ['Content-Length: 1'],
    'x',
  ]),
  once(GRIP, 'Grip-Status with a code nobody knows', { headers: ['Grip-Status', '777'], body: 'x' }, [
    '777 Undefined Reason',
    ['Content-Length: 1'],
    'x',
  ]),
  once(
    GRIP,
    'Grip-Expose-Headers',
    { headers: ['Grip-Expose-Headers', 'x-a, X-C', 'X-A', '1', 'X-B', '2', 'X-C', '3'], body: 'x' },
    ['200 OK', ['X-A: 1', 'X-C: 3', 'Content-Length: 1'], 'x'],
  ),
  ...HEADER_FAULTS.flatMap(([headers, detail], at) => [
    once(GRIP, `fault: ${headers.slice(-2).join(': ')}`, { headers, body: 'x' }, INSTRUCT_FAULT(detail), {
      host: 'debug.test',
    }),
    ...(at === 0 ? [once(GRIP, 'fault: without debug', { headers, body: 'x' }, PLAIN_FAULT)] : []),
  ]),
  ...JSON_FAULTS.map(([body, detail]) =>
    once(GRIP, `instruct fault: ${body}`, { headers: INSTRUCT, body }, INSTRUCT_FAULT(detail), { host: 'debug.test' }),
  ),
  once(
    GRIP,
    'instruct fault: status is not 200',
    { status: 201, headers: INSTRUCT, body: '{}' },
    INSTRUCT_FAULT('response code for application/grip-instruct content must be 200'),
    { host: 'debug.test' },
  ),

  instruct(
    'a response',
    { response: { code: 404, reason: 'Nope', headers: { 'X-B': '2', 'X-A': '1' }, body: 'hello' } },
    ['404 Nope', ['X-A: 1', 'X-B: 2', 'Content-Length: 5'], 'hello'],
  ),
  instruct(
    'headers as a list keep order and doubles',
    {
      response: {
        headers: [
          ['X-B', '1'],
          ['X-A', '2'],
          ['X-B', '3'],
        ],
        body: '',
      },
    },
    ['200 OK', ['X-B: 1', 'X-A: 2', 'X-B: 3', 'Content-Length: 0'], ''],
  ),
  instruct('body-bin wins', { response: { body: 'a', 'body-bin': 'AP8=' } }, [
    '200 OK',
    ['Content-Length: 2'],
    '\0\xff',
  ]),
  instruct('a code without reason', { response: { code: 414, body: '' } }, [
    '414 Request-URI Too Long',
    ['Content-Length: 0'],
    '',
  ]),
  instruct('a code as text is 0', { response: { code: '201', body: '' } }, ['201 Created', ['Content-Length: 0'], '']),
  once(
    GRIP,
    'instruct: a response hold, answered',
    { headers: INSTRUCT, body: (channel) => JSON.stringify({ hold: { channels: [{ name: channel }] } }) },
    ['200 OK', ['Content-Length: 5'], 'hello'],
    {
      then: async (world) => {
        await world.subscribed()
        await world.publish(responseItem(world.channel, 'hello'))
      },
    },
  ),
  once(
    GRIP,
    'instruct: a stream hold',
    {
      headers: INSTRUCT,
      body: (channel) =>
        JSON.stringify({ hold: { mode: 'stream', channels: [{ name: channel }] }, response: { body: 'open\n' } }),
    },
    ['200 OK', [], 'open\nhello\n'],
    {
      then: async (world) => {
        await world.subscribed()
        await world.publish(streamItem(world.channel, 'hello\n'))
        await world.publish({ channel: world.channel, formats: { 'http-stream': { action: 'close' } } })
      },
    },
  ),

  answeredBy('a body', { body: 'hello' }, [
    '200 OK',
    ['Content-Type: text/plain', 'X-Origin: 1', 'Content-Length: 5'],
    'hello',
  ]),
  answeredBy('code and reason', { code: 404, reason: 'Nope', body: '' }, [
    '404 Nope',
    ['Content-Type: text/plain', 'X-Origin: 1', 'Content-Length: 0'],
    '',
  ]),
  answeredBy('a code without reason', { code: 418, body: '' }, [
    '418 Undefined Reason',
    ['Content-Type: text/plain', 'X-Origin: 1', 'Content-Length: 0'],
    '',
  ]),
  answeredBy('headers replace those of the backend', { headers: { 'x-origin': '2', 'X-New': '3' }, body: 'x' }, [
    '200 OK',
    ['Content-Type: text/plain', 'X-New: 3', 'x-origin: 2', 'Content-Length: 1'],
    'x',
  ]),
  answeredBy(
    'Grip headers in a publish are taken out',
    {
      headers: [
        ['Grip-Foo', '1'],
        ['X-A', '1'],
      ],
      body: 'x',
    },
    ['200 OK', ['Content-Type: text/plain', 'X-Origin: 1', 'X-A: 1', 'Content-Length: 1'], 'x'],
  ),
  answeredBy(
    'Grip-Expose-Headers in a publish takes out what it lists',
    { headers: [['Grip-Expose-Headers', 'X-Origin']], body: 'x' },
    ['200 OK', ['Content-Type: text/plain', 'Content-Length: 1'], 'x'],
  ),
  answeredBy('body-bin', { 'body-bin': 'AP8=' }, [
    '200 OK',
    ['Content-Type: text/plain', 'X-Origin: 1', 'Content-Length: 2'],
    '\0\xff',
  ]),
  answeredBy('an empty body', { body: '' }, [
    '200 OK',
    ['Content-Type: text/plain', 'X-Origin: 1', 'Content-Length: 0'],
    '',
  ]),
  {
    area: GRIP,
    name: 'long poll: its time-out gives the answer of the backend, with Grip-Status',
    slow: true,
    expected: ['304 Not Modified', ['ETag: x'], ''],
    run: (world) => {
      script(world, { headers: ['Grip-Hold', 'response', 'Grip-Timeout', '5', 'Grip-Status', '304', 'ETag', 'x'] })
      return play(world, {})
    },
  },
  {
    area: GRIP,
    name: 'long poll: only the first item answers',
    expected: 'first',
    run: async (world) => {
      script(world, { headers: (channel) => ['Grip-Hold', 'response', 'Grip-Channel', channel] })
      const seen = await play(world, {
        then: async () => {
          await world.subscribed()
          await world.publish(responseItem(world.channel, 'first'), responseItem(world.channel, 'second'))
        },
      })
      return seen[2]
    },
  },
  {
    area: GRIP,
    name: 'long poll: a stream item does not answer',
    expected: 'response',
    run: async (world) => {
      script(world, { headers: (channel) => ['Grip-Hold', 'response', 'Grip-Channel', channel] })
      const seen = await play(world, {
        then: async () => {
          await world.subscribed()
          await world.publish(streamItem(world.channel, 'stream'))
          await quiet(100)
          await world.publish(responseItem(world.channel, 'response'))
        },
      })
      return seen[2]
    },
  },

  streamed('content as it is', { body: 'open\n' }, ['a\n', 'b'], 'open\na\nb'),
  streamed('without a body of the backend', {}, ['a'], 'a'),
  streamed('nothing but close', { body: 'open\n' }, [], 'open\n'),
  streamed('an empty content', { body: 'open\n' }, ['', 'a'], 'open\na'),
  streamed(
    'a channel in a list of several',
    { headers: (channel) => ['Grip-Hold', 'stream', 'Grip-Channel', `other, ${channel}; prefix=x`] },
    ['a'],
    'a',
  ),
  streamed(
    'filters nobody knows',
    { headers: (channel) => ['Grip-Hold', 'stream', 'Grip-Channel', `${channel}; filter=foo`] },
    ['a'],
    'a',
  ),
  streamed(
    'the same channel twice delivers once',
    { headers: (channel) => ['Grip-Hold', 'stream', 'Grip-Channel', channel, 'Grip-Channel', channel] },
    ['a'],
    'a',
  ),
  {
    area: GRIP,
    name: 'stream: without a body its head comes at once',
    expected: ['whole', '201 Made', ['X-A: 1'], 'hello'],
    run: async (world) => {
      script(world, {
        headers: (channel) => ['X-A', '1', 'Grip-Hold', 'stream', 'Grip-Channel', channel, 'Grip-Status', '201 Made'],
      })
      const client = await world.client()
      await client.send(`GET ${world.path()} HTTP/1.1\r\nHost: any.test\r\n\r\n`)
      await world.subscribed()
      await quiet()
      const arrived = client.pending.includes('\r\n\r\n') ? 'whole' : 'cut off'
      await world.publish(streamItem(world.channel, 'hello'))
      const head = await client.readHead()
      const headers = head.headers.map(([name, value]) => `${name}: ${value}`)
      const size = parseInt((await client.readUntil('\r\n')).toString('latin1'), 16)
      const content = (await client.readExactly(size)).toString('latin1')
      return [arrived, `${head.status} ${head.reason}`, headers.filter((line) => !NOT_COMPARED.test(line)), content]
    },
  },
  ...(
    [
      ['raw', 'ping', 'ping'],
      ['cstring', 'a\\n\\x41\\\\; format=cstring', 'a\nA\\'],
      ['base64', 'aGk=; format=base64', 'hi'],
    ] as const
  ).map(([name, value, content]) => ({
    area: GRIP,
    name: `stream: keep-alive, ${name}`,
    slow: true,
    expected: content,
    run: async (world: World) => {
      const keepAlive = value.includes(';') ? `${value}; timeout=2` : `${value}; timeout=2; mode=interval`
      script(world, {
        headers: (channel) => ['Grip-Hold', 'stream', 'Grip-Channel', channel, 'Grip-Keep-Alive', keepAlive],
      })
      const client = await world.client()
      await client.send(`GET ${world.path()} HTTP/1.1\r\nHost: any.test\r\n\r\n`)
      await client.readHead()
      const size = parseInt((await client.readUntil('\r\n')).toString('latin1'), 16)
      return (await client.readExactly(size)).toString('latin1')
    },
  })),
]
