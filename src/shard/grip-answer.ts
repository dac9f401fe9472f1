/**
 * A backend's answer with GRIP instructions on its way: what grip/http-session.ts decides of it, carried out.
 *
 * An answer that is whole ends its exchange, one way or another (endingOf). One that is too large to keep goes to the
 * client first (startStreamed), and when it is whole its instructions decide only on what follows it (afterStreamed).
 */
import { Buffer } from 'node:buffer'
import { EMPTY_BYTES } from '../base/bytes.js'
import { relayedHeaders } from '../grip/forwarding.js'
import { type HttpAnswer, type HttpSession, answerOf } from '../grip/http-session.js'
import type { BackendAnswer } from './backend-answer.js'
import { prepareHold, streamedInstruct } from './begin-hold.js'
import type { ClientRequest } from './client-request.js'
import { tellGoneAtOnce } from './gone-link.js'
import type { HttpShared } from './http-shared.js'
import { HttpWriter } from './http-writer.js'
import type { ResponseSlot } from './response-slot.js'

export interface GripAnswer {
  readonly shared: HttpShared
  readonly client: ClientRequest
  readonly slot: ResponseSlot
  readonly received: BackendAnswer
}

export type GripEnding =
  /** `failed`: with an error of ours, not the backend's answer. */
  | { readonly kind: 'answer'; readonly answer: HttpAnswer; readonly failed: boolean }
  /** With a stream that is over as it begins; its headers are those of a stream already. */
  | { readonly kind: 'stream'; readonly answer: HttpAnswer }
  | { readonly kind: 'hold'; readonly begin: BeginHold }

/** To be called when the exchange has let go of the connection: the hold takes it over. */
export type BeginHold = () => void

/** Of a whole answer. */
export function endingOf({ shared, slot, client, received }: GripAnswer): GripEnding {
  const { status, reason, headers } = received.head
  const verdict = (client.session as HttpSession).handleWhole(
    { status, reason, headers, body: received.takeBody() },
    false,
  )
  switch (verdict.kind) {
    case 'answer':
      return verdict
    case 'end-stream': {
      tellGoneAtOnce(shared.context, verdict.instruct, client.record())
      const answer = answerOf(streamedInstruct(verdict.instruct, client))
      return { kind: 'stream', answer: { ...answer, body: Buffer.concat([answer.body, verdict.text]) } }
    }
    case 'hold':
      // Nothing can follow the head of an answer to HEAD.
      if (client.isHead) return { kind: 'answer', answer: answerOf(verdict.instruct), failed: false }
      return { kind: 'hold', begin: prepareHold(shared, slot, client, verdict, false) }
  }
}

/**
 * Writes the head and what there is of the body of an answer that is too large to keep. `drained`: more of it may come.
 * An answer: it is refused with that.
 */
export function startStreamed({ slot, client, received }: GripAnswer, drained: () => void): HttpWriter | HttpAnswer {
  const { status, reason, headers } = received.head
  const verdict = (client.session as HttpSession).handleOverflow({ status, reason, headers })
  if (verdict.kind === 'answer') return verdict.answer
  const { code, headers: kept } = verdict.head
  const shown = client.crossOrigin?.crossOrigin.streamed(kept) ?? kept
  const head = { status: code, reason: verdict.head.reason, headers: relayedHeaders(shown.flat()) }
  const writer = new HttpWriter(slot, null, drained)
  slot.traffic?.wholeAnswer({ status: code, reason: head.reason, headers: kept }, received.bodyBytes)
  writer.start(head, received.takeBody())
  return writer
}

/** The body of a streamed answer has come, and all of it has been taken. Null: it is the end; otherwise it is held. */
export function afterStreamed({ shared, slot, client, received }: GripAnswer, writer: HttpWriter): BeginHold | null {
  const session = client.session as HttpSession
  const { status, reason, headers } = received.head
  const verdict = session.handleWhole({ status, reason, headers, body: EMPTY_BYTES }, true)
  switch (verdict.kind) {
    case 'hold':
      return prepareHold(shared, slot, client, verdict, true)
    case 'end-stream':
      tellGoneAtOnce(shared.context, verdict.instruct, client.record())
      if (verdict.text.length > 0) writer.write(verdict.text)
      slot.traffic?.clientSent(verdict.text.length)
      return null
    case 'answer':
      if (verdict.failed) appendFailure(session, writer, verdict.answer)
      return null
  }
}

/** Debug mode shows behind a body that had begun what would have been the answer instead of it. */
export function appendFailure({ debug }: HttpSession, writer: HttpWriter, answer: HttpAnswer): void {
  if (debug) writer.write(Buffer.concat([Buffer.from('\n\n'), answer.body]))
}
