/** Long polls that ask their backend again: through the whole HTTP path of a shard, time and channels by hand. */
import { afterEach, describe, expect, test } from 'vitest'
import { UPDATES_PER_BATCH_MAX } from '../base/limits.js'
import { HttpRig, publishItem } from '../testing/http-rig.js'
import { RawClient } from '../testing/raw-client.js'
import { type BackendCall, type BackendScript, ScriptedBackend } from '../testing/scripted-backend.js'
import type { HttpResponseFormat, PublishItem } from '../wire/publish-types.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function setUp(script: BackendScript, options: { routes?: string; streaming?: boolean } = {}) {
  const backend = await ScriptedBackend.start(script, { streaming: options.streaming ?? false })
  closing.push(() => backend.stop())
  const routes = (options.routes ?? '*,prefix=pre- TARGET,sub=implied').replaceAll('TARGET', backend.target)
  const rig = await HttpRig.start({ routes })
  closing.push(async () => {
    await rig.close()
    expect(rig.errors).toEqual([])
    for (const gauge of ['callback_errors', 'response_holds', 'updatable_holds'] as const) {
      expect([gauge, rig.counters.get(gauge)]).toEqual([gauge, 0])
    }
  })
  return { backend, rig }
}

async function ask(
  rig: HttpRig,
  request = 'GET /poll HTTP/1.1\r\nHost: a.test\r\nX-Client: 1\r\n\r\n',
): Promise<RawClient> {
  const client = await RawClient.connect(rig.port)
  closing.push(() => {
    client.destroy()
  })
  await client.send(request)
  return client
}

/** Holds on `channels` (`name` or `name; prev-id=…`) in turn; the last ones for ever. */
function holding(...channels: string[]): BackendScript {
  return (call) => {
    const channel = channels[Math.min(call.index, channels.length - 1)] as string
    call.answer(200, ['Grip-Hold', 'response', 'Grip-Channel', channel, 'X-Call', String(call.index)], 'time is up')
  }
}

function item(channel: string, body: string, more: Partial<PublishItem> = {}): PublishItem {
  const httpResponse: HttpResponseFormat = {
    ...{ action: 'send', code: 200, reason: 'OK', headers: [], body: Buffer.from(body), bodyPatch: null },
    contentFilters: null,
  }
  return publishItem({ channel, httpResponse, ...more })
}

function hint(channel: string, more: Partial<PublishItem> = {}): PublishItem {
  const sent = item(channel, '')
  return { ...sent, httpResponse: { ...(sent.httpResponse as HttpResponseFormat), action: 'hint' }, ...more }
}

const gripLasts = ({ rawHeaders }: BackendCall): string[] =>
  rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1] === 'Grip-Last').sort()

describe('a hint', () => {
  test('sends the request again at once, as the client sent it, with a body it has', async () => {
    const { backend, rig } = await setUp((call) => {
      if (call.index === 0) return holding('c')(call)
      call.answer(202, { 'X-Again': 'yes' }, 'second answer')
    })
    const client = await ask(
      rig,
      'POST /poll?x=1 HTTP/1.1\r\nHost: a.test\r\nX-Client: 1\r\nContent-Length: 4\r\n\r\nbody',
    )
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(hint('pre-c'))
    const answer = await client.readAnswer()
    expect([answer.status, answer.get('x-again'), answer.body.toString()]).toEqual([202, 'yes', 'second answer'])
    const [first, second] = backend.calls as [BackendCall, BackendCall]
    expect([second.method, second.url, second.body.toString()]).toEqual(['POST', '/poll?x=1', 'body'])
    expect(second.rawHeaders).toEqual(first.rawHeaders)
    expect(rig.accesses).toMatchObject([{ status: 202, outcome: 'relayed', retry: true, lastIds: {} }])
    expect([rig.counters.get('requests'), rig.counters.get('hold_retries')]).toEqual([1, 1])
  })

  test('a body that came in chunks goes out in chunks again', async () => {
    const { backend, rig } = await setUp((call) => {
      if (call.index === 0) return holding('c')(call)
      call.answer(200, {}, 'done')
    })
    const chunks = '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n'
    const client = await ask(rig, `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`)
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(hint('pre-c'))
    expect((await client.readAnswer()).body.toString()).toBe('done')
    const again = backend.calls[1] as BackendCall
    expect([again.header('transfer-encoding'), again.body.toString()]).toEqual(['chunked', 'abcde'])
  })

  test('moves the prev-id on before the backend is told of it', async () => {
    const { backend, rig } = await setUp(holding('c; prev-id=1', 'c; prev-id=2'))
    await ask(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(hint('pre-c', { id: '2', prevId: '1' }))
    await backend.received(2)
    expect(backend.calls.map(gripLasts)).toEqual([[], ['c; last-id=2']])
  })

  test('does nothing when the body had not come whole before the hold', async () => {
    const { backend, rig } = await setUp(holding('c'), { streaming: true })
    const client = await ask(rig, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(hint('pre-c'))
    rig.listener.recover()
    rig.advance(200)
    rig.hub.publish(item('pre-c', 'published'))
    expect((await client.readAnswer()).body.toString()).toBe('published')
    expect(backend.calls).toHaveLength(1)
  })
})

describe('a prev-id that does not match', () => {
  test('is not delivered: the last id is forgotten, and the backend asked after a moment', async () => {
    const { backend, rig } = await setUp(holding('c; prev-id=1, d; prev-id=x', 'c'))
    const client = await ask(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.channel('pre-c').lastId = '3'
    rig.hub.publish(item('pre-c', 'three', { id: '3', prevId: '2' }))
    expect(rig.hub.channel('pre-c').lastId).toBe(null)
    rig.advance(50)
    expect(backend.calls).toHaveLength(1)
    rig.advance(100)
    await backend.received(2)
    expect(gripLasts(backend.calls[1] as BackendCall)).toEqual(['c; last-id=1', 'd; last-id=x'])
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(item('pre-c', 'four'))
    expect((await client.readAnswer()).body.toString()).toBe('four')
  })

  test('an item without prev-id does not match either', async () => {
    const { backend, rig } = await setUp(holding('c; prev-id=1', 'c'))
    await ask(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(item('pre-c', 'x', { id: '2' }))
    rig.advance(100)
    await backend.received(2)
  })

  test('what matches meanwhile answers, and the backend is not asked', async () => {
    const { backend, rig } = await setUp(holding('c; prev-id=1'))
    const client = await ask(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(item('pre-c', 'three', { id: '3', prevId: '2' }))
    rig.hub.publish(item('pre-c', 'two', { id: '2', prevId: '1' }))
    expect((await client.readAnswer()).body.toString()).toBe('two')
    rig.advance(200)
    expect(backend.calls).toHaveLength(1)
  })
})

describe('a hold that is outdated when it begins', () => {
  test('is sent again at once when another id than its prev-id was published last', async () => {
    const { backend, rig } = await setUp(holding('c; prev-id=1, d; prev-id=7, e; prev-id=8', 'c; prev-id=1'))
    rig.hub.channel('pre-c').lastId = '2'
    rig.hub.channel('pre-d').lastId = '7'
    rig.hub.channel('pre-e').lastId = null
    await ask(rig)
    await backend.received(2)
    expect(gripLasts(backend.calls[1] as BackendCall)).toEqual(['c; last-id=1', 'd; last-id=7', 'e; last-id=8'])
    await rig.hub.subscribed('pre-c')
    expect(['c', 'd', 'e'].map((name) => rig.hub.channel(`pre-${name}`).lastId)).toEqual([null, '7', null])
    expect(rig.counters.get('response_holds')).toBe(1)
  })

  test('Grip-Last goes on to name channels that are no longer held', async () => {
    const { backend, rig } = await setUp(holding('c; prev-id=1', 'd; prev-id=2', 'd'))
    rig.hub.channel('pre-c').lastId = '5'
    rig.hub.channel('pre-d').lastId = '5'
    await ask(rig)
    await backend.received(3)
    expect(backend.calls.map(gripLasts)).toEqual([[], ['c; last-id=1'], ['c; last-id=1', 'd; last-id=2']])
  })
})

describe('an update', () => {
  test('asks for all that are held, a hundred at a time', async () => {
    const count = UPDATES_PER_BATCH_MAX + 1
    const { backend, rig } = await setUp(holding('c'))
    for (let n = 0; n < count; n++) await ask(rig)
    await rig.hub.subscribed('pre-c', count)
    rig.listener.recover()
    rig.listener.recover()
    rig.advance(100)
    await backend.received(count + UPDATES_PER_BATCH_MAX)
    await rig.hub.subscribed('pre-c', count)
    expect(backend.calls).toHaveLength(count + UPDATES_PER_BATCH_MAX)
    rig.advance(100)
    await backend.received(2 * count)
    rig.advance(1_000)
    expect(backend.calls).toHaveLength(2 * count)
  })

  test('starts the time of the hold anew', async () => {
    const { backend, rig } = await setUp(holding('c'))
    const client = await ask(rig)
    await rig.hub.subscribed('implied')
    rig.advance(50_000)
    rig.listener.recover()
    rig.advance(100)
    await backend.received(2)
    await rig.hub.subscribed('implied')
    rig.advance(54_000)
    expect(client.pending.length).toBe(0)
    rig.advance(2_000)
    const answer = await client.readAnswer()
    expect([answer.body.toString(), answer.get('x-call')]).toEqual(['time is up', '1'])
    expect(rig.accesses).toMatchObject([{ outcome: 'held', durationMs: 106_100, retry: true }])
  })

  test('a publish that comes before its turn answers', async () => {
    const { backend, rig } = await setUp(holding('c'))
    const client = await ask(rig)
    await rig.hub.subscribed('pre-c')
    rig.listener.recover()
    rig.hub.publish(item('pre-c', 'news'))
    expect((await client.readAnswer()).body.toString()).toBe('news')
    rig.advance(200)
    expect(backend.calls).toHaveLength(1)
  })

  test('a client that leaves before its turn, or while the backend is asked, is forgotten', async () => {
    const { backend, rig } = await setUp(holding('c'))
    const early = await ask(rig)
    const late = await ask(rig)
    await rig.hub.subscribed('pre-c', 2)
    backend.script = () => {}
    rig.listener.recover()
    early.destroy()
    await rig.accessed(1)
    rig.advance(100)
    const [, , again] = await backend.received(3)
    late.destroy()
    await rig.accessed(2)
    expect(await again?.over).toBe(true)
    expect(rig.accesses.map(({ outcome, retry }) => [outcome, retry])).toEqual([
      ['aborted', undefined],
      ['aborted', true],
    ])
    expect(rig.hub.subscribers('pre-c')).toBe(0)
  })

  test('what the backend answers then is the answer: another status, or a fault', async () => {
    const { rig } = await setUp((call) => {
      if (call.index === 0) return holding('c')(call)
      call.answer(200, ['Grip-Hold', 'nonsense'], '')
    })
    const client = await ask(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(hint('pre-c'))
    expect((await client.readAnswer()).status).toBe(502)
    await client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.readAnswer()).status).toBe(502)
  })
})
