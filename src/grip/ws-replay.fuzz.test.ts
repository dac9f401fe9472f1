/** The replay buffer against a list of messages that does the same in the plainest way. */
import { Buffer } from 'node:buffer'
import { expect, it } from 'vitest'
import { Prng } from '../base/prng.js'
import { decodeWebSocketEvents, WebSocketEventsBody, type WsContentEventType } from '../wire/websocket-events.js'
import { JOINED_CONTENT_BYTES_MAX } from './ws-replay-run.js'
import { WsReplay } from './ws-replay.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_007)

/** A different text from every place, with bytes that the encoding uses too. */
const PATTERN = Array.from({ length: 1500 }, (_, index) => `${String(index)}\r\n \xff`).join('')

class PlainReplay {
  messages: { readonly type: WsContentEventType; content: string }[] = []
  replayed = { count: 0, bytes: 0 }
  offered = { count: 0, bytes: 0 }

  offer(newBytesMax: number, messagesMax: number): string[] {
    this.offered = { count: 0, bytes: 0 }
    for (const { content } of this.messages) {
      const bytes = this.offered.bytes + content.length
      if (this.offered.count >= messagesMax) break
      if (this.offered.count > this.replayed.count && bytes - this.replayed.bytes > newBytesMax) break
      this.offered = { count: this.offered.count + 1, bytes }
    }
    return this.messages.slice(0, this.offered.count).map(({ type, content }) => `${type} ${content}`)
  }

  accept(bytes: number): void {
    let left = bytes
    let removed = 0
    while (removed < this.offered.count) {
      const first = this.messages[0] as { content: string }
      if (left < first.content.length) {
        first.content = first.content.slice(left)
        break
      }
      left -= first.content.length
      this.messages.shift()
      removed++
    }
    this.replayed = { count: this.offered.count - removed, bytes: this.offered.bytes - bytes }
  }
}

function read(body: WebSocketEventsBody): string[] {
  const bytes = Buffer.concat(body.slices)
  expect(bytes.length).toBe(body.bytes)
  const events = decodeWebSocketEvents(bytes) ?? []
  return events.map(({ type, content }) => `${String(type)} ${content.toString('latin1')}`)
}

/** Around the lengths where the encoding, the head or the way of keeping it changes. */
function contentOf(prng: Prng): string {
  const length = prng.pick([0, 0, 1, 15, 16, 255, 256, JOINED_CONTENT_BYTES_MAX, JOINED_CONTENT_BYTES_MAX + 1, 3000])
  const start = prng.below(PATTERN.length / 2)
  return PATTERN.slice(start, start + (prng.happens(0.3) ? length : prng.below(40)))
}

it(`offers and accepts like a plain list (FUZZ_SEED=${String(seed)})`, () => {
  const prng = new Prng(seed)
  for (let round = 0; round < 150; round++) {
    const replay = new WsReplay()
    const plain = new PlainReplay()
    const append = (): void => {
      const type = prng.pick(['TEXT', 'BINARY', 'PING', 'PONG'] as const)
      const content = contentOf(prng)
      replay.append(type, Buffer.from(content, 'latin1'))
      plain.messages.push({ type, content })
    }
    for (let step = 0; step < 12; step++) {
      for (let n = prng.below(prng.pick([3, 60])); n > 0; n--) append()
      const newBytesMax = prng.pick([Infinity, 10, 2_000])
      const messagesMax = prng.happens(0.2) ? 1 : Infinity
      const body = new WebSocketEventsBody()
      const isWhole = replay.offer(body, newBytesMax, messagesMax)
      expect(read(body).join('|')).toBe(plain.offer(newBytesMax, messagesMax).join('|'))
      expect(isWhole).toBe(plain.offered.count === plain.messages.length)
      expect(replay).toMatchObject({ offeredCount: plain.offered.count, offeredBytes: plain.offered.bytes })
      const sent = Buffer.concat(body.slices)
      for (let n = prng.below(3); n > 0; n--) append()
      expect(Buffer.concat(body.slices).equals(sent)).toBe(true) // a retry sends the same
      const accepted = prng.pick([0, plain.offered.bytes, prng.below(plain.offered.bytes + 1)])
      replay.accept(accepted)
      plain.accept(accepted)
      const bytes = plain.messages.reduce((sum, { content }) => sum + content.length, 0)
      expect(replay).toMatchObject({ count: plain.messages.length, bytes, replayedBytes: plain.replayed.bytes })
    }
  }
})
