/**
 * What the command socket can be asked (reference: command socket), apart from how a request comes in: a request to its
 * reply. Names, arguments, conditions and texts are Pushpin's.
 */
import { byteStringOfText } from '../base/bytes.js'
import type { Dictionary } from '../wire/publish-item.js'
import { decodePublishItems, isPublishFault } from '../wire/publish-item.js'
import type { PublishItem } from '../wire/publish-types.js'
import { textField, textListField, type ZrpcReply, type ZrpcRequest } from '../wire/zrpc.js'

/** The shards, which know the connections. Both reject when one of them has not answered in time. */
export interface ShardQuestions {
  /** Those of `ids` that are connected. */
  connected(ids: readonly string[]): Promise<ReadonlySet<string>>
  /** Asks the backend of a WebSocket for a sign of life, as the publish action `refresh`; false: no such WebSocket. */
  refreshConnection(id: string): Promise<boolean>
  /** The same for all WebSockets that hold `channel`. */
  refreshChannel(channel: string): Promise<void>
}

export interface CommandsOptions {
  /** Answer to get-zmq-uris: name → spec as configured. */
  readonly uris: ReadonlyMap<string, string>
  readonly shards: ShardQuestions
  /** Resolves when there is room for more. */
  publish(items: readonly PublishItem[]): Promise<void> | void
  recover(): Promise<void> | void
}

const DONE: ZrpcReply = { success: true, value: null }
const BAD_REQUEST: ZrpcReply = failed('bad-request')

export async function performCommand(request: ZrpcRequest, options: CommandsOptions): Promise<ZrpcReply> {
  switch (request.method) {
    case 'get-zmq-uris':
      return { success: true, value: options.uris }
    case 'publish':
      return publish(request.args, options)
    case 'recover':
      await options.recover()
      return DONE
    case 'conncheck':
      return checkConnections(request.args, options.shards)
    case 'refresh':
      return refresh(request.args, options.shards)
    default:
      return failed('method-not-found')
  }
}

export function failed(condition: string, value?: string): ZrpcReply {
  return value === undefined ? { success: false, condition } : { success: false, condition, value }
}

async function publish(args: Dictionary, options: CommandsOptions): Promise<ZrpcReply> {
  const items = decodePublishItems(args)
  if (isPublishFault(items)) return failed('bad-request', byteStringOfText(items.error))
  await options.publish(items)
  return DONE
}

async function checkConnections(args: Dictionary, shards: ShardQuestions): Promise<ZrpcReply> {
  const asked = textListField(args, 'ids')
  if (asked === null) return BAD_REQUEST
  // Pushpin answers with a set: each id once.
  const ids = [...new Set(asked)]
  if (ids.length === 0) return { success: true, value: [] }
  try {
    const connected = await shards.connected(ids)
    return { success: true, value: ids.filter((id) => connected.has(id)) }
  } catch {
    return failed('proxy-request-failed')
  }
}

async function refresh(args: Dictionary, shards: ShardQuestions): Promise<ZrpcReply> {
  const id = textField(args, 'cid')
  const channel = textField(args, 'channel')
  try {
    if (typeof id === 'string') return (await shards.refreshConnection(id)) ? DONE : failed('item-not-found')
    if (id === null || typeof channel !== 'string') return BAD_REQUEST
    await shards.refreshChannel(channel)
    return DONE
  } catch {
    return failed('timeout')
  }
}
