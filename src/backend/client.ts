/** The one door to backends: picks who answers by the kind of the target. */
import { unreachable } from '../base/assert.js'
import { TargetKind } from '../routing/types.js'
import { HttpBackendClient, type HttpBackendClientOptions } from './http-client.js'
import { InternalBackendClient, type PublishSink } from './internal-client.js'
import type { OpenBackendSocket } from './socket-types.js'
import type { BackendClient, BackendExchange, BackendHandler, BackendRequest } from './types.js'
import { BackendWebSocket } from './ws-client.js'
import type { ZhttpClient } from './zhttp-client.js'

export interface BackendClientOptions extends HttpBackendClientOptions {
  readonly settings: HttpBackendClientOptions['settings'] & { readonly runner: { readonly allowCompression: boolean } }
  /** Takes what the demo page publishes. */
  readonly publish: PublishSink
  readonly zhttp: ZhttpClient
}

export class BackendClients implements BackendClient {
  readonly #http: HttpBackendClient
  readonly #internal: BackendClient
  readonly #zhttp: ZhttpClient
  readonly #offersDeflate: boolean

  constructor(options: BackendClientOptions) {
    this.#offersDeflate = options.settings.runner.allowCompression
    this.#http = new HttpBackendClient(options)
    this.#internal = new InternalBackendClient(options.publish)
    this.#zhttp = options.zhttp
  }

  request(request: BackendRequest, handler: BackendHandler): BackendExchange {
    const { kind } = request.target
    switch (kind) {
      case TargetKind.Http:
        return this.#http.request(request, handler)
      case TargetKind.Test:
      case TargetKind.Demo:
        return this.#internal.request(request, handler)
      case TargetKind.Zhttp:
      case TargetKind.ZhttpReq:
        return this.#zhttp.request(request, handler)
      default:
        return unreachable(kind)
    }
  }

  readonly openSocket: OpenBackendSocket = (request, handler) =>
    request.target.kind === TargetKind.Zhttp
      ? this.#zhttp.webSocket(request, handler)
      : new BackendWebSocket(request, handler, this.#offersDeflate)

  /** Looks at client_cert and client_key of targets again; what is wrong with them, one text each. */
  reloadCertificates(): readonly string[] {
    return this.#http.reloadCertificates()
  }

  async close(): Promise<void> {
    await Promise.all([this.#http.close(), this.#internal.close(), this.#zhttp.close()])
  }
}
