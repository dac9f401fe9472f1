/**
 * A published item, decoded and valid, whichever door it came in by (reference: GRIP publishing, item schema).
 * Names (channel, ids, meta, header names and values, reason) are byte strings, see base/bytes.ts.
 */

export const PublishAction = { Send: 'send', Hint: 'hint', Close: 'close', Refresh: 'refresh' } as const
export type PublishAction = (typeof PublishAction)[keyof typeof PublishAction]

export type Header = readonly [name: string, value: string]

/** JSON value as JSON.parse makes it. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

export interface HttpStreamFormat {
  readonly action: PublishAction
  /** Empty unless action is send. */
  readonly content: Buffer
  /** null: no check. */
  readonly contentFilters: readonly string[] | null
}

export interface HttpResponseFormat {
  readonly action: PublishAction
  readonly code: number
  /** Already the table's reason when the publisher gave none. */
  readonly reason: string
  readonly headers: readonly Header[]
  readonly body: Buffer
  /** When set, `body` is empty. */
  readonly bodyPatch: readonly Json[] | null
  readonly contentFilters: readonly string[] | null
}

export const WsMessageType = { Text: 'text', Binary: 'binary', Ping: 'ping', Pong: 'pong' } as const
export type WsMessageType = (typeof WsMessageType)[keyof typeof WsMessageType]

export interface WsMessageFormat {
  readonly action: PublishAction
  readonly type: WsMessageType
  readonly content: Buffer
  /** Action close only. -1: none given (the close frame then says 1000). */
  readonly code: number
  readonly reason: string
  readonly contentFilters: readonly string[] | null
}

export interface PublishItem {
  readonly channel: string
  /** null: absent, which differs from empty. */
  readonly id: string | null
  readonly prevId: string | null
  readonly httpStream: HttpStreamFormat | null
  readonly httpResponse: HttpResponseFormat | null
  readonly wsMessage: WsMessageFormat | null
  readonly meta: Readonly<Record<string, string>> | null
  /** Given size for rate accounting, or -1. */
  readonly size: number
  readonly noSeq: boolean
}
