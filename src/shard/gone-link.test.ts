/** Gone links: through the whole HTTP path of a shard, time and channels by hand. */
import { afterEach, expect, test } from 'vitest'
import { Gate } from '../base/gate.js'
import { GONE_WAIT_MS } from '../base/limits.js'
import { HttpRig, publishItem } from '../testing/http-rig.js'
import { RawClient } from '../testing/raw-client.js'
import { type BackendCall, type BackendScript, ScriptedBackend } from '../testing/scripted-backend.js'
import { poll } from '../testing/wait.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function setUp(script: BackendScript, routes = '* TARGET', goneGate?: Gate) {
  const backend = await ScriptedBackend.start(script)
  closing.push(() => backend.stop())
  const rig = await HttpRig.start({
    routes: routes.replaceAll('TARGET', backend.target),
    ...(goneGate === undefined ? {} : { goneGate }),
  })
  closing.push(async () => {
    await rig.close()
    expect(rig.errors).toEqual([])
    for (const gauge of ['callback_errors', 'response_holds', 'stream_holds', 'updatable_holds'] as const) {
      expect([gauge, rig.counters.get(gauge)]).toEqual([gauge, 0])
    }
  })
  return { backend, rig }
}

async function ask(rig: HttpRig): Promise<RawClient> {
  const client = await RawClient.connect(rig.port)
  closing.push(() => {
    client.destroy()
  })
  await client.send('GET /hold HTTP/1.1\r\nHost: a.test\r\n\r\n')
  return client
}

const GONE = ['Grip-Link', '</gone>; rel=gone']
const HELD = ['Grip-Hold', 'response', 'Grip-Channel', 'c', ...GONE]

/** The first request is held with a gone link, others are answered; `/gone` does as it is told. */
function holding(gone: BackendScript): BackendScript {
  return (call) => {
    if (call.url === '/gone') return gone(call)
    call.answer(200, call.index === 0 ? HELD : [], call.index === 0 ? '' : 'again')
  }
}

const hint = () =>
  publishItem({
    channel: 'c',
    httpResponse: {
      ...{ action: 'hint', code: 200, reason: '', headers: [], body: Buffer.alloc(0), bodyPatch: null },
      contentFilters: null,
    },
  })

async function counted(rig: HttpRig, counter: 'gone_links' | 'gone_link_failures', count: number): Promise<void> {
  await poll(
    () => Promise.resolve(rig.counters.get(counter) === count || undefined),
    () => `${counter} ${String(count)}`,
  )
}

test('a request is sent again when the backend knows of the end of its hold', async () => {
  let gone: BackendCall | undefined
  const { backend, rig } = await setUp(
    holding((call) => {
      gone = call
    }),
  )
  const client = await ask(rig)
  await rig.hub.subscribed('c')
  rig.hub.publish(hint())
  await backend.received(2)
  expect(backend.calls.map(({ url }) => url)).toEqual(['/hold', '/gone'])
  gone?.answer(200, {})
  expect((await client.readAnswer()).body.toString()).toBe('again')
})

test('or when the backend has had its time', async () => {
  const { backend, rig } = await setUp(holding(() => {}))
  const client = await ask(rig)
  await rig.hub.subscribed('c')
  rig.hub.publish(hint())
  await backend.received(2)
  rig.advance(GONE_WAIT_MS + 50)
  expect((await client.readAnswer()).body.toString()).toBe('again')
})

test('a client that leaves in between is not waited for', async () => {
  const { backend, rig } = await setUp(holding(() => {}))
  const client = await ask(rig)
  await rig.hub.subscribed('c')
  rig.hub.publish(hint())
  await backend.received(2)
  client.destroy()
  expect(await rig.accessed(1)).toMatchObject({ outcome: 'aborted', status: 0, retry: true })
  expect([rig.pendingDeadlines, rig.listener.size]).toEqual([0, 0])
})

test('a gateway that stops does not wait for the backend', async () => {
  const { backend, rig } = await setUp(holding(() => {}))
  const client = await ask(rig)
  await rig.hub.subscribed('c')
  rig.hub.publish(hint())
  await backend.received(2)
  rig.listener.drain()
  expect((await client.readAnswer()).body.toString()).toBe('again')
})

test.each<[string, BackendScript]>([
  ['no success', (call) => call.answer(404, {})],
  ['a body', (call) => call.answer(200, {}, 'thanks')],
  ['nothing but an end', (call) => call.reset()],
])('an answer with %s is counted, and the backend is not told again', async (_, answer) => {
  const { backend, rig } = await setUp(holding(answer))
  const client = await ask(rig)
  await rig.hub.subscribed('c')
  client.destroy()
  await counted(rig, 'gone_link_failures', 1)
  expect(backend.calls.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /hold', 'POST /gone'])
})

test('the next target is told when the first cannot be reached', async () => {
  const { backend, rig } = await setUp(
    holding((call) => call.answer(200, {})),
    '* 127.0.0.1:1 TARGET',
  )
  const client = await ask(rig)
  await rig.hub.subscribed('c')
  client.destroy()
  await backend.received(2)
  expect(backend.calls[1]?.url).toBe('/gone')
})

test('a stream that ends as it begins was a hold too', async () => {
  const { backend, rig } = await setUp((call) => {
    const headers = ['Grip-Hold', 'stream', 'Grip-Channel', 'c; prev-id=1', ...GONE]
    call.answer(200, call.url === '/gone' ? {} : headers, call.url === '/gone' ? '' : 'body')
  })
  const client = await ask(rig)
  expect((await client.readAnswer()).body.toString()).toBe('body')
  await backend.received(2)
  expect(backend.calls[1]?.method).toBe('POST')
})

test('an answer that is not held is nothing that could end', async () => {
  const { backend, rig } = await setUp((call) => call.answer(200, GONE, 'body'))
  const client = await ask(rig)
  expect((await client.readAnswer()).body.toString()).toBe('body')
  await rig.accessed(1)
  expect([backend.calls.length, rig.counters.get('gone_links')]).toEqual([1, 0])
})

test('so many backends are told at a time, others wait, and of more than may wait none is told', async () => {
  const gone: BackendCall[] = []
  const script: BackendScript = (call) => {
    if (call.url === '/gone') gone.push(call)
    else call.answer(200, HELD)
  }
  const { backend, rig } = await setUp(script, '* TARGET', new Gate(2, 1))
  const clients = [await ask(rig), await ask(rig), await ask(rig), await ask(rig), await ask(rig)]
  await rig.hub.subscribed('c', 5)
  for (const client of clients) client.destroy()
  await rig.hub.subscribed('c', 0)
  await backend.received(7)
  expect([rig.counters.get('gone_links'), rig.counters.get('drop_gone_link')]).toEqual([2, 2])
  gone[0]?.answer(200, {})
  await backend.received(8)
  expect(rig.counters.get('gone_links')).toBe(3)
  for (const call of gone.slice(1)) call.answer(200, {})
  await rig.loggedLines('link', 3)
  expect(rig.counters.get('gone_link_failures')).toBe(0)
})

test('a request whose gone link may not wait is sent again all the same', async () => {
  const { rig } = await setUp(
    holding(() => {}),
    '* TARGET',
    new Gate(0, 0),
  )
  const client = await ask(rig)
  await rig.hub.subscribed('c')
  rig.hub.publish(hint())
  expect((await client.readAnswer()).body.toString()).toBe('again')
  expect(rig.counters.get('drop_gone_link')).toBe(1)
})

test('each has its line in the log', async () => {
  const { rig } = await setUp(
    holding((call) => call.answer(404, {})),
    '*,id=main TARGET',
  )
  const client = await ask(rig)
  await rig.hub.subscribed('c')
  client.destroy()
  const [line] = await rig.loggedLines('link')
  const told = { method: 'POST', url: 'http://a.test/gone', route: 'main', status: 404, bytes: 0 }
  expect(line).toMatchObject({ level: 30, ...told, fault: 'its answer is no success' })
})
