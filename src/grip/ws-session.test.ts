import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { WsSessionRig } from '../testing/ws-session-rig.js'

const rig = (config = {}): WsSessionRig => new WsSessionRig(config)
const accepted = (bytes: number | string): string[] => ['Content-Bytes-Accepted', String(bytes)]
const interval = (seconds: number | string): string[] => ['Keep-Alive-Interval', String(seconds)]
const PROXY_ERROR = 'reject 502 Bad Gateway [] Error while proxying to origin.\n'

describe('opening', () => {
  it('sends OPEN and answers 101 when the backend sends OPEN', () => {
    const it_ = rig().open()
    expect(it_.seen()).toEqual(['POST OPEN\r\n'])
    it_.answer('OPEN\r\n')
    expect(it_.seen()).toEqual(['101'])
  })

  it('delivers what follows OPEN behind the 101', () => {
    const it_ = rig().open().answer('OPEN\r\nTEXT 2\r\nhi\r\nBINARY 1\r\nx\r\n')
    expect(it_.seen().slice(1)).toEqual(['101', 'text hi', 'binary x'])
  })

  it('passes headers to the client, without those for the gateway and the handshake', () => {
    const it_ = rig().open()
    it_.seen()
    it_.answer('OPEN\r\n', [
      ...['Content-Length', '6', 'Keep-Alive-Interval', '30', 'Set-Meta-User', 'bob', 'Set-Cookie', 'a=b'],
      ...['Sec-WebSocket-Extensions', 'grip', 'Sec-WebSocket-Protocol', 'chat', 'Set-Cookie', 'c=d'],
      ...['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', 'x', 'X-Own', '1'],
      ...['Content-Bytes-Accepted', '0'],
    ])
    expect(it_.seen()).toEqual([
      '101 Set-Cookie=a=b Sec-WebSocket-Protocol=chat Set-Cookie=c=d X-Own=1 Content-Bytes-Accepted=0',
    ])
  })

  it.each([
    ['something else than OPEN first', 'TEXT 2\r\nhi\r\nOPEN\r\n', []],
    ['an unknown event first', 'HELLO\r\nOPEN\r\n', []],
    ['no events and no interval', '', []],
    ['no events and an interval of 0', '', interval(0)],
    ['a body that cannot be read', 'OPEN', []],
    ['bytes accepted where none were offered', 'OPEN\r\n', accepted(1)],
  ])('answers 502 to %s', (_name, body, headers) => {
    const it_ = rig().open()
    it_.seen()
    expect(it_.answer(body, headers).seen()).toEqual([PROXY_ERROR, 'ended'])
  })

  it('answers 502 to an answer that is too large', () => {
    const it_ = rig().open()
    it_.seen()
    it_.session.handleResponseTooLarge(it_.nowMs)
    expect(it_.seen()).toEqual([PROXY_ERROR, 'ended'])
  })

  it('sends OPEN again at the interval while the backend answers nothing', () => {
    const it_ = rig().open().answer('', interval(25))
    expect(it_.seen()).toEqual(['POST OPEN\r\n'])
    expect(it_.wait()).toBe(25_000)
    expect(it_.seen()).toEqual(['POST OPEN\r\n'])
    expect(it_.answer('OPEN\r\n').seen()).toEqual(['101'])
  })

  it('relays a rejection with status, reason, headers and body', () => {
    const it_ = rig().open()
    it_.seen()
    it_.respond(403, ['Content-Type', 'text/html', 'Content-Length', '4', 'Connection', 'close', 'X-A', 'b'], 'nope')
    expect(it_.seen()).toEqual(['reject 403 Reason [Content-Type=text/html X-A=b] nope', 'ended'])
  })

  it('relays a 200 of another type as a 200', () => {
    const it_ = rig().open()
    it_.seen()
    it_.respond(200, ['content-type', 'application/websocket-events; charset=x'], 'OPEN\r\n')
    expect(it_.seen()[0]).toContain('reject 200 Reason')
  })

  it('answers 500 in place of a rejection whose body is over 8192 bytes', () => {
    const it_ = rig().open()
    it_.seen()
    expect(it_.respond(404, [], 'x'.repeat(8192)).seen()[0]).toContain('reject 404')
    const large = rig().open()
    large.seen()
    expect(large.respond(404, [], 'x'.repeat(8193)).seen()).toEqual([
      'reject 500 Internal Server Error [Content-Type=text/plain] ' +
        'Non-101 response body size exceeded limit of 8192 bytes.\n',
      'ended',
    ])
  })

  it.each(['connect', 'connect-timeout', 'tls', 'generic', 'aborted'] as const)(
    'answers 502 and does not retry when OPEN fails: %s',
    (kind) => {
      const it_ = rig().open()
      it_.seen()
      expect(it_.failed(kind).seen()).toEqual([PROXY_ERROR, 'ended'])
    },
  )

  it('names the targets on debug routes', () => {
    const it_ = rig({ debug: true }).open()
    it_.seen()
    expect(it_.failed('connect', false, ['a:80', 'b:81']).seen()[0]).toBe(
      'reject 502 Bad Gateway [] Unable to connect to any targets. Tried: a:80, b:81\n',
    )
    const other = rig({ debug: true }).open()
    other.seen()
    expect(other.failed('generic', false, ['a:80']).seen()[0]).toBe(PROXY_ERROR)
  })

  it('answers 502 when no request can be made at all', () => {
    const it_ = rig()
    it_.session.handleFailure({ kind: 'generic', bodySent: false }, 0)
    expect(it_.seen()).toEqual([PROXY_ERROR, 'ended'])
  })

  it('says DISCONNECT when the client went while OPEN was pending and the backend accepted', () => {
    const it_ = rig().open().gone()
    expect(it_.seen()).toEqual(['POST OPEN\r\n'])
    expect(it_.answer('OPEN\r\nTEXT 1\r\na\r\n').seen()).toEqual(['POST DISCONNECT\r\n'])
    expect(it_.respond(500, []).seen()).toEqual(['ended'])
  })

  it.each([
    ['refused', (it_: WsSessionRig) => it_.respond(403, [])],
    ['failed', (it_: WsSessionRig) => it_.failed('connect')],
    ['answered without events', (it_: WsSessionRig) => it_.answer('', interval(20))],
    ['answered DISCONNECT', (it_: WsSessionRig) => it_.answer('OPEN\r\nDISCONNECT\r\n')],
  ])('says nothing more when the client went and the backend %s', (_name, respond) => {
    const it_ = rig().open().gone()
    it_.seen()
    expect(respond(it_).seen()).toEqual(['ended'])
  })

  it('ends when the client goes while OPEN waits for its interval', () => {
    const it_ = rig().open().answer('', interval(20))
    it_.seen()
    expect(it_.gone().seen()).toEqual(['ended'])
    expect(it_.isWaiting).toBe(false)
  })
})

describe('content', () => {
  it('sends each message as it comes, one request at a time, and batches what comes meanwhile', () => {
    const it_ = rig().opened().text('a')
    expect(it_.seen()).toEqual(['POST TEXT 1\r\na\r\n'])
    it_.text('b')
    it_.session.handleClientMessage(Buffer.from([0xff]), true, 0)
    it_.session.handleClientPing(Buffer.from('p'), 0)
    it_.session.handleClientPong(Buffer.alloc(0), 0)
    expect(it_.seen()).toEqual([])
    expect(it_.answer('TEXT 1\r\nA\r\n').seen()).toEqual([
      'text A',
      'POST TEXT 1\r\nb\r\nBINARY 1\r\n\xff\r\nPING 1\r\np\r\nPONG\r\n',
    ])
    expect(it_.answer().seen()).toEqual([])
  })

  it('sends one event per request with one_event, empty ones too', () => {
    const it_ = rig({ oneEvent: true }).opened().text('a').text('').text('b')
    it_.seen()
    expect(it_.answer().seen()).toEqual(['POST TEXT\r\n'])
    expect(it_.close(1000).seen()).toEqual([])
    expect(it_.answer().seen()).toEqual(['POST TEXT 1\r\nb\r\n'])
    expect(it_.answer().seen()).toEqual(['POST CLOSE 2\r\n\x03\xe8\r\n'])
    expect(it_.answer('CLOSE\r\n').seen()).toEqual(['ended'])
  })

  it('delivers empty messages, also one that came first while a request was in flight', () => {
    const it_ = rig().opened().text('')
    expect(it_.seen()).toEqual(['POST TEXT\r\n'])
    it_.text('')
    expect(it_.answer('', accepted(0)).seen()).toEqual(['POST TEXT\r\n'])
    expect(it_.answer('TEXT\r\nBINARY 0\r\n\r\n').seen()).toEqual(['text ', 'binary '])
  })

  it('stops asking while 200,000 bytes for the client are unread', () => {
    const it_ = rig().opened()
    it_.session.handleUnread(200_000)
    expect(it_.text('a').seen()).toEqual([])
    it_.session.handleUnread(199_999)
    expect(it_.seen()).toEqual(['POST TEXT 1\r\na\r\n'])
  })

  it('says DISCONNECT and refreshes also to a client that does not read', () => {
    const it_ = rig().opened()
    it_.session.handleUnread(200_000)
    it_.session.handleRefresh(0)
    expect(it_.seen()).toEqual(['POST '])
    expect(it_.answer().gone().seen()).toEqual(['POST DISCONNECT\r\n'])
  })

  it('drops a client whose message is too long, and says DISCONNECT', () => {
    const it_ = rig({ messageBytesMax: 4 }).opened()
    expect(it_.text('1234').answer().text('12345').seen().slice(1)).toEqual(['drop buffer', 'POST DISCONNECT\r\n'])
    expect(it_.answer().seen()).toEqual(['ended'])
  })

  it('drops a client that sends more than may wait, a flood of empty messages included', () => {
    const it_ = rig({ bufferBytesMax: 1000 }).opened().text('a')
    it_.seen()
    for (let n = 0; n < 100; n++) it_.text('')
    expect(it_.seen()).toEqual(['drop buffer'])
    expect(it_.answer().seen()).toEqual(['POST DISCONNECT\r\n'])
  })

  it('sends at most 200,000 new bytes at once, and the close behind all of them', () => {
    const it_ = rig().opened().text('a')
    for (let n = 0; n < 3; n++) it_.text('x'.repeat(90_000))
    it_.close(1000)
    it_.seen()
    const sizes = (): number[] => it_.seen().map((post) => post.length)
    const message = 'TEXT 15f90\r\n'.length + 90_000 + 2
    const close = 'CLOSE 2\r\n\x03\xe8\r\n'.length
    it_.answer()
    expect(sizes()).toEqual([5 + 2 * message])
    // Held back: it all comes again, with the rest.
    it_.answer('', accepted(0))
    expect(sizes()).toEqual([5 + 'replayed=180000 '.length + 3 * message + close])
  })

  it('drops a client when the process-wide cap is reached', () => {
    const it_ = rig().opened().text('a')
    it_.seen()
    expect(it_.session.bufferedBytes).toBeGreaterThan(1)
    it_.session.handleBufferCap(0)
    expect(it_.seen()).toEqual(['drop buffer'])
    it_.failed('generic', true)
    expect(it_.seen()).toEqual(['ended'])
    expect(it_.session.bufferedBytes).toBe(0)
  })

  it.each<[string, (it_: WsSessionRig) => WsSessionRig]>([
    ['status 500', (it_) => it_.respond(500, ['Content-Type', 'application/websocket-events'])],
    ['status 201', (it_) => it_.respond(201, ['Content-Type', 'application/websocket-events'])],
    ['another type', (it_) => it_.respond(200, ['Content-Type', 'text/plain'])],
    ['no type', (it_) => it_.respond(200, [])],
    ['a body that cannot be read', (it_) => it_.answer('TEXT 5')],
  ])('drops the client and says no DISCONNECT on %s', (_name, respond) => {
    const it_ = rig().opened().text('a')
    it_.seen()
    expect(respond(it_).seen()).toEqual(['drop answer', 'ended'])
  })

  it.each(['DISCONNECT\r\n', 'OPEN\r\n'])('drops the client on %j, behind what came before it', (event) => {
    const it_ = rig().opened().text('a')
    it_.seen()
    expect(it_.answer(`TEXT 1\r\nx\r\n${event}TEXT 1\r\ny\r\n`).seen()).toEqual(['text x', 'drop disconnect', 'ended'])
  })

  it('drops the client on a ping that no frame can carry', () => {
    const it_ = rig().opened().text('a')
    it_.seen()
    expect(it_.answer(`PING 7e\r\n${'x'.repeat(126)}\r\n`).seen()).toEqual(['drop answer', 'POST DISCONNECT\r\n'])
  })

  it('ignores unknown events', () => {
    const it_ = rig().opened().text('a')
    it_.seen()
    expect(it_.answer('WHAT 1\r\nx\r\nPONG 1\r\np\r\n').seen()).toEqual(['pong p'])
  })
})

describe('meta', () => {
  it('keeps Set-Meta in order, replaces to the end, deletes by an empty value', () => {
    const it_ = rig().open().answer('OPEN\r\n', ['Set-Meta-User', 'bob', 'set-meta-Room', '1', 'Set-Meta-', 'x'])
    it_.seen()
    expect(it_.text('a').seen()).toEqual(['POST Meta-User=bob Meta-Room=1 TEXT 1\r\na\r\n'])
    it_.answer('', ['Set-Meta-USER', 'eve'])
    expect(it_.text('b').seen()).toEqual(['POST Meta-Room=1 Meta-USER=eve TEXT 1\r\nb\r\n'])
    it_.answer('', ['Set-Meta-room', ''])
    expect(it_.text('c').seen()).toEqual(['POST Meta-USER=eve TEXT 1\r\nc\r\n'])
    it_.answer('', ['Set-Meta-user', ''])
    expect(it_.gone().seen()).toEqual(['POST DISCONNECT\r\n'])
  })
})

describe('keep-alive and refresh', () => {
  it('asks at the interval, counted from the last answer, with an empty body', () => {
    const it_ = rig().opened(interval(30))
    it_.nowMs += 10_000
    it_.text('a').answer()
    it_.seen()
    expect(it_.wait()).toBe(30_000)
    expect(it_.seen()).toEqual(['POST '])
    expect(it_.isWaiting).toBe(false)
    it_.answer()
    expect(it_.wait()).toBe(30_000)
  })

  it('raises an interval below 20 s, and keeps it until another comes', () => {
    const it_ = rig().opened(interval(5))
    expect(it_.wait()).toBe(20_000)
    it_.answer('', interval('x'))
    expect(it_.isWaiting).toBe(false)
  })

  it.each(['0', '-5', 'soon', ''])('stops asking at interval %j', (value) => {
    const it_ = rig().opened(interval(20)).text('a').answer('', interval(value))
    expect(it_.isWaiting).toBe(false)
  })

  it('makes one request per refresh, or one after the request in flight', () => {
    const it_ = rig().opened()
    it_.session.handleRefresh(0)
    expect(it_.seen()).toEqual(['POST '])
    it_.session.handleRefresh(0)
    it_.session.handleRefresh(0)
    expect(it_.seen()).toEqual([])
    expect(it_.answer().seen()).toEqual(['POST '])
    expect(it_.answer().seen()).toEqual([])
  })

  it('ignores a refresh while opening', () => {
    const it_ = rig().open().answer('', interval(20))
    it_.seen()
    it_.session.handleRefresh(0)
    expect(it_.seen()).toEqual([])
  })
})

describe('holding back', () => {
  it('A. accepts everything by default', () => {
    const it_ = rig().opened().text('hello').answer()
    it_.seen()
    expect(it_.text('x').seen()).toEqual(['POST TEXT 1\r\nx\r\n'])
  })

  it('B. replays the tail when the backend accepted 5 bytes, with the next message', () => {
    const it_ = rig().opened().text('[foo][hello')
    expect(it_.seen()).toEqual(['POST TEXT b\r\n[foo][hello\r\n'])
    expect(it_.answer('', accepted(5)).seen()).toEqual([])
    expect(it_.text(' world]').seen()).toEqual(['POST replayed=6 TEXT 6\r\n[hello\r\nTEXT 7\r\n world]\r\n'])
    expect(it_.answer('TEXT 4\r\n[ok]\r\n').seen()).toEqual(['text [ok]'])
    expect(it_.text('x').seen()).toEqual(['POST TEXT 1\r\nx\r\n'])
  })

  it('C. accepts into the second of two messages and keeps its type', () => {
    const it_ = rig().opened().text('first')
    it_.text('abc')
    it_.session.handleClientMessage(Buffer.from('defgh'), true, 0)
    it_.answer()
    it_.seen()
    expect(it_.answer('', accepted(5)).seen()).toEqual([])
    it_.session.handleRefresh(0)
    expect(it_.seen()).toEqual(['POST replayed=3 BINARY 3\r\nfgh\r\n'])
  })

  it('D. accepts nothing and polls by keep-alive', () => {
    const it_ = rig().opened().text('[foo][hello')
    it_.seen()
    it_.answer('', [...accepted(0), ...interval(20)])
    expect(it_.wait()).toBe(20_000)
    expect(it_.seen()).toEqual(['POST replayed=11 TEXT b\r\n[foo][hello\r\n'])
  })

  it('E. drops the client when more was accepted than offered', () => {
    const it_ = rig().opened().text('[foo][hello')
    it_.seen()
    expect(it_.answer('', accepted(12)).seen()).toEqual(['drop answer', 'ended'])
  })

  it.each(['-1', 'abc', '', '1.5', '99999999999'])('F. takes %j for everything', (value) => {
    const it_ = rig().opened().text('hello').answer('', accepted(value))
    it_.seen()
    expect(it_.text('x').seen()).toEqual(['POST TEXT 1\r\nx\r\n'])
  })

  describe('G. the client closes with 6 bytes held back', () => {
    const closing = (headers: string[] = []): WsSessionRig => {
      const it_ = rig().opened(headers).text('[foo][hello').answer('', accepted(5))
      it_.seen()
      expect(it_.close(1000, 'bye').seen()).toEqual(['POST replayed=6 TEXT 6\r\n[hello\r\nCLOSE 5\r\n\x03\xe8bye\r\n'])
      return it_
    }

    it('ends when all is accepted', () => {
      expect(closing().answer('CLOSE 2\r\n\x03\xe8\r\n').seen()).toEqual(['ended'])
    })

    it('ends when content and close are accepted by number', () => {
      expect(closing().answer('CLOSE\r\n', accepted(11)).seen()).toEqual(['ended'])
    })

    it('ends without DISCONNECT when the close is not accepted', () => {
      expect(closing().answer('', accepted(6)).seen()).toEqual(['ended'])
    })

    it('reports what is held back by DISCONNECT', () => {
      const it_ = closing().answer('', accepted(3))
      expect(it_.seen()).toEqual(['POST replayed=3 DISCONNECT\r\n'])
      expect(it_.answer().seen()).toEqual(['ended'])
    })

    it('asks again at the interval, for 30 s at most, and then reports', () => {
      const it_ = closing(interval(20)).answer('', accepted(3))
      expect(it_.seen()).toEqual([])
      expect(it_.wait()).toBe(20_000)
      expect(it_.seen()).toEqual(['POST replayed=3 TEXT 3\r\nllo\r\nCLOSE 5\r\n\x03\xe8bye\r\n'])
      it_.answer('', accepted(1))
      expect(it_.wait()).toBe(10_000)
      expect(it_.seen()).toEqual(['POST replayed=2 DISCONNECT\r\n'])
      expect(it_.answer().seen()).toEqual(['ended'])
      expect(it_.isWaiting).toBe(false)
    })
  })

  it('H. takes an empty message with accept 0, and keeps it behind content', () => {
    const it_ = rig().opened().text('').answer('', accepted(0)).text('x')
    expect(it_.seen()).toEqual(['POST TEXT\r\n', 'POST TEXT 1\r\nx\r\n'])
    it_.text('abc').text('').answer()
    it_.answer('', accepted(1))
    it_.session.handleRefresh(0)
    expect(it_.seen().at(-1)).toBe('POST replayed=2 TEXT 2\r\nbc\r\nTEXT\r\n')
  })

  it('I. takes bytes across messages', () => {
    const it_ = rig().opened().text('x').text('hello world').text('').text('foo').answer()
    const next = (bytes: number): string[] => {
      it_.answer('', accepted(bytes))
      it_.session.handleRefresh(0)
      return it_.seen()
    }
    it_.seen()
    expect(next(3)).toEqual(['POST replayed=11 TEXT 8\r\nlo world\r\nTEXT\r\nTEXT 3\r\nfoo\r\n'])
    expect(next(8)).toEqual(['POST replayed=3 TEXT 3\r\nfoo\r\n'])
    expect(next(3)).toEqual(['POST '])
  })

  it('does not ask again for held-back content alone, but does for any new message', () => {
    const it_ = rig().opened().text('abc').answer('', accepted(0))
    it_.seen()
    expect(it_.seen()).toEqual([])
    it_.session.handleClientPing(Buffer.alloc(0), 0)
    expect(it_.seen()).toEqual(['POST replayed=3 TEXT 3\r\nabc\r\nPING\r\n'])
  })

  it('sends what came meanwhile at once, behind what is held back', () => {
    const it_ = rig().opened().text('abc').text('de')
    it_.seen()
    expect(it_.answer('', accepted(1)).seen()).toEqual(['POST replayed=2 TEXT 2\r\nbc\r\nTEXT 2\r\nde\r\n'])
  })

  it('offers held-back content with the close when the client closed while the request was in flight', () => {
    const it_ = rig().opened().text('abc').close(1000)
    it_.seen()
    expect(it_.answer('', accepted(1)).seen()).toEqual(['POST replayed=2 TEXT 2\r\nbc\r\nCLOSE 2\r\n\x03\xe8\r\n'])
  })

  it('with one_event, drops the client of a backend that accepts nothing while more is queued', () => {
    const it_ = rig({ oneEvent: true }).opened().text('x').text('abc').text('de').answer()
    it_.seen()
    expect(it_.answer('', accepted(1)).seen()).toEqual(['POST replayed=2 TEXT 2\r\nbc\r\n'])
    expect(it_.answer('', accepted(0)).seen()).toEqual(['drop answer', 'ended'])
  })

  it('says DISCONNECT with the number of bytes held back', () => {
    const it_ = rig().opened().text('abc').answer('', accepted(1))
    it_.seen()
    expect(it_.gone().seen()).toEqual(['POST replayed=2 DISCONNECT\r\n'])
    expect(it_.session.bufferedBytes).toBe(0)
  })
})

describe('closing', () => {
  it('tells the backend the client’s code and reason, behind what it sent', () => {
    const it_ = rig().opened().text('a').text('b').close(1001, 'going')
    it_.seen()
    expect(it_.answer().seen()).toEqual(['POST TEXT 1\r\nb\r\nCLOSE 7\r\n\x03\xe9going\r\n'])
    expect(it_.answer('TEXT 1\r\nx\r\nCLOSE 2\r\n\x03\xe8\r\n').seen()).toEqual(['ended'])
  })

  it('tells a close without code as a bare CLOSE', () => {
    expect(rig().opened().close(null).seen()).toEqual(['POST CLOSE\r\n'])
  })

  it('ends when the backend does not answer CLOSE with CLOSE', () => {
    expect(rig().opened(interval(20)).close(1000).answer().seen().at(-1)).toBe('ended')
  })

  it.each([
    ['code and reason', 'CLOSE 6\r\n\x0f\xa0done\r\n', 'close 4000 done', 'CLOSE 6\r\n\x0f\xa0done\r\n'],
    ['no code', 'CLOSE\r\n', 'close 1000', 'CLOSE 2\r\n\x03\xe8\r\n'],
    ['one byte', 'CLOSE 1\r\nx\r\n', 'close 1000', 'CLOSE 2\r\n\x03\xe8\r\n'],
  ])(
    'closes the client by the backend’s CLOSE with %s, and answers as the client would',
    (_name, event, close, post) => {
      const it_ = rig().opened().text('a')
      it_.seen()
      expect(it_.answer(`TEXT 1\r\nx\r\n${event}TEXT 1\r\ny\r\n`).seen()).toEqual(['text x', close, `POST ${post}`])
      expect(it_.answer().seen()).toEqual(['ended'])
    },
  )

  it('sends what waited with that answer', () => {
    const it_ = rig().opened().text('a').text('b')
    it_.seen()
    expect(it_.answer('CLOSE\r\n').seen()).toEqual(['close 1000', 'POST TEXT 1\r\nb\r\nCLOSE 2\r\n\x03\xe8\r\n'])
  })

  it('does not hear the client again after a close by the backend', () => {
    const it_ = rig().opened().text('a').answer('CLOSE\r\n').close(1000).gone()
    it_.seen()
    expect(it_.answer().seen()).toEqual(['ended'])
  })

  it('closes the client by a publish and tells the backend with a bare CLOSE', () => {
    const it_ = rig().opened().text('a')
    it_.seen()
    it_.session.handlePublishClose(4001, 'kicked', 0)
    it_.session.handlePublishClose(4002, 'twice', 0)
    expect(it_.seen()).toEqual(['close 4001 kicked'])
    expect(it_.answer('TEXT 1\r\nx\r\n').seen()).toEqual(['POST CLOSE\r\n'])
    expect(it_.answer('CLOSE\r\n').seen()).toEqual(['ended'])
  })

  it('says 1000 for a published close without code', () => {
    const it_ = rig().opened()
    it_.session.handlePublishClose(-1, '', 0)
    expect(it_.seen()).toEqual(['close 1000', 'POST CLOSE\r\n'])
  })

  it('says DISCONNECT when the client goes, after the request in flight, and does not flush', () => {
    const it_ = rig().opened().text('a').text('b').gone()
    it_.seen()
    expect(it_.answer('TEXT 1\r\nx\r\n').seen()).toEqual(['POST DISCONNECT\r\n'])
    expect(it_.answer('TEXT 5').seen()).toEqual(['ended'])
  })

  it('says DISCONNECT even when the backend has sent CLOSE to a client that is gone', () => {
    const it_ = rig().opened().text('a').gone()
    it_.seen()
    expect(it_.answer('CLOSE\r\n').seen()).toEqual(['POST DISCONNECT\r\n'])
  })

  it('says no DISCONNECT when the request in flight is refused', () => {
    const it_ = rig().opened().text('a').gone()
    it_.seen()
    expect(it_.respond(500, []).seen()).toEqual(['ended'])
  })
})

describe('retry', () => {
  it('sends the same body after 1, 2, 4, 8 and 16 s, and gives up', () => {
    const it_ = rig({ random: () => 0.5 })
      .opened(['Set-Meta-A', 'b'])
      .text('abc')
      .answer('', accepted(1))
    it_.text('d')
    it_.seen()
    it_.failed('connect')
    it_.text('more')
    for (const [index, waitedMs] of [1500, 2500, 4500, 8500, 16_500].entries()) {
      expect(it_.seen()).toEqual([])
      expect(it_.wait()).toBe(waitedMs)
      const attempt = `attempt=${String(index + 1)}`
      expect(it_.seen()).toEqual([`POST replayed=2 Meta-A=b ${attempt} TEXT 2\r\nbc\r\nTEXT 1\r\nd\r\n`])
      it_.failed('connect')
    }
    expect(it_.seen()).toEqual(['drop unreachable', 'ended'])
  })

  it('sends what came meanwhile with the next request, and starts counting anew', () => {
    const it_ = rig().opened().text('a').failed('tls')
    it_.text('b')
    it_.wait()
    it_.seen()
    expect(it_.answer().seen()).toEqual(['POST TEXT 1\r\nb\r\n'])
    it_.failed('connect-timeout')
    expect(it_.wait()).toBe(1000)
  })

  it('retries a reset before the body was sent, and never after', () => {
    const it_ = rig().opened().text('a').failed('generic', false)
    expect(it_.wait()).toBe(1000)
    it_.seen()
    expect(it_.failed('generic', true).seen()).toEqual(['drop unanswered', 'ended'])
  })

  it('does not retry what was aborted', () => {
    const it_ = rig().opened().text('a')
    it_.seen()
    expect(it_.failed('aborted').seen()).toEqual(['drop unreachable', 'ended'])
  })

  it('retries while the client is gone, then says DISCONNECT, and retries that too', () => {
    const it_ = rig().opened().text('a').failed('connect').gone()
    it_.seen()
    it_.wait()
    expect(it_.seen()).toEqual(['POST attempt=1 TEXT 1\r\na\r\n'])
    expect(it_.answer().seen()).toEqual(['POST DISCONNECT\r\n'])
    it_.failed('connect').wait()
    expect(it_.seen()).toEqual(['POST attempt=1 DISCONNECT\r\n'])
    expect(it_.failed('generic', true).seen()).toEqual(['ended'])
  })
})
