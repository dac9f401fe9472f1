/** What a session with a worker has around it, and what all of them share. */
import type { Clock } from '../base/clock.js'
import type { Deadlines } from '../base/deadlines.js'
import type { Log } from '../base/log.js'
import type { Target } from '../routing/types.js'
import type { ZhttpRequest, ZhttpResponse } from '../wire/zhttp.js'
import { type BackendFailure, FailureKind } from './types.js'

/** The way of packets to workers. Answers come back through ZhttpClient.handlePacket. */
export interface ZhttpWire {
  /**
   * Hands `packet` of the session `id` to the worker `to`, by its instance id; null: to any worker of the target, and
   * ZhttpClient.handleUnsent(id) follows when there is none.
   */
  send(target: string, to: string | null, id: string, packet: Buffer): void
  /** The packet of this session that waits for a worker of a `zhttpreq` target is not needed any more. */
  withdraw(target: string, id: string): void
}

export interface ZhttpOptions {
  readonly wire: ZhttpWire
  /** Instance id of the gateway, the same for all its threads: `from` in its packets. */
  readonly instance: string
  /** In front of the ids of sessions: tells whose answers are. */
  readonly idPrefix: string
  readonly deadlines: Deadlines
  readonly clock: Clock
  readonly log: Log
  /** A packet for a session that is over, or that never was. */
  onLate(): void
}

/** As ZhttpClient sees a session. */
export interface ZhttpSessionHandle {
  readonly id: string
  readonly target: Target
  /** `seq` is the packet's number in this session. */
  handlePacket(seq: number | null, packet: ZhttpResponse): void
  /** No worker has taken the first packet. */
  handleUnsent(): void
  /** Ends the session: the gateway is closing. */
  shutDown(): void
}

/** As sessions see ZhttpClient. */
export interface ZhttpHost {
  readonly options: ZhttpOptions
  /** As of the wire; keep-alives of this turn go before it. */
  send(target: string, to: string | null, id: string, packet: Buffer): void
  forget(session: ZhttpSessionHandle): void
  /** To be sent to the worker at the end of this turn, together with those of other sessions. */
  keepAlive(target: string, worker: string, id: string, seq: number): void
}

/** The head of a first packet, from what a session asks for. */
export function headPacket(target: Target, headers: readonly string[], scheme: string, path: string): FirstPacket {
  const host = headers[0]?.toLowerCase() === 'host' ? (headers[1] as string) : ''
  return {
    uri: `${scheme}://${host}${path}`,
    headers: headers.map((text, index) => (index % 2 === 0 ? capitalized(text) : text)),
    ignorePolicies: !target.untrusted,
    trustConnectHost: target.trustConnectHost,
    ignoreTlsErrors: target.insecure,
  }
}
type FirstPacket = Pick<ZhttpRequest, 'uri' | 'headers' | 'ignorePolicies' | 'trustConnectHost' | 'ignoreTlsErrors'>

/**
 * uWebSockets.js hands names over in lower case, but a worker gets them as they are and may look for `Content-Type`. So
 * what has no capital letter gets the usual ones.
 */
function capitalized(name: string): string {
  if (/[A-Z]/.test(name)) return name
  const known = CAPITALIZED.get(name)
  if (known !== undefined) return known
  return name.startsWith('sec-ch-') ? name : name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())
}
const CAPITALIZED: ReadonlyMap<string, string> = new Map(
  [
    ...['Sec-WebSocket-Key', 'Sec-WebSocket-Version', 'Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions'],
    ...['DNT', 'TE'],
  ].map((name) => [name.toLowerCase(), name]),
)

const KIND_OF_CONDITION: ReadonlyMap<string, FailureKind> = new Map([
  ['remote-connection-failed', FailureKind.Connect],
  ['connection-timeout', FailureKind.ConnectTimeout],
  ['tls-error', FailureKind.Tls],
  ['policy-violation', FailureKind.Policy],
  ['length-required', FailureKind.LengthRequired],
  ['disconnected', FailureKind.Disconnected],
])

/** What a worker's error means (reference: ZHTTP targets, error conditions). */
export function failureOf(condition: string, bodySent: boolean): BackendFailure {
  const kind = KIND_OF_CONDITION.get(condition) ?? FailureKind.Generic
  return { kind, bodySent, message: `the worker says: ${condition === '' ? 'error' : condition}` }
}
