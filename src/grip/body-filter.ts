/**
 * The filters of a backend's own body: build-id of any of the channels (reference: outcome of an instruct; streaming,
 * start and next links). There are no ids yet, so only ids that the body names itself can be written.
 */
import { EMPTY_BYTES } from '../base/bytes.js'
import { FormatFault } from './format.js'
import { IdRenderer } from './id-format.js'
import type { Meta } from './meta.js'
import type { Instruct } from '../wire/instruct-types.js'

/** `fault`: the text of debug mode, a byte string. */
export type FilteredBody = Buffer | FormatFault

/** A body that comes in parts. */
export class BodyFilter {
  readonly #meta: Meta
  /** Opened by the first part, or by the end. */
  #renderer: IdRenderer | null = null

  constructor(meta: Meta) {
    this.#meta = meta
  }

  update(part: Buffer): FilteredBody {
    const renderer = this.#open()
    return renderer instanceof FormatFault ? named(renderer) : outcome(renderer.update(part.toString('latin1')))
  }

  finish(): FilteredBody {
    const renderer = this.#open()
    return renderer instanceof FormatFault ? named(renderer) : outcome(renderer.finish())
  }

  /** A body that is whole. */
  filter(body: Buffer): FilteredBody {
    const text = this.update(body)
    if (text instanceof FormatFault) return text
    const end = this.finish()
    return end instanceof FormatFault ? end : Buffer.concat([text, end])
  }

  #open(): IdRenderer | FormatFault {
    if (this.#renderer !== null) return this.#renderer
    const opened = IdRenderer.open(this.#meta, null)
    if (!(opened instanceof FormatFault)) this.#renderer = opened
    return opened
  }
}

/** null: the body passes as it is. */
export function bodyFilterOf(instruct: Pick<Instruct, 'channels' | 'meta'>): BodyFilter | null {
  return instruct.channels.some(({ filters }) => filters.includes('build-id')) ? new BodyFilter(instruct.meta) : null
}

/**
 * The instruct with its body, which is whole, as the client gets it: at once, or ahead of a stream. The answer a long
 * poll gets at its time-out is not filtered, nor is a stream's body that is empty. With a fault there is no body.
 */
export function withFilteredBody(instruct: Instruct): { readonly instruct: Instruct; readonly fault: string | null } {
  const filter = bodyFilterOf(instruct)
  const { body } = instruct.response
  const isStream = instruct.hold === 'stream' || (instruct.hold === 'none' && instruct.nextLink !== null)
  if (filter === null || instruct.hold === 'response' || (isStream && body.length === 0)) {
    return { instruct, fault: null }
  }
  const filtered = filter.filter(body)
  const isFault = filtered instanceof FormatFault
  return {
    instruct: { ...instruct, response: { ...instruct.response, body: isFault ? EMPTY_BYTES : filtered } },
    fault: isFault ? filtered.message : null,
  }
}

function outcome(text: string | FormatFault): FilteredBody {
  return text instanceof FormatFault ? named(text) : Buffer.from(text, 'latin1')
}

function named(fault: FormatFault): FormatFault {
  return new FormatFault(`filter error: build-id: ${fault.message}`)
}
