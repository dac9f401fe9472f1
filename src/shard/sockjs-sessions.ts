/**
 * The SockJS sessions that live on this shard, and how a request finds its session: by the id the client chose. The
 * requests of one session come in at any shard, and all of them are answered by its home (grip/sockjs-request.ts:
 * sockJsHome), which every shard knows without asking.
 */
import type { Buffer } from 'node:buffer'
import type { ClientHead } from '../grip/forwarding.js'
import type { HttpAnswer } from '../grip/http-session.js'
import { sockJsError, sockJsNotFound } from '../grip/sockjs-answers.js'
import { readSockJsPath, sockJsCallback, sockJsParts, sockJsPayload } from '../grip/sockjs-request.js'
import { encodePath } from '../routing/path.js'
import { headerValue, removeHeaders } from '../wire/headers.js'
import { decodeSockJsMessages } from '../wire/sockjs-frames.js'
import type { ShardContext } from './context.js'
import { matchRoute } from './match-route.js'
import { type SockJsCall, SockJsPolled } from './sockjs-polled.js'
import type { WsShared } from './ws-shared.js'

/** A whole request, as plain data: it may have come from another shard. */
export interface SockJsRequest {
  readonly head: ClientHead
  readonly body: Buffer
}

/** What can be done about a request that is being answered. */
export interface SockJsPending {
  /** Its connection is gone. */
  abort(): void
}

const NOTHING_PENDING: SockJsPending = { abort: () => undefined }

export class SockJsSessions {
  readonly #context: ShardContext
  readonly #shared: WsShared
  readonly #sessions = new Map<string, SockJsPolled>()
  isDraining = false

  constructor(context: ShardContext, shared: WsShared) {
    this.#context = context
    this.#shared = shared
  }

  /** `answer` is called once, now or later; not after abort. */
  take(request: SockJsRequest, answer: (answer: HttpAnswer) => void): SockJsPending {
    const { head } = request
    const route = matchRoute(this.#context, head, 'http')
    const path = route === null ? null : readSockJsPath(route, encodePath(head.path))
    const parts = path === null ? null : sockJsParts(path.rest)
    const what = parts?.what ?? ''
    const call: SockJsCall = {
      origin: headerValue(head.headers, 'origin'),
      callback: sockJsCallback(what, path?.query ?? ''),
      method: head.method,
      what,
      answer,
    }
    if (route === null || path === null || parts === null || parts.sid === '') return this.#none(call)
    const session = this.#sessions.get(parts.sid)
    if (session !== undefined) return this.#ask(session, call, path.query, request.body)
    const isPoll = what === 'xhr' ? head.method === 'POST' : what === 'jsonp' && /^(GET|POST)$/.test(head.method)
    if (!isPoll || this.isDraining) return this.#none(call)
    if (what === 'jsonp' && call.callback === null) {
      answer(sockJsError(call, 400, 'Bad Request', 'Bad Request'))
      return NOTHING_PENDING
    }
    const opened = new SockJsPolled(
      {
        context: this.#context,
        shared: this.#shared,
        route,
        head: {
          ...head,
          method: 'GET',
          path: path.polledPath,
          headers: removeHeaders(head.headers, (name) => name === 'content-length'),
        },
        onOver: () => {
          if (this.#sessions.get(parts.sid) === opened) this.#sessions.delete(parts.sid)
        },
      },
      call,
    )
    this.#sessions.set(parts.sid, opened)
    opened.ask(0)
    return pendingOf(opened, call)
  }

  #ask(session: SockJsPolled, call: SockJsCall, query: string, body: Buffer): SockJsPending {
    switch (call.what) {
      case 'xhr':
      case 'jsonp':
        session.handlePoll(call)
        break
      case 'xhr_send':
      case 'jsonp_send':
        session.handleSend(call, decodeSockJsMessages(sockJsPayload(call.method, call.what, query, body)))
        break
      default:
        if (!session.handleOther(call)) return this.#none(call)
    }
    return pendingOf(session, call)
  }

  #none(call: SockJsCall): SockJsPending {
    call.answer(sockJsNotFound(call))
    return NOTHING_PENDING
  }
}

function pendingOf(session: SockJsPolled, call: SockJsCall): SockJsPending {
  return {
    abort: () => {
      session.handleAborted(call)
    },
  }
}
