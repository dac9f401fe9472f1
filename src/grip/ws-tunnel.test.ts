import { Buffer } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { WS_STALL_BYTES, WS_UNREAD_BYTES_MAX } from '../base/limits.js'
import type { WsTunnelEffect } from './ws-effects.js'
import { WsTunnel } from './ws-tunnel.js'

const GRIP = ['Sec-WebSocket-Extensions', 'grip']
const SUBSCRIBE = 'c:{"type":"subscribe","channel":"room"}'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

class Rig {
  readonly tunnel: WsTunnel
  nowMs = 1000

  constructor(config = {}) {
    this.tunnel = new WsTunnel({
      channelPrefix: '',
      implicitChannels: [],
      gripAllowed: true,
      subscriptionMax: 20,
      debug: false,
      random: () => 0,
      ...config,
    })
  }

  /** What is to be done now, as text; a subscribe is left unanswered. */
  seen(): string[] {
    const seen: string[] = []
    for (let effect = this.tunnel.poll(); effect !== null; effect = this.tunnel.poll()) seen.push(textOf(effect))
    return seen
  }

  connecting(): this {
    this.tunnel.handleOpen(this.nowMs)
    expect(this.seen()).toEqual(['connect'])
    return this
  }

  opened(headers: readonly string[] = []): this {
    this.connecting().tunnel.handleBackendOpen(headers)
    expect(this.seen()).toEqual(['accept'])
    return this
  }

  /** Text messages of the backend that come in one piece. */
  receive(...texts: string[]): this {
    for (const text of texts) this.tunnel.handleBackendMessage(bytes(text), false, this.nowMs)
    this.tunnel.handleBackendTurn(this.nowMs)
    return this
  }

  live(ok = true): this {
    this.tunnel.handleLive(ok, this.nowMs)
    return this
  }
}

function textOf(effect: WsTunnelEffect): string {
  switch (effect.kind) {
    case 'send':
      return `${effect.type} ${effect.content.toString('latin1')}`
    case 'close':
    case 'backend-close':
      return `${effect.kind} ${effect.code ?? ''} ${effect.reason}`.trimEnd()
    case 'drop':
      return `drop ${effect.reason}`
    case 'reject':
      return `reject ${String(effect.status)} ${effect.body.toString('latin1').trimEnd()}`
    case 'subscribe':
      return `subscribe ${effect.channels.map(({ name }) => name).join(' ')}`
    case 'unsubscribe':
      return `unsubscribe ${effect.channel}`
    case 'accept':
    case 'connect':
    case 'backend-terminate':
    case 'ended':
      return effect.kind
  }
}

describe('opening', () => {
  test('connect, 101 with the backend’s headers and subprotocol', () => {
    const { tunnel } = new Rig().connecting()
    tunnel.handleBackendOpen([
      ...['Upgrade', 'websocket', 'Date', 'x', 'Sec-WebSocket-Accept', 'x', 'Sec-WebSocket-Extensions', 'grip'],
      ...['Sec-WebSocket-Protocol', 'b', 'Set-Meta-A', '1', 'Content-Type', 'x/y'],
    ])
    expect(tunnel.poll()).toEqual({
      kind: 'accept',
      headers: [
        ['Sec-WebSocket-Protocol', 'b'],
        ['Set-Meta-A', '1'],
        ['Content-Type', 'x/y'],
      ],
    })
  })

  test('a refusal is relayed, a failure is a 502 that names the targets in debug mode only', () => {
    const refused = new Rig().connecting()
    refused.tunnel.handleRejected({ status: 403, reason: 'Nope', headers: [], body: bytes('no') }, 0)
    expect(refused.seen()).toEqual(['reject 403 no', 'ended'])
    const failure = { kind: 'connect', bodySent: false } as const
    for (const [debug, body] of [
      [false, 'Error while proxying to origin.'],
      [true, 'Unable to connect to any targets. Tried: a:1, b:2'],
    ] as const) {
      const rig = new Rig({ debug }).connecting()
      rig.tunnel.handleFailure(failure, 0, ['a:1', 'b:2'])
      expect(rig.seen()).toEqual([`reject 502 ${body}`, 'ended'])
    }
  })

  test('a client that leaves while connecting ends the attempt', () => {
    const rig = new Rig().connecting()
    rig.tunnel.handleClientGone(0)
    expect(rig.seen()).toEqual(['backend-terminate', 'ended'])
  })

  test('the 101 waits for implicit channels, frames wait behind it', () => {
    const rig = new Rig({ implicitChannels: ['all'] }).connecting()
    rig.tunnel.handleBackendOpen([])
    rig.receive('first')
    expect(rig.seen()).toEqual(['subscribe all'])
    expect(rig.tunnel.isHeld).toBe(true)
    expect(rig.live().seen()).toEqual(['accept', 'text first'])
    expect(rig.tunnel.isHeld).toBe(false)
  })

  test('channels that do not become live in time: 500, and the backend is left', () => {
    const rig = new Rig({ implicitChannels: ['all'] }).connecting()
    rig.tunnel.handleBackendOpen([])
    expect(rig.seen()).toEqual(['subscribe all'])
    expect(rig.live(false).seen()).toEqual(['backend-terminate', 'reject 500 Accept service unavailable.', 'ended'])
  })
})

describe('GRIP', () => {
  test('without the extension everything passes', () => {
    expect(new Rig().opened().receive(SUBSCRIBE, 'x').seen()).toEqual([`text ${SUBSCRIBE}`, 'text x'])
  })

  test('not for no_grip routes and trusted clients', () => {
    expect(new Rig({ gripAllowed: false }).opened(GRIP).receive(SUBSCRIBE).seen()).toEqual([`text ${SUBSCRIBE}`])
  })

  test.each([
    [
      'as it is written',
      ['Sec-WebSocket-Extensions', 'other, grip; message-prefix="x:"'],
      ['grip; message-prefix="x:"'],
    ],
    ['not when it cannot be read', ['Sec-WebSocket-Extensions', 'grip; message-prefix="'], []],
    ['not when there is none', [], []],
  ])('a trusted gateway is told of the extension: %s', (_situation, answered, told) => {
    const { tunnel } = new Rig({ gripAllowed: false, isClientGateway: true }).connecting()
    tunnel.handleBackendOpen(['A', '1', ...answered])
    const headers = [['A', '1'], ...told.map((entry) => ['Sec-WebSocket-Extensions', entry])]
    expect(tunnel.poll()).toEqual({ kind: 'accept', headers })
  })

  test('nothing overtakes a subscription that is not live', () => {
    const rig = new Rig().opened(GRIP).receive('m:before', SUBSCRIBE, 'm:behind', 'no prefix')
    rig.tunnel.handleBackendPing(bytes('p'), 0)
    expect(rig.seen()).toEqual(['text before', 'subscribe room'])
    expect(rig.tunnel.isHeld).toBe(true)
    expect(rig.tunnel.isForwarding).toBe(true)
    expect(rig.live().seen()).toEqual(['text behind', 'ping p'])
  })

  test('detach counts behind what came along with it; later ends of the backend do not matter', () => {
    const rig = new Rig().opened(GRIP).receive('c:{"type":"detach"}', 'm:along')
    expect(rig.seen()).toEqual(['backend-close', 'text along'])
    rig.receive('m:late')
    rig.tunnel.handleBackendGone(0)
    expect(rig.seen()).toEqual([])
    expect(rig.tunnel.isForwarding).toBe(false)
    rig.tunnel.handlePublishClose(4000, 'x', 0)
    expect(rig.seen()).toEqual(['close 4000 x', 'ended'])
  })

  test('a detached client that leaves is forgotten when the backend has closed', () => {
    const rig = new Rig().opened(GRIP).receive('c:{"type":"detach"}')
    expect(rig.seen()).toEqual(['backend-close'])
    rig.tunnel.handleClientGone(0)
    expect(rig.seen()).toEqual([])
    rig.tunnel.handleBackendClosed(1000, '', 0)
    expect(rig.seen()).toEqual(['ended'])
  })

  test('too many filters: 1011', () => {
    const filters = JSON.stringify(['a', 'b', 'c', 'd', 'e', 'f'])
    const rig = new Rig().opened(GRIP).receive(`c:{"type":"subscribe","channel":"x","filters":${filters}}`)
    expect(rig.seen()).toEqual(['backend-close', 'close 1011'])
  })

  test('a delayed message is sent when its time has come', () => {
    const rig = new Rig().opened(GRIP).receive('c:{"type":"send-delayed","content":"later","timeout":2}')
    expect(rig.tunnel.deadlineMs).toBe(3000)
    rig.tunnel.handleDeadline(3000)
    expect(rig.seen()).toEqual(['text later'])
  })

  test('refresh does nothing', () => {
    const rig = new Rig().opened(GRIP)
    rig.tunnel.handleRefresh(0)
    expect(rig.seen()).toEqual([])
  })
})

describe('ends', () => {
  test.each([
    [4001, 'bye', 'backend-close 4001 bye'],
    [null, '', 'backend-close'],
  ])('the client closes with %j', (code, reason, seen) => {
    const rig = new Rig().opened()
    rig.tunnel.handleClientClose(code, reason, 0)
    expect(rig.seen()).toEqual([seen])
    rig.tunnel.handleBackendClosed(1000, '', 0)
    expect(rig.seen()).toEqual(['ended'])
  })

  test.each([
    [4001, 'bye', 'close 4001 bye'],
    [null, '', 'close 1000'],
  ])('the backend closes with %j', (code, reason, seen) => {
    const rig = new Rig().opened().receive('last words')
    rig.tunnel.handleBackendClosed(code, reason, 0)
    expect(rig.seen()).toEqual(['text last words', seen, 'ended'])
  })

  test('the backend is gone: the client is dropped', () => {
    const rig = new Rig().opened()
    rig.tunnel.handleBackendGone(0)
    expect(rig.seen()).toEqual(['drop disconnect', 'ended'])
  })

  test('the client is gone: the backend is left', () => {
    const rig = new Rig().opened()
    rig.tunnel.handleClientGone(0)
    expect(rig.seen()).toEqual(['backend-terminate', 'ended'])
  })

  test('publish close: the code for the client, 1000 for the backend', () => {
    const rig = new Rig().opened(GRIP)
    rig.tunnel.handlePublishClose(4010, 'enough', 0)
    expect(rig.seen()).toEqual(['backend-close', 'close 4010 enough'])
    rig.tunnel.handleBackendGone(0)
    expect(rig.seen()).toEqual(['ended'])
  })

  test('more waits for the backend than allowed: both are left', () => {
    const rig = new Rig().opened()
    rig.tunnel.handleBufferCap(0)
    expect(rig.seen()).toEqual(['backend-terminate', 'drop buffer', 'ended'])
  })
})

describe('a client that reads slowly', () => {
  test('holds the backend up, and from the stall on gets nothing more until it has read', () => {
    const rig = new Rig().opened()
    rig.tunnel.handleUnread(WS_UNREAD_BYTES_MAX)
    expect(rig.tunnel.isHeld).toBe(true)
    expect(rig.receive('still written').seen()).toEqual(['text still written'])
    rig.tunnel.handleUnread(WS_STALL_BYTES + 1)
    expect(rig.receive('waits').seen()).toEqual([])
    rig.tunnel.handleUnread(0)
    expect(rig.seen()).toEqual(['text waits'])
    expect(rig.tunnel.isHeld).toBe(false)
  })

  test('is dropped at once when its backend is gone', () => {
    const rig = new Rig().opened()
    rig.tunnel.handleUnread(WS_STALL_BYTES + 1)
    rig.receive('waits')
    rig.tunnel.handleBackendGone(0)
    expect(rig.seen()).toEqual(['drop disconnect', 'ended'])
  })

  test('its backend is closed at once by a publish, and it gets its close frame when it has read', () => {
    const rig = new Rig().opened(GRIP)
    rig.tunnel.handleUnread(WS_STALL_BYTES + 1)
    rig.tunnel.handlePublishClose(-1, '', 0)
    expect(rig.seen()).toEqual(['backend-close'])
    rig.tunnel.handleUnread(0)
    expect(rig.seen()).toEqual(['close 1000'])
  })
})
