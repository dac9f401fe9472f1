/** Answers to what main asks about this shard's connections: the ids of those it found. */
import { unreachable } from '../base/assert.js'
import type { ShardQuestion } from '../link/messages.js'
import type { Hub } from './hub.js'
import type { Report } from './report.js'
import type { WsClientSide } from './ws-client-side.js'

export interface Connections {
  readonly webSockets: Iterable<WsClientSide>
  readonly hub: Pick<Hub, 'channel'>
  /** Knows the ids of HTTP connections: they have none but those that statistics tell. */
  readonly report: Pick<Report, 'knows'>
}

/**
 * One walk over the connections per question, and no index by id: commands are rare, and an index would cost every
 * connection memory.
 */
export function answerQuestion(question: ShardQuestion, connections: Connections): string[] {
  switch (question.kind) {
    case 'connected': {
      const asked = new Set(question.ids)
      const webSockets = new Set(idsOf(connections.webSockets, asked))
      return question.ids.filter((id) => webSockets.has(id) || connections.report.knows(id))
    }
    case 'refresh':
      for (const connection of connections.webSockets) {
        if (connection.connectionId !== question.id) continue
        connection.refresh()
        return [question.id]
      }
      return []
    case 'refresh-channel': {
      // A copy: a session that ends by it leaves the channel.
      const sessions = (connections.hub.channel(question.channel)?.ws ?? []).map(({ receiver }) => receiver)
      for (const session of sessions) (session as WsClientSide).refresh()
      return []
    }
    default:
      return unreachable(question)
  }
}

function* idsOf(webSockets: Iterable<WsClientSide>, asked: ReadonlySet<string>): Iterable<string> {
  for (const { connectionId } of webSockets) if (asked.has(connectionId)) yield connectionId
}
