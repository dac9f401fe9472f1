/** What goes wrong between the gateway, its backends and its WebSocket clients (WebSocket reference §1.7 to §1.11). */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { freePorts } from '../free-ports.js'
import type { Metrics } from '../metrics.js'
import { type BackendCall, type BackendScript, ScriptedBackend } from '../scripted-backend.js'
import { answerEvents, decodeEvents, echoAndSubscribe, encodeEvent } from '../websocket-over-http.js'
import { accepting, echo, Gate, WebSocketRig } from '../websocket-rig.js'
import { WsClient, WsRejected } from '../ws-client.js'

let rig: WebSocketRig
let restarting: ScriptedBackend
let dead: number

beforeAll(async () => {
  dead = (await freePorts(1))[0] as number
  restarting = await ScriptedBackend.start(echoAndSubscribe)
  rig = await WebSocketRig.start({
    routes: (target) => [
      `* ${target},over_http`,
      `*,path_beg=/restarting ${restarting.target},over_http`,
      `*,path_beg=/failover 127.0.0.1:${dead},over_http ${target},over_http`,
      `*,path_beg=/dead 127.0.0.1:${dead},over_http 127.0.0.2:${dead},over_http`,
      `*,path_beg=/told,debug 127.0.0.1:${dead},over_http 127.0.0.2:${dead},over_http`,
    ],
  })
})

afterEach(() => {
  rig.cut()
})

afterAll(async () => {
  await rig.stop()
  await restarting.stop()
})

/** Accepts, then `script` gets the other requests. */
const afterOpen =
  (script: BackendScript): BackendScript =>
  (call) =>
    call.body.toString() === 'OPEN\r\n' ? accepting(echo)(call) : script(call)

const dropped = (metrics: Metrics, reason: string): number => metrics.value('tackboard_ws_dropped_total', { reason })

/** All requests to a path once another session's whole life is over: what was to follow has followed. */
async function callsInTheEnd(path: string): Promise<BackendCall[]> {
  const other = rig.serve(accepting(echo))
  const client = await rig.connect(other)
  client.terminate()
  await rig.requests(other, 2)
  return rig.backend.calls.filter((call) => call.url === path)
}

describe('after the opening', () => {
  test('a backend that is down gets the same request when it is back, and what was sent meanwhile', async () => {
    const client = await rig.connect('/restarting')
    client.send('before')
    await client.waitFor(1)
    await restarting.stop()
    client.send('while it is down')
    await rig.gateway.metricsWhere((metrics) => metrics.value('tackboard_backend_connect_failed_total') > 0)
    client.send('and this')
    await restarting.start()
    expect(await client.waitFor(3)).toEqual(['before', 'while it is down', 'and this'])
    const texts = restarting.calls
      .flatMap((call) => decodeEvents(call.body))
      .map(({ type, content }) => [type, content])
    expect(texts.map(([type, content]) => `${String(type)} ${String(content)}`)).toEqual([
      'OPEN null',
      'TEXT before',
      'TEXT while it is down',
      'TEXT and this',
    ])
    expect((await rig.gateway.metrics()).value('tackboard_ws_retries_total')).toBeGreaterThan(0)
  })

  test.each<[string, string, (call: BackendCall) => void]>([
    ['a reset of the connection', 'unanswered', (call) => call.reset()],
    ['half an answer', 'unanswered', (call) => call.endRaw('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nTEXT 1\r\n')],
    ['what is no HTTP', 'unanswered', (call) => call.endRaw('hello\r\n\r\n')],
    ['500', 'answer', (call) => call.answer(500, {}, 'broken')],
    ['200 of another type', 'answer', (call) => call.answer(200, { 'Content-Type': 'text/plain' }, 'x')],
    ['events that are none', 'answer', (call) => answerEvents(call, [Buffer.from('TEXT zz\r\nx\r\n')])],
    ['a length without its end', 'answer', (call) => answerEvents(call, [Buffer.from('TEXT 5')])],
    ['more than 1,000,000 bytes', 'answer', (call) => answerEvents(call, [encodeEvent('TEXT', 'x'.repeat(1_000_000))])],
  ])('%s ends the client without a close frame; nothing is sent again', async (_name, reason, answer) => {
    const before = dropped(await rig.gateway.metrics(), reason)
    const path = rig.serve(afterOpen(answer))
    const client = await rig.connect(path)
    client.send('hello')
    expect((await client.closed).code).toBe(1006)
    expect(client.texts).toEqual([])
    expect((await callsInTheEnd(path)).map(({ body }) => body.toString())).toEqual(['OPEN\r\n', 'TEXT 5\r\nhello\r\n'])
    expect(dropped(await rig.gateway.metrics(), reason)).toBe(before + 1)
  })

  test('a client that goes while a request is in flight: DISCONNECT follows its answer', async () => {
    const gate = new Gate()
    const path = rig.serve(
      afterOpen(async (call) => {
        if (call.body.toString().startsWith('TEXT')) await gate.opened
        await accepting(echo)(call)
      }),
    )
    const client = await rig.connect(path)
    client.send('hello')
    await rig.requests(path, 2)
    client.terminate()
    await rig.gateway.metricsWhere((metrics) => metrics.value('tackboard_ws_connections') === 0)
    gate.open()
    expect(await rig.bodies(path, 3)).toEqual(['OPEN\r\n', 'TEXT 5\r\nhello\r\n', 'DISCONNECT\r\n'])
  })

  test('a close that the backend does not answer: the client has its echo, and no DISCONNECT follows', async () => {
    const path = rig.serve(afterOpen((call) => answerEvents(call, [])))
    const client = await rig.connect(path)
    expect((await client.close(4000, 'bye')).code).toBe(4000)
    expect(await rig.bodies(path, 2)).toEqual(['OPEN\r\n', 'CLOSE 5\r\n\x0f\xa0bye\r\n'])
    expect(await callsInTheEnd(path)).toHaveLength(2)
  })
})

describe('while opening', () => {
  async function rejection(path: string): Promise<string> {
    const error: unknown = await WsClient.connect(rig.gateway.wsUrl(path)).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(WsRejected)
    const { status, body } = error as WsRejected
    return `${status} ${body}`
  }

  test('a target that cannot be reached: the next one is asked, and kept', async () => {
    const path = rig.serve(accepting(echo), '/failover')
    const client = await rig.connect(path)
    client.send('hello')
    expect(await client.waitFor(1)).toEqual(['hello'])
    expect(await rig.bodies(path, 2)).toEqual(['OPEN\r\n', 'TEXT 5\r\nhello\r\n'])
  })

  test('no target can be reached: 502', async () => {
    expect(await rejection('/dead')).toBe('502 Error while proxying to origin.\n')
  })

  test('the same with debug: the targets are told', async () => {
    const tried = `127.0.0.1:${dead}, 127.0.0.2:${dead}`
    expect(await rejection('/told')).toBe(`502 Unable to connect to any targets. Tried: ${tried}\n`)
  })

  test('a reset is no reason to ask again: 502', async () => {
    const path = rig.serve((call) => call.reset())
    expect(await rejection(path)).toBe('502 Error while proxying to origin.\n')
    expect(await callsInTheEnd(path)).toHaveLength(1)
  })

  test.each([
    ['accepts', true, ['OPEN\r\n', 'DISCONNECT\r\n']],
    ['rejects', false, ['OPEN\r\n']],
  ])('the client goes, and the backend %s', async (_name, accepts, expected) => {
    const gate = new Gate()
    const path = rig.serve(async (call) => {
      if (call.body.toString() === 'OPEN\r\n') await gate.opened
      if (accepts) await accepting(echo)(call)
      else call.answer(403, {}, 'no')
    })
    const client = await rig.connectRaw(path)
    const [call] = await rig.requests(path, 1)
    client.destroy()
    await client.closed
    await rig.gateway.metrics() // so the shard has most likely seen it; if not, the end is the same
    gate.open()
    await call?.over
    await rig.bodies(path, expected.length)
    expect((await callsInTheEnd(path)).map(({ body }) => body.toString())).toEqual(expected)
  })
})
