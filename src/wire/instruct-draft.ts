/** Instructions while they are being decoded: headers are applied first, then the JSON form over them. */
import { CHANNEL_FILTERS_MAX } from './instruct-types.js'
import type { ChannelInstruct, Instruct, KeepAliveInstruct } from './instruct-types.js'
import type { Header } from './publish-types.js'

export interface InstructDraft {
  hold: Instruct['hold']
  /** By name; a name that comes again keeps its place and takes the new prev-id and filters. */
  readonly channels: Map<string, ChannelInstruct>
  /** Seconds as given; null: not given. */
  timeout: number | null
  /** Timeout not yet raised to its minimum. */
  keepAlive: KeepAliveInstruct | null
  readonly meta: Map<string, string>
  nextLink: Instruct['nextLink']
  goneLink: Instruct['goneLink']
  code: number
  /** Empty: the table's. */
  reason: string
  headers: readonly Header[]
  /** null: the JSON form named none. */
  body: Buffer | null
}

/**
 * The instructions are wrong; the message is the detail for debug mode, a byte string. It ends the decoding from
 * wherever it is found and never leaves grip-instruct.ts.
 */
export class InstructFault extends Error {
  override readonly name = 'InstructFault'
}

export function addChannel(draft: InstructDraft, channel: ChannelInstruct): void {
  if (channel.filters.length > CHANNEL_FILTERS_MAX) {
    throw new InstructFault(`too many filters for channel '${channel.name}'`)
  }
  draft.channels.set(channel.name, channel)
}
