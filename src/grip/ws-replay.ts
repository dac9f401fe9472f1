/**
 * Content not yet accepted by the backend of a WebSocket-over-HTTP session
 * (WebSocket-over-HTTP protocol: Content-Bytes-Accepted, Content-Bytes-Replayed).
 *
 * Messages enter at the tail, are offered in a request, and leave at the head when the backend has accepted their
 * bytes. What was offered and not accepted is offered again, in front of what came meanwhile. A large message is never
 * copied, only sliced, except for a short tail that would keep a much larger buffer alive; small ones are encoded once,
 * into runs (ws-replay-run.ts).
 *
 * Every step is linear in what it touches: append in the small message's bytes, offer in the runs offered, accept in
 * the messages removed.
 *
 * Invariants: accepted <= offered <= appended, in bytes; replayedCount <= count and replayedBytes <= bytes.
 */
import type { Buffer } from 'node:buffer'
import { assert } from '../base/assert.js'
import type { WsContentEventType, WebSocketEventsBody } from '../wire/websocket-events.js'
import { JOINED_CONTENT_BYTES_MAX, JoinedRun, LargeRun, type WsReplayRun } from './ws-replay-run.js'

/** What a waiting message weighs beside its content: a flood of empty messages must meet the limit too. */
export const REPLAY_MESSAGE_BYTES = 128

export class WsReplay {
  #first: WsReplayRun | null = null
  #last: WsReplayRun | null = null
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
    const last = this.#last
    this.#count++
    this.#bytes += content.length
    if (content.length > JOINED_CONTENT_BYTES_MAX) this.#push(new LargeRun(type, content))
    else if (last?.isJoined !== true || !last.add(type, content)) this.#push(JoinedRun.of(type, content, last))
  }

  #push(run: WsReplayRun): void {
    if (this.#last === null) this.#first = run
    else this.#last.next = run
    this.#last = run
  }

  /**
   * Adds what is held to `body`: everything offered before, then new messages until `newBytesMax` (the first new one
   * always fits) or until the body has `messagesMax` of them. Returns whether everything fitted.
   */
  offer(body: WebSocketEventsBody, newBytesMax: number, messagesMax: number): boolean {
    this.#offeredCount = 0
    this.#offeredBytes = 0
    let run = this.#first
    while (run !== null && this.#offerRun(run, body, newBytesMax, messagesMax)) run = run.next
    return run === null
  }

  /** Returns whether all of it fitted. */
  #offerRun(run: WsReplayRun, body: WebSocketEventsBody, newBytesMax: number, messagesMax: number): boolean {
    if (!run.isJoined) {
      if (!this.#offerMessage(run.contentBytes, newBytesMax, messagesMax)) return false
      body.add(run.type, run.content)
      return true
    }
    const { count, contentBytes } = run
    const bytes = this.#offeredBytes + contentBytes
    if (this.#offeredCount + count <= messagesMax && bytes - this.#replayedBytes <= newBytesMax) {
      body.addEncoded(run.encoded())
      this.#offeredCount += count
      this.#offeredBytes = bytes
      return true
    }
    let at = run.start
    let left = count
    while (left > 0 && this.#offerMessage(run.contentBytesAt(at), newBytesMax, messagesMax)) {
      at = run.nextOf(at)
      left--
    }
    if (left < count) body.addEncoded(run.encoded(at))
    return left === 0
  }

  /** Counts a message as offered, if it may be. */
  #offerMessage(contentBytes: number, newBytesMax: number, messagesMax: number): boolean {
    if (this.#offeredCount >= messagesMax) return false
    const bytes = this.#offeredBytes + contentBytes
    if (this.#offeredCount > this.#replayedCount && bytes - this.#replayedBytes > newBytesMax) return false
    this.#offeredCount++
    this.#offeredBytes = bytes
    return true
  }

  /**
   * The backend has taken the first `contentBytes` of the last offer. A message cut in two keeps its type; an offered
   * empty message goes with the bytes in front of it. Returns whether anything was removed.
   */
  accept(contentBytes: number): boolean {
    assert(contentBytes >= 0 && contentBytes <= this.#offeredBytes, 'no more can be accepted than was offered')
    const removed = this.#remove(contentBytes)
    if (this.#first === null) this.#last = null
    this.#count -= removed
    this.#bytes -= contentBytes
    this.#replayedCount = this.#offeredCount - removed
    this.#replayedBytes = this.#offeredBytes - contentBytes
    this.#offeredCount = 0
    this.#offeredBytes = 0
    return removed > 0 || contentBytes > 0
  }

  /**
   * Takes the first bytes off, and the messages that are whole in them: returns how many. Only what was offered may go:
   * an empty message that arrived since then stays, whatever stands before it.
   */
  #remove(contentBytes: number): number {
    let left = contentBytes
    let removed = 0
    while (removed < this.#offeredCount) {
      const run = this.#first as WsReplayRun
      if (left >= run.contentBytes && run.count <= this.#offeredCount - removed) {
        left -= run.contentBytes
        removed += run.count
        this.#first = run.next
      } else if (run.isJoined) {
        const bytes = run.contentBytesAt(run.start)
        if (left < bytes) {
          if (left > 0) this.#cutFirst(run, left)
          break
        }
        left -= bytes
        removed++
        run.shift()
      } else {
        if (left > 0) run.cut(left)
        break
      }
    }
    return removed
  }

  /** Cuts the first message of the first run in two: what is left of it is a run of its own. */
  #cutFirst(run: JoinedRun, bytes: number): void {
    const cut = run.shiftCut(bytes)
    this.#first = cut
    cut.next = run.count > 0 ? run : run.next
    if (run.count === 0 && this.#last === run) this.#last = cut
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
