import { describe, expect, it } from 'vitest'
import { decodeControlMessage } from './grip-control.js'

function decode(value: unknown) {
  return decodeControlMessage(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
}

const TEXT = { messageType: 'text', content: Buffer.from('x'), timeout: 55, mode: 'idle' }

describe('control messages', () => {
  it.each([
    [
      { type: 'subscribe', channel: 'é' },
      { type: 'subscribe', channel: '\xc3\xa9', filters: [] },
    ],
    [
      { type: 'subscribe', channel: 'a', filters: ['x', ''], other: 1 },
      { type: 'subscribe', channel: 'a', filters: ['x', ''] },
    ],
    [
      { type: 'unsubscribe', channel: 'a', filters: 5 },
      { type: 'unsubscribe', channel: 'a' },
    ],
    [{ type: 'detach' }, { type: 'detach' }],
    [{ type: 'flush-delayed', content: 5 }, { type: 'flush-delayed' }],
    [
      { type: 'session', id: 's' },
      { type: 'session', id: 's' },
    ],
    [
      { type: 'session', id: '' },
      { type: 'session', id: null },
    ],
    [{ type: 'session' }, { type: 'session', id: null }],
    [
      { type: 'set-meta', name: 'n', value: '' },
      { type: 'set-meta', name: 'n', value: '' },
    ],
    [
      { type: 'set-meta', name: 'n' },
      { type: 'set-meta', name: 'n', value: null },
    ],
    [{ type: 'keep-alive' }, { type: 'keep-alive', keepAlive: null }],
    [
      { type: 'keep-alive', 'message-type': 'ping', timeout: 'x', mode: 'interval' },
      { type: 'keep-alive', keepAlive: null },
    ],
    [
      { type: 'keep-alive', timeout: null },
      { type: 'keep-alive', keepAlive: null },
    ],
    [
      { type: 'keep-alive', content: 'x' },
      { type: 'keep-alive', keepAlive: TEXT },
    ],
    [
      { type: 'keep-alive', content: 'x', timeout: '7', mode: 'interval', 'message-type': 'pong' },
      { type: 'keep-alive', keepAlive: { ...TEXT, timeout: 7, mode: 'interval', messageType: 'pong' } },
    ],
    [
      { type: 'keep-alive', content: 'x', timeout: 0, mode: 'other' },
      { type: 'keep-alive', keepAlive: TEXT },
    ],
    [
      { type: 'keep-alive', content: '' },
      { type: 'keep-alive', keepAlive: { ...TEXT, content: Buffer.alloc(0) } },
    ],
    [
      { type: 'keep-alive', 'content-bin': 'eA', content: 5 },
      { type: 'keep-alive', keepAlive: TEXT },
    ],
    [
      { type: 'send-delayed', content: 'é', 'message-type': 'binary' },
      { type: 'send-delayed', messageType: 'binary', content: Buffer.from('é'), timeout: 1 },
    ],
    [
      { type: 'send-delayed', timeout: -5, mode: 5 },
      { type: 'send-delayed', messageType: 'text', content: Buffer.alloc(0), timeout: 1 },
    ],
    [
      { type: 'send-delayed', content: 'x', timeout: 2.5 },
      { type: 'send-delayed', messageType: 'text', content: Buffer.from('x'), timeout: 3 },
    ],
  ])('decodes %j', (value, message) => {
    expect(decode(value)).toEqual(message)
  })

  it.each([
    '',
    '5',
    '"detach"',
    '[]',
    '{"type":"detach"} x',
    '{"type":"detach"',
    {},
    { type: null },
    { type: 'Detach' },
    { type: 'set-hold-timeout' },
    { type: 'subscribe' },
    { type: 'subscribe', channel: '' },
    { type: 'subscribe', channel: 5 },
    { type: 'subscribe', channel: 'a', filters: null },
    { type: 'subscribe', channel: 'a', filters: 'x' },
    { type: 'subscribe', channel: 'a', filters: ['x', 5] },
    { type: 'unsubscribe' },
    { type: 'unsubscribe', channel: null },
    { type: 'session', id: null },
    { type: 'session', id: 5 },
    { type: 'set-meta' },
    { type: 'set-meta', name: '' },
    { type: 'set-meta', name: 'n', value: null },
    { type: 'set-meta', name: 'n', value: 5 },
    { type: 'keep-alive', content: 5 },
    { type: 'keep-alive', content: null },
    { type: 'keep-alive', content: 'x', 'content-bin': null },
    { type: 'keep-alive', 'message-type': 'close' },
    { type: 'keep-alive', 'message-type': '' },
    { type: 'keep-alive', 'message-type': null },
    { type: 'keep-alive', content: 'x', timeout: -1 },
    { type: 'keep-alive', content: 'x', timeout: null },
    { type: 'keep-alive', content: 'x', timeout: [1] },
    { type: 'keep-alive', mode: null },
    { type: 'send-delayed', content: {} },
    { type: 'send-delayed', content: 'x', timeout: '-1' },
  ])('ignores %j', (value) => {
    expect(decode(value)).toBe(null)
  })

  it('ignores what is not UTF-8', () => {
    expect(decodeControlMessage(Buffer.from('{"type":"subscribe","channel":"\xff"}', 'latin1'))).toBe(null)
  })

  it('takes no inherited member for one that was sent', () => {
    expect(decode('{"type":"session","__proto__":{"id":"x"}}')).toEqual({ type: 'session', id: null })
  })

  it('ignores every prefix of a message', () => {
    const whole = Buffer.from('{"type":"subscribe","channel":"é","filters":["a"]}')
    for (let size = 0; size < whole.length; size++) expect(decodeControlMessage(whole.subarray(0, size))).toBe(null)
    expect(decodeControlMessage(whole)).not.toBe(null)
  })
})
