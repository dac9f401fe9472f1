/**
 * HTTP streams (reference: Grip-Hold: stream): keep-alives, and what opens a stream whose first body is empty.
 *
 * Not here yet: next links, and with them recovery by prev-id.
 */
import { Buffer } from 'node:buffer'
import { EMPTY_BYTES } from '../base/bytes.js'
import type { Instruct, KeepAliveInstruct } from '../wire/instruct-types.js'

/** Each wait is shortened by up to this much, so that streams opened together do not write together for ever. */
const JITTER_MS = 1000

/** Milliseconds until the next keep-alive. `random` in [0, 1). */
export function keepAliveDelayMs(keepAlive: KeepAliveInstruct, random: number): number {
  return Math.max(keepAlive.timeout * 1000 - Math.floor(random * JITTER_MS), 0)
}

/**
 * When a keep-alive whose wait of `delayMs` has run out is really due. In mode idle, traffic since then moves it;
 * nothing is re-armed per message.
 */
export function keepAliveDueMs(
  keepAlive: KeepAliveInstruct,
  lastWriteMs: number,
  delayMs: number,
  nowMs: number,
): number {
  return keepAlive.mode === 'idle' ? Math.max(lastWriteMs + delayMs, nowMs) : nowMs
}

/**
 * The first bytes of a stream's body. uWebSockets.js ends a chunked head only together with the first chunk, and a
 * client that waits for its head must not wait for the first publish. So a stream that opens with an empty body
 * opens with what the backend said means nothing (its keep-alive), else with an empty comment or line where the
 * content type makes that harmless, and else its head is completed by the first publish.
 */
export function openingChunk(instruct: Instruct): Buffer {
  const { body, headers } = instruct.response
  if (body.length > 0) return body
  if (instruct.keepAlive !== null && instruct.keepAlive.content.length > 0) return instruct.keepAlive.content
  const type = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1].toLowerCase() ?? ''
  if (type.startsWith('text/event-stream')) return EMPTY_COMMENT
  return type.startsWith('text/') || type.includes('json') ? LINE_BREAK : EMPTY_BYTES
}

const EMPTY_COMMENT = Buffer.from(':\n\n')
const LINE_BREAK = Buffer.from('\n')
