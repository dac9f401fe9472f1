/** From an exchange whose backend has said to hold, to the hold that takes its connection over. */
import { ownBytes } from '../base/bytes.js'
import { type HttpAnswer, type HttpSession, type InstructVerdict, answerOf } from '../grip/http-session.js'
import { holdFilters } from '../grip/hold-filters.js'
import type { Instruct } from '../wire/instruct-types.js'
import type { ClientRequest } from './client-request.js'
import { goneLinkOf } from './gone-link.js'
import { HeldResponse } from './held-response.js'
import { HeldStream } from './held-stream.js'
import type { HttpShared } from './http-shared.js'
import type { ResponseSlot } from './response-slot.js'
import { logTooManySubscriptions } from './route-log.js'

/**
 * Looks at the upload, which the end of the exchange closes; call what comes back when the exchange has let go of the
 * connection. `isStreamed`: head and body have gone out.
 */
export function prepareHold(
  shared: HttpShared,
  slot: ResponseSlot,
  client: ClientRequest,
  { instruct, channels }: InstructVerdict & { kind: 'hold' },
  isStreamed: boolean,
): () => void {
  const { context } = shared
  const session = client.session as HttpSession
  const record = client.record()
  if (instruct.channels.length > context.settings.handler.connectionSubscriptionMax) {
    logTooManySubscriptions(context, session.route, 'httpsession')
  }
  const filters = holdFilters(session, instruct)
  if (instruct.hold !== 'response') {
    const opening = { instruct: streamedInstruct(instruct, client), isStreamed, filters, record }
    return () => {
      shared.context.hub.subscribe(new HeldStream(shared, slot, opening), channels)
    }
  }
  const start = {
    answer: kept(answerOf(instruct)),
    crossOrigin: client.crossOrigin?.crossOrigin ?? null,
    timeoutMs: instruct.timeout * 1000,
    filters,
    options: client.answerOptions(slot),
    gone: goneLinkOf(instruct, record),
    record: { ...record, body: client.wholeBody() },
    isRetriable: client.upload === null || client.upload.isComplete,
  }
  return () => {
    shared.context.hub.subscribe(new HeldResponse(shared, slot, start), channels)
  }
}

/** The body may be a piece of what was read with it, which is not to be kept for as long as the hold. */
function kept(answer: HttpAnswer): HttpAnswer {
  return { ...answer, body: ownBytes(answer.body) }
}

/** With the headers that the client of a stream gets. */
export function streamedInstruct(instruct: Instruct, { crossOrigin }: ClientRequest): Instruct {
  if (crossOrigin === null) return instruct
  const { response } = instruct
  return { ...instruct, response: { ...response, headers: crossOrigin.crossOrigin.streamed(response.headers) } }
}
