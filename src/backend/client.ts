/** The one door to backends: picks who answers by the kind of the target. */
import { unreachable } from '../base/assert.js'
import { TargetKind } from '../routing/types.js'
import { type BackendSettings, HttpBackendClient } from './http-client.js'
import { InternalBackendClient, type PublishSink } from './internal-client.js'
import {
  type BackendClient,
  type BackendExchange,
  type BackendHandler,
  type BackendRequest,
  FailureKind,
} from './types.js'

/** `publish` takes what the demo page publishes. */
export function createBackendClient(settings: BackendSettings, publish: PublishSink): BackendClient {
  return new BackendClients(new HttpBackendClient(settings), new InternalBackendClient(publish))
}

class BackendClients implements BackendClient {
  readonly #http: BackendClient
  readonly #internal: BackendClient

  constructor(http: BackendClient, internal: BackendClient) {
    this.#http = http
    this.#internal = internal
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
        return refuse(handler, 'zhttp targets are not supported in this version')
      default:
        return unreachable(kind)
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#http.close(), this.#internal.close()])
  }
}

function refuse(handler: BackendHandler, message: string): BackendExchange {
  const timer = setImmediate(() => {
    handler.handleFailure({ kind: FailureKind.Generic, bodySent: false, message })
  })
  return {
    abort: () => {
      clearImmediate(timer)
    },
    resume: () => {},
  }
}
