/** Long polls that are sent to the backend again while their client waits: hint, ids, first subscription, recover. */
import type { Scenario } from '../scenario.js'
import type { World } from '../world.js'
import { quiet } from '../world.js'

const AREA = 'retries of long polls'

/** Headers and body of one answer of the backend; CHANNEL in them is the scenario's. */
type Answer = readonly [headers: readonly string[], body: string]

interface Requests {
  /** Method, path, body and Grip-Last (sorted) of every request so far. */
  readonly seen: string[]
  /** Resolves when there are `count` that begin like this. */
  arrived(count: number, beginning?: string): Promise<void>
}

/** The backend gives these answers in turn, the last one for ever, or the one for the line of Requests. */
export function answering(world: World, answers: readonly Answer[] | ((line: string) => Answer)): Requests {
  const seen: string[] = []
  const waiting: (() => void)[] = []
  world.onCall((call) => {
    const lasts = call.rawHeaders
      .filter((_, index) => index % 2 === 1 && call.rawHeaders[index - 1] === 'Grip-Last')
      .map((value) => `[${value.replaceAll(world.channel, 'CHANNEL')}]`)
    const line = [call.method, call.url.replace(world.scene, 'SCENE'), call.body.toString('latin1'), ...lasts.sort()]
    seen.push(line.filter((word) => word !== '').join(' '))
    const [headers, body] =
      typeof answers === 'function'
        ? answers(seen.at(-1) as string)
        : (answers[Math.min(seen.length, answers.length) - 1] as Answer)
    call.response.sendDate = false
    const filled = headers.map((text) => text.replaceAll('CHANNEL', world.channel))
    call.answer(200, [...filled, 'Content-Length', String(body.length)], Buffer.from(body, 'latin1'))
    for (const wake of waiting.splice(0)) wake()
  })
  return {
    seen,
    arrived: async (count, beginning = '') => {
      while (seen.filter((line) => line.startsWith(beginning)).length < count)
        await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}

const hold = (channel = 'CHANNEL', more: readonly string[] = []): Answer => [
  ['Grip-Hold', 'response', 'Grip-Channel', channel, ...more],
  'nothing\n',
]
const plain = (body: string): Answer => [['X-Plain', 'yes'], body]

interface Poll {
  /** Status and body. */
  answered(): Promise<string>
}

async function poll(world: World, request = 'GET'): Promise<Poll> {
  const client = await world.client()
  const [method, body = ''] = request.split(' ')
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`
  await client.send(`${method} ${world.path('/poll?x=1')} HTTP/1.1\r\nHost: any.test\r\n${length}\r\n${body}`)
  return {
    answered: async () => {
      const answer = await client.readAnswer()
      return `${answer.status} ${answer.body.toString('latin1')}`
    },
  }
}

interface ItemFields {
  readonly id?: string
  readonly prev?: string
  readonly noSeq?: boolean
}

function response(world: World, body: string, { id, prev, noSeq }: ItemFields = {}, channel = world.channel) {
  return {
    channel,
    ...(id === undefined ? {} : { id }),
    ...(prev === undefined ? {} : { 'prev-id': prev }),
    ...(noSeq === undefined ? {} : { 'no-seq': noSeq }),
    formats: { 'http-response': body === 'HINT' ? { action: 'hint' } : { body } },
  }
}

/** A stream that holds the scenario's channel, so that the channel has last ids. */
async function occupy(world: World): Promise<void> {
  const client = await world.client()
  await client.send(`GET ${world.path('/occupy')} HTTP/1.1\r\nHost: any.test\r\n\r\n`)
  await client.readUntil('held\n')
}

function withOccupied(world: World, answers: readonly Answer[]): Requests {
  const held: Answer = [['Content-Type', 'text/plain', 'Grip-Hold', 'stream', 'Grip-Channel', 'CHANNEL'], 'held\n']
  return answering(world, [held, ...answers])
}

export const longPollRetries: Scenario[] = [
  {
    area: AREA,
    name: 'long poll: a hint sends the request again',
    slow: true,
    expected: [['GET /SCENE/occupy', 'POST /SCENE/poll?x=1 body', 'POST /SCENE/poll?x=1 body'], '200 again\n'],
    run: async (world) => {
      const requests = withOccupied(world, [hold(), plain('again\n')])
      await occupy(world)
      // No first subscription that would send it again as well.
      await quiet(2_000)
      const client = await poll(world, 'POST body')
      await requests.arrived(2)
      await quiet()
      await world.publish(response(world, 'HINT'))
      const answer = await client.answered()
      return [requests.seen, answer]
    },
  },
  {
    area: AREA,
    name: 'long poll: a hint with ids moves the prev-id on first',
    expected: [['GET /SCENE/poll?x=1', 'GET /SCENE/poll?x=1 [CHANNEL; last-id=2]'], '200 again\n'],
    run: async (world) => {
      const requests = answering(world, [hold('CHANNEL; prev-id=1'), plain('again\n')])
      const client = await poll(world)
      await world.subscribed()
      await world.publish(response(world, 'HINT', { id: '2', prev: '1' }))
      const answer = await client.answered()
      return [requests.seen, answer]
    },
  },
  {
    area: AREA,
    name: 'long poll: a hint with another prev-id does not move it on',
    expected: [['GET /SCENE/poll?x=1', 'GET /SCENE/poll?x=1 [CHANNEL; last-id=1]'], '200 again\n'],
    run: async (world) => {
      const requests = answering(world, [hold('CHANNEL; prev-id=1'), plain('again\n')])
      const client = await poll(world)
      await world.subscribed()
      await world.publish(response(world, 'HINT', { id: '5', prev: '4', noSeq: true }))
      const answer = await client.answered()
      return [requests.seen, answer]
    },
  },
  {
    area: AREA,
    name: 'long poll: a hint with another prev-id forgets the last id, as an item does',
    slow: true,
    expected: [
      ['GET /SCENE/occupy', 'GET /SCENE/poll?x=1', 'GET /SCENE/poll?x=1 [CHANNEL; last-id=1]', 'GET /SCENE/poll?x=1'],
      '200 nothing\n',
    ],
    run: async (world) => {
      const requests = withOccupied(world, [
        hold('CHANNEL; prev-id=1'),
        plain('again\n'),
        hold('CHANNEL; prev-id=0', ['Grip-Timeout', '1']),
      ])
      await occupy(world)
      // No first subscription that would send them again as well.
      await quiet(2_000)
      await world.publish({ channel: world.channel, id: '1', formats: { 'http-stream': { content: '1\n' } } })
      const hinted = await poll(world)
      await requests.arrived(2)
      await quiet()
      await world.publish(response(world, 'HINT', { id: '5', prev: '4', noSeq: true }))
      await hinted.answered()
      // Outdated, if the last id were known.
      const held = await poll(world)
      return [requests.seen, await held.answered()]
    },
  },
  {
    area: AREA,
    name: 'long poll: close with another prev-id sends the request again',
    expected: [['GET /SCENE/poll?x=1', 'GET /SCENE/poll?x=1 [CHANNEL; last-id=1]'], '200 again\n'],
    run: async (world) => {
      const requests = answering(world, [hold('CHANNEL; prev-id=1'), plain('again\n')])
      const client = await poll(world)
      await world.subscribed()
      const action = { 'http-response': { action: 'close' } }
      await world.publish({ channel: world.channel, id: '5', 'prev-id': '4', 'no-seq': true, formats: action })
      const answer = await client.answered()
      return [requests.seen, answer]
    },
  },
  {
    area: AREA,
    name: 'long poll: close means nothing',
    expected: [1, '200 x'],
    run: async (world) => {
      const requests = answering(world, [hold()])
      const client = await poll(world)
      await world.subscribed()
      await world.publish({ channel: world.channel, formats: { 'http-response': { action: 'close' } } })
      await world.publish(response(world, 'x'))
      const answer = await client.answered()
      return [requests.seen.length, answer]
    },
  },
  {
    area: AREA,
    name: 'long poll: an item that follows its prev-id answers',
    expected: '200 two',
    run: async (world) => {
      answering(world, [hold('CHANNEL; prev-id=1')])
      const client = await poll(world)
      await world.subscribed()
      await world.publish(response(world, 'two', { id: '2', prev: '1' }))
      return client.answered()
    },
  },
  ...(
    [
      ['another prev-id', { id: '3', prev: '2' }],
      ['no prev-id', { id: '3' }],
      ['neither id nor prev-id', {}],
    ] as const
  ).map(([name, fields]): Scenario => ({
    area: AREA,
    name: `long poll: an item with ${name} is not delivered, and the request goes out again`,
    expected: [['GET /SCENE/poll?x=1', 'GET /SCENE/poll?x=1 [CHANNEL; last-id=1] [other; last-id=9]'], '200 four'],
    run: async (world) => {
      const requests = answering(world, [hold('CHANNEL; prev-id=1, other; prev-id=9'), hold('CHANNEL; prev-id=3')])
      const client = await poll(world)
      await world.subscribed()
      await world.publish(response(world, 'three', fields))
      await requests.arrived(2)
      // Held again: nothing tells.
      await quiet()
      await world.publish(response(world, 'four', { id: '4', prev: '3', noSeq: true }))
      const answer = await client.answered()
      return [requests.seen.slice(0, 2), answer]
    },
  })),
  {
    area: AREA,
    name: 'long poll: what matches while it waits to be sent again',
    expected: [['GET /SCENE/poll?x=1', 'GET /SCENE/poll?x=1 [CHANNEL; last-id=1]'], '200 again\n'],
    run: async (world) => {
      const requests = answering(world, [hold('CHANNEL; prev-id=1'), plain('again\n')])
      const client = await poll(world)
      await world.subscribed()
      const items = [
        response(world, 'three', { id: '3', prev: '2' }),
        response(world, 'two', { id: '2', prev: '1', noSeq: true }),
      ]
      await world.publish(...items)
      const answer = await client.answered()
      return [requests.seen, answer]
    },
  },
  {
    area: AREA,
    name: 'long poll: outdated when it is accepted, it is sent again at once, and held the second time',
    expected: [
      ['GET /SCENE/occupy', 'GET /SCENE/poll?x=1', 'GET /SCENE/poll?x=1 [CHANNEL; last-id=0] [other; last-id=5]'],
      '200 two',
    ],
    run: async (world) => {
      const requests = withOccupied(world, [hold('CHANNEL; prev-id=0, other; prev-id=5'), hold('CHANNEL; prev-id=0')])
      await occupy(world)
      await world.publish({ channel: world.channel, id: '1', formats: { 'http-stream': { content: '1\n' } } })
      const client = await poll(world)
      await requests.arrived(3)
      await quiet()
      await world.publish(response(world, 'two', { id: '2', prev: '0' }))
      const answer = await client.answered()
      return [requests.seen.slice(0, 3), answer]
    },
  },
  {
    area: AREA,
    name: 'long poll: up to date when it is accepted, it is held',
    expected: [['GET /SCENE/occupy', 'GET /SCENE/poll?x=1'], '200 two'],
    run: async (world) => {
      const requests = withOccupied(world, [hold('CHANNEL; prev-id=1')])
      await occupy(world)
      await world.publish({ channel: world.channel, id: '1', formats: { 'http-stream': { content: '1\n' } } })
      const client = await poll(world)
      await requests.arrived(2)
      await quiet()
      const seen = [...requests.seen]
      await world.publish(response(world, 'two', { id: '2', prev: '1' }))
      const answer = await client.answered()
      return [seen, answer]
    },
  },
  {
    area: AREA,
    name: 'long poll: the first on a channel is sent again after a second',
    slow: true,
    expected: [2, '200 again\n', true],
    run: async (world) => {
      const requests = answering(world, [hold(), plain('again\n')])
      const startedMs = performance.now()
      const client = await poll(world)
      const answer = await client.answered()
      return [requests.seen.length, answer, performance.now() - startedMs >= 990]
    },
  },
  {
    area: AREA,
    name: 'long poll: one that comes later, while the channel lingers, is not sent again',
    slow: true,
    expected: ['200 one', 1, '200 two'],
    run: async (world) => {
      const requests = answering(world, (line) => hold(line.startsWith('PUT') ? 'CHANNEL-behind' : 'CHANNEL'))
      const first = await poll(world)
      await world.subscribed()
      await world.publish(response(world, 'one'))
      const one = await first.answered()
      // The first on a channel of its own: it is sent again when the time for that is over for the other channel.
      await poll(world, 'PUT b')
      await requests.arrived(2, 'PUT')
      const second = await poll(world, 'POST b')
      await requests.arrived(1, 'POST')
      await quiet(1_600)
      const count = requests.seen.filter((line) => line.startsWith('POST')).length
      await world.publish(response(world, 'two'))
      return [one, count, await second.answered()]
    },
  },
  {
    area: AREA,
    name: 'long poll: recover sends every one again',
    alone: true,
    expected: [['GET /SCENE/occupy', 'GET /SCENE/poll?x=1', 'GET /SCENE/poll?x=1 [CHANNEL; last-id=1]'], '200 again\n'],
    run: async (world) => {
      const requests = withOccupied(world, [hold('CHANNEL; prev-id=1'), plain('again\n')])
      await occupy(world)
      await quiet(1_200)
      const client = await poll(world)
      await requests.arrived(2)
      await quiet()
      const control = await world.controlClient()
      await control.send('POST /recover/ HTTP/1.1\r\nHost: any.test\r\nContent-Length: 0\r\n\r\n')
      const answer = await client.answered()
      return [requests.seen, answer]
    },
  },
  {
    area: AREA,
    name: 'long poll: recover forgets the last ids',
    alone: true,
    expected: [2, '200 nothing\n'],
    run: async (world) => {
      const requests = withOccupied(world, [
        hold('CHANNEL; prev-id=0', ['Grip-Timeout', '5']),
        hold('CHANNEL; prev-id=0'),
      ])
      await occupy(world)
      await quiet(1_200)
      await world.publish({ channel: world.channel, id: '1', formats: { 'http-stream': { content: '1\n' } } })
      const control = await world.controlClient()
      await control.send('POST /recover/ HTTP/1.1\r\nHost: any.test\r\nContent-Length: 0\r\n\r\n')
      await control.readToEnd()
      const client = await poll(world)
      await requests.arrived(2)
      await quiet()
      return [requests.seen.length, await client.answered()]
    },
  },
]
