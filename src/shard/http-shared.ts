/** What the HTTP exchanges of a shard share: who is open, the pulse of their uploads, who is to ask its backend again. */
import { type Linked, LinkedSet } from '../base/linked-set.js'
import type { ShardContext } from './context.js'
import { UploadPulse } from './http-upload.js'
import { LinkFetches } from './link-fetch.js'
import { LinkTimeouts } from './link-timeouts.js'
import type { Report } from './report.js'
import type { RequestRecord } from './request-record.js'
import type { ResponseSlot } from './response-slot.js'
import type { SockJsDoor } from './sockjs-door.js'
import { TurnEnd } from './turn-end.js'
import { Updates } from './updates.js'

/** An exchange or a hold, from the moment its head is there until nothing of it is left. */
export interface OpenHttp extends Linked<OpenHttp> {
  /** The gateway ends: answer politely and soon. */
  drain(): void
  /** Somebody begins to want statistics: its connection is introduced. */
  introduce(report: Report): void
  /** Holds: the backend is to be asked again, soon. */
  requestUpdate?(): void
}

export class HttpShared {
  readonly open = new LinkedSet<OpenHttp>()
  readonly turnEnd = new TurnEnd()
  readonly uploads: UploadPulse
  readonly updates: Updates
  readonly linkFetches: LinkFetches
  readonly linkTimeouts: LinkTimeouts
  readonly context: ShardContext
  /** Null: no SockJS here. */
  sockJs: SockJsDoor | null = null
  /** Sends a request to its backend again and answers it by `slot`. */
  readonly retry: (slot: ResponseSlot, record: RequestRecord) => void

  constructor(context: ShardContext, retry: (shared: HttpShared, slot: ResponseSlot, record: RequestRecord) => void) {
    this.context = context
    this.retry = (slot, record) => {
      retry(this, slot, record)
    }
    this.updates = new Updates(context.deadlines, context.clock)
    this.linkFetches = new LinkFetches(context)
    this.linkTimeouts = new LinkTimeouts(context.deadlines, context.clock)
    this.uploads = new UploadPulse(context.deadlines, context.clock, context.settings.proxy.backendTimeout * 1000)
  }
}
