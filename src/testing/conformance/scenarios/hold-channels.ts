/** Which channels a stream holds: prefix of the route, implicit channels, the limit. */
import { play, script } from '../http-play.js'
import type { Scenario } from '../scenario.js'
import type { World } from '../world.js'

const AREA = 'GRIP over HTTP'

interface Held {
  readonly host: string
  /** Of Grip-Channel. */
  readonly named: (world: World) => string
  /** The last that is subscribed to. */
  readonly awaited: (world: World) => string
  /** Each gets its own name in letters published to it, in this order. */
  readonly published: (world: World) => Readonly<Record<string, string>>
}

/** The body of a stream that is closed behind the publishes by the one that it holds. */
function holding(name: string, { host, named, awaited, published }: Held, expected: string): Scenario {
  return {
    area: AREA,
    name: `stream: ${name}`,
    expected,
    run: async (world) => {
      script(world, { headers: ['Grip-Hold', 'stream', 'Grip-Channel', named(world)] })
      const seen = await play(world, {
        host,
        then: async () => {
          await world.subscribed(awaited(world))
          for (const [content, channel] of Object.entries(published(world)))
            await world.publish({ channel, formats: { 'http-stream': { content: `${content}\n` } } })
          await world.publish({ channel: awaited(world), formats: { 'http-stream': { action: 'close' } } })
        },
      })
      return seen[2]
    },
  }
}

export const holdChannels: Scenario[] = [
  holding(
    'the prefix of the route',
    {
      host: 'prefix.test',
      named: ({ channel }) => channel,
      awaited: ({ channel }) => `pre-${channel}`,
      published: ({ channel }) => ({ without: channel, with: `pre-${channel}` }),
    },
    'with\n',
  ),
  holding(
    'sub= of the target, without the prefix of the route',
    {
      host: 'prefix-sub.test',
      named: ({ channel }) => channel,
      awaited: ({ channel }) => `pre-${channel}`,
      published: ({ channel }) => ({
        'implied with prefix': 'pre-implied-too',
        implied: 'implied-too',
        named: `pre-${channel}`,
      }),
    },
    'implied\nnamed\n',
  ),
  holding(
    'twenty channels and no more',
    {
      host: 'any.test',
      named: ({ channel }) => Array.from({ length: 21 }, (_, at) => `${channel}-${at}`).join(', '),
      awaited: ({ channel }) => `${channel}-19`,
      published: ({ channel }) => ({ 'twenty-first': `${channel}-20`, first: `${channel}-0`, last: `${channel}-19` }),
    },
    'first\nlast\n',
  ),
]
