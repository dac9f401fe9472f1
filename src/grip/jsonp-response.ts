/**
 * Answers to JSON-P requests: a script that calls the client's function (reference: JSON-P). Its own status is always
 * 200; the backend's stands in the script, or nowhere in basic mode.
 *
 * A held response is written another way than one that is passed on, as in Pushpin: keys sorted, no spaces.
 */
import { Buffer } from 'node:buffer'
import { StringDecoder } from 'node:string_decoder'
import { EMPTY_BYTES, textOfByteString } from '../base/bytes.js'
import type { Header } from '../wire/publish-types.js'
import type { JsonpCall } from './jsonp-request.js'

/** Status, reason (byte string), headers (flat list) of the answer that is wrapped. */
export interface WrappedHead {
  readonly status: number
  readonly reason: string
  readonly headers: readonly string[]
}

/** The script around an answer that is passed on, piece by piece: start, any number of body pieces, end. */
export class JsonpScript {
  readonly #call: JsonpCall
  // A letter or the last line break may come in two pieces.
  readonly #decoder = new StringDecoder('utf8')
  #heldBack: Buffer = EMPTY_BYTES

  constructor(call: JsonpCall) {
    this.#call = call
  }

  start(head: WrappedHead): Buffer {
    const { callback, isExtended } = this.#call
    const opening = Buffer.from(`/**/${callback}(`, 'latin1')
    if (!isExtended) return opening
    const reason = JSON.stringify(textOfByteString(head.reason))
    const headers = jsonOf(firstValues(head.headers))
    const members = `{"code": ${String(head.status)}, "reason": ${reason}, "headers": ${headers}, "body": "`
    return Buffer.concat([opening, Buffer.from(members)])
  }

  body(piece: Buffer): Buffer {
    if (this.#call.isExtended) return escaped(this.#decoder.write(piece))
    const whole = this.#heldBack.length === 0 ? piece : Buffer.concat([this.#heldBack, piece])
    const end = withoutLineBreak(whole)
    this.#heldBack = whole.subarray(end)
    return whole.subarray(0, end)
  }

  end(): Buffer {
    if (this.#call.isExtended) return Buffer.concat([escaped(this.#decoder.end()), Buffer.from('"});\n')])
    return Buffer.concat([afterLineBreak(this.#heldBack), Buffer.from(');\n')])
  }
}

/** The script around a whole answer that is passed on. */
export function jsonpScript(call: JsonpCall, head: WrappedHead, body: Buffer): Buffer {
  const script = new JsonpScript(call)
  return Buffer.concat([script.start(head), script.body(body), script.end()])
}

/** The script around a held response. */
export function heldJsonpScript(call: JsonpCall, head: WrappedHead, body: Buffer): Buffer {
  const opening = Buffer.from(`/**/${call.callback}(`, 'latin1')
  const closing = Buffer.from(');\n')
  if (!call.isExtended) {
    const end = withoutLineBreak(body)
    return Buffer.concat([opening, body.subarray(0, end), afterLineBreak(body.subarray(end)), closing])
  }
  const members = [
    `{"body":${JSON.stringify(body.toString('utf8'))}`,
    `"code":${String(head.status)}`,
    `"headers":${jsonOf(joinedValues(head.headers))}`,
    `"reason":${JSON.stringify(textOfByteString(head.reason))}}`,
  ]
  return Buffer.concat([opening, Buffer.from(members.join(',')), closing])
}

const CR = 0x0d
const LF = 0x0a

/** Where the line break begins that may be the last one; a lone CR may be half of it. */
function withoutLineBreak(bytes: Buffer): number {
  let end = bytes.length
  if (bytes[end - 1] === LF) end--
  if (bytes[end - 1] === CR) end--
  return end
}

/** What of the bytes held back is no line break after all. */
function afterLineBreak(heldBack: Buffer): Buffer {
  return heldBack[heldBack.length - 1] === LF ? EMPTY_BYTES : heldBack
}

function escaped(text: string): Buffer {
  return Buffer.from(JSON.stringify(text).slice(1, -1))
}

/** Sorted by name; names that differ in case are different ones. */
function jsonOf(values: ReadonlyMap<string, string>): string {
  const members = [...values].map(([name, value]): Header => [textOfByteString(name), textOfByteString(value)])
  members.sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`
}

function firstValues(headers: readonly string[]): Map<string, string> {
  const values = new Map<string, string>()
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string
    if (!values.has(name)) values.set(name, headers[index + 1] as string)
  }
  return values
}

/** All values of a name, whatever its case, under its first spelling. */
function joinedValues(headers: readonly string[]): Map<string, string> {
  const spellings = new Map<string, string>()
  const values = new Map<string, string>()
  for (let index = 0; index < headers.length; index += 2) {
    const spelling = headers[index] as string
    const lower = spelling.toLowerCase()
    const name = spellings.get(lower) ?? spelling
    const value = headers[index + 1] as string
    spellings.set(lower, name)
    values.set(name, values.has(name) ? `${values.get(name) as string}, ${value}` : value)
  }
  return values
}
