/** The clients of each scenario. Loads only what the scenario needs: every worker thread pays for what it imports. */
import type { Clients, ClientsContext } from './clients.js'
import { connectOf } from './connect.js'
import { Inbox } from './inbox.js'
import type { Post } from './inbox.js'
import { PollConnection } from './poll-connection.js'
import { PollInbox } from './poll-inbox.js'
import { Receivers } from './receivers.js'
import type { Plug } from './receivers.js'

export async function clientsOf(context: ClientsContext): Promise<Clients> {
  const { options } = context.start
  switch (options.scenario) {
    case 'fanout':
    case 'publish':
    case 'streams':
      return new Receivers(context, (channel, post) => ({
        box: new Inbox(channel, post),
        connect: connectOf(options),
      }))
    case 'longpoll':
      return new Receivers(context, (channel, post) => pollPlug(channel, post, context))
    case 'ws-echo': {
      const { EchoClients } = await import('./echo-clients.js')
      return new EchoClients(context)
    }
    case 'churn': {
      const { ChurnClients } = await import('./churn-clients.js')
      return new ChurnClients(context, connectOf(options))
    }
    case 'proxy':
      return requestsOf(context)
  }
}

async function requestsOf(context: ClientsContext): Promise<Clients> {
  if (context.start.options.rate === 'max') {
    const { AutocannonRequests } = await import('./autocannon-requests.js')
    return new AutocannonRequests(context)
  }
  const { PacedRequests } = await import('./paced-requests.js')
  return new PacedRequests(context)
}

function pollPlug(channel: number, post: Post, { start, tally, clock }: ClientsContext): Plug {
  const sentTimes = new Float64Array(start.sentTimes)
  const box = new PollInbox(channel, { ...post, sentTimes, settleMs: start.options.settleMs })
  const polled = (): void => box.handlePolled(clock.nowMs())
  const pollFailed = (kind: string, example: string): void => tally.fail(kind, example)
  return { box, connect: (dial, path, sink) => new PollConnection(dial, path, { ...sink, polled, pollFailed }) }
}
