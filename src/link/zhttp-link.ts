/**
 * ZHTTP packets between main, which has the sockets that only one may bind, and the shards, which have the sessions.
 *
 * Each shard has a MessagePort of its own for them, apart from that of messages.ts. Ids of sessions begin with the number
 * of their shard, so main finds the shard of an answer without knowing the session. Packets are handed over, not
 * cloned: a clone would take the whole pool along that small buffers are cut from.
 */
import { Buffer } from 'node:buffer'
import type { MessagePort } from 'node:worker_threads'

export type ZhttpToMain =
  /** `to`: instance id of a worker, or null: any worker of the target; `unsent` answers when there is none. */
  | {
      readonly kind: 'send'
      readonly target: string
      readonly to: string | null
      readonly id: string
      readonly packet: Uint8Array
    }
  /** Nobody waits for this session's packet any more, if it still waits for a worker. */
  | { readonly kind: 'withdraw'; readonly target: string; readonly id: string }

export type ZhttpToShard =
  /** From a worker of this target. */
  | { readonly kind: 'packet'; readonly target: string; readonly packet: Uint8Array }
  | { readonly kind: 'unsent'; readonly id: string }

export function postZhttp(port: MessagePort, message: ZhttpToMain | ZhttpToShard): void {
  if (!('packet' in message)) return port.postMessage(message)
  // A copy with memory of its own. What ZeroMQ hands out cannot be handed on.
  const packet = Uint8Array.prototype.slice.call(message.packet)
  port.postMessage({ ...message, packet }, [packet.buffer])
}

/** A packet as it came over the port. */
export function bufferOf(packet: Uint8Array): Buffer {
  return Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength)
}

export function zhttpIdPrefix(shard: number): string {
  return `${shard}-`
}

/** The shard whose session has this id; null: none of ours. */
export function shardOfZhttpId(id: string, shards: number): number | null {
  const match = /^(\d{1,4})-/.exec(id)
  const shard = match === null ? shards : Number(match[1])
  return shard < shards ? shard : null
}
