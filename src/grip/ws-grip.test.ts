import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { WsSessionRig } from '../testing/ws-session-rig.js'
import type { WsSessionConfig } from './ws-session.js'

const GRIP = ['Sec-WebSocket-Extensions', 'grip']

const textEvent = (content: string): string => `TEXT ${content.length.toString(16)}\r\n${content}\r\n`
const control = (message: object): string => textEvent(`c:${JSON.stringify(message)}`)
const subscribe = (channel: string, filters?: string[]): string => control({ type: 'subscribe', channel, filters })

/** Opened with GRIP; `request()` makes the machine ask, so that the test can answer. */
function gripRig(config: Partial<WsSessionConfig> = {}, headers = GRIP): WsSessionRig {
  return new WsSessionRig(config).opened(headers)
}

function answer(rig: WsSessionRig, body: string): string[] {
  rig.session.handleRefresh(rig.nowMs)
  rig.drain()
  rig.seen()
  return rig.answer(body).seen()
}

describe('message prefix', () => {
  it('takes the prefix off, drops what has none, and leaves pings and pongs alone', () => {
    const body = textEvent('m:hi') + textEvent('hi') + 'BINARY 3\r\nm:\xff\r\nBINARY 1\r\nx\r\nPING 2\r\nm:\r\nPONG\r\n'
    expect(answer(gripRig(), body)).toEqual(['text hi', 'binary \xff', 'ping m:', 'pong '])
  })

  it('takes a prefix of the backend’s choice, and an empty one', () => {
    const own = gripRig({}, ['Sec-WebSocket-Extensions', 'grip; message-prefix="x-"'])
    expect(answer(own, textEvent('x-a') + textEvent('m:b'))).toEqual(['text a'])
    const empty = gripRig({}, ['Sec-WebSocket-Extensions', 'grip; message-prefix=""'])
    expect(answer(empty, textEvent('a') + subscribe('ch'))).toEqual(['text a', 'subscribe ch'])
  })

  it('gives an empty message for the prefix alone', () => {
    expect(answer(gripRig(), textEvent('m:'))).toEqual(['text '])
  })

  it('takes binary messages that start with c: for content', () => {
    const rig = gripRig({}, ['Sec-WebSocket-Extensions', 'grip; message-prefix=""'])
    expect(answer(rig, 'BINARY 4\r\nc:{}\r\n')).toEqual(['binary c:{}'])
  })

  it.each([
    ['the backend does not ask', {}, []],
    ['the route or the client does not allow it', { gripAllowed: false }, GRIP],
  ])('passes everything untouched when %s', (_name, config, headers) => {
    const rig = gripRig(config, headers)
    expect(answer(rig, textEvent('m:a') + textEvent('c:{"type":"detach"}'))).toEqual([
      'text m:a',
      'text c:{"type":"detach"}',
    ])
  })

  it('never touches what the client sends', () => {
    expect(gripRig().text('m:a').text('c:b').seen()).toEqual(['POST TEXT 3\r\nm:a\r\n'])
  })
})

describe('channels', () => {
  it('holds the 101 back until every channel of the answer is live', () => {
    const rig = new WsSessionRig({ channelPrefix: 'p-' })
    rig.answersSubscribe = false
    rig.open()
    rig.seen()
    rig.answer('OPEN\r\n' + subscribe('a') + textEvent('m:one') + subscribe('b') + textEvent('m:two'), GRIP)
    expect(rig.seen()).toEqual(['subscribe p-a p-b'])
    rig.session.handleLive(true, 0)
    expect(rig.seen()).toEqual(['101', 'text one', 'text two'])
  })

  it('holds back what follows a subscribe, requests included, and merges consecutive ones', () => {
    const rig = gripRig()
    rig.answersSubscribe = false
    const body =
      textEvent('m:one') + subscribe('a') + subscribe('b') + subscribe('a', ['skip-self']) + textEvent('m:two')
    expect(answer(rig, body)).toEqual(['text one', 'subscribe a|skip-self b'])
    expect(rig.text('x').seen()).toEqual([])
    rig.session.handleLive(true, 0)
    expect(rig.seen()).toEqual(['text two', 'POST TEXT 1\r\nx\r\n'])
  })

  it('answers 500 when channels do not become live, and says DISCONNECT', () => {
    const rig = new WsSessionRig()
    rig.answersSubscribe = false
    rig.open().answer('OPEN\r\n' + subscribe('a') + 'CLOSE\r\n', GRIP)
    rig.seen()
    rig.session.handleLive(false, 0)
    expect(rig.seen()).toEqual([
      'reject 500 Internal Server Error [] Accept service unavailable.\n',
      'POST DISCONNECT\r\n',
    ])
    expect(rig.answer().seen()).toEqual(['ended'])
  })

  it('drops an open client when channels do not become live', () => {
    const rig = gripRig()
    rig.answersSubscribe = false
    answer(rig, subscribe('a') + textEvent('m:one'))
    rig.session.handleLive(false, 0)
    expect(rig.seen()).toEqual(['drop barrier', 'POST DISCONNECT\r\n'])
  })

  it('does not wait for channels of a client that went', () => {
    const rig = gripRig()
    rig.answersSubscribe = false
    answer(rig, subscribe('a') + textEvent('m:one'))
    expect(rig.gone().seen()).toEqual(['POST DISCONNECT\r\n'])
    rig.session.handleLive(true, 0)
    rig.session.handleLive(false, 0)
    expect(rig.answer().seen()).toEqual(['ended'])
  })

  it('drops in order: what the backend said before comes when the channel is live', () => {
    const rig = gripRig()
    rig.answersSubscribe = false
    answer(rig, subscribe('a') + textEvent('m:one') + 'DISCONNECT\r\n')
    rig.session.handleLive(true, 0)
    expect(rig.seen()).toEqual(['text one', 'drop disconnect', 'ended'])
  })

  it('unsubscribes what is held, in order with the messages around it', () => {
    const rig = gripRig({ channelPrefix: 'p-' })
    answer(rig, subscribe('a'))
    const body = textEvent('m:one') + control({ type: 'unsubscribe', channel: 'a' }) + textEvent('m:two')
    expect(answer(rig, body)).toEqual(['text one', 'unsubscribe p-a', 'text two'])
    expect(answer(rig, control({ type: 'unsubscribe', channel: 'a' }))).toEqual([])
  })

  it('subscribes to implicit channels without prefix, without GRIP, and keeps them', () => {
    const rig = new WsSessionRig({ channelPrefix: 'p-', implicitChannels: ['p-in', 'all'], gripAllowed: false })
    rig.open()
    rig.seen()
    rig.answer('OPEN\r\n' + textEvent('m:a'))
    expect(rig.seen()).toEqual(['subscribe p-in all', '101', 'text m:a'])
    const spoken = gripRig({ channelPrefix: 'p-', implicitChannels: ['p-in'] })
    expect(answer(spoken, control({ type: 'unsubscribe', channel: 'in' }))).toEqual([])
  })

  it('ignores a subscribe at the limit of channels, even of one that is held', () => {
    const rig = gripRig({ subscriptionMax: 2 })
    expect(answer(rig, subscribe('a') + subscribe('b') + subscribe('c'))).toEqual(['subscribe a b'])
    expect(answer(rig, subscribe('a', ['skip-self']))).toEqual([])
    expect(answer(rig, control({ type: 'unsubscribe', channel: 'a' }) + subscribe('c'))).toEqual([
      'unsubscribe a',
      'subscribe c',
    ])
  })

  it('ignores a channel whose name is longer than the bus carries', () => {
    expect(answer(gripRig({ channelPrefix: 'x'.repeat(64_999) }), subscribe('ab'))).toEqual([])
  })

  it.each([
    [false, 'close 1011'],
    [true, "close 1011 too many filters for channel 'a'"],
  ])('closes the client with 1011 on more than five filters (debug %s)', (debug, close) => {
    const rig = gripRig({ debug })
    expect(answer(rig, subscribe('a', ['1', '2', '3', '4', '5', '6']) + textEvent('m:one'))).toEqual([
      'text one',
      close,
      'POST CLOSE\r\n',
    ])
  })

  it('ignores control messages that make no sense, and long ones', () => {
    const rig = gripRig()
    const long = subscribe('x'.repeat(16_384))
    expect(answer(rig, textEvent('c:{') + control({ type: 'what' }) + control([]) + long + textEvent('m:a'))).toEqual([
      'text a',
    ])
  })
})

describe('detach', () => {
  it('ends the backend’s side with CLOSE behind the rest of its answer, and leaves the client alone', () => {
    const rig = gripRig()
    const body = textEvent('m:one') + control({ type: 'detach' }) + textEvent('m:two')
    expect(answer(rig, body)).toEqual(['text one', 'text two', 'POST CLOSE\r\n'])
    expect(rig.text('lost').seen()).toEqual([])
    expect(rig.answer(textEvent('m:late') + 'CLOSE\r\n').seen()).toEqual([])
    rig.session.handleRefresh(0)
    rig.session.handleClientPing(Buffer.from('p'), 0)
    expect(rig.seen()).toEqual([])
    rig.session.handlePublishClose(1000, '', 0)
    expect(rig.seen()).toEqual(['close 1000', 'ended'])
  })

  it('sends what waited with the CLOSE', () => {
    const rig = gripRig().text('a').text('b')
    rig.seen()
    expect(rig.answer(control({ type: 'detach' })).seen()).toEqual(['POST TEXT 1\r\nb\r\nCLOSE\r\n'])
  })

  it.each<[string, (rig: WsSessionRig) => WsSessionRig]>([
    ['an error of the backend', (rig) => rig.respond(500, [])],
    ['a lost request', (rig) => rig.failed('generic', true)],
    ['DISCONNECT', (rig) => rig.answer('DISCONNECT\r\n')],
    ['no CLOSE', (rig) => rig.answer()],
  ])('does not let the client feel %s', (_name, respond) => {
    const rig = gripRig()
    answer(rig, control({ type: 'detach' }))
    expect(respond(rig).seen()).toEqual([])
    expect(rig.gone().seen()).toEqual(['ended'])
  })

  it('repeats CLOSE at the interval until the backend answers it', () => {
    const rig = gripRig({}, [...GRIP, 'Keep-Alive-Interval', '20'])
    answer(rig, control({ type: 'detach' }))
    expect(rig.answer().seen()).toEqual([])
    expect(rig.wait()).toBe(20_000)
    expect(rig.seen()).toEqual(['POST CLOSE\r\n'])
    rig.answer('CLOSE\r\n')
    expect(rig.isWaiting).toBe(false)
    expect(rig.close(1000).seen()).toEqual(['ended'])
  })

  it('finishes its CLOSE when the client goes, without DISCONNECT', () => {
    const rig = gripRig()
    answer(rig, control({ type: 'detach' }))
    expect(rig.gone().seen()).toEqual([])
    expect(rig.answer().seen()).toEqual(['ended'])
  })

  it('closes the client when the same answer also closes', () => {
    expect(answer(gripRig(), control({ type: 'detach' }) + 'CLOSE\r\n').slice(0, 1)).toEqual(['close 1000'])
  })
})

describe('session and meta', () => {
  it('keeps session id and connection meta for filters', () => {
    const rig = gripRig()
    answer(rig, control({ type: 'session', id: 's1' }) + control({ type: 'set-meta', name: 'user', value: 'bob' }))
    answer(rig, control({ type: 'set-meta', name: '__proto__', value: 'x' }))
    expect(rig.session.sessionId).toBe('s1')
    expect(Object.entries(rig.session.subMeta ?? {})).toEqual([
      ['user', 'bob'],
      ['__proto__', 'x'],
    ])
    answer(rig, control({ type: 'session' }) + control({ type: 'set-meta', name: 'user' }))
    answer(rig, control({ type: 'set-meta', name: '__proto__' }))
    expect(rig.session.sessionId).toBeNull()
    expect(rig.session.subMeta).toBeNull()
  })
})

describe('automatic messages', () => {
  const keepAlive = (fields: object): string => control({ type: 'keep-alive', content: 'ka', ...fields })

  it('sends a keep-alive after 55 s by default, less up to a second, and again', () => {
    const rig = gripRig({ random: () => 0.5 })
    answer(rig, keepAlive({}))
    expect(rig.wait()).toBe(54_500)
    expect(rig.seen()).toEqual(['text ka (droppable)'])
    expect(rig.wait()).toBe(54_500)
  })

  it('starts an idle keep-alive anew at every write to the client', () => {
    const rig = gripRig()
    answer(rig, keepAlive({ timeout: 10 }))
    expect(rig.session.wantsWritten).toBe(true)
    rig.nowMs += 4000
    answer(rig, textEvent('m:x'))
    rig.nowMs += 3000
    rig.session.handleWritten(rig.nowMs)
    expect(rig.session.deadlineMs - rig.nowMs).toBe(10_000)
  })

  it('keeps the rhythm of an interval keep-alive', () => {
    const rig = gripRig()
    answer(rig, keepAlive({ timeout: 10, mode: 'interval', 'message-type': 'ping' }))
    expect(rig.session.wantsWritten).toBe(false)
    rig.nowMs += 4000
    answer(rig, textEvent('m:x'))
    expect(rig.wait()).toBe(6000)
    expect(rig.seen()).toEqual(['ping ka (droppable)'])
  })

  it('stops without content, and with the client', () => {
    const rig = gripRig()
    answer(rig, keepAlive({}) + control({ type: 'keep-alive' }))
    expect(rig.isWaiting).toBe(false)
    answer(rig, keepAlive({}))
    expect(rig.gone().answer().isWaiting).toBe(false)
  })

  it('goes on after a detach', () => {
    const rig = gripRig()
    answer(rig, keepAlive({ timeout: 10 }) + control({ type: 'detach' }))
    rig.answer()
    expect(rig.wait()).toBe(10_000)
    expect(rig.seen()).toEqual(['text ka (droppable)'])
  })

  const delayed = (content: string, timeout?: number): string => control({ type: 'send-delayed', content, timeout })

  it('sends a delayed message once, after a second by default', () => {
    const rig = gripRig()
    answer(rig, delayed('later'))
    expect(rig.wait()).toBe(1000)
    expect(rig.seen()).toEqual(['text later'])
    expect(rig.isWaiting).toBe(false)
  })

  it('flushes it on demand, and the first of two at once', () => {
    const rig = gripRig()
    expect(answer(rig, delayed('a', 5) + delayed('b', 5) + textEvent('m:x'))).toEqual(['text a', 'text x'])
    expect(answer(rig, control({ type: 'flush-delayed' }) + control({ type: 'flush-delayed' }))).toEqual(['text b'])
    expect(rig.isWaiting).toBe(false)
  })
})
