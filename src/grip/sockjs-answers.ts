/** The HTTP answers of SockJS (reference: SockJS). */
import { createHash } from 'node:crypto'
import { Buffer } from 'node:buffer'
import type { Header } from '../wire/publish-types.js'
import type { HttpAnswer } from './http-session.js'

/** What an answer has to know of its request. */
export interface SockJsAsker {
  /** Value of Origin; null: none. */
  readonly origin: string | null
  /** The answer is a script that calls it; null: plain text. */
  readonly callback: string | null
}

const TEXT: Header = ['Content-Type', 'text/plain']

function answer(
  asker: SockJsAsker,
  status: number,
  reason: string,
  headers: readonly Header[],
  body: Buffer,
): HttpAnswer {
  const all: Header[] = [
    ...headers,
    ['Cache-Control', 'no-store, no-cache, must-revalidate, max-age=0'],
    ['Access-Control-Allow-Origin', asker.origin ?? '*'],
    ['Access-Control-Allow-Credentials', 'true'],
  ]
  return { status, reason, headers: all, body }
}

/** A frame for a poll: with a line break, or as a script. */
export function sockJsFrame(asker: SockJsAsker, frame: string): HttpAnswer {
  return asker.callback === null ? ok(asker, `${frame}\n`) : ok(asker, frame)
}

/** To a send. */
export function sockJsSent(asker: SockJsAsker): HttpAnswer {
  return ok(asker, 'ok')
}

function ok(asker: SockJsAsker, text: string): HttpAnswer {
  if (asker.callback === null) return answer(asker, 200, 'OK', [TEXT], Buffer.from(text))
  const opening = Buffer.from(`/**/${asker.callback}(`, 'latin1')
  const script = Buffer.concat([opening, Buffer.from(`${JSON.stringify(text)});\n`)])
  return answer(asker, 200, 'OK', [['Content-Type', 'application/javascript']], script)
}

export function sockJsError(asker: SockJsAsker, status: number, reason: string, text: string): HttpAnswer {
  return answer(asker, status, reason, [TEXT], Buffer.from(`${text}\n`))
}

export function sockJsNotFound(asker: SockJsAsker): HttpAnswer {
  return sockJsError(asker, 404, 'Not Found', 'Not Found')
}

/** The backend's own refusal of a session. */
export function sockJsRejected(asker: SockJsAsker, rejection: Omit<HttpAnswer, never>): HttpAnswer {
  return answer(asker, rejection.status, rejection.reason, rejection.headers, rejection.body)
}

export function sockJsOptions(asker: SockJsAsker): HttpAnswer {
  return answer(asker, 204, 'No Content', [TEXT], Buffer.alloc(0))
}

/** `entropy`: 32 random bits. */
export function sockJsInfo(asker: SockJsAsker, entropy: number): HttpAnswer {
  const json = `{"cookie_needed":false,"entropy":${String(entropy)},"origins":["*:*"],"websocket":true}\n`
  return answer(asker, 200, 'OK', [TEXT], Buffer.from(json))
}

/** The page that old browsers load into a hidden frame; `url`: of the script it loads. */
export class SockJsIframe {
  readonly #page: Buffer
  readonly #etag: string

  constructor(url: string) {
    this.#page = Buffer.from(PAGE.replace('URL', () => url))
    this.#etag = `"${createHash('md5').update(this.#page).digest('hex')}"`
  }

  answer(asker: SockJsAsker, ifNoneMatch: string | null): HttpAnswer {
    const etag: Header = ['ETag', this.#etag]
    if (ifNoneMatch === this.#etag) return answer(asker, 304, 'Not Modified', [etag], Buffer.alloc(0))
    const headers: Header[] = [
      etag,
      ['Content-Type', 'text/html; charset=UTF-8'],
      ['Cache-Control', 'public, max-age=31536000'],
    ]
    return answer(asker, 200, 'OK', headers, this.#page)
  }
}

const PAGE = `<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="URL"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>
`
