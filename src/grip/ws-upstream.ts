/**
 * What the backend of a WebSocket-over-HTTP session still has to take: the client's content, then CLOSE
 * (WebSocket reference: Content-Bytes-Accepted, one_event, close).
 */
import type { Buffer } from 'node:buffer'
import { WS_MESSAGE_BYTES_MAX } from '../base/limits.js'
import { type WebSocketEventsBody, type WsContentEventType, WsEventType } from '../wire/websocket-events.js'
import { acceptedBytes } from './ws-answer.js'
import { WsReplay } from './ws-replay.js'

export class WsUpstream {
  readonly #replay = new WsReplay()
  readonly #isOneEvent: boolean
  /** null while no CLOSE is to be said. */
  #closeContent: Buffer | null = null
  #isCloseOffered = false
  #isCloseAccepted = false
  /** one_event left messages behind: the answer must accept something. */
  #isCut = false

  constructor(isOneEvent: boolean) {
    this.#isOneEvent = isOneEvent
  }

  /** Content, and a fixed sum for each message. */
  get weightBytes(): number {
    return this.#replay.weightBytes
  }

  get replayedBytes(): number {
    return this.#replay.replayedBytes
  }

  /** There is content that the backend has not been offered yet. */
  get hasNew(): boolean {
    return this.#replay.hasNew
  }

  get isEmpty(): boolean {
    return this.#replay.isEmpty
  }

  /** Nothing is left to be taken, and no CLOSE is known of. */
  get isIdle(): boolean {
    return this.#replay.isEmpty && this.#closeContent === null
  }

  get isCloseAccepted(): boolean {
    return this.#isCloseAccepted
  }

  /** CLOSE has been offered and the backend has kept content in front of it back. */
  get isCloseHeldBack(): boolean {
    return this.#isCloseOffered && !this.#isCloseAccepted
  }

  append(type: WsContentEventType, content: Buffer): void {
    this.#replay.append(type, content)
  }

  /** What CLOSE will say: code and reason, or nothing. It is offered when the session is closing. */
  setClose(content: Buffer): void {
    this.#closeContent = content
  }

  /** Adds the events of the next request. */
  offer(body: WebSocketEventsBody, isClosing: boolean): void {
    // What is offered again is not limited: the backend waits for what stands behind it.
    const isWhole = this.#replay.offer(body, WS_MESSAGE_BYTES_MAX, this.#isOneEvent ? 1 : Infinity)
    const hasRoom = !this.#isOneEvent || this.#replay.offeredCount === 0
    this.#isCut = this.#isOneEvent && !isWhole
    this.#isCloseOffered = isClosing && isWhole && hasRoom && this.#closeContent !== null
    if (this.#isCloseOffered) body.add(WsEventType.Close, this.#closeContent as Buffer)
  }

  /** Takes the Content-Bytes-Accepted header of an answer (null: absent); false: it makes no sense. */
  accept(header: string | null): boolean {
    const contentBytes = this.#replay.offeredBytes
    const closeBytes = this.#isCloseOffered ? (this.#closeContent as Buffer).length : 0
    const accepted = acceptedBytes(header, contentBytes + closeBytes)
    if (accepted > contentBytes + closeBytes) return false
    const acceptedContent = Math.min(accepted, contentBytes)
    const isProgress = this.#replay.accept(acceptedContent)
    if (this.#isCut && !isProgress) return false
    this.#isCut = false
    if (!this.#isCloseOffered || acceptedContent < contentBytes) return true
    // Holding back waits for more content; after CLOSE there is none, so it is taken whole or refused.
    this.#isCloseAccepted = accepted === contentBytes + closeBytes
    return this.#isCloseAccepted
  }

  /** Forgets all content. */
  clear(): void {
    this.#replay.clear()
    this.#isCloseOffered = false
  }
}
