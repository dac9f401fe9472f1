/**
 * The filters http-check and http-modify, which ask the backend about each item. Pushpin has them from 2.0 on: what is
 * expected is what its source does, and 1.41 deviates by not knowing the names.
 */
import type { BackendCall } from '../../scripted-backend.js'
import { upgradeRequest } from '../../websocket-frames.js'
import { Connection } from '../connection.js'
import { play } from '../http-play.js'
import type { Scenario } from '../scenario.js'
import { GRIP_BARE, OPEN, WohStage, control, ok } from '../woh.js'
import type { World } from '../world.js'

const AREA = 'filters'

type Mode = 'stream' | 'response'

/** A question as the backend gets it. */
type Question = readonly [path: string, subMeta: string, pubMeta: string, last: string | null, body: string]

interface Published {
  readonly content: string
  readonly verdict?: 'drop' | 'fail' | 'same'
  readonly id?: string
}

/** The backend's answers to questions: by the meta `verdict` of the item; otherwise it passes, in brackets if changed. */
function answers(world: World, hold: (call: BackendCall) => void | Promise<void>): Question[] {
  const questions: Question[] = []
  world.onCall((call) => {
    if (!call.url.includes('/check')) return hold(call)
    const masked = (text: string | null): string =>
      (text ?? 'none').replaceAll(world.scene, 'SCENE').replaceAll(world.channel, 'CHANNEL')
    const last = call.header('grip-last')
    questions.push([
      `${call.method} ${masked(call.url)}`,
      masked(call.header('sub-meta')),
      masked(call.header('pub-meta')),
      last === null ? null : masked(last),
      call.body.toString('latin1'),
    ])
    const verdict = /"verdict":"(\w+)"/.exec(call.header('pub-meta') ?? '')?.[1]
    if (verdict === 'drop') call.answer(200, { Action: 'drop' }, 'not shown')
    else if (verdict === 'fail') call.answer(403, {}, 'not shown')
    else if (verdict === 'same') call.answer(204, {})
    else call.answer(200, {}, `[${call.body.toString('latin1')}]`)
    return undefined
  })
  return questions
}

async function publish(
  world: World,
  format: 'http-stream' | 'http-response' | 'ws-message',
  items: readonly Published[],
) {
  const field = format === 'http-response' ? 'body' : 'content'
  await world.publish(
    ...items.map(({ content, verdict, id }) => ({
      channel: world.channel,
      formats: { [format]: { [field]: content } },
      ...(verdict === undefined ? {} : { meta: { verdict } }),
      ...(id === undefined ? {} : { id }),
    })),
  )
}

interface Held {
  readonly filters: string
  readonly items: readonly Published[]
  readonly host?: string
  /** Behind the path of the scenario. */
  readonly url?: string
  readonly questions: readonly Question[]
}

function holdBy(world: World, mode: Mode, filters: string, url: string): (call: BackendCall) => void {
  return (call) => {
    call.answer(
      200,
      [
        ...['Content-Type', 'text/plain', 'Grip-Hold', mode, 'Grip-Channel', `${world.channel}; ${filters}`],
        ...['Grip-Set-Meta', `url="${url.replace('PATH', world.path())}"`],
      ],
      'open ',
    )
  }
}

/** What the client of a hold got, and what the backend was asked. */
function held(
  mode: Mode,
  name: string,
  { filters, items, host, url = 'PATH/check', questions }: Held,
  body: string,
): Scenario {
  return {
    area: AREA,
    name: `${mode === 'stream' ? 'stream' : 'long poll'}: ${name}`,
    expected: [body, questions],
    run: async (world) => {
      const asked = answers(world, holdBy(world, mode, filters, url))
      const seen = await play(world, {
        ...(host === undefined ? {} : { host }),
        then: async () => {
          await world.subscribed()
          await publish(world, mode === 'stream' ? 'http-stream' : 'http-response', items)
          if (mode === 'stream') {
            await world.publish({ channel: world.channel, formats: { 'http-stream': { action: 'close' } } })
          }
        },
      })
      return [seen[2], asked]
    },
  }
}

function webSocket(
  name: string,
  filters: readonly string[],
  items: readonly Published[],
  expected: readonly string[],
): Scenario {
  return {
    area: AREA,
    name: `WebSocket: ${name}`,
    expected,
    run: async (world) => {
      const metas = control({ type: 'set-meta', name: 'url', value: `${world.path()}/check` })
      const subscription = control({ type: 'subscribe', channel: world.channel, filters })
      const stage = new WohStage(world, [ok(OPEN + metas + subscription, GRIP_BARE)])
      answers(world, (call) => stage.take(call))
      const client = await Connection.open(world.target.ports.http, upgradeRequest(world.path(), 'any.test'))
      world.atEnd(() => client.destroy())
      await client.opened()
      await world.subscribed()
      await publish(world, 'ws-message', items)
      await client.got(expected.length)
      return client.events.slice(0, expected.length)
    },
  }
}

const URL_META = '{"url":"/SCENE/check"}'
const question = (pubMeta: string, body = '', last: string | null = null): Question => [
  'POST /SCENE/check',
  URL_META,
  pubMeta,
  last,
  body,
]

const ITEMS: readonly Published[] = [
  { content: 'a ' },
  { content: 'b ', verdict: 'drop' },
  { content: 'c ', verdict: 'fail' },
  { content: 'd ', verdict: 'same' },
]
const CLOSE = question('{}')
const FAILED = 'filter error: unexpected network request status: code=403'

export const httpFilters: Scenario[] = [
  held(
    'stream',
    'http-check: what the backend lets pass',
    {
      filters: 'filter=http-check',
      items: ITEMS,
      questions: [
        ...['{}', '{"verdict":"drop"}', '{"verdict":"fail"}', '{"verdict":"same"}'].map((meta) => question(meta)),
        CLOSE,
      ],
    },
    'open a d ',
  ),
  held(
    'stream',
    'http-modify: other content in its place',
    {
      filters: 'filter=http-modify',
      items: ITEMS,
      questions: [
        question('{}', 'a '),
        question('{"verdict":"drop"}', 'b '),
        question('{"verdict":"fail"}', 'c '),
        question('{"verdict":"same"}', 'd '),
        CLOSE,
      ],
    },
    'open [a ]d ',
  ),
  held(
    'stream',
    'http-check: in debug mode a failure ends it',
    {
      filters: 'filter=http-check',
      items: [{ content: 'c ', verdict: 'fail' }],
      host: 'debug.test',
      questions: [question('{"verdict":"fail"}')],
    },
    `open \n\n${FAILED}\n`,
  ),
  held(
    'stream',
    'http-check: without a URL nothing arrives, in debug mode it says so',
    { filters: 'filter=http-check', items: ITEMS, host: 'debug.test', url: '', questions: [] },
    'open \n\nfilter error: missing url value\n',
  ),
  held(
    'response',
    'http-modify: the first that the backend lets pass',
    {
      filters: 'filter=http-modify',
      items: [{ content: 'b', verdict: 'drop' }, { content: 'c', verdict: 'fail' }, { content: 'd' }],
      questions: [question('{"verdict":"drop"}', 'b'), question('{"verdict":"fail"}', 'c'), question('{}', 'd')],
    },
    '[d]',
  ),
  held(
    'response',
    'http-check: in debug mode a failure is the answer',
    {
      filters: 'filter=http-check',
      items: [{ content: 'c', verdict: 'fail' }],
      host: 'debug.test',
      questions: [question('{"verdict":"fail"}')],
    },
    `${FAILED}\n`,
  ),
  webSocket('http-check: what the backend lets pass', ['http-check'], ITEMS, ['text a ', 'text d ']),
  webSocket('http-modify: other content in its place', ['http-modify'], ITEMS, ['text [a ]', 'text d ']),
]
