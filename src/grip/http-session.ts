/**
 * The decisions of one HTTP exchange: whether an answer is GRIP, what becomes of its instructions, and the text of
 * every error a client can get (reference: GRIP holds §1, HTTP proxying §5.3-5.5).
 *
 * The shell (shard/http-exchange.ts) asks at three moments: when the backend's head is there, when a GRIP answer grows
 * beyond its limit, and when it is whole.
 */
import { Buffer } from 'node:buffer'
import type { Settings } from '../config/types.js'
import type { Route, Target } from '../routing/types.js'
import {
  type InstructSource,
  type StreamedHead,
  decodeInstruct,
  decodeStreamedHead,
  isGripResponse,
  peekHold,
} from '../wire/grip-instruct.js'
import { headerValue } from '../wire/headers.js'
import type { ChannelInstruct, Instruct } from '../wire/instruct-types.js'
import type { Header } from '../wire/publish-types.js'
import { withFilteredBody } from './body-filter.js'
import { isFraming } from './forwarding.js'
import { unlinkedPrevId } from './next-link.js'
import type { BackendFailureKind } from './ws-request.js'

/** A whole response of ours to a client. */
export interface HttpAnswer {
  readonly status: number
  readonly reason: string
  /** Without framing headers. Date is not written (uWebSockets.js has its own), but CORS and JSON-P tell of it. */
  readonly headers: readonly Header[]
  readonly body: Buffer
}

/** A text/plain answer; `message` is a byte string without its line break. */
export function textAnswer(status: number, reason: string, message: string): HttpAnswer {
  return { status, reason, headers: [['Content-Type', 'text/plain']], body: Buffer.from(`${message}\n`, 'latin1') }
}

export function routeNotFound(host: string): HttpAnswer {
  return textAnswer(502, 'Bad Gateway', `No route for host: ${host}`)
}

/** The 502 of everything that goes wrong between here and a backend; debug mode says what. */
export function proxyFailed(debugMessage: string | null): HttpAnswer {
  return textAnswer(502, 'Bad Gateway', debugMessage ?? 'Error while proxying to origin.')
}

/** `message` as Pushpin has it: Failed to parse request: invalid token … */
export function badRequest(message: string): HttpAnswer {
  return textAnswer(400, 'Bad Request', message)
}

/** The channels could not be made live in time. */
export function acceptUnavailable(): HttpAnswer {
  return textAnswer(500, 'Internal Server Error', 'Accept service unavailable.')
}

export function requestFailed(): HttpAnswer {
  return textAnswer(500, 'Internal Server Error', 'Failed to process request.')
}

/** What the shell does with a backend's head. */
export type HeadVerdict =
  /** Pass head and body to the client as they come. */
  | { readonly kind: 'relay' }
  /** Keep the body, up to GRIP_RESPONSE_BYTES_MAX. */
  | { readonly kind: 'collect' }
  | { readonly kind: 'answer'; readonly answer: HttpAnswer }

/** What becomes of a GRIP answer that is too large to keep. */
export type OverflowVerdict =
  | { readonly kind: 'stream'; readonly head: Extract<StreamedHead, { code: number }> }
  | { readonly kind: 'answer'; readonly answer: HttpAnswer }

/** What becomes of a whole GRIP answer. */
export type InstructVerdict =
  /** `failed`: an error of ours, not the backend's answer. */
  | { readonly kind: 'answer'; readonly answer: HttpAnswer; readonly failed: boolean }
  | { readonly kind: 'hold'; readonly instruct: Instruct; readonly channels: readonly ChannelInstruct[] }
  /** Head and body of the instruct go out, then `text`, then the end. */
  | { readonly kind: 'end-stream'; readonly instruct: Instruct; readonly text: Buffer }

export class HttpSession {
  readonly route: Route
  readonly target: Target
  readonly debug: boolean
  readonly #gripActive: boolean
  readonly #subscriptionMax: number

  constructor(settings: Settings, route: Route, target: Target, gripActive: boolean) {
    this.route = route
    this.target = target
    this.debug = route.debug || settings.proxy.debug
    this.#gripActive = gripActive
    this.#subscriptionMax = settings.handler.connectionSubscriptionMax
  }

  /** `requestKept`: the request body is small enough to be sent again. */
  handleHead(headers: readonly string[], requestKept: boolean): HeadVerdict {
    if (!this.#gripActive || !isGripResponse(headers)) return { kind: 'relay' }
    if (requestKept) return { kind: 'collect' }
    const message = 'Request too large to accept GRIP instruct.'
    return { kind: 'answer', answer: textAnswer(400, 'Bad Request', message) }
  }

  handleOverflow(source: Omit<InstructSource, 'body'>): OverflowVerdict {
    if (!peekHold(source.headers).mayStream) {
      const answer = this.#failed(`GRIP instruct response too large from ${this.target.name}`)
      return { kind: 'answer', answer }
    }
    const head = decodeStreamedHead(source)
    if (head.error === undefined) return { kind: 'stream', head }
    return { kind: 'answer', answer: this.#failed(`Failed to parse accept instructions: ${head.error}`) }
  }

  /**
   * `streamed`: head and body have already gone to the client. An answer with a link and no hold is a hold of the
   * implicit channels only; the page behind the link says the rest.
   */
  handleWhole(source: InstructSource, streamed: boolean): InstructVerdict {
    const decoded = decodeInstruct(source)
    if (decoded.instruct === undefined) return this.#unparsed(decoded.error)
    const { instruct, fault } = streamed
      ? { instruct: decoded.instruct, fault: null }
      : withFilteredBody(decoded.instruct)
    if (fault !== null) {
      if (instruct.hold === 'none' && instruct.nextLink === null) return this.#unparsed(fault)
      return { kind: 'end-stream', instruct, text: this.debugText(fault) }
    }
    if (instruct.hold === 'none' && instruct.nextLink === null) {
      if (streamed) return { kind: 'end-stream', instruct, text: Buffer.alloc(0) }
      return { kind: 'answer', answer: answerOf(instruct), failed: false }
    }
    const unlinked = unlinkedPrevId(instruct)
    if (unlinked !== null) return { kind: 'end-stream', instruct, text: this.debugText(unlinked) }
    return { kind: 'hold', instruct, channels: this.#channels(instruct) }
  }

  #unparsed(detail: string): InstructVerdict {
    return { kind: 'answer', answer: this.#failed(`Failed to parse accept instructions: ${detail}`), failed: true }
  }

  /** What debug mode appends to a body that had begun when `message` became true; else nothing. */
  debugText(message: string): Buffer {
    return Buffer.from(this.debug ? `\n\n${message}\n` : '', 'latin1')
  }

  handleTargetsExhausted(): HttpAnswer {
    const tried = this.route.targets.map((target) => target.name).join(', ')
    return this.#failed(`Unable to connect to any targets. Tried: ${tried}`)
  }

  /** The backend failed in a way that no other target mends. */
  handleFailure(kind: BackendFailureKind): HttpAnswer {
    switch (kind) {
      case 'length-required':
        return textAnswer(411, 'Length Required', 'Must provide Content-Length header.')
      case 'policy':
        return this.#failed('Error: Origin host/IP blocked.')
      case 'session-timeout':
        return this.#failed('Error: zhttp service for route is unreachable.')
      default:
        return proxyFailed(null)
    }
  }

  #failed(debugMessage: string): HttpAnswer {
    return proxyFailed(this.debug ? debugMessage : null)
  }

  /** sub= channels without the prefix, then the instruct's, cut to the cap, with it. */
  #channels(instruct: Instruct): ChannelInstruct[] {
    const { prefix } = this.route
    const byName = new Map<string, ChannelInstruct>()
    for (const name of this.target.implicitChannels) byName.set(name, { name, prevId: null, filters: [] })
    const named = instruct.hold === 'none' ? [] : instruct.channels.slice(0, this.#subscriptionMax)
    for (const channel of named) {
      const name = prefix + channel.name
      byName.set(name, { name, prevId: channel.prevId, filters: channel.filters })
    }
    return [...byName.values()]
  }
}

/** Only the gateway itself may speak WebSocket events to an over_http target; a client that does gets this. */
export function refuseWebSocketEvents(target: Target, headers: readonly string[], trusted: boolean): HttpAnswer | null {
  if (!target.overHttp || trusted) return null
  const type = headerValue(headers, 'content-type')
  if (type === null || type.split(';', 1)[0] !== 'application/websocket-events') return null
  return textAnswer(403, 'Forbidden', 'Client not allowed to send WebSocket events directly.')
}

export function answerOf(instruct: Instruct): HttpAnswer {
  const { code, reason, headers, body } = instruct.response
  return { status: code, reason, headers: headers.filter(([name]) => !isFraming(name)), body }
}
