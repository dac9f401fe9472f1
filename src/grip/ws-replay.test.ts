import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { WebSocketEventsBody, type WsContentEventType } from '../wire/websocket-events.js'
import { REPLAY_MESSAGE_BYTES, WsReplay } from './ws-replay.js'

const NO_LIMIT = Infinity

function replayOf(...messages: (string | [WsContentEventType, string])[]): WsReplay {
  const replay = new WsReplay()
  append(replay, ...messages)
  return replay
}

function append(replay: WsReplay, ...messages: (string | [WsContentEventType, string])[]): void {
  for (const message of messages) {
    const [type, content] = typeof message === 'string' ? (['TEXT', message] as const) : message
    replay.append(type, Buffer.from(content, 'latin1'))
  }
}

function offer(replay: WsReplay, newBytesMax = NO_LIMIT, messagesMax = NO_LIMIT): string {
  const body = new WebSocketEventsBody()
  replay.offer(body, newBytesMax, messagesMax)
  return Buffer.concat(body.slices).toString('latin1')
}

describe('accepting', () => {
  it('forgets what was accepted whole', () => {
    const replay = replayOf('hello')
    expect(offer(replay)).toBe('TEXT 5\r\nhello\r\n')
    expect(replay.accept(5)).toBe(true)
    expect(replay).toMatchObject({ count: 0, bytes: 0, replayedBytes: 0, hasNew: false, isEmpty: true })
  })

  it('replays the tail when the backend accepted 5 bytes', () => {
    const replay = replayOf('[foo][hello')
    offer(replay)
    replay.accept(5)
    expect(replay).toMatchObject({ count: 1, bytes: 6, replayedBytes: 6, hasNew: false })
    append(replay, ' world]')
    expect(replay.hasNew).toBe(true)
    expect(offer(replay)).toBe('TEXT 6\r\n[hello\r\nTEXT 7\r\n world]\r\n')
    expect(replay.offeredBytes).toBe(13)
    replay.accept(13)
    expect(replay.isEmpty).toBe(true)
  })

  it('keeps the type of a message that is cut in two', () => {
    const replay = replayOf('abc', ['BINARY', 'defgh'])
    offer(replay)
    replay.accept(5)
    expect(replay.replayedBytes).toBe(3)
    expect(offer(replay)).toBe('BINARY 3\r\nfgh\r\n')
  })

  it('accepts nothing and replays everything', () => {
    const replay = replayOf('abc', 'de')
    offer(replay)
    expect(replay.accept(0)).toBe(false)
    expect(replay).toMatchObject({ count: 2, replayedBytes: 5, hasNew: false })
  })

  it('takes an empty message with accept 0, when it was offered', () => {
    const replay = replayOf('')
    expect(offer(replay)).toBe('TEXT\r\n')
    expect(replay.accept(0)).toBe(true)
    expect(replay.isEmpty).toBe(true)
  })

  it('keeps an empty message behind content that was not accepted', () => {
    const replay = replayOf('abc', '')
    offer(replay)
    replay.accept(1)
    expect(offer(replay)).toBe('TEXT 2\r\nbc\r\nTEXT\r\n')
    expect(replay.replayedBytes).toBe(2)
  })

  it('keeps an empty message that arrived while the request was in flight', () => {
    const replay = replayOf('abc')
    offer(replay)
    append(replay, '')
    replay.accept(3)
    expect(replay).toMatchObject({ count: 1, hasNew: true })
    expect(offer(replay)).toBe('TEXT\r\n')
  })

  it('keeps an empty message that came first while an empty request was in flight', () => {
    const replay = new WsReplay()
    offer(replay)
    append(replay, '')
    replay.accept(0)
    expect(replay.hasNew).toBe(true)
  })

  it('takes bytes across messages, byte counts over the concatenation', () => {
    const replay = replayOf('hello world', '', 'foo')
    offer(replay)
    replay.accept(3)
    expect(offer(replay)).toBe('TEXT 8\r\nlo world\r\nTEXT\r\nTEXT 3\r\nfoo\r\n')
    replay.accept(8)
    expect(offer(replay)).toBe('TEXT 3\r\nfoo\r\n')
    replay.accept(3)
    expect(replay.isEmpty).toBe(true)
  })

  it('asserts that no more is accepted than was offered', () => {
    const replay = replayOf('abc')
    offer(replay)
    expect(() => replay.accept(4)).toThrow('than was offered')
  })
})

describe('offering', () => {
  it('stops at the number of messages and says that something is left', () => {
    const replay = replayOf('a', 'b')
    const body = new WebSocketEventsBody()
    expect(replay.offer(body, NO_LIMIT, 1)).toBe(false)
    expect(body.bytes).toBe('TEXT 1\r\na\r\n'.length)
    replay.accept(1)
    expect(replay.hasNew).toBe(true)
  })

  it('limits what is new, but always offers what was offered before and one more', () => {
    const replay = replayOf('aaaa', 'bbbb', 'cccc')
    expect(offer(replay, 5)).toBe('TEXT 4\r\naaaa\r\n')
    replay.accept(0)
    expect(replay.hasNew).toBe(true)
    expect(offer(replay, 1)).toBe('TEXT 4\r\naaaa\r\nTEXT 4\r\nbbbb\r\n')
    replay.accept(2)
    expect(offer(replay, 5)).toBe('TEXT 2\r\naa\r\nTEXT 4\r\nbbbb\r\nTEXT 4\r\ncccc\r\n')
  })
})

describe('memory', () => {
  it('weighs empty messages too', () => {
    expect(replayOf('', '', 'abc').weightBytes).toBe(3 + 3 * REPLAY_MESSAGE_BYTES)
  })

  it('slices a long tail and copies out a short one', () => {
    const replay = new WsReplay()
    const content = Buffer.alloc(100_000, 'x')
    replay.append('BINARY', content)
    const tail = (accepted: number): Buffer => {
      replay.offer(new WebSocketEventsBody(), NO_LIMIT, NO_LIMIT)
      replay.accept(accepted)
      const body = new WebSocketEventsBody()
      replay.offer(body, NO_LIMIT, NO_LIMIT)
      return body.slices[1] as Buffer
    }
    expect(tail(50_000).buffer).toBe(content.buffer)
    const short = tail(49_990)
    expect(short.toString()).toBe('x'.repeat(10))
    expect(short.buffer.byteLength).toBeLessThanOrEqual(Buffer.poolSize)
  })

  it('copies at most a third of a long message that is taken in small steps', () => {
    const size = 1 << 20
    const replay = new WsReplay()
    replay.append('BINARY', Buffer.alloc(size, 'x'))
    let copied = 0
    let buffer: ArrayBufferLike | null = null
    while (!replay.isEmpty) {
      const body = new WebSocketEventsBody()
      replay.offer(body, NO_LIMIT, NO_LIMIT)
      const slice = body.slices[1] as Buffer
      if (buffer !== null && slice.buffer !== buffer) copied += slice.length
      buffer = slice.buffer
      replay.accept(Math.min(8192, slice.length))
    }
    expect(copied).toBeGreaterThan(0)
    expect(copied).toBeLessThan(size / 3)
  })
})
