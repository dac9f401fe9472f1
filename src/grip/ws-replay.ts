/**
 * Content not yet accepted by the backend of a WebSocket-over-HTTP session
 * (WebSocket-over-HTTP protocol: Content-Bytes-Accepted, Content-Bytes-Replayed).
 *
 * Messages enter at the tail, are offered in a request, and leave at the head when the backend has accepted their
 * bytes. What was offered and not accepted is offered again, in front of what came meanwhile. A message is never
 * copied, only sliced, except for a short tail that would keep a much larger buffer alive.
 *
 * Every step is linear in what it touches: append O(1), offer in the messages offered, accept in those removed.
 *
 * Invariants: accepted <= offered <= appended, in bytes; replayedCount <= count and replayedBytes <= bytes.
 */
import { Buffer } from 'node:buffer'
import { assert } from '../base/assert.js'
import type { WsContentEventType, WebSocketEventsBody } from '../wire/websocket-events.js'

/** What a waiting message weighs beside its content: a flood of empty messages must meet the limit too. */
export const REPLAY_MESSAGE_BYTES = 128

/** A tail shorter than this part of the buffer it is cut from is copied out. Makes all copies of one message cost O(its length). */
const PINNED_TIMES_MAX = 4

interface Message {
  readonly type: WsContentEventType
  content: Buffer
  next: Message | null
}

export class WsReplay {
  #first: Message | null = null
  #last: Message | null = null
  /** Messages and content bytes held. */
  #count = 0
  #bytes = 0
  /** Of them, at the head: offered before and not accepted. */
  #replayedCount = 0
  #replayedBytes = 0
  /** Of them, at the head: what the last offer carried; waits for accept. */
  #offeredCount = 0
  #offeredBytes = 0

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Content, and a fixed sum for each message. */
  get weightBytes(): number {
    return this.#bytes + this.#count * REPLAY_MESSAGE_BYTES
  }

  /** How many leading content bytes of the next offer the backend has seen before. */
  get replayedBytes(): number {
    return this.#replayedBytes
  }

  get offeredCount(): number {
    return this.#offeredCount
  }

  /** Content bytes of the last offer. */
  get offeredBytes(): number {
    return this.#offeredBytes
  }

  /** There is something the backend has not been offered yet. */
  get hasNew(): boolean {
    return this.#count > this.#replayedCount || this.#bytes > this.#replayedBytes
  }

  append(type: WsContentEventType, content: Buffer): void {
    const message: Message = { type, content, next: null }
    if (this.#last === null) this.#first = message
    else this.#last.next = message
    this.#last = message
    this.#count++
    this.#bytes += content.length
  }

  /**
   * Adds what is held to `body`: everything offered before, then new messages until `newBytesMax` (the first new one
   * always fits) or until the body has `messagesMax` of them. Returns whether everything fitted.
   */
  offer(body: WebSocketEventsBody, newBytesMax: number, messagesMax: number): boolean {
    let count = 0
    let bytes = 0
    let message = this.#first
    while (message !== null && count < messagesMax) {
      const size = message.content.length
      const isNew = count >= this.#replayedCount
      if (isNew && count > this.#replayedCount && bytes + size - this.#replayedBytes > newBytesMax) break
      body.add(message.type, message.content)
      count++
      bytes += size
      message = message.next
    }
    this.#offeredCount = count
    this.#offeredBytes = bytes
    return message === null
  }

  /**
   * The backend has taken the first `contentBytes` of the last offer. A message cut in two keeps its type; an offered
   * empty message goes with the bytes in front of it. Returns whether anything was removed.
   */
  accept(contentBytes: number): boolean {
    assert(contentBytes >= 0 && contentBytes <= this.#offeredBytes, 'no more can be accepted than was offered')
    let left = contentBytes
    let removed = 0
    // Only what was offered may go: an empty message that arrived since then stays, whatever stands before it.
    while (removed < this.#offeredCount) {
      const first = this.#first as Message
      if (left < first.content.length) {
        if (left > 0) first.content = tailOf(first.content, left)
        break
      }
      left -= first.content.length
      this.#first = first.next
      removed++
    }
    if (this.#first === null) this.#last = null
    this.#count -= removed
    this.#bytes -= contentBytes
    this.#replayedCount = this.#offeredCount - removed
    this.#replayedBytes = this.#offeredBytes - contentBytes
    this.#offeredCount = 0
    this.#offeredBytes = 0
    return removed > 0 || contentBytes > 0
  }

  clear(): void {
    this.#first = null
    this.#last = null
    this.#count = 0
    this.#bytes = 0
    this.#replayedCount = 0
    this.#replayedBytes = 0
    this.#offeredCount = 0
    this.#offeredBytes = 0
  }
}

function tailOf(content: Buffer, from: number): Buffer {
  const tail = content.subarray(from)
  const pinnedBytes = content.buffer.byteLength
  // Short buffers live in Node's shared pool: copying from it would land in it again.
  if (pinnedBytes <= Buffer.poolSize || tail.length * PINNED_TIMES_MAX >= pinnedBytes) return tail
  return Buffer.from(tail)
}
