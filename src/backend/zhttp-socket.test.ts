import { describe, expect, test } from 'vitest'
import { WS_BACKEND_MESSAGE_BYTES_MAX, WS_QUEUED_MESSAGE_BYTES, ZHTTP_UNREAD_BYTES_MAX } from '../base/limits.js'
import { ZHTTP, ZhttpMemory } from '../testing/zhttp-memory.js'
import { type ZhttpResponse, ZhttpType } from '../wire/zhttp.js'
import type { BackendRejection, BackendSocket, BackendSocketHandler } from './socket-types.js'
import type { BackendFailure } from './types.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const ACCEPT = { code: 101, reason: 'Switching Protocols', headers: ['Sec-WebSocket-Protocol', 'p'] }

class Rig extends ZhttpMemory implements BackendSocketHandler {
  /** What the handler was told, and `written`. Turns are left out. */
  readonly events: string[] = []
  turns = 0
  readonly socket: BackendSocket
  #seq = 0

  constructor() {
    super()
    const headers = ['Host', 'a.test', 'sec-websocket-key', 'key']
    const request = { target: ZHTTP, host: 'a.test', path: '/ws', headers, handshakeTimeoutMs: 1000 }
    this.socket = this.client.webSocket(request, this)
    this.socket.connect()
  }

  /** A packet of the worker, in its turn. */
  reply(packet: Partial<ZhttpResponse>): this {
    this.answer(this.#seq++, packet)
    return this
  }

  opened(credits = 1000): this {
    return this.reply({ ...ACCEPT, credits })
  }

  data(text: string, more: Partial<ZhttpResponse> = {}): this {
    return this.reply({ body: Buffer.from(text), ...more })
  }

  /** Since the session began: type, number, content. */
  get said(): string[] {
    return this.sent.slice(1).map(({ type, contentType, body, more, code, credits }) => {
      const parts = [type === 'data' ? contentType : type, code, body?.toString(), more ? '…' : null]
      if (credits !== null) parts.push(`+${credits}`)
      return parts.filter((part) => part !== null && part !== undefined && part !== '').join(' ')
    })
  }

  handleSocketOpen(headers: readonly string[]): void {
    this.events.push(`open ${headers.join(' ')}`)
  }
  handleSocketRejected({ status, reason, headers, body }: BackendRejection): void {
    this.events.push(['rejected', status, reason, ...headers, body.toString()].join(' '))
  }
  handleSocketFailure({ kind }: BackendFailure): void {
    this.events.push(kind)
  }
  handleSocketMessage(content: Buffer, isBinary: boolean): void {
    this.events.push(`${isBinary ? 'binary' : 'text'} ${content.length > 40 ? content.length : content.toString()}`)
  }
  handleSocketPing(content: Buffer): void {
    this.events.push(`ping ${content.toString()}`)
  }
  handleSocketPong(content: Buffer): void {
    this.events.push(`pong ${content.toString()}`)
  }
  handleSocketTurn(): void {
    this.turns++
  }
  handleSocketWritten(): void {
    this.events.push('written')
  }
  handleSocketClosed(code: number | null, reason: string): void {
    this.events.push(`closed ${code ?? 'without code'} ${reason}`.trim())
  }
  handleSocketGone(message: string): void {
    this.events.push(`gone: ${message}`)
  }
}

describe('opening', () => {
  test('the first packet', () => {
    const rig = new Rig()
    expect(rig.sent).toMatchObject([
      {
        ...{ to: null, uri: 'ws://a.test/ws', headers: ['Host', 'a.test', 'Sec-WebSocket-Key', 'key'], method: '' },
        ...{ credits: 200_000, routerResp: true, multi: true, stream: false, ignorePolicies: true },
      },
    ])
  })

  test('any data packet accepts, whatever its status; its body means nothing', () => {
    const rig = new Rig()
    rig.reply({ type: ZhttpType.KeepAlive }).reply({ code: 200, headers: ['A', 'b'], body: Buffer.from('x') })
    expect(rig.events).toEqual(['open A b'])
  })

  test('a rejection is handed over', () => {
    const rig = new Rig()
    const rejection = { code: 403, reason: 'No', headers: ['A', 'b'], body: Buffer.from('why') }
    rig.reply({ type: ZhttpType.Error, condition: 'rejected', ...rejection })
    expect(rig.events).toEqual(['rejected 403 No A b why'])
  })

  const failures: readonly [
    situation: string,
    packet: Partial<ZhttpResponse>,
    kind: string,
    said: readonly string[],
  ][] = [
    ['a connection refused', { type: ZhttpType.Error, condition: 'remote-connection-failed' }, 'connect', []],
    ['a policy', { type: ZhttpType.Error, condition: 'policy-violation' }, 'policy', []],
    ['a rejection without a status', { type: ZhttpType.Error, condition: 'rejected' }, 'generic', []],
    [
      'a rejection that cannot be written',
      { type: ZhttpType.Error, condition: 'rejected', code: 403, headers: ['A', '\n'] },
      'generic',
      [],
    ],
    ['a cancel', { type: ZhttpType.Cancel }, 'generic', []],
    ['a close', { type: ZhttpType.Close }, 'generic', ['cancel']],
    ['a header that cannot be written', { ...ACCEPT, headers: ['A', '\r\n'] }, 'generic', ['cancel']],
    ['no name', { ...ACCEPT, from: '' }, 'generic', []],
  ]
  test.each(failures)('%s', (_situation, packet, kind, said) => {
    const rig = new Rig().reply(packet)
    expect(rig.events).toEqual([kind])
    expect(rig.said).toEqual(said)
  })

  test('no worker, or one that says nothing', () => {
    const unsent = new Rig()
    unsent.client.handleUnsent(unsent.last.ids[0]?.id ?? '')
    const silent = new Rig()
    silent.advance(60_000)
    expect([unsent.events, silent.events]).toEqual([['unavailable'], ['session-timeout']])
  })
})

describe('from the client to the worker', () => {
  test('as they come, while there is room', () => {
    const rig = new Rig().opened()
    rig.socket.send(Buffer.from('one'), false)
    rig.socket.send(Buffer.from('two'), true)
    rig.socket.ping(Buffer.from('three'))
    rig.socket.pong(Buffer.from(''))
    rig.socket.send(Buffer.from(''), false)
    expect(rig.said).toEqual(['text one', 'binary two', 'ping three', 'pong', 'text'])
    expect(rig.sent.at(-1)).toMatchObject({ to: 'worker', body: Buffer.from(''), ids: [{ seq: 5 }] })
    expect(rig.socket.bufferedBytes).toBe(0)
    expect(rig.events.slice(1)).toEqual([])
  })

  test('a message is cut where the room ends, a ping is not', () => {
    const rig = new Rig().opened(4)
    rig.socket.send(Buffer.from('abcdefg'), true)
    rig.socket.ping(Buffer.from('ping'))
    rig.socket.send(Buffer.from(''), false)
    expect(rig.said).toEqual(['binary abcd …'])
    expect(rig.socket.bufferedBytes).toBe(7 + 3 * WS_QUEUED_MESSAGE_BYTES)
    rig.reply({ type: ZhttpType.Credit, credits: 6 })
    expect(rig.said.slice(1)).toEqual(['binary efg'])
    rig.reply({ type: ZhttpType.Credit, credits: 1 })
    expect(rig.said.slice(2)).toEqual(['ping ping', 'text'])
    expect(rig.socket.bufferedBytes).toBe(0)
    expect(rig.events.slice(1)).toEqual(['written'])
  })

  test('credits that are owed go along', async () => {
    const rig = new Rig().opened().data('hello')
    rig.socket.send(Buffer.from('answer'), false)
    await turn()
    expect(rig.said).toEqual(['text answer +5'])
  })
})

describe('from the worker to the client', () => {
  test('messages, whole and in parts, pings among them', async () => {
    const rig = new Rig().opened()
    rig.data('one').data('two', { contentType: 'binary' }).data('', { contentType: 'text' })
    rig.data('pa', { contentType: 'binary', more: true })
    rig.data('ping', { type: ZhttpType.Ping }).data('', { type: ZhttpType.Pong })
    rig.data('', { more: true }).data('rts')
    rig.data('four')
    const seen = ['text one', 'binary two', 'text ', 'ping ping', 'pong ', 'binary parts', 'text four']
    expect(rig.events.slice(1)).toEqual(seen)
    expect(rig.turns).toBe(9)
    await turn()
    expect(rig.said).toEqual(['credit +19'])
  })

  test('a client that reads slowly is given no more, and the worker no credits', async () => {
    const rig = new Rig().opened()
    rig.socket.pause()
    rig.data('one').data('two').reply({ type: ZhttpType.Close, code: 4000 })
    await turn()
    expect([rig.events.slice(1), rig.said]).toEqual([[], []])
    rig.socket.resume()
    expect(rig.events.slice(1)).toEqual(['text one', 'text two', 'closed 4000'])
    expect(rig.said).toEqual(['close 4000'])
  })

  test('a pause from within holds the rest', () => {
    const rig = new Rig().opened()
    rig.socket.pause()
    rig.data('one').data('two')
    rig.handleSocketMessage = (content) => {
      rig.events.push(content.toString())
      rig.socket.pause()
    }
    rig.socket.resume()
    expect(rig.events.slice(1)).toEqual(['one'])
    rig.data('three')
    rig.socket.resume()
    rig.socket.resume()
    expect(rig.events.slice(1)).toEqual(['one', 'two', 'three'])
  })

  test('a message that is too long ends the session', () => {
    const rig = new Rig().opened()
    const half = Buffer.alloc(WS_BACKEND_MESSAGE_BYTES_MAX / 2)
    rig.reply({ body: half, more: true }).reply({ body: half })
    expect(rig.events.slice(1)).toEqual([`text ${WS_BACKEND_MESSAGE_BYTES_MAX}`])
    rig.reply({ body: half, more: true }).reply({ body: half, more: true }).data('x')
    expect(rig.events.slice(2)).toEqual(['gone: a message is too long'])
    expect(rig.said.at(-1)).toBe('cancel')
  })

  test('more than may wait for a slow client ends the session', () => {
    const rig = new Rig().opened()
    rig.socket.pause()
    rig.reply({ body: Buffer.alloc(ZHTTP_UNREAD_BYTES_MAX) })
    expect(rig.events.slice(1)).toEqual([])
    rig.data('x')
    expect(rig.events.slice(1)).toEqual(['gone: the worker sends faster than its client reads'])
    expect(rig.said).toEqual(['cancel'])
  })
})

describe('the end', () => {
  test.each([
    [4000, 'bye', 'closed 4000 bye', 'close 4000 bye'],
    [null, '', 'closed without code', 'close 1000'],
    [70_000, '', 'closed without code', 'close 1000'],
    [-1, '', 'closed without code', 'close 1000'],
  ])('the worker closes with %j %s', (code, reason, seen, said) => {
    const rig = new Rig().opened()
    rig.reply({ type: ZhttpType.Close, code, ...(reason === '' ? {} : { body: Buffer.from(reason) }) })
    expect(rig.events.slice(1)).toEqual([seen])
    expect(rig.said).toEqual([said])
    rig.socket.send(Buffer.from('late'), false)
    rig.data('late')
    expect(rig.said).toHaveLength(1)
    expect(rig.late).toBe(1)
  })

  test('the client closes, and the worker answers; what it says before is let go, with credits', async () => {
    const rig = new Rig().opened()
    rig.socket.close(4001, 'done')
    rig.socket.send(Buffer.from('late'), false)
    rig.data('meanwhile')
    await turn()
    rig.reply({ type: ZhttpType.Close, code: 4002, body: Buffer.from('fine') })
    expect(rig.events.slice(1)).toEqual(['closed 4002 fine'])
    expect(rig.said).toEqual(['close 4001 done', 'credit +9'])
  })

  test('a close without a code waits for what was sent before it', () => {
    const rig = new Rig().opened(2)
    rig.socket.send(Buffer.from('text'), false)
    rig.socket.close(null, '')
    expect(rig.said).toEqual(['text te …'])
    rig.reply({ type: ZhttpType.Credit, credits: 2 })
    expect(rig.said.slice(1)).toEqual(['text xt', 'close'])
  })

  test('both close at once: ours goes out, whatever still waits', () => {
    const rig = new Rig().opened(0)
    rig.socket.send(Buffer.from('text'), false)
    rig.socket.close(4001, '')
    rig.reply({ type: ZhttpType.Close, code: 4002 })
    expect(rig.said).toEqual(['close 4001'])
    expect(rig.events.slice(1)).toEqual(['closed 4002'])
  })

  test('a worker that does not answer a close is left after 30 s', () => {
    const rig = new Rig().opened()
    rig.socket.close(1000, '')
    rig.advance(29_000)
    rig.reply({ type: ZhttpType.KeepAlive })
    rig.advance(1_000)
    expect(rig.events.slice(1)).toEqual(['gone: the worker has not answered the close'])
    expect(rig.said).toEqual(['close 1000', 'cancel'])
  })

  const gone: readonly [situation: string, packet: Partial<ZhttpResponse>, why: string][] = [
    ['cancels', { type: ZhttpType.Cancel }, 'the worker has cancelled'],
    ['loses its connection', { type: ZhttpType.Error, condition: 'disconnected' }, 'the worker says: disconnected'],
    ['rejects too late', { type: ZhttpType.Error, condition: 'rejected', code: 403 }, 'the worker says: rejected'],
  ]
  test.each(gone)('the worker %s', (_situation, packet, why) => {
    const rig = new Rig().opened().reply(packet)
    expect(rig.events.slice(1)).toEqual([`gone: ${why}`])
    expect(rig.said).toEqual([])
  })

  test('a packet out of sequence', () => {
    const rig = new Rig().opened()
    rig.answer(5, { body: Buffer.from('x') })
    expect(rig.events.slice(1)).toEqual(['gone: packet out of sequence (expected 1, got 5)'])
    expect(rig.said).toEqual(['cancel'])
  })

  test('terminate is told to a worker that is known, and nothing comes any more', () => {
    const rig = new Rig().opened()
    rig.socket.terminate()
    rig.socket.terminate()
    rig.socket.close(1000, '')
    rig.socket.connect()
    rig.data('late')
    expect(rig.said).toEqual(['cancel'])
    expect(rig.events).toHaveLength(1)
  })

  test('terminate before the worker has answered', () => {
    const rig = new Rig()
    rig.socket.terminate()
    rig.opened()
    expect(rig.said).toEqual([])
    expect(rig.events).toEqual([])
  })

  test('the client of all shuts down', async () => {
    const rig = new Rig().opened()
    await rig.client.close()
    expect(rig.events.slice(1)).toEqual(['gone: the gateway is closing'])
    expect(rig.said).toEqual(['cancel'])
  })
})
