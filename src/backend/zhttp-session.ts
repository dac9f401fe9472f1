/**
 * A session with one worker of a `zhttp/` target: its first packet goes to any worker, the others to the one that
 * answered. Packets are numbered in both directions, and a gap ends the session. Each side shows every 45 s that it is
 * there; silence for 60 s ends it too (reference: ZHTTP targets, rules).
 */
import { DeadlineEntry } from '../base/deadlines.js'
import { ZHTTP_CLOSE_MS, ZHTTP_KEEP_ALIVE_MS, ZHTTP_SESSION_EXPIRE_MS } from '../base/limits.js'
import type { Target } from '../routing/types.js'
import { type ZhttpRequest, type ZhttpResponse, ZhttpType, encodeZhttpRequest } from '../wire/zhttp.js'
import { type BackendFailure, FailureKind } from './types.js'
import { type ZhttpHost, type ZhttpSessionHandle, failureOf } from './zhttp-host.js'

export abstract class ZhttpSession extends DeadlineEntry implements ZhttpSessionHandle {
  readonly id: string
  readonly target: Target
  protected isOver = false
  /** Bytes of the worker that have been taken, to be told to it. */
  #owedCredits = 0
  readonly #host: ZhttpHost
  /** Instance id; '' until the worker has answered. */
  #worker = ''
  #isMulti = false
  #inSeq = 0
  #outSeq = 0
  #lastInMs: number
  #keepAliveAtMs = Number.POSITIVE_INFINITY
  #giveUpAtMs = Number.POSITIVE_INFINITY
  #creditTimer: NodeJS.Immediate | null = null

  constructor(host: ZhttpHost, id: string, target: Target) {
    super()
    this.#host = host
    this.id = id
    this.target = target
    this.#lastInMs = host.options.clock.nowMs()
  }

  /** An error of the worker. The session is over. */
  protected abstract handleError(failure: BackendFailure, packet: ZhttpResponse | null): void
  /** A packet in its turn that is neither an error nor a cancel. */
  protected abstract handleInTurn(packet: ZhttpResponse): void
  /** Everything of the request has been handed to the worker. */
  protected abstract get isAllSent(): boolean
  /** The worker has said its last word. */
  protected abstract get isWorkerDone(): boolean
  /** The session is over: nothing is to hold it any more. */
  protected abstract release(): void

  handlePacket(seq: number | null, packet: ZhttpResponse): void {
    if (packet.from !== '') this.#worker = packet.from
    if (packet.type === ZhttpType.Error) return this.#fail(failureOf(packet.condition, this.isAllSent), packet)
    if (packet.type === ZhttpType.Cancel) return this.fail(FailureKind.Generic, 'the worker has cancelled')
    if (seq !== this.#inSeq) {
      return this.violated(`packet out of sequence (expected ${this.#inSeq}, got ${seq ?? 'none'})`)
    }
    this.#inSeq++
    if (packet.multi) this.#isMulti = true
    this.#lastInMs = this.#host.options.clock.nowMs()
    if (this.#worker !== '' && this.#keepAliveAtMs === Number.POSITIVE_INFINITY) {
      this.#keepAliveAtMs = this.#lastInMs + ZHTTP_KEEP_ALIVE_MS
      this.#setDeadline()
    }
    this.handleInTurn(packet)
  }

  handleUnsent(): void {
    this.fail(FailureKind.Unavailable, 'no worker is connected')
  }

  shutDown(): void {
    this.cancel()
    this.fail(FailureKind.Aborted, 'the gateway is closing')
  }

  override handleDeadline(nowMs: number): void {
    if (nowMs >= this.#lastInMs + ZHTTP_SESSION_EXPIRE_MS) {
      this.fail(FailureKind.SessionTimeout, 'the worker is silent')
      return
    }
    if (nowMs >= this.#giveUpAtMs) {
      this.cancel()
      this.fail(FailureKind.Generic, 'the worker has not answered the close')
      return
    }
    if (nowMs >= this.#keepAliveAtMs) this.#showLife(nowMs)
    this.#setDeadline()
  }

  protected get worker(): string {
    return this.#worker
  }

  /** Sends the packet with what is owed, numbered. The first one finds the worker. */
  protected write(packet: Partial<ZhttpRequest>): void {
    const isFirst = this.#outSeq === 0
    const isLast = packet.type === ZhttpType.Cancel || packet.type === ZhttpType.Close
    const credits = this.#owedCredits > 0 && !isLast ? { credits: this.#owedCredits } : {}
    this.#owedCredits = 0
    const { instance: from } = this.#host.options
    const ids = [{ id: this.id, seq: this.#outSeq++ }]
    const bytes = encodeZhttpRequest({ ...packet, ...credits, from, ids })
    this.#host.send(this.target.name, isFirst ? null : this.#worker, this.id, bytes)
    if (isFirst) this.#setDeadline()
  }

  /** Tells the worker at the end of this turn, unless a packet has done so by then. */
  protected oweCredits(bytes: number): void {
    if (bytes === 0) return
    this.#owedCredits += bytes
    this.#creditTimer ??= setImmediate(() => {
      this.#creditTimer = null
      if (!this.isOver && this.#owedCredits > 0 && this.#worker !== '') this.write({ type: ZhttpType.Credit })
    })
  }

  /** The worker may take ZHTTP_CLOSE_MS more, whatever it says meanwhile. */
  protected giveUpLater(): void {
    this.#giveUpAtMs = this.#host.options.clock.nowMs() + ZHTTP_CLOSE_MS
    this.#setDeadline()
  }

  /** Tells a worker that is known, and for which the session is not over anyway. */
  protected cancel(): void {
    if (!this.isOver && !this.isWorkerDone && this.#worker !== '') this.write({ type: ZhttpType.Cancel })
  }

  /** The worker has broken the rules. */
  protected violated(message: string): void {
    this.#host.options.log.warn(`zhttp client: ${this.target.name}: session ${this.id}: ${message}, canceling`)
    this.cancel()
    this.fail(FailureKind.Generic, message)
  }

  protected fail(kind: FailureKind, message: string): void {
    this.#fail({ kind, bodySent: this.isAllSent, message }, null)
  }

  /** Idempotent. Nothing is sent or taken any more. */
  protected finish(): void {
    if (this.isOver) return
    this.isOver = true
    if (this.#creditTimer !== null) clearImmediate(this.#creditTimer)
    this.#host.options.deadlines.clear(this)
    this.#host.forget(this)
    this.release()
  }

  #fail(failure: BackendFailure, packet: ZhttpResponse | null): void {
    if (this.isOver) return
    this.finish()
    this.handleError(failure, packet)
  }

  #showLife(nowMs: number): void {
    if (this.#isMulti) this.#host.keepAlive(this.target.name, this.#worker, this.id, this.#outSeq++)
    else this.write({ type: ZhttpType.KeepAlive })
    this.#keepAliveAtMs = nowMs + ZHTTP_KEEP_ALIVE_MS
  }

  #setDeadline(): void {
    const atMs = Math.min(this.#lastInMs + ZHTTP_SESSION_EXPIRE_MS, this.#keepAliveAtMs, this.#giveUpAtMs)
    this.#host.options.deadlines.set(this, atMs)
  }
}
