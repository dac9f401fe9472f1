/** Backend requests by result, for the metrics. */
import { type BackendFailure, FailureKind } from '../backend/types.js'
import { unreachable } from '../base/assert.js'
import type { Counters } from '../link/counters.js'

export function countBackendFailure(counters: Counters, failure: BackendFailure): void {
  switch (failure.kind) {
    case FailureKind.Connect:
    case FailureKind.Unavailable:
      return counters.add('backend_connect_failed')
    case FailureKind.ConnectTimeout:
    case FailureKind.SessionTimeout:
      return counters.add('backend_timeout')
    case FailureKind.Tls:
      return counters.add('backend_tls_failed')
    case FailureKind.Generic:
    case FailureKind.Policy:
    case FailureKind.LengthRequired:
    case FailureKind.Disconnected:
      return counters.add('backend_failed')
    case FailureKind.Aborted:
      return counters.add('backend_aborted')
    default:
      return unreachable(failure.kind)
  }
}

/** The next target may be tried (reference: failover). */
export function failsOver({ kind }: BackendFailure): boolean {
  return kind === FailureKind.Connect || kind === FailureKind.ConnectTimeout || kind === FailureKind.Tls
}
