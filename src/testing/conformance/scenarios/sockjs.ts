/** SockJS: what a session over HTTP says, request by request, and what its backend gets. */
import { upgradeRequest } from '../../websocket-frames.js'
import { Connection } from '../connection.js'
import type { Scenario } from '../scenario.js'
import { CONTENT_TYPE, control, OPEN, text } from '../woh.js'
import type { World } from '../world.js'

const HOST = 'sockjs.test'

/** Method, what comes behind `/sj`, body. `SID` is the scenario's own session. */
type Step = readonly [method: string, rest: string, body?: string]

/** Sends messages back; `bye` is answered by a close, `fail` by a 500. */
function serve(world: World): string[] {
  const bodies: string[] = []
  world.onCall((call) => {
    const body = call.body.toString('latin1')
    bodies.push(body)
    const isOpening = body === OPEN
    const subscribe = control({ type: 'subscribe', channel: world.channel })
    const events = isOpening
      ? OPEN + subscribe
      : body.includes('bye')
        ? 'CLOSE 6\r\n\x0f\xa0done\r\n'
        : body === 'DISCONNECT\r\n'
          ? ''
          : body
    if (body.includes('fail')) call.answer(500, {})
    else if (call.url.includes('refuse')) call.answer(403, { 'Content-Type': 'text/x' }, 'away')
    else
      call.answer(
        200,
        { 'Content-Type': CONTENT_TYPE, 'Sec-WebSocket-Extensions': 'grip; message-prefix=""' },
        Buffer.from(events, 'latin1'),
      )
  })
  return bodies
}

async function ask(world: World, [method, rest, body]: Step): Promise<string> {
  const client = await world.client()
  const path = `/sj${rest.replace('SID', world.scene)}${rest.includes('?') ? '&' : '?'}${world.scene}`
  const length = body === undefined ? '' : `Content-Length: ${Buffer.byteLength(body, 'latin1')}\r\n`
  await client.send(
    `${method} ${path} HTTP/1.1\r\nHost: ${HOST}\r\nOrigin: http://o.test\r\n${length}\r\n${body ?? ''}`,
  )
  const answer = await client.readAnswer({ noBody: method === 'OPTIONS' })
  const type = answer.headers.find(([name]) => name === 'Content-Type')?.[1] ?? ''
  return `${String(answer.status)} ${type} ${answer.body.toString('latin1')}`
}

function sockJs(name: string, steps: readonly Step[], expected: readonly string[]): Scenario {
  return {
    area: 'SockJS',
    name: `SockJS: ${name}`,
    expected,
    run: async (world) => {
      serve(world)
      const seen: string[] = []
      for (const step of steps) seen.push(await ask(world, step))
      return seen
    },
  }
}

const OPENED: Step = ['POST', '/0/SID/xhr', 'x']
const POLL: Step = ['POST', '/1/SID/xhr', 'x']
const send = (body: string): Step => ['POST', '/2/SID/xhr_send', body]
const PLAIN = '200 text/plain'
const NONE = '404 text/plain Not Found\n'
const PAYLOAD = '400 text/plain Payload expected\n'
const SCRIPT = '200 application/javascript'

export const sockJsScenarios: Scenario[] = [
  sockJs(
    'a session',
    [OPENED, send('["a"]'), POLL, send('[]')],
    [`${PLAIN} o\n`, `${PLAIN} ok`, `${PLAIN} a["a"]\n`, `${PLAIN} ok`],
  ),
  sockJs(
    'text of many letters',
    [OPENED, send('["\\u00e9\\n\\"\xc3\xa9\\u0001"]'), POLL],
    [`${PLAIN} o\n`, `${PLAIN} ok`, `${PLAIN} a["\xc3\xa9\\n\\"\xc3\xa9\\u0001"]\n`],
  ),
  sockJs(
    'what is not messages',
    [OPENED, send('x'), send('{}'), send('["a",1]'), send('"a"'), send(' ["a"] ')],
    [`${PLAIN} o\n`, ...Array.from({ length: 4 }, () => PAYLOAD), `${PLAIN} ok`],
  ),
  sockJs(
    'JSON-P',
    [
      ['GET', '/0/SID/jsonp?callback=_jp.a'],
      ['POST', '/0/SID/jsonp_send', 'd=%5B%22a%26+b%22%5D'],
      ['GET', '/0/SID/jsonp?c=_jp.b'],
      ['POST', '/0/SID/jsonp_send', '["a"]'],
    ],
    [`${SCRIPT} /**/_jp.a("o");\n`, `${PLAIN} ok`, `${SCRIPT} /**/_jp.b("a[\\"a&+b\\"]");\n`, PAYLOAD],
  ),
  sockJs('JSON-P without a callback', [['GET', '/0/SID/jsonp']], ['400 text/plain Bad Request\n']),
  sockJs(
    'a close by the backend is told again',
    [OPENED, send('["bye"]'), POLL, POLL, send('["x"]')],
    [`${PLAIN} o\n`, `${PLAIN} ok`, ...Array.from({ length: 3 }, () => `${PLAIN} c[4000,"done"]\n`)],
  ),
  sockJs('a refusal of the backend', [['POST', '/0/SID/xhr?refuse', 'x'], send('["a"]')], ['403 text/x away', NONE]),
  sockJs(
    'what is not there',
    [
      send('["a"]'),
      ['POST', '/0/SID/xhr_streaming', 'x'],
      ['GET', '/0/SID/eventsource'],
      ['GET', '/0/SID/xhr'],
      ['POST', '/info', 'x'],
      ['GET', '/'],
      ['GET', '/0/SID/extra/xhr'],
    ],
    Array.from({ length: 7 }, () => NONE),
  ),
  sockJs(
    'another request of a session',
    [OPENED, ['POST', '/0/SID/foo', 'x'], ['PUT', '/0/SID/xhr_send', '["a"]']],
    [`${PLAIN} o\n`, NONE, PAYLOAD],
  ),
  sockJs(
    'OPTIONS, and a body too large',
    [
      ['OPTIONS', '/any'],
      ['POST', '/0/SID/xhr', 'x'.repeat(100_001)],
    ],
    ['204 text/plain ', '400 text/plain Request too large.\n'],
  ),
  {
    area: 'SockJS',
    name: 'SockJS: a second poll, and a failure of the backend',
    expected: [
      `${PLAIN} c[2010,"Another connection still open"]\n`,
      `${PLAIN} ok`,
      '410 text/plain Session terminated\n',
      NONE,
    ],
    run: async (world) => {
      serve(world)
      await ask(world, OPENED)
      const first = ask(world, POLL)
      await new Promise((resolve) => setTimeout(resolve, 300))
      return [await ask(world, POLL), await ask(world, send('["fail"]')), await first, await ask(world, send('["x"]'))]
    },
  },
  {
    area: 'SockJS',
    name: 'SockJS: framed over a WebSocket',
    expected: [
      ['text o', 'text a["a"]', 'text a["b"]', 'close 4000 done'],
      [OPEN, text('a'), text('b'), text('bye')],
    ],
    run: async (world) => {
      const bodies = serve(world)
      const request = upgradeRequest(`/sj/0/${world.scene}/websocket?${world.scene}`, HOST)
      const client = await Connection.open(world.target.ports.http, request)
      world.atEnd(() => client.destroy())
      await client.opened()
      await client.got(1)
      client.text('["a"]')
      await client.got(2)
      client.text('["b"]')
      await client.got(3)
      client.text('["bye"]')
      await client.got(4)
      return [client.events.slice(0, 4), bodies.slice(0, 4)]
    },
  },
]
