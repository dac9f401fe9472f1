/** The parsers of every door. What they promise is checked for every input: an answer, and for a bad one its place. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describeFault } from '../../config/fault.js'
import { loadSettings } from '../../config/load.js'
import { FORMAT_FIELD_BYTES_MAX } from '../../base/limits.js'
import { FormatFault, renderFormat, unknownDirective } from '../../grip/format.js'
import { IdRenderer } from '../../grip/id-format.js'
import { readJsonp } from '../../grip/jsonp-request.js'
import { parseRoutes } from '../../routing/routes.js'
import { headFault } from '../../shard/client-head.js'
import { ControlRequestReader, type Reading } from '../../wire/control-request.js'
import { decodeControlMessage } from '../../wire/grip-control.js'
import { decodeInstruct, decodeStreamedHead, peekHold } from '../../wire/grip-instruct.js'
import { patchBody, PatchFault } from '../../wire/json-patch.js'
import { parseJsonBytes } from '../../wire/json-text.js'
import { decodeVerifyingKey, signToken, verifyToken } from '../../wire/jwt.js'
import { CHANNEL_FILTERS_MAX } from '../../wire/instruct-types.js'
import { decodePublishBody, decodeZmqItem, isPublishFault } from '../../wire/publish-item.js'
import { decodeTnetstring } from '../../wire/tnetstring.js'
import {
  decodeCloseContent,
  decodeWebSocketEvents,
  encodeCloseContent,
  encodeWebSocketEvents,
} from '../../wire/websocket-events.js'
import { ADDRESS_TARGETS } from './address-targets.js'
import type { FuzzTarget } from './fuzz.js'
import { PEER_TARGETS, TN_WORDS } from './peer-targets.js'

const PUBLISH_WORDS = [
  ...['"items"', '"channel"', '"id"', '"prev-id"', '"formats"', '"http-stream"', '"http-response"', '"ws-message"'],
  ...[
    '"content"',
    '"content-bin"',
    '"body-patch"',
    '"content-filters"',
    '"meta"',
    '"action"',
    '"close"',
    '"hint"',
    'null',
  ],
  ...['true', '[]', '{}', '1.5', '"code"', '"headers"', '[["a","b"]]', '"no-seq"', '"size"', '\\ud800', '\xef\xbb\xbf'],
]
const ITEM =
  '{"channel":"a","id":"1","prev-id":"0","formats":{"http-stream":{"content":"x\\n"},"ws-message":{"type":"text","content":"y"},"http-response":{"code":200,"reason":"OK","headers":{"A":"b"},"body":"z"}},"meta":{"sender":"me"},"size":3,"no-seq":false}'
const TN_ITEM = '66:7:channel,1:a,7:formats,42:11:http-stream,22:7:content,9:hello you,}}}'

const HEADERS = [
  'Grip-Hold: stream\nGrip-Channel: a; prev-id=1; filter=skip-self, b\nGrip-Timeout: 30\nContent-Type: text/plain',
  'Grip-Hold: response\nGrip-Channel: "q"\nGrip-Status: 201 Made\nGrip-Expose-Headers: A, B\nA: b',
  'Grip-Link: </next?a=b>; rel=next; timeout=5, </gone>; rel=gone\nGrip-Set-Meta: user="a", x=y',
  'Grip-Keep-Alive: \\n; format=cstring; timeout=20; mode=idle\nGrip-Hold: stream\nGrip-Channel: c',
]
const HEADER_WORDS = [
  ...[
    'Grip-',
    'Hold',
    'Channel',
    'prev-id=',
    'filter=',
    '; ',
    ', ',
    '"',
    'format=base64',
    'rel=next',
    'timeout=',
    '<',
    '>',
  ],
  ...['stream', 'response', '=', '\n', ':', 'application/grip-instruct'],
]

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'HTTP head',
    corpus: [
      'GET /a?b=c\nhost: x\nuser-agent: y',
      'POST /\nhost: x\ncontent-length: 5',
      'PUT /x\nhost: x\ntransfer-encoding: chunked',
      'GET /ws\nhost: x\nupgrade: websocket\nconnection: Upgrade\nsec-websocket-version: 13',
    ],
    words: [
      'content-length: 3',
      'transfer-encoding: gzip',
      'chunked',
      '+5',
      '0x10',
      'upgrade: WebSocket',
      '\n',
      ': ',
      '\x7f',
    ],
    run(input) {
      const [first = '', ...lines] = input.toString('latin1').split('\n')
      const space = first.indexOf(' ')
      const headers = headersOf(lines).map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text))
      const head = {
        method: first.slice(0, space),
        path: first.slice(space + 1),
        headers,
        peerAddress: '::1',
        ssl: false,
      }
      const fault = headFault(head)
      if (fault !== null) {
        assert.match(fault, /^(Failed to parse request: .+|Request contained an Upgrade header .+)$/)
        return false
      }
      const framing = headers.filter(
        (text, index) => index % 2 === 0 && /^(content-length|transfer-encoding)$/.test(text),
      )
      assert(framing.length <= 1, 'a head that passes has one framing at most')
      return true
    },
  },
  {
    name: 'WebSocket events',
    corpus: [
      'OPEN\r\n',
      'TEXT 5\r\nhello\r\nBINARY 2\r\n\0\xff\r\n',
      'PING 0\r\n\r\nCLOSE 2\r\n\x03\xe8\r\n',
      'DISCONNECT\r\n',
    ],
    words: ['TEXT ', 'OPEN', 'CLOSE', 'PONG 1\r\nx\r\n', 'ffffffff', '7fffffff', ' ', '\r', '\n'],
    run(input) {
      const events = decodeWebSocketEvents(input)
      if (events === null) return false
      const known = events.filter(({ type }) => type !== null)
      assert(known.reduce((sum, { content }) => sum + content.length, 0) <= input.length, 'no content from nowhere')
      assert.deepEqual(decodeWebSocketEvents(encodeWebSocketEvents(known)), known)
      for (const { content } of known) {
        const { code, reason } = decodeCloseContent(content)
        if (code !== null) assert.deepEqual(decodeCloseContent(encodeCloseContent(code, reason)), { code, reason })
      }
      return true
    },
  },
  {
    name: 'GRIP headers',
    corpus: HEADERS,
    words: HEADER_WORDS,
    run(input) {
      const headers = headersOf(input.toString('latin1').split('\n'))
      const source = { status: 200, reason: 'OK', headers, body: Buffer.from('body') }
      peekHold(headers)
      decodeStreamedHead(source)
      return isInstruct(source)
    },
  },
  {
    name: 'instruct JSON',
    corpus: [
      '{"hold":{"mode":"stream","channels":[{"name":"a","prev-id":"1","filters":["skip-self"]}],"keep-alive":{"content":"x","timeout":5},"meta":{"a":"b"}},"response":{"body":"hi"}}',
      '{"hold":{"channels":[{"name":"a"}],"timeout":9},"response":{"code":201,"reason":"Made","headers":[["a","b"]],"body-bin":"aGk="}}',
      '{"response":{"headers":{"a":"b"},"body":""}}',
    ],
    words: [
      '"hold"',
      '"channels"',
      '"name"',
      '"mode"',
      '"timeout"',
      '"keep-alive"',
      '"meta"',
      '"response"',
      'null',
      '[]',
      '{}',
      '1e400',
    ],
    run: (input) =>
      isInstruct({ status: 200, reason: 'OK', headers: ['Content-Type', 'application/grip-instruct'], body: input }),
  },
  {
    name: 'publish JSON',
    corpus: [
      `{"items":[${ITEM}]}`,
      `{"items":[${ITEM},{"channel":"b","http-stream":{"action":"close"}}]}`,
      '{"items":[]}',
    ],
    words: PUBLISH_WORDS,
    run(input) {
      const items = decodePublishBody(input)
      if (!isPublishFault(items)) return true
      assert.match(items.error, /^(Body is not valid JSON\.|Invalid format)/)
      return false
    },
  },
  {
    name: 'ZeroMQ item',
    corpus: [`J${ITEM}`, TN_ITEM, `T${TN_ITEM}`],
    words: [...PUBLISH_WORDS, ...TN_WORDS],
    run(input) {
      const item = decodeZmqItem(input, input.length % 2 === 0 ? '' : 'topic')
      if (!isPublishFault(item)) return true
      assert.match(item.error, /^received message with invalid format/)
      return false
    },
  },
  {
    name: 'tnetstring',
    corpus: [TN_ITEM, '12:1:a,4:true!0:~}', '8:3:1.5^1:5#]', '0:,'],
    words: TN_WORDS,
    run(input) {
      const decoded = decodeTnetstring(input)
      if (decoded.ok) return true
      assert(decoded.at >= 0 && decoded.at <= input.length, 'a fault has its place')
      return false
    },
  },
  {
    name: 'control message',
    corpus: [
      '{"type":"subscribe","channel":"a","filters":["skip-self"]}',
      '{"type":"keep-alive","message-type":"binary","content-bin":"AAE=","timeout":5,"mode":"interval"}',
      '{"type":"set-meta","name":"user","value":"x"}',
      '{"type":"send-delayed","content":"x","timeout":"2"}',
    ],
    words: [
      '"type"',
      '"channel"',
      '"unsubscribe"',
      '"detach"',
      '"session"',
      '"id"',
      'null',
      '"timeout"',
      '-1',
      '{}',
      '[]',
    ],
    run(input) {
      const message = decodeControlMessage(input)
      if (message === null) return false
      const timed = message.type === 'keep-alive' ? message.keepAlive : message.type === 'send-delayed' ? message : null
      if (timed !== null)
        assert(Number.isInteger(timed.timeout) && timed.timeout >= 1, 'a time-out is a second or more')
      if ('channel' in message) assert.notEqual(message.channel, '')
      return true
    },
  },
  {
    name: 'body-patch',
    corpus: [
      '{"body":{"a":[1,2],"b":"x"},"patch":[{"op":"add","path":"/a/-","value":3},{"op":"test","path":"/b","value":"x"}]}',
      '{"body":[1,{"c":null}],"patch":[{"op":"move","from":"/1/c","path":"/0"},{"op":"copy","from":"/","path":"/-"}]}',
      '{"body":{"a~b":1,"c/d":2},"patch":[{"op":"remove","path":"/a~0b"},{"op":"replace","path":"/c~1d","value":{}}]}',
    ],
    words: [
      '"op"',
      '"add"',
      '"remove"',
      '"copy"',
      '"path"',
      '"from"',
      '"value"',
      '"/"',
      '"/-"',
      '"/a/0"',
      '~1',
      '{}',
      '[]',
      '1e3',
    ],
    run(input) {
      const value = parseJsonBytes(input)
      if (value === undefined || Array.isArray(value) || !Array.isArray(value['patch'])) return false
      const patched = patchBody(Buffer.from(JSON.stringify(value['body'] ?? null)), value['patch'])
      if (!(patched instanceof PatchFault)) return true
      assert.notEqual(patched.message, '')
      return false
    },
  },
  {
    name: 'templates of filters',
    corpus: ['id %(a)I and %I', '%%(x) %(b\\)c)s', '%s', 'a%(b)s%%I', '%(', '100 %'],
    words: ['%', '%%', '%(', ')', 's', 'I', '\\)', '%(a)s', '%I', '%9', '%( )'],
    run(input) {
      const text = input.toString('latin1')
      const whole = renderIds([text])
      const at = Math.floor(text.length / 2)
      // A directive longer than may be kept is a fault where its parts come one by one.
      if (text.length <= FORMAT_FIELD_BYTES_MAX) assert.equal(renderIds([text.slice(0, at), text.slice(at)]), whole)
      const named = renderFormat(text, (letter, argument) =>
        letter === 's' ? (argument ?? '') : unknownDirective(letter),
      )
      if (named instanceof FormatFault) assert.match(named.message, /position \d+/, 'a fault has its place')
      else assert(named.length <= text.length, 'no text from nowhere')
      return whole !== null
    },
  },
  {
    name: 'JSON-P query',
    corpus: [
      '/a?callback=cb&_method=POST&_headers=%7B%22A%22%3A%22b%22%7D&_body=x%20y',
      '/?callback=f&x=1&y',
      '/p?cb=f&_headers=[]',
    ],
    words: [
      'callback=',
      '_method=',
      '_headers=',
      '_body=',
      '%',
      '%2',
      '%zz',
      '%00',
      '&',
      '=',
      '?',
      '#',
      '+',
      '%7B%22a%22%3A1%7D',
    ],
    run(input) {
      const path = input.toString('latin1')
      const head = { method: 'GET', path, headers: ['host', 'x'], peerAddress: '::1', ssl: false }
      const rules = {
        jsonpCallback: null,
        jsonpBody: null,
        jsonpDefaultCallback: null,
        jsonpDefaultMethod: null,
        jsonpMode: 'extended',
      } as const
      const request = readJsonp(head, path, rules)
      if (request === null) return false
      if (request.kind === 'fault') assert.match(request.message, /^Invalid \S+ parameter\.$/)
      else assert.equal(headFault({ ...request.head, path: '/' }), null, 'what a query asks for is a request')
      return request.kind !== 'fault'
    },
  },
  {
    name: 'routes',
    corpus: [
      '*,path_beg=/x,prefix=p-,debug h:1,over_http test # c\n*,id=a demo\n',
      'a.org,ssl=yes,header="A: b",sig_iss=i,sig_key=base64:eA== [::1]:2,host=c,insecure,sub=s\n',
      'b,sockjs=/s,sockjs_as_path=/t,aco zhttp/ipc:///tmp/x zhttpreq/tcp://127.0.0.1:9\n',
    ],
    words: [
      'path_beg=',
      'proto=ws',
      'ssl=no',
      'header=',
      'as_host=',
      'replace_beg=',
      'over_http',
      ',',
      '=',
      '"',
      '\\',
      '#',
      '\n',
    ],
    run(input) {
      const text = input.toString('latin1')
      const { table, faults, warnings } = parseRoutes(text, '/routes')
      const lines = text.split(/\r?\n/).length
      for (const { line, message } of [...faults, ...warnings]) {
        assert(line >= 1 && line <= lines && message !== '', 'a fault has a line and a sentence')
      }
      return table.routes.length > 0 && faults.length === 0
    },
  },
  {
    name: 'pushpin.conf',
    corpus: [
      '[runner]\nhttp_port=7999\nworkers=2 ; x\nlocal_ports=/tmp/a?mode=0660\n[proxy]\nx_forwarded_for=truncate:1,append\n',
      '[handler]\npush_in_spec=tcp://127.0.0.1:5560\nmessage_rate=-1\nprometheus_port=[::1]:9000\n[global]\nrundir="{libdir}/x"\n',
    ],
    words: [
      '[',
      ']',
      '[proxy]',
      '=',
      '"',
      '\\',
      'true',
      '-1',
      'tcp://',
      'ipc://',
      '{rundir}',
      ';',
      '#',
      '\n',
      '\r\n',
      '\xef\xbb\xbf',
    ],
    run(input) {
      const text = input.toString('utf8')
      const { settings, faults, warnings } = loadSettings({
        argv: ['--config=/f'],
        readFile: () => text,
        list: () => [],
        exists: (path) => path === '/f',
        cwd: '/',
        cores: 2,
      })
      assert.equal(settings === null, faults.length > 0)
      for (const fault of [...faults, ...warnings])
        assert.doesNotMatch(describeFault(fault), /undefined|NaN|\[object|^$/)
      return settings !== null
    },
  },
  jwtTarget(),
  ...ADDRESS_TARGETS,
  ...PEER_TARGETS,
  {
    name: 'control request',
    corpus: [
      'POST /publish/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}',
      'POST /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\r\nAccept: */*\r\n\r\n',
    ],
    words: [
      '\r\n',
      '\n\n',
      'HTTP/1.1',
      'Content-Length: 1\r\n',
      'Transfer-Encoding: chunked\r\n',
      'keep-alive',
      ' ',
      ':',
    ],
    run(input) {
      const whole = readControl([input])
      const split = readControl(Array.from(input, (byte) => Buffer.of(byte)))
      const last = whole.at(-1)
      // What is behind a body is seen only by who has it already.
      const isExceeded = last?.kind === 'fault' && last.fault.text.includes('exceeded')
      const shared = isExceeded ? whole.length - 1 : Math.max(whole.length, split.length)
      assert.deepEqual(split.slice(0, shared), whole.slice(0, shared))
      return whole.some(({ kind }) => kind === 'request')
    },
  },
]

function jwtTarget(): FuzzTarget {
  const decoded = decodeVerifyingKey('secret', () => Buffer.alloc(0))
  assert(decoded.key !== undefined && decoded.key !== null, 'a plain secret is a key')
  const { key } = decoded
  const token = signToken({ exp: 2_000_000_000, iss: 'pushpin' }, key)
  const signed = token.slice(0, token.lastIndexOf('.'))
  return {
    name: 'JWT',
    corpus: [token],
    words: ['.', '..', 'eyJhbGciOiJub25lIn0', '=', '-', '_', 'e30'],
    run(input) {
      const text = input.toString('latin1')
      const isGood = verifyToken(text, key, 1_900_000_000_000)
      assert(!isGood || text.startsWith(`${signed}.`), 'what was not signed is not trusted')
      return isGood
    },
  }
}

/** All that a connection is read as on which these pieces come. */
function readControl(pieces: readonly Buffer[]): Reading[] {
  const reader = new ControlRequestReader({ headersBytesMax: 1_000, bodyBytesMax: 1_000 })
  const readings: Reading[] = []
  for (const piece of pieces) {
    reader.push(piece)
    for (let next = reader.next(); next.kind !== 'more'; next = reader.next()) readings.push(next)
  }
  return readings
}

/** Null: a fault. */
function renderIds(parts: readonly string[]): string | null {
  const renderer = IdRenderer.open({ id_format: 'i%(a)s' }, (channel) => (channel === 'a' ? '7' : null))
  if (renderer instanceof FormatFault) return null
  let text = ''
  for (const piece of [...parts.map((part) => renderer.update(part)), renderer.finish()]) {
    if (piece instanceof FormatFault) return null
    text += piece
  }
  return text
}

function headersOf(lines: readonly string[]): string[] {
  const headers: string[] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) headers.push(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  return headers
}

function isInstruct(source: Parameters<typeof decodeInstruct>[0]): boolean {
  const { instruct, error } = decodeInstruct(source)
  if (instruct === undefined) {
    // Of a response that is no object Pushpin says nothing.
    if (!source.body.includes('response')) assert.notEqual(error, '', 'an error is a sentence')
    return false
  }
  const { channels, timeout, keepAlive } = instruct
  assert.equal(new Set(channels.map(({ name }) => name)).size, channels.length, 'a channel is named once')
  assert(channels.every(({ filters }) => filters.length <= CHANNEL_FILTERS_MAX))
  for (const seconds of [timeout, keepAlive?.timeout ?? 1]) assert(Number.isInteger(seconds) && seconds >= 1)
  return true
}
