/**
 * Counts bytes and messages of one route for statistics. It is there only while somebody listens to reports: who holds
 * null counts nothing (Report.traffic).
 */
import { RouteStat } from '../link/statistics.js'
import type { Header } from '../wire/publish-types.js'
import { requestHeaderBytes, responseHeaderBytes } from '../wire/header-bytes.js'
import { removeHeaders, withoutConnectionHeaders } from '../wire/headers.js'

/** Headers flat. */
export interface RequestHead {
  readonly method: string
  readonly path: string
  readonly headers: readonly string[]
}

export interface AnswerHead {
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
}

export class RouteTraffic {
  readonly #add: (stat: number, count: number) => void

  constructor(add: (stat: number, count: number) => void) {
    this.#add = add
  }

  // Between the client and the gateway.

  clientRequest({ method, path, headers }: RequestHead): void {
    this.#add(RouteStat.ClientHeaderBytesReceived, requestHeaderBytes(method, path, headers))
  }

  /** As the backend said it: what concerns its connection does not go to the client. */
  clientAnswer({ status, reason, headers }: AnswerHead): void {
    const kept = withoutConnectionHeaders(headers)
    this.#add(RouteStat.ClientHeaderBytesSent, responseHeaderBytes(status, reason, kept))
  }

  /** One that the gateway has put together, headers in pairs, and its body. */
  wholeAnswer(answer: { status: number; reason: string; headers: readonly Header[] }, bodyBytes: number): void {
    this.clientAnswer({ ...answer, headers: answer.headers.flat() })
    this.clientSent(bodyBytes)
  }

  clientReceived(bytes: number): void {
    this.#add(RouteStat.ClientContentBytesReceived, bytes)
  }

  clientSent(bytes: number): void {
    this.#add(RouteStat.ClientContentBytesSent, bytes)
  }

  clientMessage(bytes: number): void {
    this.#add(RouteStat.ClientContentBytesReceived, bytes)
    this.#add(RouteStat.ClientMessagesReceived, 1)
  }

  messageToClient(bytes: number): void {
    this.#add(RouteStat.ClientContentBytesSent, bytes)
    this.#add(RouteStat.ClientMessagesSent, 1)
  }

  // Between the gateway and the backend.

  serverRequest({ method, path, headers }: RequestHead): void {
    this.#add(RouteStat.ServerHeaderBytesSent, requestHeaderBytes(method, path, headers))
  }

  serverAnswer({ status, reason, headers }: AnswerHead): void {
    this.#add(RouteStat.ServerHeaderBytesReceived, responseHeaderBytes(status, reason, headers))
  }

  /** The backend has accepted a WebSocket; the client is told all of it but the extensions. */
  webSocketAnswer(headers: readonly string[]): void {
    const reason = 'Switching Protocols'
    this.serverAnswer({ status: 101, reason, headers })
    const told = removeHeaders(headers, (name) => name === 'sec-websocket-extensions')
    this.#add(RouteStat.ClientHeaderBytesSent, responseHeaderBytes(101, reason, told))
  }

  serverSent(bytes: number): void {
    this.#add(RouteStat.ServerContentBytesSent, bytes)
  }

  serverReceived(bytes: number): void {
    this.#add(RouteStat.ServerContentBytesReceived, bytes)
  }

  messageToServer(bytes: number): void {
    this.#add(RouteStat.ServerContentBytesSent, bytes)
    this.#add(RouteStat.ServerMessagesSent, 1)
  }

  serverMessage(bytes: number): void {
    this.#add(RouteStat.ServerContentBytesReceived, bytes)
    this.#add(RouteStat.ServerMessagesReceived, 1)
  }
}
