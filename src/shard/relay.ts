/** A backend's answer on its way to the client as it is, but for what CORS and JSON-P make of it. */
import { Buffer } from 'node:buffer'
import { relayedHeaders } from '../grip/forwarding.js'
import type { BackendAnswer } from './backend-answer.js'
import type { ClientRequest } from './client-request.js'
import { HttpWriter, type ResponseHead } from './http-writer.js'
import type { ResponseSlot } from './response-slot.js'
import type { RouteTraffic } from './route-traffic.js'

export interface Relay {
  readonly client: ClientRequest
  readonly slot: ResponseSlot
  readonly received: BackendAnswer
}

/** Writes the answer, which is there as a whole, in one go. */
export function relayWhole({ client, slot, received }: Relay, writer: HttpWriter): void {
  if (slot.traffic !== null) countRelayed(slot.traffic, client, received)
  const body = scripted(client, received, true)
  const length = client.isHead ? received.declaredLength : body.length
  writer.whole(relayedHead(client, received), body, length, client.answerOptions(slot))
}

/** Writes the head and what there is of the body. `drained`: more of it may come. */
export function startRelay({ client, slot, received }: Relay, drained: () => void): HttpWriter {
  if (slot.traffic !== null) countRelayed(slot.traffic, client, received)
  const first = scripted(client, received, false)
  const head = relayedHead(client, received)
  const writer = new HttpWriter(slot, received.script === null ? received.declaredLength : null, drained)
  const close = client.isCloseAsked || slot.isClosing
  writer.start(close ? { ...head, headers: [...head.headers, 'Connection', 'close'] } : head, first)
  return writer
}

/** False: the client is to be waited for. */
export function relayChunk(writer: HttpWriter, received: BackendAnswer, chunk: Buffer): boolean {
  return writer.write(received.script?.body(chunk) ?? chunk)
}

export function endRelay(writer: HttpWriter, received: BackendAnswer): void {
  if (received.script !== null) writer.write(received.script.end())
  writer.end()
}

/** To statistics: as the backend has said it. */
function countRelayed(traffic: RouteTraffic, { isHead }: ClientRequest, { head, bodyBytes }: BackendAnswer): void {
  traffic.clientAnswer(head)
  if (!isHead) traffic.clientSent(bodyBytes)
}

function relayedHead(client: ClientRequest, received: BackendAnswer): ResponseHead {
  const head = client.crossOrigin?.crossOrigin.relayed(received.head) ?? received.head
  return { status: head.status, reason: head.reason, headers: relayedHeaders(head.headers) }
}

/** What of the body is there, begun as a script where the client wants one. */
function scripted(client: ClientRequest, received: BackendAnswer, isWhole: boolean): Buffer {
  const body = received.takeBody()
  const script = client.crossOrigin?.crossOrigin.script(received.head) ?? null
  if (script === null) return body
  received.script = script.rest
  const pieces = [script.start, script.rest.body(body)]
  return Buffer.concat(isWhole ? [...pieces, script.rest.end()] : pieces)
}
