/** Filters that ask the backend about each item: WebSockets, and all kinds of receivers over two shards. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Item } from '../publish.js'
import { responseItem, streamItem, wsItem } from '../publish.js'
import { RawClient } from '../raw-client.js'
import type { BackendCall, BackendScript } from '../scripted-backend.js'
import { StreamClient } from '../stream-client.js'
import { controlEvent, encodeEvent } from '../websocket-over-http.js'
import { accepting, echo, WebSocketRig } from '../websocket-rig.js'
import type { WsClient } from '../ws-client.js'

let rig: WebSocketRig
let channels = 0

beforeAll(async () => {
  rig = await WebSocketRig.start({
    routes: (target) => [
      `* ${target},over_http`,
      `*,path_beg=/debug,debug ${target},over_http`,
      `*,path_beg=/cut,path_rem=4,prefix=pre- ${target},over_http`,
    ],
  })
})

afterEach(() => {
  rig.cut()
})

afterAll(() => rig.stop())

/** What a backend says about an item: the meta `verdict` of it, or the content in brackets. */
const byMeta: BackendScript = (call) => {
  const { verdict } = JSON.parse(call.header('pub-meta') ?? '') as { verdict?: string }
  if (verdict === 'drop') call.answer(200, { Action: 'drop' })
  else if (verdict === 'fail') call.answer(500, {})
  else call.answer(200, {}, `[${call.body.toString()}]`)
}

/** Answers when it is told to. */
class SlowBackend {
  readonly #waiting: BackendCall[] = []
  readonly script: BackendScript = (call) => void this.#waiting.push(call)

  release(headers: Readonly<Record<string, string>> = {}): void {
    for (const call of this.#waiting.splice(0)) call.answer(200, headers)
  }
}

interface Opened {
  readonly client: WsClient
  readonly channel: string
  /** Without filters. */
  readonly plain: string
  /** Where the questions go. */
  readonly check: string
}

/** A WebSocket that holds one channel with filters, and one without. What its client sends is a control message for it. */
async function open(answer: BackendScript, filters = ['http-check'], below = ''): Promise<Opened> {
  const channel = `filtered-${String(channels++)}`
  const plain = `plain-${String(channels++)}`
  const check = rig.serve(answer, below === '/cut' ? '' : below)
  const events = [
    controlEvent({ type: 'set-meta', name: 'url', value: `${below === '/cut' ? below : ''}${check}` }),
    controlEvent({ type: 'subscribe', channel, filters }),
    controlEvent({ type: 'subscribe', channel: plain }),
  ]
  const script = accepting(
    ({ content }) => [encodeEvent('TEXT', `c:${String(content)}`), encodeEvent('TEXT', 'done')],
    {
      events,
    },
  )
  const path = rig.serve(script, below === '/cut' ? '' : below)
  const client = await rig.connect(below === '/cut' ? below + path : path)
  return { client, channel, plain, check }
}

const item = (channel: string, content: string, verdict?: string): Item => ({
  ...wsItem(channel, content),
  ...(verdict === undefined ? {} : { meta: { verdict } }),
})

const counter = async (name: string): Promise<number> => (await rig.gateway.metrics()).value(`tackboard_${name}`)

/** The drop of that reason, over all shards. */
async function drops(reason: string): Promise<number> {
  return (await rig.gateway.metrics()).value('tackboard_drops_total', { reason })
}

describe('a WebSocket', () => {
  test('gets what the backend lets pass, and not what it refuses or says nothing about', async () => {
    const { client, channel, check } = await open(byMeta)
    await rig.publish(item(channel, 'a'), item(channel, 'b', 'drop'), item(channel, 'c', 'fail'), item(channel, 'd'))
    expect(await client.waitFor(2)).toEqual(['a', 'd'])
    const [call] = await rig.requests(check, 4)
    expect([call?.method, call?.header('sub-meta'), call?.header('grip-last')]).toEqual([
      'POST',
      JSON.stringify({ url: check }),
      null,
    ])
    expect([call?.body.length, call?.header('connection-id')]).toEqual([0, null])
  })

  test('gets the content that the backend puts in place, in a route that rewrites paths and names', async () => {
    const { client, channel } = await open(byMeta, ['http-modify'], '/cut')
    await rig.publish(item(`pre-${channel}`, 'a'), item(`pre-${channel}`, 'b'))
    expect(await client.waitFor(2)).toEqual(['[a]', '[b]'])
  })

  test('keeps the order over its channels while the backend is slow, and is quick again afterwards', async () => {
    const slow = new SlowBackend()
    const { client, channel, plain, check } = await open(slow.script)
    await rig.publish(item(plain, '0'), item(channel, '1'), item(plain, '2'), item(channel, '3'), item(plain, '4'))
    await rig.requests(check, 1)
    expect(await client.waitFor(1)).toEqual(['0'])
    slow.release()
    expect(await client.waitFor(3)).toEqual(['0', '1', '2'])
    await rig.requests(check, 2)
    slow.release()
    await client.waitFor(5)
    await rig.publish(item(plain, '5'))
    expect(await client.waitFor(6)).toEqual(['0', '1', '2', '3', '4', '5'])
  })

  test('that unsubscribes meanwhile does not get what waits for that channel', async () => {
    const slow = new SlowBackend()
    const { client, channel, plain, check } = await open(slow.script)
    const before = await drops('filter_queue')
    await rig.publish(item(channel, 'asked'), item(channel, 'unasked'), item(plain, 'plain'))
    await rig.requests(check, 1)
    client.send(JSON.stringify({ type: 'unsubscribe', channel }))
    await client.waitForText('done')
    slow.release()
    // What was asked about before goes out.
    expect(await client.waitFor(3)).toEqual(['done', 'asked', 'plain'])
    expect(await drops('filter_queue')).toBe(before + 1)
  })

  test('whose client closes gives up what it asks', async () => {
    const slow = new SlowBackend()
    const { client, channel, check } = await open(slow.script)
    await rig.publish(item(channel, 'a'), item(channel, 'b'))
    const [call] = await rig.requests(check, 1)
    client.terminate()
    expect(await call?.over).toBe(true)
  })

  test('of a debug route closes with the reason', async () => {
    const { client, channel } = await open(byMeta, ['http-check'], '/debug')
    await rig.publish(item(channel, 'a', 'fail'), item(channel, 'b'))
    const reason = 'filter error: unexpected network request status: code=500'
    expect(await client.closed).toEqual({ code: 1011, reason })
    expect(client.texts).toEqual([])
  })

  test('is asked about a published close, too', async () => {
    const { client, channel } = await open(byMeta)
    const close = { channel, formats: { 'ws-message': { action: 'close', code: 4000, reason: 'bye' } } }
    await rig.publish({ ...close, meta: { verdict: 'drop' } }, item(channel, 'a'), close)
    expect(await client.closed).toEqual({ code: 4000, reason: 'bye' })
    expect(client.texts).toEqual(['a'])
  })

  test('what a filter dropped, or could not decide, is counted', async () => {
    const { client, channel } = await open(byMeta)
    const before = [await drops('filter'), await drops('filter_failed'), await counter('filter_requests_total')]
    await rig.publish(item(channel, 'a', 'drop'), item(channel, 'b', 'fail'), item(channel, 'c'))
    await client.waitForText('c')
    const after = [await drops('filter'), await drops('filter_failed'), await counter('filter_requests_total')]
    expect(after.map((count, at) => count - (before[at] as number))).toEqual([1, 1, 3])
  })

  test('more than may wait is dropped and counted', async () => {
    const slow = new SlowBackend()
    const { client, channel, plain, check } = await open(slow.script)
    const before = await drops('filter_queue')
    await rig.publish(item(channel, 'asked'), ...Array.from({ length: 105 }, (_, at) => item(plain, String(at))))
    await rig.requests(check, 1)
    await rig.gateway.metricsWhere(
      (all) => all.value('tackboard_drops_total', { reason: 'filter_queue' }) === before + 5,
    )
    slow.release()
    expect(await client.waitFor(101)).toEqual(['asked', ...Array.from({ length: 100 }, (_, at) => String(at))])
  })
})

test('many receivers of all kinds, over all shards: each gets what it may, in order', async () => {
  const users = Array.from({ length: 8 }, (_, at) => `user${String(at)}`)
  // Every second user may see nothing but the last item.
  const check = rig.serve((call) => {
    const { user } = JSON.parse(call.header('sub-meta') ?? '') as { user: string }
    const { last } = JSON.parse(call.header('pub-meta') ?? '') as { last?: string }
    call.answer(200, Number(user.slice(4)) % 2 === 0 || last !== undefined ? {} : { Action: 'drop' })
  })
  const metas = (user: string): string[] => ['Grip-Set-Meta', `url="${check}"`, 'Grip-Set-Meta', `user=${user}`]
  const hold = (user: string, mode: string): BackendScript => {
    return (call) =>
      call.answer(200, ['Grip-Hold', mode, 'Grip-Channel', 'all; filter=http-check', ...metas(user)], '.')
  }
  const port = rig.gateway.ports.http
  const streams = await Promise.all(users.map((user) => StreamClient.open(port, rig.serve(hold(user, 'stream')))))
  const polls = await Promise.all(
    users.map(async (user) => {
      const client = await RawClient.connect(port)
      await client.send(`GET ${rig.serve(hold(user, 'response'))} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      return client
    }),
  )
  const sockets = await Promise.all(
    users.map((user) => {
      const events = [
        controlEvent({ type: 'set-meta', name: 'url', value: check }),
        controlEvent({ type: 'set-meta', name: 'user', value: user }),
        controlEvent({ type: 'subscribe', channel: 'all', filters: ['http-check'] }),
      ]
      return rig.connect(rig.serve(accepting(echo, { events })))
    }),
  )
  await rig.gateway.metricsWhere((all) => all.value('tackboard_response_holds') === users.length)
  const formats = (content: string): Item => ({
    channel: 'all',
    formats: Object.assign(
      {},
      ...[responseItem, streamItem, wsItem].map((make) => make('all', content)['formats']),
    ) as object,
  })
  await rig.publish(formats('one '), formats('two '), { ...formats('end '), meta: { last: 'yes' } })
  for (const [at] of users.entries()) {
    const wanted = at % 2 === 0 ? ['one ', 'two ', 'end '] : ['end ']
    await streams[at]?.waitForText('end ')
    expect(streams[at]?.text).toBe(`.${wanted.join('')}`)
    expect((await polls[at]?.readAnswer())?.body.toString()).toBe(wanted[0])
    expect(await sockets[at]?.waitFor(wanted.length)).toEqual(wanted)
  }
  for (const client of [...streams, ...polls]) client.destroy()
})

test('the gateway stops while filters ask, at once and politely', async () => {
  const slow = new SlowBackend()
  const own = await WebSocketRig.start({ routes: (target) => [`* ${target},over_http`] })
  const check = own.serve(slow.script)
  const events = [
    controlEvent({ type: 'set-meta', name: 'url', value: check }),
    controlEvent({ type: 'subscribe', channel: 'c', filters: ['http-check'] }),
  ]
  const client = await own.connect(own.serve(accepting(echo, { events })))
  await own.publish(item('c', 'a'), item('c', 'b'))
  const [call] = await own.requests(check, 1)
  await own.gateway.stop()
  expect((await client.closed).code).toBe(1001)
  expect(await call?.over).toBe(true)
  expect(await own.gateway.exited).toMatchObject({ code: 0 })
  await own.stop()
})
