/** The sessions of this shard with workers behind ZeroMQ, and their way to the sockets in main. */
import type { MessagePort } from 'node:worker_threads'
import { ZhttpClient } from '../backend/zhttp-client.js'
import type { ZhttpOptions } from '../backend/zhttp-host.js'
import { type ZhttpToMain, type ZhttpToShard, bufferOf, postZhttp, zhttpIdPrefix } from '../link/zhttp-link.js'
import { decodeZhttpResponse, isZhttpFault } from '../wire/zhttp.js'

export interface ShardZhttpOptions extends Omit<ZhttpOptions, 'wire' | 'idPrefix'> {
  readonly shard: number
  readonly port: MessagePort
  /** A packet could not be handled: a mistake of ours. It is dropped. */
  onError(error: unknown): void
}

/** The port is the caller's to close. */
export function openShardZhttp({ shard, port, onError, ...options }: ShardZhttpOptions): ZhttpClient {
  const post = (message: ZhttpToMain): void => {
    postZhttp(port, message)
  }
  const client = new ZhttpClient({
    ...options,
    idPrefix: zhttpIdPrefix(shard),
    wire: {
      send: (target, to, id, packet) => {
        post({ kind: 'send', target, to, id, packet })
      },
      withdraw: (target, id) => {
        post({ kind: 'withdraw', target, id })
      },
    },
  })
  port.on('message', (message: ZhttpToShard) => {
    try {
      if (message.kind === 'unsent') return client.handleUnsent(message.id)
      // Main has read it: only what it could decode comes here.
      const packet = decodeZhttpResponse(bufferOf(message.packet))
      if (!isZhttpFault(packet)) client.handlePacket(message.target, packet)
    } catch (error) {
      onError(error)
    }
  })
  return client
}
