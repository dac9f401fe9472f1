/**
 * GRIP instructions of one backend response, decoded and valid, whether they came as headers or as JSON
 * (reference: GRIP holds, recognising and parsing instructions). Names are byte strings.
 */
import type { Header } from './publish-types.js'

/** More filters on one channel are an error, in a response as in a WebSocket control message (Pushpin 1.41). */
export const CHANNEL_FILTERS_MAX = 5

export interface ChannelInstruct {
  /** Without the route's prefix. */
  readonly name: string
  /** null: absent. Empty counts as set. */
  readonly prevId: string | null
  /** At most 5, in order. */
  readonly filters: readonly string[]
}

export interface KeepAliveInstruct {
  readonly content: Buffer
  /** Seconds, at least 1. */
  readonly timeout: number
  readonly mode: 'idle' | 'interval'
}

export interface Instruct {
  readonly hold: 'none' | 'response' | 'stream'
  /** A name listed twice appears once, with the last prev-id and filters. Not yet cut to the subscription cap. */
  readonly channels: readonly ChannelInstruct[]
  /** Seconds, response holds: default 55, at least 5. */
  readonly timeout: number
  readonly keepAlive: KeepAliveInstruct | null
  readonly meta: Readonly<Record<string, string>>
  readonly nextLink: { readonly uri: string; readonly timeout: number } | null
  readonly goneLink: { readonly uri: string } | null
  /** What the client gets: Grip-Status, Grip-Expose-Headers and Grip-* stripping are done. */
  readonly response: {
    readonly code: number
    readonly reason: string
    readonly headers: readonly Header[]
    readonly body: Buffer
  }
}
