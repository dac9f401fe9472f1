/**
 * Outgoing HTTP as sessions see it. HTTP backends, workers behind ZeroMQ, the built-in test and demo targets all
 * implement BackendClient, so a session never knows which one answers.
 */
import type { Readable } from 'node:stream'
import type { Target } from '../routing/types.js'

export interface BackendRequest {
  readonly target: Target
  readonly method: string
  /** Path and query, percent-encoded, beginning with `/`. */
  readonly path: string
  /** path_beg of the matched route's condition ('' or absent: none). Only the built-in targets look: they answer below it. */
  readonly routePathBeg?: string
  /** name, value, name, value …: byte strings in the order they go out, `Host` first. Content-Length included when known. */
  readonly headers: string[]
  /**
   * null: none. Buffer or list of slices: sent with Content-Length. Readable: streamed, with the Content-Length that
   * `headers` carries, or chunked when they carry none.
   */
  readonly body: null | Buffer | readonly Buffer[] | Readable
  /**
   * The body must not leave before the backend has shown that it is there, so that a failure until then means that it
   * has not had it. Only zhttp targets look: elsewhere a connection shows it.
   */
  readonly bodyOnceAcknowledged?: boolean
  /** The target is of no route, and there may be any number of such: its connections are kept for the latest only. */
  readonly isStranger?: boolean
}

export const FailureKind = {
  /** ECONNREFUSED: the next target may be tried. */
  Connect: 'connect',
  /** The connection was not made in time, or nothing came for the backend time-out: the next target may be tried. */
  ConnectTimeout: 'connect-timeout',
  /** TLS handshake or certificate: the next target may be tried. */
  Tls: 'tls',
  /** Everything else on the way: DNS, unreachable, reset, end before the answer, malformed answer. */
  Generic: 'generic',
  // What only a zhttp target can tell.
  /** No worker is connected, or none has room. */
  Unavailable: 'unavailable',
  /** The worker has said nothing for too long. */
  SessionTimeout: 'session-timeout',
  /** The worker may not ask the address. */
  Policy: 'policy',
  /** The worker wants a Content-Length. */
  LengthRequired: 'length-required',
  /** The worker lost its own connection. */
  Disconnected: 'disconnected',
  /** We aborted it. */
  Aborted: 'aborted',
} as const
export type FailureKind = (typeof FailureKind)[keyof typeof FailureKind]

export interface BackendFailure {
  readonly kind: FailureKind
  /** Whether the whole request body (an empty one: the head) had been handed to the connection. */
  readonly bodySent: boolean
  /** For logs. */
  readonly message: string
}

/** Calls come in the order head, data*, then exactly one of end or failure. Nothing comes after abort(). */
export interface BackendHandler {
  /** Final head (1xx are not reported). `headers`: flat list of byte strings as received, duplicates and order kept. */
  handleHead(status: number, reason: string, headers: string[]): void
  /** The chunk is the receiver's to keep. False: no more chunks until resume(). */
  handleData(chunk: Buffer): boolean
  handleEnd(): void
  handleFailure(failure: BackendFailure): void
}

export interface BackendExchange {
  /** Gives the request up and frees its connection. Idempotent. */
  abort(): void
  /** After handleData returned false: chunks may come again. */
  resume(): void
}

export interface BackendClient {
  /** Never throws and never calls the handler before it has returned. */
  request(request: BackendRequest, handler: BackendHandler): BackendExchange
  /** Closes idle connections; requests under way are aborted. */
  close(): Promise<void>
}
