import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { ZHTTP_REQUEST_BYTES_MAX } from '../base/limits.js'
import { type RecordedExchange, ZHTTPREQ, ZhttpMemory } from '../testing/zhttp-memory.js'
import type { BackendRequest } from '../backend/types.js'
import { type ZhttpResponse, ZhttpType } from '../wire/zhttp.js'

const OK = { code: 200, reason: 'OK', headers: ['A', 'b'] }
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

class Memory extends ZhttpMemory {
  override request(options: Partial<BackendRequest> = {}): RecordedExchange {
    return super.request({ target: ZHTTPREQ, ...options })
  }

  /** As REP workers answer: an id, no name, no number. */
  reply(packet: Partial<ZhttpResponse>): void {
    this.answer(null, { from: '', ...packet }, ZHTTPREQ.name)
  }
}

test('one packet out, one back', () => {
  const memory = new Memory()
  const { events } = memory.request({ method: 'PUT', path: '/a', body: Buffer.from('content') })
  expect(memory.sent).toMatchObject([
    {
      ...{ to: null, target: 'zhttpreq/ipc:///workers', from: 'gateway', ids: [{ seq: null }], method: 'PUT' },
      ...{ uri: 'http://a.test/a', body: Buffer.from('content'), maxSize: 1_000_000, ignorePolicies: true },
      ...{ stream: false, routerResp: false, multi: false, credits: null, more: false },
    },
  ])
  memory.reply({ ...OK, body: Buffer.from('answer') })
  expect(events).toEqual(['200 OK A b', 'data answer', 'end'])
  memory.advance(100_000)
  expect(memory.sent).toHaveLength(1)
  expect(memory.withdrawn).toEqual([])
})

test('a streamed body is collected first', async () => {
  const memory = new Memory()
  const body = new PassThrough()
  memory.request({ body })
  body.write('one')
  await turn()
  expect(memory.sent).toEqual([])
  body.end('two')
  await turn()
  expect(memory.last).toMatchObject({ body: Buffer.from('onetwo'), more: false })
})

test('a body that does not fit one packet fails, before it is there as a whole', async () => {
  const memory = new Memory()
  const exact = memory.request({ body: Buffer.alloc(ZHTTP_REQUEST_BYTES_MAX) })
  expect(memory.sent).toHaveLength(1)
  const whole = memory.request({ body: Buffer.alloc(ZHTTP_REQUEST_BYTES_MAX + 1) })
  expect(whole.events).toEqual([])
  const body = new PassThrough({ highWaterMark: 10_000_000 })
  const streamed = memory.request({ body })
  body.write(Buffer.alloc(ZHTTP_REQUEST_BYTES_MAX + 1))
  await turn()
  await turn()
  expect([exact.events, whole.events, streamed.events]).toEqual([[], ['generic'], ['generic']])
  expect(body.destroyed).toBe(true)
  expect(memory.sent).toHaveLength(1)
})

test('a body that fails', async () => {
  const memory = new Memory()
  const body = new PassThrough()
  const { events } = memory.request({ body })
  body.destroy()
  await turn()
  expect(events).toEqual(['generic'])
  expect(memory.sent).toEqual([])
})

test('a large answer is taken whole', () => {
  const memory = new Memory()
  const { events } = memory.request()
  memory.reply({ ...OK, body: Buffer.alloc(3_000_000) })
  expect(events).toEqual(['200 OK A b', 'data 3000000', 'end'])
})

test('an answer is kept for a handler that pauses', () => {
  const memory = new Memory()
  const recorded = memory.request()
  recorded.isReading = false
  memory.reply({ ...OK, body: Buffer.from('answer') })
  memory.reply({ ...OK, body: Buffer.from('again') })
  memory.advance(100_000)
  expect(recorded.events).toEqual(['200 OK A b', 'data answer'])
  recorded.exchange.resume()
  expect(recorded.events.slice(2)).toEqual(['end'])
})

const wrong: readonly [situation: string, packet: Partial<ZhttpResponse>, kind: string, warned: boolean][] = [
  ['an error', { type: ZhttpType.Error, condition: 'remote-connection-failed' }, 'connect', false],
  ['a cancel', { type: ZhttpType.Cancel }, 'generic', false],
  ['a keep-alive', { type: ZhttpType.KeepAlive }, 'generic', true],
  ['an answer that goes on', { ...OK, more: true }, 'generic', true],
  ['no status', { body: Buffer.from('x') }, 'generic', true],
]
test.each(wrong)('%s instead of an answer', (_situation, packet, kind, warned) => {
  const memory = new Memory()
  const { events } = memory.request()
  memory.reply(packet)
  expect(events).toEqual([kind])
  expect(memory.warnings).toHaveLength(warned ? 1 : 0)
  memory.reply(OK)
  expect(events).toHaveLength(1)
  expect(memory.late).toBe(1)
})

test('no worker for 60 s: the request is withdrawn', () => {
  const memory = new Memory()
  const { events, exchange } = memory.request()
  memory.advance(59_000)
  expect(events).toEqual([])
  memory.advance(1_000)
  expect(events).toEqual(['session-timeout'])
  expect(memory.withdrawn).toEqual([memory.last.ids[0]?.id])
  exchange.abort()
  expect(memory.withdrawn).toHaveLength(1)
})

test('an abort withdraws it', () => {
  const memory = new Memory()
  const { events, exchange } = memory.request()
  exchange.abort()
  expect(memory.withdrawn).toHaveLength(1)
  memory.reply(OK)
  expect(events).toEqual([])
})

test('too many wait already', () => {
  const memory = new Memory()
  const { events } = memory.request()
  memory.client.handleUnsent(memory.last.ids[0]?.id ?? '')
  expect(events).toEqual(['unavailable'])
})

test('the client shuts down', async () => {
  const memory = new Memory()
  const { events } = memory.request()
  await memory.client.close()
  expect(events).toEqual(['aborted'])
})
