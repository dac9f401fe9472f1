import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { ZHTTP_UNREAD_BYTES_MAX, ZHTTP_WINDOW_BYTES } from '../base/limits.js'
import { ZHTTP, ZhttpMemory, targetOf } from '../testing/zhttp-memory.js'
import { ZhttpType } from '../wire/zhttp.js'

const OK = { code: 200, reason: 'OK', headers: ['A', 'b'] }
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the request', () => {
  test('the first packet goes to any worker, with what the target wants', () => {
    const memory = new ZhttpMemory()
    const target = targetOf('zhttp/ipc:///workers,ssl,insecure,trust_connect_host,untrusted')
    memory.request({ target, method: 'DELETE', path: '/a?b', headers: ['Host', 'h.test:81', 'x-a', '1'] })
    expect(memory.last).toMatchObject({
      ...{ to: null, target: 'zhttp/ipc:///workers', from: 'gateway', ids: [{ seq: 0 }], type: 'data' },
      ...{ method: 'DELETE', uri: 'https://h.test:81/a?b', headers: ['Host', 'h.test:81', 'X-A', '1'], body: null },
      ...{ more: false, stream: true, routerResp: true, multi: true, credits: ZHTTP_WINDOW_BYTES },
      ...{ ignorePolicies: false, trustConnectHost: true, ignoreTlsErrors: true, maxSize: null },
    })
    expect(memory.last.ids[0]?.id).toMatch(/^7-[0-9a-f-]{36}$/)
  })

  test.each([
    ['content-type', 'Content-Type'],
    ['sec-websocket-key', 'Sec-WebSocket-Key'],
    ['dnt', 'DNT'],
    ['sec-ch-ua', 'sec-ch-ua'],
    ['x-UPPER', 'x-UPPER'],
  ])('the header name %s is shown as %s', (name, shown) => {
    const memory = new ZhttpMemory()
    memory.request({ headers: ['Host', 'a', name, 'v'] })
    expect(memory.last.headers).toEqual(['Host', 'a', shown, 'v'])
  })

  test('a body that is there and fits the window goes with it', () => {
    const memory = new ZhttpMemory()
    memory.request({ body: [Buffer.from('one'), Buffer.from('two')] })
    expect(memory.sent).toHaveLength(1)
    expect(memory.last).toMatchObject({ body: Buffer.from('onetwo'), more: false })
  })

  test('a larger body goes on by credits, to the worker that has answered', () => {
    const memory = new ZhttpMemory()
    const body = Buffer.alloc(ZHTTP_WINDOW_BYTES + 100, 'x')
    memory.request({ body })
    expect(memory.last).toMatchObject({ to: null, more: true })
    expect(memory.last.body).toHaveLength(ZHTTP_WINDOW_BYTES)

    memory.answer(0, { type: ZhttpType.Credit, credits: 60 })
    expect(memory.last).toMatchObject({ to: 'worker', more: true, type: 'data', ids: [{ seq: 1 }], method: '' })
    expect(memory.last.body).toHaveLength(60)
    memory.answer(1, { type: ZhttpType.Credit, credits: 1000 })
    expect(memory.last).toMatchObject({ more: false, ids: [{ seq: 2 }] })
    expect(memory.last.body).toHaveLength(40)
    memory.answer(2, { type: ZhttpType.Credit, credits: 1000 })
    expect(memory.sent).toHaveLength(3)
  })

  test('a streamed body goes as it comes, and its end needs no credits', async () => {
    const memory = new ZhttpMemory()
    const body = new PassThrough()
    body.write('first')
    memory.request({ body })
    expect(memory.last).toMatchObject({ body: Buffer.from('first'), more: true })
    body.write('second')
    await turn()
    expect(memory.sent).toHaveLength(1)

    memory.answer(0, { type: ZhttpType.Credit, credits: 6 })
    expect(memory.last).toMatchObject({ body: Buffer.from('second'), more: true })
    body.end()
    await turn()
    expect(memory.last).toMatchObject({ body: null, more: false, type: 'data' })
    expect(memory.sent).toHaveLength(3)
  })

  test('a worker without room pauses the body', async () => {
    const memory = new ZhttpMemory()
    const body = new PassThrough({ highWaterMark: 1000 })
    memory.request({ body })
    for (let kilobytes = 0; kilobytes < 300; kilobytes++) body.write(Buffer.alloc(1000))
    await turn()
    expect(body.isPaused()).toBe(true)
    memory.answer(0, { type: ZhttpType.Credit, credits: 250_000 })
    await turn()
    await turn()
    expect(body.isPaused()).toBe(false)
    expect(memory.sent.reduce((sum, packet) => sum + (packet.body?.length ?? 0), 0)).toBe(250_000)
  })

  test('a body that fails ends the session', async () => {
    const memory = new ZhttpMemory()
    const body = new PassThrough()
    const { events } = memory.request({ body })
    memory.answer(0, { type: ZhttpType.KeepAlive })
    body.destroy(new Error('gone'))
    await turn()
    expect(events).toEqual(['generic'])
    expect(memory.last.type).toBe(ZhttpType.Cancel)
  })

  test('bodyOnceAcknowledged: the body waits for the worker, and a failure until then says so', () => {
    const memory = new ZhttpMemory()
    const body = Buffer.from('OPEN\r\n')
    const first = memory.request({ body, bodyOnceAcknowledged: true })
    expect(memory.last).toMatchObject({ body: null, more: true })
    memory.answer(0, { type: ZhttpType.Credit, credits: 1000 })
    expect(memory.last).toMatchObject({ body, more: false })
    memory.answer(1, { type: ZhttpType.Error, condition: 'undefined-condition' })
    expect(first.failure).toMatchObject({ kind: 'generic', bodySent: true })

    const second = memory.request({ body, bodyOnceAcknowledged: true })
    memory.answer(0, { type: ZhttpType.Error, condition: 'undefined-condition' })
    expect(second.failure).toMatchObject({ kind: 'generic', bodySent: false })
  })

  test('bodyOnceAcknowledged: an empty body is one packet', () => {
    const memory = new ZhttpMemory()
    memory.request({ body: [], bodyOnceAcknowledged: true })
    expect(memory.last).toMatchObject({ body: null, more: false })
  })
})

describe('the answer', () => {
  test('in one packet, even from a worker without a name', () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.answer(0, { ...OK, body: Buffer.from('content'), from: '' })
    expect(events).toEqual(['200 OK A b', 'data content', 'end'])
    expect(memory.warnings).toEqual([])
  })

  test('in several; what was taken is given back as credits, once a turn', async () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.answer(0, { ...OK, body: Buffer.from('one'), more: true })
    memory.answer(1, { body: Buffer.from('four'), more: true })
    expect(memory.sent).toHaveLength(1)
    await turn()
    expect(memory.last).toMatchObject({ to: 'worker', type: 'credit', credits: 7, ids: [{ seq: 1 }] })
    memory.answer(2, { body: Buffer.from('end') })
    await turn()
    expect(events).toEqual(['200 OK A b', 'data one', 'data four', 'data end', 'end'])
    expect(memory.sent).toHaveLength(2)
  })

  test('a handler that pauses gets no more, and its worker no credits', async () => {
    const memory = new ZhttpMemory()
    const recorded = memory.request()
    recorded.isReading = false
    memory.answer(0, { ...OK, body: Buffer.from('one'), more: true })
    memory.answer(1, { body: Buffer.from('two'), more: true })
    await turn()
    expect(recorded.events).toEqual(['200 OK A b', 'data one'])
    expect(memory.sent).toHaveLength(1)

    recorded.isReading = true
    recorded.exchange.resume()
    await turn()
    expect(recorded.events.slice(2)).toEqual(['data two'])
    expect(memory.last).toMatchObject({ type: 'credit', credits: 6 })
  })

  test('what is whole is kept for a handler that pauses, whatever becomes of the worker', () => {
    const memory = new ZhttpMemory()
    const recorded = memory.request()
    recorded.isReading = false
    memory.answer(0, { ...OK, body: Buffer.from('one'), more: true })
    memory.answer(1, { body: Buffer.from('two') })
    memory.advance(100_000)
    expect(recorded.events).toEqual(['200 OK A b', 'data one'])
    recorded.exchange.resume()
    expect(recorded.events.slice(2)).toEqual(['data two'])
    recorded.exchange.resume()
    expect(recorded.events.slice(3)).toEqual(['end'])
    expect(memory.sent).toHaveLength(1)
  })

  test('before the request has ended: the rest of the body is let go', async () => {
    const memory = new ZhttpMemory()
    const body = new PassThrough()
    const { events } = memory.request({ body })
    memory.answer(0, { ...OK, body: Buffer.from('early') })
    await turn()
    expect(events).toEqual(['200 OK A b', 'data early', 'end'])
    expect(body.destroyed).toBe(true)
    expect(memory.sent).toHaveLength(1)
  })

  test('to HEAD: a Content-Length without a body', () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request({ method: 'HEAD' })
    memory.answer(0, { ...OK, headers: ['Content-Length', '5'] })
    expect(events).toEqual(['200 OK Content-Length 5', 'end'])
  })

  const malformed: readonly [situation: string, packets: readonly object[], seen: readonly string[], why: string][] = [
    ['no status', [{ body: Buffer.from('x') }], [], 'has no status'],
    ['a line break in a header', [{ ...OK, headers: ['A', 'b\r\nC: d'] }], [], 'control characters in the header A'],
    [
      'a Content-Length that is none',
      [{ ...OK, headers: ['Content-Length', 'x'] }],
      [],
      'a Content-Length that is none',
    ],
    [
      'fewer bytes than declared',
      [{ ...OK, headers: ['Content-Length', '3'], body: Buffer.from('ab') }],
      [],
      'has another length than its Content-Length',
    ],
    [
      'more bytes than declared, later',
      [{ ...OK, headers: ['Content-Length', '3'], body: Buffer.from('ab'), more: true }, { body: Buffer.from('cd') }],
      ['200 OK Content-Length 3', 'data ab'],
      'has another length than its Content-Length',
    ],
  ]
  test.each(malformed)('%s: the session is cancelled', (_situation, packets, seen, why) => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    for (const [seq, packet] of packets.entries()) memory.answer(seq, packet)
    expect(events).toEqual([...seen, 'generic'])
    expect(memory.last).toMatchObject({ to: 'worker', type: 'cancel' })
    expect(memory.warnings).toHaveLength(1)
    expect(memory.warnings[0]).toContain(why)
    expect(memory.warnings[0]).toContain('zhttp/ipc:///workers')
  })

  test('more than may wait for a slow handler', () => {
    const memory = new ZhttpMemory()
    const recorded = memory.request()
    recorded.isReading = false
    memory.answer(0, { ...OK, body: Buffer.from('one'), more: true })
    const half = Buffer.alloc(ZHTTP_UNREAD_BYTES_MAX / 2)
    memory.answer(1, { body: half, more: true })
    memory.answer(2, { body: half, more: true })
    expect(recorded.events).toHaveLength(2)
    memory.answer(3, { body: Buffer.alloc(1), more: true })
    expect(recorded.events.slice(2)).toEqual(['generic'])
    expect(memory.last.type).toBe('cancel')
  })

  test('packets that mean nothing here are passed over', () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.answer(0, { type: ZhttpType.HandoffStart })
    memory.answer(1, { type: ZhttpType.Ping })
    memory.answer(2, OK)
    expect(events).toEqual(['200 OK A b', 'end'])
  })
})

describe('the end of a session', () => {
  const conditions: readonly [condition: string, kind: string][] = [
    ['remote-connection-failed', 'connect'],
    ['connection-timeout', 'connect-timeout'],
    ['tls-error', 'tls'],
    ['policy-violation', 'policy'],
    ['length-required', 'length-required'],
    ['disconnected', 'disconnected'],
    ['session-timeout', 'generic'],
    ['', 'generic'],
  ]
  test.each(conditions)('error %s is %s', (condition, kind) => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.answer(0, { type: ZhttpType.Error, condition })
    expect(events).toEqual([kind])
    expect(memory.sent).toHaveLength(1)
  })

  test('an error counts whatever its number, and in the middle of an answer', () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.answer(0, { ...OK, more: true })
    memory.answer(null, { type: ZhttpType.Error, condition: 'disconnected' })
    expect(events).toEqual(['200 OK A b', 'disconnected'])
  })

  test('the worker cancels', () => {
    const memory = new ZhttpMemory()
    const { events, failure } = memory.request()
    expect(failure).toBeNull()
    memory.answer(5, { type: ZhttpType.Cancel })
    expect(events).toEqual(['generic'])
    expect(memory.sent).toHaveLength(1)
  })

  test.each([[null], [1], [-1]])('the first packet has the number %j: cancelled', (seq) => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.answer(seq, OK)
    expect(events).toEqual(['generic'])
    expect(memory.last).toMatchObject({ to: 'worker', type: 'cancel', ids: [{ seq: 1 }] })
    expect(memory.warnings[0]).toContain(`out of sequence (expected 0, got ${seq ?? 'none'}), canceling`)
  })

  test('a worker without a name cannot go on', () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.answer(0, { ...OK, more: true, from: '' })
    expect(events).toEqual(['200 OK A b', 'generic'])
    expect(memory.sent).toHaveLength(1)
  })

  test('no worker takes the first packet', () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.client.handleUnsent(memory.last.ids[0]?.id ?? '')
    expect(events).toEqual(['unavailable'])
  })

  test('an abort is told to a worker that has answered', () => {
    const memory = new ZhttpMemory()
    const recorded = memory.request()
    memory.answer(0, { ...OK, more: true })
    recorded.exchange.abort()
    expect(memory.last).toMatchObject({ to: 'worker', type: 'cancel' })
    recorded.exchange.abort()
    memory.answer(1, { body: Buffer.from('late') })
    expect(memory.sent).toHaveLength(2)
    expect(recorded.events).toEqual(['200 OK A b'])
    expect(memory.late).toBe(1)
  })

  test('an abort before the answer can be told to nobody', () => {
    const memory = new ZhttpMemory()
    const recorded = memory.request()
    recorded.exchange.abort()
    expect(memory.sent).toHaveLength(1)
    memory.answer(0, OK)
    expect(recorded.events).toEqual([])
    expect(memory.late).toBe(1)
  })

  test('an abort from within', () => {
    const memory = new ZhttpMemory()
    const recorded = memory.request()
    recorded.handleHead = () => {
      recorded.exchange.abort()
    }
    memory.answer(0, { ...OK, body: Buffer.from('x'), more: true })
    expect(recorded.events).toEqual([])
    expect(memory.last.type).toBe('cancel')
  })

  test('the worker is silent for 60 s', () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.advance(59_000)
    expect(events).toEqual([])
    memory.advance(1_000)
    expect(events).toEqual(['session-timeout'])
  })

  test('the client shuts down: sessions are cancelled, later requests fail at once', async () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.answer(0, { ...OK, more: true })
    await memory.client.close()
    expect(events).toEqual(['200 OK A b', 'aborted'])
    expect(memory.last.type).toBe('cancel')
    const later = memory.request()
    expect(later.events).toEqual([])
    await turn()
    expect(later.events).toEqual(['aborted'])
  })
})

describe('keep-alives', () => {
  test('a session whose worker shows life lives, and shows it too', () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.advance(20_000)
    memory.answer(0, { type: ZhttpType.KeepAlive })
    memory.advance(45_000)
    expect(memory.last).toMatchObject({ to: 'worker', type: 'keep-alive', ids: [{ seq: 1 }] })
    memory.answer(1, { type: ZhttpType.KeepAlive })
    memory.advance(45_000)
    expect(memory.last).toMatchObject({ type: 'keep-alive', ids: [{ seq: 2 }] })
    expect(events).toEqual([])
    memory.advance(15_000)
    expect(events).toEqual(['session-timeout'])
  })

  test('those for a worker that takes several ids go together, and before what a session says next', async () => {
    const memory = new ZhttpMemory()
    const exchanges = Array.from({ length: 3 }, () => {
      const recorded = memory.request({ body: new PassThrough() })
      const id = memory.last.ids[0]?.id ?? ''
      memory.receive({ from: 'worker', ids: [{ id, seq: 0 }], type: ZhttpType.KeepAlive, multi: true })
      return { recorded, id }
    })
    const before = memory.sent.length
    memory.advance(45_000)
    expect(memory.sent).toHaveLength(before)
    exchanges[0]?.recorded.exchange.abort()
    expect(memory.sent.slice(before)).toMatchObject([
      { type: 'keep-alive', to: 'worker', ids: exchanges.map(({ id }) => ({ id, seq: 1 })) },
      { type: 'cancel', ids: [{ id: exchanges[0]?.id, seq: 2 }] },
    ])
    await turn()
    expect(memory.sent).toHaveLength(before + 2)
  })

  test('at most 128 ids in one packet', async () => {
    const memory = new ZhttpMemory()
    for (let count = 0; count < 130; count++) {
      memory.request()
      memory.answer(0, { type: ZhttpType.KeepAlive, multi: true })
    }
    memory.advance(45_000)
    await turn()
    expect(memory.sent.slice(130).map(({ ids }) => ids.length)).toEqual([128, 2])
  })
})

describe('ids', () => {
  test('one packet for several sessions', () => {
    const memory = new ZhttpMemory()
    const exchanges = [memory.request(), memory.request()]
    const ids = memory.sent.map((packet) => ({ id: packet.ids[0]?.id ?? '', seq: 0 }))
    memory.receive({ from: 'worker', ids: [...ids, { id: '8-elsewhere', seq: 4 }], ...OK, more: true })
    expect(exchanges.map(({ events }) => events)).toEqual([['200 OK A b'], ['200 OK A b']])
    expect(memory.late).toBe(0)
  })

  test('a worker of another target cannot answer', () => {
    const memory = new ZhttpMemory()
    const { events } = memory.request()
    memory.answer(0, OK, 'zhttp/ipc:///others')
    expect(events).toEqual([])
    expect(memory.late).toBe(1)
    memory.answer(0, OK, ZHTTP.name)
    expect(events).toEqual(['200 OK A b', 'end'])
  })
})
