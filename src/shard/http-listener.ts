/** HTTP requests of a shard: every one that is no WebSocket upgrade becomes an exchange. */
import type uWS from 'uWebSockets.js'
import type { ShardContext } from './context.js'
import { HttpExchange } from './http-exchange.js'
import { HttpShared } from './http-shared.js'
import type { Report } from './report.js'
import type { SockJsDoor } from './sockjs-door.js'

export class HttpListener {
  readonly #shared: HttpShared
  readonly #isDraining: () => boolean

  constructor(context: ShardContext, isDraining: () => boolean, sockJs: SockJsDoor | null = null) {
    this.#shared = new HttpShared(context, (shared, slot, record) => {
      new HttpExchange(shared, { slot, record }).retry()
    })
    this.#shared.sockJs = sockJs
    this.#isDraining = isDraining
  }

  /** Somebody begins to listen to statistics: what is open is told to the report. */
  introduce(report: Report): void {
    for (const exchange of this.#shared.open) exchange.introduce(report)
  }

  /** Exchanges and holds that are open. */
  get size(): number {
    return this.#shared.open.size
  }

  attach(app: uWS.TemplatedApp, ssl: boolean): void {
    const door = { ssl, acceptForwardedProtocol: this.#shared.context.settings.proxy.acceptXForwardedProtocol }
    app.any('/*', (res, req) => {
      try {
        const exchange = new HttpExchange(this.#shared, { res, req, door })
        if (this.#isDraining()) exchange.refuse()
        else exchange.start()
      } catch (error) {
        const { counters, log } = this.#shared.context
        counters.add('callback_errors')
        log.error({ err: error }, 'request failed before it had an exchange')
        res.close()
      }
    })
  }

  /** Holds ask their backends again. */
  recover(): void {
    for (const exchange of [...this.#shared.open]) exchange.requestUpdate?.()
  }

  /** Holds end politely; what is under way finishes. */
  drain(): void {
    for (const exchange of [...this.#shared.open]) exchange.drain()
  }
}
