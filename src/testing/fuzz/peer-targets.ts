/** What comes from those who are let in: clients of SockJS, peers of ZeroMQ sockets, the one who types a command. */
import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { CHANNEL_BYTES_MAX } from '../../base/limits.js'
import { sockJsPayload } from '../../grip/sockjs-request.js'
import { parsePublishArguments } from '../../publish/arguments.js'
import { itemAsJson, itemAsTnetstring, makeItem } from '../../publish/item.js'
import { decodePublishItem, isPublishFault } from '../../wire/publish-item.js'
import { responseHeadFault } from '../../wire/response-head.js'
import { decodeSockJsMessages, sockJsClose, sockJsMessages, sockJsString } from '../../wire/sockjs-frames.js'
import { StatsType } from '../../wire/stats-packet.js'
import { StatsSubscriptions } from '../../wire/stats-subscriptions.js'
import { decodeTnetstring } from '../../wire/tnetstring.js'
import {
  decodeZhttpRequest,
  decodeZhttpResponse,
  encodeZhttpRequest,
  encodeZhttpResponse,
  isZhttpFault,
} from '../../wire/zhttp.js'
import { decodeZrpcRequest, isZrpcFault, splitZrpcParts } from '../../wire/zrpc.js'
import type { FuzzTarget } from './fuzz.js'

/** More than anybody types: node's parser of arguments takes time by the square of their number. */
const ARGUMENTS_MAX = 100
/** Pieces of tnetstrings. */
export const TN_WORDS = [
  '1:a,',
  '0:~',
  '4:true!',
  '5:false!',
  '3:1.5^',
  '1:5#',
  '0:}',
  '0:]',
  '99999999999:',
  ':',
  ',',
  '}',
  ']',
]

export const PEER_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'SockJS messages',
    corpus: ['["a","b\\u2028c"]', '["\\ud800","\xc3\xa9"]', '[]', 'd=%5B%22a%20b%22%5D&x=1', 'x&d=["c"]'],
    words: ['[', ']', '"', '\\u0000', '\\', 'd=', '&', '%', '%22', '+', 'null', '1', '\xc3'],
    run(input) {
      let isAccepted = false
      for (const what of ['xhr_send', 'jsonp_send']) {
        const messages = decodeSockJsMessages(sockJsPayload('POST', what, '', input))
        if (messages === null) continue
        isAccepted = true
        const frame = sockJsMessages(messages.map(sockJsString))
        assert.deepEqual(JSON.parse(frame.slice(1)), messages.map(String), 'a frame brings back what was sent')
      }
      const raw = sockJsMessages([sockJsString(input)])
      assert.deepEqual(JSON.parse(raw.slice(1)), [input.toString('utf8')])
      assert.equal((JSON.parse(sockJsClose(4001, input.toString('latin1')).slice(1)) as unknown[]).length, 2)
      return isAccepted
    },
  },
  {
    name: 'arguments of tackboard-publish',
    corpus: [
      'chan\nhello',
      '--id=1\n--prev-id\n0\n--sender\nme\n-H\nA: b\n-M=k=v\nc\nhi',
      '--code=201\n--no-eol\n--no-seq\nc\nx',
      '--hint\nc',
      '--close\nc\n-u\na:b',
      '--patch\nc\n[{"op":"add","path":"/a","value":1}]',
      '--spec=tcp://127.0.0.1:5560\nc\nx\n--bearer=t',
    ],
    words: ['\n', '--', '-', '=', '--code=70000', '--help', '-V', '--x', ':', '\n--id\n', '-H', '\xff', '65536'],
    run(input) {
      // A file is none of the parser's, and what the system hands over has no NUL.
      const argv = input.toString('utf8').replaceAll('\0', '').replaceAll('@', '').split('\n', ARGUMENTS_MAX)
      const parsed = parsePublishArguments(argv, undefined)
      if (parsed.kind === 'fault') assert.match(parsed.text, /^[Ee]rror: \S/)
      if (parsed.kind !== 'publish') return false
      const { isPatch, action } = parsed.arguments
      try {
        const item = makeItem(parsed.arguments)
        const sent = decodeTnetstring(itemAsTnetstring(item))
        assert(sent.ok, 'what is sent can be read')
        const taken = [decodePublishItem(sent.value), decodePublishItem(JSON.parse(itemAsJson(item)) as never)]
        const isTooLong = Buffer.byteLength(parsed.arguments.channel) > CHANNEL_BYTES_MAX
        assert.deepEqual(taken.map(isPublishFault), [isTooLong, isTooLong], 'and is taken, in both forms')
        return !isTooLong
      } catch (error) {
        assert(isPatch && action === 'send' && !(error instanceof assert.AssertionError), String(error))
        assert.notEqual((error as Error).message, '')
        return false
      }
    },
  },
  {
    name: 'command packet',
    corpus: [
      '41:2:id,1:1,6:method,7:recover,4:args,0:}4:from,1:x,}',
      '32:2:id,1:7,6:method,12:get-zmq-uris,}',
      '{"id":"1","method":"publish","args":{"items":[]}}',
      '{"method":"refresh","args":{"cid":"a:1"}}',
    ],
    words: [...TN_WORDS, '"id"', '"method"', '"args"', 'conncheck', 'ids', '{', '}'],
    run(input) {
      const request = decodeZrpcRequest(input)
      if (!isZrpcFault(request)) return true
      assert.match(request.fault, /^Invalid format: /)
      return false
    },
  },
  {
    name: 'zhttp packet',
    corpus: [
      encodeZhttpResponse({ from: 'w', ids: [{ id: 'a', seq: 0 }], code: 200, reason: 'OK', headers: ['A', 'b'] }),
      encodeZhttpResponse({
        from: 'w',
        ids: [{ id: 'a', seq: 1 }],
        body: Buffer.from('hello'),
        more: true,
        credits: 9,
      }),
      encodeZhttpResponse({ from: 'w', ids: [{ id: 'a', seq: 2 }], type: 'error', condition: 'tls-error' }),
      encodeZhttpRequest({ from: 'g', ids: [{ id: 'a', seq: 0 }], method: 'GET', uri: 'http://a/', stream: true }),
    ].map((packet) => packet.toString('latin1')),
    words: [
      ...TN_WORDS,
      'T',
      '4:from',
      '2:id',
      '3:seq',
      '4:type',
      '7:credits',
      '4:body',
      '4:more',
      '7:headers',
      '3:ext',
    ],
    run(input) {
      let isAccepted = false
      for (const packet of [decodeZhttpResponse(input), decodeZhttpRequest(input)]) {
        if (isZhttpFault(packet)) assert.match(packet.error, /^\S/)
        else {
          isAccepted = true
          if ('reason' in packet) assert.notEqual(responseHeadFault(packet.code, packet.reason, packet.headers), '')
        }
      }
      return isAccepted
    },
  },
  {
    name: 'parts of a command',
    corpus: ['peer||body', 'peer|way|more||body', 'peer||', 'peer|body', 'peer||a|b'],
    words: ['|', '||', '|||', 'x'],
    run(input) {
      const parts = input
        .toString('latin1')
        .split('|')
        .map((part) => Buffer.from(part, 'latin1'))
      const { way, content } = splitZrpcParts(parts)
      assert.deepEqual(parts.slice(0, way.length), way, 'the way back is what stands in front')
      assert.equal(way.length > 0, true, 'there is always a way back')
      if (content === null) return false
      assert.equal(way.at(-1)?.length, 0, 'an empty part separates')
      assert.deepEqual([...way, content], parts)
      return true
    },
  },
  {
    name: 'subscriptions to statistics',
    corpus: ['\x01message \n\x01conn \n\x00message ', '\x01\n\x00', '\x01co\n\x01sub T\n\x00co', '\x01counts J{"a'],
    words: ['\n', '\x01', '\x00', '\x02', 'm', 'message ', 'conn ', 'sub ', 'counts ', 'c'],
    run(input) {
      const subscriptions = new StatsSubscriptions()
      const prefixes = new Set<string>()
      for (const line of input.toString('latin1').split('\n')) {
        const before = subscriptions.wanted
        const isChanged = subscriptions.handleFrame(Buffer.from(line, 'latin1'))
        if (line.startsWith('\x01')) prefixes.add(line.slice(1))
        if (line.startsWith('\x00')) prefixes.delete(line.slice(1))
        assert.equal(subscriptions.wanted === before, !isChanged, 'a change is told')
      }
      const expected = Object.values(StatsType).filter((type) =>
        [...prefixes].some((prefix) => `${type} `.startsWith(prefix) || prefix.startsWith(`${type} `)),
      )
      assert.deepEqual([...subscriptions.wanted].sort(), expected.sort())
      return expected.length > 0
    },
  },
]
