/**
 * What every session of a shard works with. One object per shard, built in shard/main.ts.
 */
import type { OpenBackendSocket } from '../backend/socket-types.js'
import type { BackendClient } from '../backend/types.js'
import type { Clock } from '../base/clock.js'
import type { Deadlines } from '../base/deadlines.js'
import type { Gate } from '../base/gate.js'
import type { Log } from '../base/log.js'
import type { Settings } from '../config/types.js'
import type { Forwarding } from '../grip/forwarding.js'
import type { ChannelHub } from '../grip/receiver.js'
import type { Counters } from '../link/counters.js'
import type { RouteTable } from '../routing/types.js'
import type { HttpFilterRequests } from './http-filter-requests.js'
import type { HoldLog } from './hold-log.js'
import type { Report } from './report.js'

/** One line of the access log. */
export interface AccessRecord {
  readonly method: string
  /** Scheme, host and path as the client asked. */
  readonly url: string
  /** Explicit route id, or null. */
  readonly route: string | null
  /** The target that answered, or null. */
  readonly target: string | null
  readonly from: string | null
  readonly referer: string | null
  readonly userAgent: string | null
  /** What the client got; 0: nothing. */
  readonly status: number
  /** Body bytes written to the client. */
  readonly bytes: number
  readonly durationMs: number
  /** relayed, held, opened, rejected, error, aborted */
  readonly outcome: string
  /** The request was sent to the backend again while its client waited, with these last ids by channel. */
  readonly retry?: boolean
  readonly lastIds?: Readonly<Record<string, string>>
}

export interface ShardContext {
  readonly settings: Settings
  /** The table in force; sessions keep the route they matched. */
  routes(): RouteTable
  readonly forwarding: Forwarding
  readonly backend: BackendClient
  readonly backendSocket: OpenBackendSocket
  readonly filterRequests: HttpFilterRequests
  readonly hub: ChannelHub
  readonly deadlines: Deadlines
  readonly clock: Clock
  readonly counters: Counters
  readonly report: Report
  readonly log: Log
  /** Of the calls to gone links. */
  readonly goneGate: Gate
  /** [0, 1) */
  random(): number
  /** Wall clock, for signatures. */
  epochMs(): number
  /** Null: nobody reads it, and nothing need be put together for it. */
  readonly access: ((record: AccessRecord) => void) | null
  /** Null: nobody reads its lines. */
  readonly holdLog: HoldLog | null
}
