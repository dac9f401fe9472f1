/** SockJS requests over HTTP: what any shard can answer is answered here, the rest goes to the home of its session. */
import type { Buffer } from 'node:buffer'
import { SOCKJS_REQUEST_BYTES_MAX } from '../base/limits.js'
import type { ClientHead } from '../grip/forwarding.js'
import type { HttpAnswer } from '../grip/http-session.js'
import {
  SockJsIframe,
  sockJsError,
  sockJsInfo,
  sockJsNotFound,
  sockJsOptions,
  type SockJsAsker,
} from '../grip/sockjs-answers.js'
import { sockJsCallback, sockJsHome, sockJsParts, type SockJsPath } from '../grip/sockjs-request.js'
import { headerValue } from '../wire/headers.js'
import type { ShardContext } from './context.js'
import type { SockJsRelay } from './sockjs-relay.js'
import type { SockJsPending, SockJsSessions } from './sockjs-sessions.js'

export interface SockJsDoorOptions {
  readonly context: ShardContext
  readonly sessions: SockJsSessions
  readonly relay: SockJsRelay
  readonly shard: number
  readonly shards: number
  /** The same in all shards. */
  readonly seed: number
}

export class SockJsDoor {
  readonly #options: SockJsDoorOptions
  readonly #iframe: SockJsIframe

  constructor(options: SockJsDoorOptions) {
    this.#options = options
    this.#iframe = new SockJsIframe(options.context.settings.proxy.sockjsUrl)
  }

  /** `body` null: larger than allowed. `answer` is called once, now or later; not after abort. */
  take(
    head: ClientHead,
    path: SockJsPath,
    body: Buffer | null,
    answer: (answer: HttpAnswer) => void,
  ): SockJsPending | null {
    const { sessions, relay, shard, shards, seed } = this.#options
    const parts = sockJsParts(path.rest)
    const asker: SockJsAsker = {
      origin: headerValue(head.headers, 'origin'),
      callback: sockJsCallback(parts?.what ?? '', path.query),
    }
    const here = body === null ? tooLarge(asker) : this.#answerHere(head, path, asker)
    if (here !== null || body === null) {
      answer(here ?? tooLarge(asker))
      return null
    }
    if (parts === null || parts.sid === '') {
      answer(sockJsNotFound(asker))
      return null
    }
    const home = sockJsHome(parts.sid, shards, seed)
    const request = { head, body }
    return home === shard ? sessions.take(request, answer) : relay.send(home, request, answer)
  }

  #answerHere({ method, headers }: ClientHead, { rest }: SockJsPath, asker: SockJsAsker): HttpAnswer | null {
    if (method === 'OPTIONS') return sockJsOptions(asker)
    if (method !== 'GET') return null
    if (rest === '/info') return sockJsInfo(asker, Math.floor(this.#options.context.random() * 2 ** 32))
    if (!rest.startsWith('/iframe') || !rest.endsWith('.html')) return null
    return this.#iframe.answer(asker, headerValue(headers, 'if-none-match'))
  }
}

function tooLarge(asker: SockJsAsker): HttpAnswer {
  return sockJsError({ ...asker, callback: null }, 400, 'Bad Request', 'Request too large.')
}

export function isTooLarge(bytes: number): boolean {
  return bytes > SOCKJS_REQUEST_BYTES_MAX
}
