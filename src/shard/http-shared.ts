/** What the HTTP exchanges of a shard share: who is open, and the pulse of their uploads. */
import type { ShardContext } from './context.js'
import { UploadPulse } from './http-upload.js'

/** An exchange or a hold, from the moment its head is there until nothing of it is left. */
export interface OpenHttp {
  /** The gateway ends: answer politely and soon. */
  drain(): void
  /** Holds: the backend is to be asked again, soon. */
  requestUpdate?(): void
}

export class HttpShared {
  readonly open = new Set<OpenHttp>()
  readonly uploads: UploadPulse
  readonly context: ShardContext

  constructor(context: ShardContext) {
    this.context = context
    this.uploads = new UploadPulse(context.deadlines, context.clock, context.settings.proxy.backendTimeout * 1000)
  }
}
