/**
 * From a client's request head to the head a backend sees (reference: HTTP proxying, request header rules), and from
 * the backend's answer to what the client may see.
 *
 * Header lists are flat (name, value, name, value …) and hold byte strings.
 */
import type { Settings } from '../config/types.js'
import type { Route, Target } from '../routing/types.js'
import type { Header } from '../wire/publish-types.js'

/** A client's request head, copied out of uWebSockets.js. */
export interface ClientHead {
  readonly method: string
  /** Raw path and query, as sent. */
  readonly path: string
  /** Flat list, lower-case names. */
  readonly headers: string[]
  readonly peerAddress: string
  readonly ssl: boolean
}

/** What goes to the backend. */
export interface Forwarded {
  /** Value of Host: also the name for SNI and certificates. */
  readonly host: string
  readonly path: string
  /** Host first. */
  readonly headers: string[]
  /** The client is a gateway that signs with upstream_key: its Grip headers pass, GRIP answers pass through. */
  readonly trusted: boolean
  /** GRIP instructions in the answer are obeyed. */
  readonly gripActive: boolean
}

/** The part of a WebSocket-over-HTTP session's request head that never changes, kept as few strings as possible. */
export interface WebSocketHead {
  readonly host: string
  readonly path: string
  /** Headers before Grip-Sig, `name\nvalue\n…` */
  readonly clientBlock: string
  /** Headers after Grip-Sig, in the same form. */
  readonly tail: string
  readonly trusted: boolean
}

export interface WebSocketRequestParts {
  /** Of Forwarding.signature(): null: unsigned. */
  readonly signature: string | null
  readonly contentLength: number
  /** 0: the header is absent. */
  readonly replayedBytes: number
  readonly meta: readonly Header[]
}

export class Forwarding {
  /** `readFile` reads what a `file:` key names; it throws when it cannot. */
  constructor(settings: Settings, readFile: (path: string) => Buffer) {
    void settings
    void readFile
  }

  /** Null: the rewritten path is not a path (path_rem left nothing that begins with a slash): 502. */
  forward(
    head: ClientHead,
    route: Route,
    target: Target,
    options: { readonly webSocket: boolean; readonly nowEpochMs: number },
  ): Forwarded | null {
    void [head, route, target, options]
    return null
  }

  forwardWebSocketOverHttp(
    head: ClientHead,
    route: Route,
    target: Target,
    options: { readonly connectionId: string; readonly nowEpochMs: number },
  ): WebSocketHead | null {
    void [head, route, target, options]
    return null
  }

  /** A fresh Grip-Sig for `route`, the same string for calls within one second; null: the route signs nothing. */
  signature(route: Route, nowEpochMs: number): string | null {
    void [route, nowEpochMs]
    return null
  }
}

/** The whole header list of one WebSocket-over-HTTP request. */
export function webSocketRequestHeaders(head: WebSocketHead, parts: WebSocketRequestParts): string[] {
  void [head, parts]
  return []
}

/** What the client gets of a backend's header list: hop-by-hop headers removed, order and duplicates kept. */
export function relayedHeaders(headers: readonly string[]): string[] {
  return [...headers]
}
