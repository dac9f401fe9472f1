/** How the clients of each scenario connect. */
import type { LoadOptions } from '../options.js'
import type { Connect } from './connection.js'
import { PollConnection } from './poll-connection.js'
import { StreamConnection } from './stream-connection.js'
import { WsConnection } from './ws-connection.js'

export function connectOf({ scenario, churnKind }: LoadOptions): Connect {
  if (scenario === 'longpoll') return poll
  return scenario === 'streams' || (scenario === 'churn' && churnKind === 'stream') ? stream : webSocket
}

const poll: Connect = (dial, path, sink) =>
  new PollConnection(dial, path, { ...sink, polled: () => {}, pollFailed: sink.failed })

const webSocket: Connect = (dial, path, sink) => new WsConnection(dial, path, sink)

const stream: Connect = (dial, path, sink) => new StreamConnection(dial, path, sink)
