/**
 * What is published to a WebSocket between its 101 and the end of its first_frame_delay, in order.
 */
import { STREAM_BACKLOG_BYTES_MAX, STREAM_BACKLOG_ITEMS_MAX } from '../base/limits.js'
import type { WsMessageType } from '../wire/publish-types.js'

export interface HeldFrame {
  readonly type: WsMessageType
  readonly content: Buffer
}

export class HeldFrames {
  readonly frames: HeldFrame[] = []
  /** Set when the 101 is out. */
  untilMs = Number.POSITIVE_INFINITY
  #bytes = 0

  /** False: no room; the frame is to be counted as dropped. */
  add(type: WsMessageType, content: Buffer): boolean {
    if (this.frames.length >= STREAM_BACKLOG_ITEMS_MAX || this.#bytes >= STREAM_BACKLOG_BYTES_MAX) return false
    this.#bytes += content.length
    this.frames.push({ type, content })
    return true
  }
}
