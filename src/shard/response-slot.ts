/**
 * The tie between a uWebSockets.js response and whoever answers it at the moment: an exchange first, a hold later.
 *
 * The native side keeps one small closure for it, so what the exchange needed can be collected while the hold lives.
 * After an abort or an end `res` must not be touched: every use goes through `isOpen`.
 */
import type uWS from 'uWebSockets.js'
import { addressOf } from './client-socket.js'
import type { Report } from './report.js'
import type { ReportedConnection } from './reported-connections.js'
import type { RouteTraffic } from './route-traffic.js'

const FLUSH = (): void => undefined

export interface SlotOwner {
  /** The connection is gone; `res` must not be used any more. */
  handleAborted(): void
  /** What was written has been taken; see HttpResponse.onWritable. True: nothing is left unwritten. */
  handleWritable(offset: number): boolean
  /** A callback threw: end this exchange, abruptly. Must not throw. */
  fail(error: unknown): void
}

export class ResponseSlot {
  readonly res: uWS.HttpResponse
  owner: SlotOwner
  isOpen = true
  /** Our idea, not the client's: the connection ends behind this response. */
  isClosing = false
  /** The client came by TLS, or says so where it may. */
  ssl = false
  /** For statistics; null: they are not wanted. */
  reported: ReportedConnection | null = null
  /** The same of its bytes. */
  traffic: RouteTraffic | null = null
  #watching = false

  constructor(res: uWS.HttpResponse, owner: SlotOwner) {
    this.res = res
    this.owner = owner
    res.onAborted(() => {
      this.#close()
      try {
        this.owner.handleAborted()
      } catch (error) {
        this.owner.fail(error)
      }
    })
  }

  get isWatching(): boolean {
    return this.#watching
  }

  /**
   * Reports drains from now on. It cannot be undone, and from then on uWebSockets.js leaves to us to send what it kept
   * of chunked bodies: an empty cork does, and while something is left the next drain is reported as well.
   */
  watch(): void {
    if (this.#watching) return
    this.#watching = true
    this.res.onWritable((offset) => {
      try {
        this.res.cork(FLUSH)
        return this.owner.handleWritable(offset)
      } catch (error) {
        this.owner.fail(error)
        return true
      }
    })
  }

  /**
   * To be called before the last bytes of a response that cannot close the connection by itself (only `end` with a
   * length can). Not read any more, it ends 10 s later if the client does not end it, and no request gets in.
   */
  ending(): void {
    if (this.isClosing) this.res.pause()
  }

  /** Its connection, found open when somebody begins to want statistics; one told of before keeps its id. */
  introduce(report: Report, route: string): void {
    this.traffic = report.traffic(route)
    if (!this.isOpen) return
    const peerAddress = addressOf(this.res)
    this.reported = report.found(this.reported?.id ?? null, { type: 'http', route, peerAddress, ssl: this.ssl })
  }

  /** To be called when the response has been ended. */
  ended(): void {
    this.#close()
  }

  /** Cuts the connection. The owner's handleAborted runs inside. */
  cut(): void {
    if (this.isOpen) this.res.close()
    this.#close()
  }

  #close(): void {
    this.isOpen = false
    this.reported?.end()
    this.reported = null
  }
}
