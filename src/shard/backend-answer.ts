/** A backend's answer, as far as it has come and is not yet written. */
import { Buffer } from 'node:buffer'
import type { JsonpScript } from '../grip/jsonp-response.js'
import { headerValue } from '../wire/headers.js'
import type { ResponseHead } from './http-writer.js'

const NO_HEAD: ResponseHead = { status: 0, reason: '', headers: [] }

export class BackendAnswer {
  head: ResponseHead = NO_HEAD
  /** Of the body that is kept. */
  bodyBytes = 0
  /** The relayed body goes through it; null: as it is. */
  script: JsonpScript | null = null
  #body: Buffer[] = []

  add(chunk: Buffer): void {
    this.#body.push(chunk)
    this.bodyBytes += chunk.length
  }

  /** The body that is kept; it is not any more. */
  takeBody(): Buffer {
    const [first] = this.#body
    const body = this.#body.length === 1 ? (first as Buffer) : Buffer.concat(this.#body)
    this.#body = []
    this.bodyBytes = 0
    return body
  }

  /** undici checks that it is kept. Null: there is none. */
  get declaredLength(): number | null {
    const length = headerValue(this.head.headers, 'content-length')
    return length === null ? null : Number(length)
  }
}
