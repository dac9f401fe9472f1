/**
 * The backend's side of WebSocket-over-HTTP for scripts: events of a request, bytes of an answer. Written apart from
 * the gateway's own codec, so that one checks the other.
 */
import type { BackendCall, BackendScript } from './scripted-backend.js'

export interface WsEvent {
  readonly type: string
  /** null: the event came without content. */
  readonly content: Buffer | null
}

/** Throws on anything that is not exactly a list of events. */
export function decodeEvents(body: Buffer): WsEvent[] {
  const events: WsEvent[] = []
  let at = 0
  while (at < body.length) {
    const lineEnd = body.indexOf('\r\n', at)
    const line = body.toString('latin1', at, lineEnd)
    const match = /^([A-Z]+)(?: (0|[1-9a-f][0-9a-f]*))?$/.exec(line)
    if (lineEnd === -1 || match === null) throw new Error(`not an event at byte ${at}: ${JSON.stringify(line)}`)
    const type = match[1] ?? ''
    at = lineEnd + 2
    if (match[2] === undefined) {
      events.push({ type, content: null })
      continue
    }
    const length = parseInt(match[2], 16)
    const content = body.subarray(at, at + length)
    if (body.toString('latin1', at + length, at + length + 2) !== '\r\n')
      throw new Error(`${type} does not end in CRLF`)
    events.push({ type, content })
    at += length + 2
  }
  return events
}

export function encodeEvent(type: string, content?: string | Buffer): Buffer {
  if (content === undefined) return Buffer.from(`${type}\r\n`)
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  return Buffer.concat([Buffer.from(`${type} ${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

/** A control message of the grip extension, as an event. */
export function controlEvent(message: Readonly<Record<string, unknown>>): Buffer {
  return encodeEvent('TEXT', `c:${JSON.stringify(message)}`)
}

export function subscribeEvent(channel: string): Buffer {
  return controlEvent({ type: 'subscribe', channel })
}

export function answerEvents(
  call: BackendCall,
  events: readonly Buffer[],
  headers: Readonly<Record<string, string>> = {},
): void {
  call.answer(200, { 'Content-Type': 'application/websocket-events', ...headers }, Buffer.concat(events))
}

export const GRIP_WITHOUT_PREFIX = { 'Sec-WebSocket-Extensions': 'grip; message-prefix=""' } as const

/**
 * The script most tests need: OPEN is accepted and subscribed to each `?channel=`; what a client sends comes back; a
 * CLOSE is answered with the same code.
 */
export const echoAndSubscribe: BackendScript = (call) => {
  const answers: Buffer[] = []
  let headers: Record<string, string> = {}
  for (const { type, content } of decodeEvents(call.body)) {
    if (type === 'OPEN') {
      headers = { ...GRIP_WITHOUT_PREFIX }
      const channels = new URL(call.url, 'http://backend').searchParams.getAll('channel')
      answers.push(encodeEvent('OPEN'), ...channels.map(subscribeEvent))
    } else if (type === 'TEXT' || type === 'BINARY' || type === 'CLOSE') {
      answers.push(encodeEvent(type, content ?? undefined))
    }
  }
  answerEvents(call, answers, headers)
}
