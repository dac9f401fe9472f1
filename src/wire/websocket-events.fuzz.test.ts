import { Buffer } from 'node:buffer'
import { expect, it } from 'vitest'
import { Prng } from '../base/prng.js'
import { decodeWebSocketEvents, encodeWebSocketEvents, type WebSocketEvent, WsEventType } from './websocket-events.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_007)
const types = Object.values(WsEventType)

it(`reads any list of events it has written (FUZZ_SEED=${String(seed)})`, () => {
  const prng = new Prng(seed)
  for (let round = 0; round < 2000; round++) {
    const events: WebSocketEvent[] = []
    for (let n = prng.below(6); n > 0; n--) {
      const content = Buffer.from(
        Array.from({ length: prng.below(40) }, () => prng.pick([13, 10, 32, prng.below(256)])),
      )
      events.push({ type: prng.pick(types), content })
    }
    expect(decodeWebSocketEvents(encodeWebSocketEvents(events))).toEqual(events)
  }
})

it(`takes any bytes without throwing, and never gives more content than there is (FUZZ_SEED=${String(seed)})`, () => {
  const prng = new Prng(seed)
  const words = ['TEXT', 'OPEN', 'CLOSE', ' ', '\r\n', '\r', '5', '-1', '0x', 'ffffffff', 'a', '\x00', '\xff']
  for (let round = 0; round < 20_000; round++) {
    let text = ''
    for (let n = prng.below(12); n > 0; n--) text += prng.pick(words)
    const events = decodeWebSocketEvents(Buffer.from(text, 'latin1'))
    if (events === null) continue
    const contentBytes = events.reduce((sum, { content }) => sum + content.length, 0)
    expect(contentBytes).toBeLessThanOrEqual(text.length)
  }
})
