/** http-check and http-modify of streams and long polls: through the whole HTTP path of a shard, time and channels by hand. */
import { afterEach, describe, expect, test } from 'vitest'
import { FILTER_QUEUE_ITEMS_MAX, HTTP_FILTER_ANSWER_BYTES_MAX, HTTP_FILTER_TIMEOUT_MS } from '../base/limits.js'
import { freePorts } from '../testing/free-ports.js'
import { HttpRig, publishItem, streamItem } from '../testing/http-rig.js'
import { RawClient } from '../testing/raw-client.js'
import { type BackendCall, type BackendScript, ScriptedBackend } from '../testing/scripted-backend.js'
import { StreamClient } from '../testing/stream-client.js'
import { poll } from '../testing/wait.js'
import type { PublishItem } from '../wire/publish-types.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** For what announces nothing. */
async function until(holds: () => boolean): Promise<void> {
  await poll(
    () => Promise.resolve(holds() || undefined),
    () => holds.toString(),
  )
}

interface Setup {
  /** What `/start` answers, besides the hold of `c`. */
  readonly hold?: readonly string[]
  readonly filters?: string
  readonly mode?: 'stream' | 'response'
  readonly url?: string
  readonly routes?: string
}

const isQuestion = ({ method }: BackendCall): boolean => method === 'POST'

/** GET requests hold, POST requests are questions for `answer`. */
async function setUp(answer: BackendScript, options: Setup = {}) {
  const { filters = 'filter=http-check', mode = 'stream', url = '/check' } = options
  const head = [
    'Content-Type',
    'text/plain',
    'Grip-Hold',
    mode,
    'Grip-Channel',
    `c; ${filters}`,
    ...(options.hold ?? []),
  ]
  const metas = ['Grip-Set-Meta', `url="${url}"`, 'Grip-Set-Meta', 'user=alice']
  const backend = await ScriptedBackend.start((call) =>
    isQuestion(call) ? answer(call) : call.answer(200, [...head, ...metas], 'start '),
  )
  closing.push(() => backend.stop())
  const rig = await HttpRig.start({ routes: (options.routes ?? '* TARGET').replaceAll('TARGET', backend.target) })
  closing.push(async () => {
    await until(() => rig.counters.get('stream_holds') + rig.counters.get('response_holds') === 0)
    // Nothing is left of what was asked; what all sessions share has its last turn.
    await until(() => {
      rig.advance(150)
      return rig.pendingDeadlines === 0
    })
    await rig.close()
    expect(rig.errors).toEqual([])
    expect(rig.counters.get('callback_errors')).toBe(0)
  })
  const questions = (count: number): Promise<BackendCall[]> => backend.received(count, isQuestion)
  const counts = (): Record<string, number> => {
    const names = ['drop_filter', 'drop_filter_failed', 'drop_filter_queue', 'filter_requests'] as const
    return Object.fromEntries(names.map((name) => [name, rig.counters.get(name)]).filter(([, count]) => count !== 0))
  }
  return { backend, rig, questions, counts }
}

async function openStream(rig: HttpRig, path = '/start'): Promise<StreamClient> {
  const client = await StreamClient.open(rig.port, path)
  closing.push(() => {
    client.socket.destroy()
  })
  return client
}

async function openPoll(rig: HttpRig): Promise<RawClient> {
  const client = await RawClient.connect(rig.port)
  closing.push(() => {
    client.destroy()
  })
  await client.send('GET /start HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await rig.hub.subscribed('c')
  return client
}

function pollItem(body: string, more: Partial<PublishItem> = {}): PublishItem {
  const bytes = { body: Buffer.from(body), bodyPatch: null, contentFilters: null }
  return publishItem({
    channel: 'c',
    httpResponse: { action: 'send', code: 200, reason: 'OK', headers: [], ...bytes },
    ...more,
  })
}

function action(kind: 'hint' | 'close', more: Partial<PublishItem> = {}): PublishItem {
  return publishItem({
    channel: 'c',
    httpStream: { action: kind, content: Buffer.alloc(0), contentFilters: null },
    ...more,
  })
}

/** Answers when it is told to. */
function heldBack(): { script: BackendScript; release(answer?: (call: BackendCall) => void): void } {
  const waiting: BackendCall[] = []
  return {
    script: (call) => void waiting.push(call),
    release: (answer = (call) => call.answer(200, {})) => {
      for (const call of waiting.splice(0)) answer(call)
    },
  }
}

/** By the meta `verdict` of the item. */
const byContent: BackendScript = (call) => {
  const meta = JSON.parse(call.header('pub-meta') ?? '{}') as { verdict?: string }
  if (meta.verdict === 'drop') call.answer(200, { Action: 'drop' }, 'ignored')
  else if (meta.verdict === 'fail') call.answer(403, {})
  else if (meta.verdict === 'reset') call.reset()
  else if (meta.verdict === 'half') call.endRaw('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')
  else if (meta.verdict === 'same') call.answer(204, {})
  else if (meta.verdict === 'large') call.answer(200, {}, Buffer.alloc(HTTP_FILTER_ANSWER_BYTES_MAX + 1, 'a'))
  else if (meta.verdict === 'largest') call.answer(200, {}, Buffer.alloc(HTTP_FILTER_ANSWER_BYTES_MAX, 'a'))
  else call.answer(200, {}, `<${call.body.toString()}>`)
}

const verdicts = (...all: string[]): PublishItem[] =>
  all.map((verdict) => streamItem('c', `${verdict} `, { meta: { verdict } }))

describe('a stream', () => {
  test('gets what the backend lets pass, and not what it refuses', async () => {
    const { rig, counts, questions } = await setUp(byContent)
    const client = await openStream(rig)
    for (const item of verdicts('send', 'drop', 'same')) rig.hub.publish(item)
    await client.waitForText('same ')
    expect(client.text).toBe('start send same ')
    expect(counts()).toEqual({ drop_filter: 1, filter_requests: 3 })
    expect((await questions(3)).map(({ body }) => body.toString())).toEqual(['', '', ''])
  })

  test('asks by an empty POST with both metas, signed as its route is, and nothing of its client', async () => {
    const { rig, questions } = await setUp(byContent, { routes: '*,sig_iss=me,sig_key=secret TARGET' })
    const client = await openStream(rig, '/start?x')
    rig.hub.publish(streamItem('c', 'item ', { meta: { b: '"', a: '\xc3\xa9' } }))
    await client.waitForText('item ')
    const [question] = await questions(1)
    const { rawHeaders = [], url } = question ?? {}
    const lines = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1] ?? ''}`] : []))
    expect(url).toBe('/check')
    const shown = lines.map((line) => line.replace(/^(Grip-Sig|Grip-Feature): .*/, '$1'))
    expect(shown.filter((line) => !/^connection:/i.test(line))).toEqual([
      'host: localhost',
      'Sub-Meta: {"url":"/check","user":"alice"}',
      'Pub-Meta: {"a":"\xc3\xa9","b":"\\""}',
      'Grip-Sig',
      'Grip-Feature',
      'content-length: 0',
    ])
  })

  test('http-modify puts other content in the place of the item, if the backend has any', async () => {
    const { rig, counts, questions } = await setUp(byContent, { filters: 'filter=http-modify' })
    const client = await openStream(rig)
    for (const item of verdicts('one', 'same', 'drop', 'large', 'last')) rig.hub.publish(item)
    await client.waitForText('<last >')
    expect(client.text).toBe('start <one >same <last >')
    expect(counts()).toEqual({ drop_filter: 1, drop_filter_failed: 1, filter_requests: 5 })
    expect((await questions(1))[0]?.header('content-length')).toBe('4')
  })

  test('takes as much from http-modify as is allowed', async () => {
    const { rig } = await setUp(byContent, { filters: 'filter=http-modify' })
    const client = await openStream(rig)
    for (const item of verdicts('largest', 'end')) rig.hub.publish(item)
    await client.waitForText('<end >')
    expect(client.text.length).toBe('start <end >'.length + HTTP_FILTER_ANSWER_BYTES_MAX)
  })

  test('loses an item about which the backend says nothing useful, and goes on', async () => {
    const { rig, counts } = await setUp(byContent)
    const client = await openStream(rig)
    for (const item of verdicts('fail', 'reset', 'half', 'send')) rig.hub.publish(item)
    await client.waitForText('send ')
    expect(client.text).toBe('start send ')
    expect(counts()).toEqual({ drop_filter_failed: 3, filter_requests: 4 })
  })

  test('waits ten seconds for an answer, no longer', async () => {
    const late = heldBack()
    const { rig, counts, questions } = await setUp((call) =>
      call.index === 1 ? late.script(call) : call.answer(200, {}),
    )
    const client = await openStream(rig)
    for (const item of verdicts('one', 'two')) rig.hub.publish(item)
    const [first] = await questions(1)
    rig.advance(HTTP_FILTER_TIMEOUT_MS - 100)
    expect(counts()).toEqual({ filter_requests: 1 })
    rig.advance(200)
    await client.waitForText('two ')
    expect(client.text).toBe('start two ')
    expect(await first?.over).toBe(true)
    expect(counts()).toEqual({ drop_filter_failed: 1, filter_requests: 2 })
  })

  test('keeps the order while the backend is slow, of all its channels', async () => {
    const slow = heldBack()
    const { rig, questions, counts } = await setUp(slow.script, { hold: ['Grip-Channel', 'plain'] })
    const client = await openStream(rig)
    rig.hub.publish(streamItem('plain', 'first '))
    await client.waitForText('first ')
    const one = streamItem('c', 'one ')
    rig.hub.publish(one)
    rig.hub.publish(streamItem('plain', 'two '))
    rig.hub.publish(streamItem('c', 'three '))
    rig.hub.publish(streamItem('plain', 'four '))
    // The memory of a message of the bus is used again.
    one.httpStream?.content.fill('?')
    await questions(1)
    expect(client.text).toBe('start first ')
    slow.release()
    await client.waitForText('two ')
    await questions(2)
    expect(client.text).toBe('start first one two ')
    slow.release()
    await client.waitForText('four ')
    expect(client.text).toBe('start first one two three four ')
    expect(counts()).toEqual({ filter_requests: 2 })
  })

  test('of what waits, so much is kept; the rest is counted', async () => {
    const slow = heldBack()
    const { rig, questions, counts } = await setUp(slow.script, { hold: ['Grip-Channel', 'plain'] })
    const client = await openStream(rig)
    rig.hub.publish(streamItem('c', 'asked '))
    await questions(1)
    const contents = Array.from({ length: FILTER_QUEUE_ITEMS_MAX + 3 }, (_, at) => `${String(at)} `)
    for (const content of contents) rig.hub.publish(streamItem('plain', content))
    expect(counts()).toEqual({ filter_requests: 1, drop_filter_queue: 3 })
    slow.release()
    const kept = contents.slice(0, FILTER_QUEUE_ITEMS_MAX)
    await client.waitForText(kept.at(-1) as string)
    expect(client.text).toBe(`start asked ${kept.join('')}`)
  })

  test('that its client leaves gives up what it asks, and keeps nothing', async () => {
    const slow = heldBack()
    const { rig, questions, counts } = await setUp(slow.script)
    const client = await openStream(rig)
    for (const item of verdicts('one', 'two')) rig.hub.publish(item)
    const [question] = await questions(1)
    client.destroy()
    expect(await question?.over).toBe(true)
    await rig.hub.subscribed('c', 0)
    expect(rig.pendingDeadlines).toBe(0)
    expect(counts()).toEqual({ filter_requests: 1 })
  })

  test('that the gateway ends gives up what it asks', async () => {
    const slow = heldBack()
    const { rig, questions } = await setUp(slow.script)
    const client = await openStream(rig)
    for (const item of verdicts('one', 'two')) rig.hub.publish(item)
    const [question] = await questions(1)
    rig.listener.drain()
    await client.waitForEnd()
    expect([client.text, await question?.over, rig.pendingDeadlines]).toEqual(['start ', true, 0])
  })

  test('is asked about its actions, too, and one that ends it drops what waits', async () => {
    const slow = heldBack()
    const { rig, questions, counts } = await setUp(slow.script)
    const client = await openStream(rig)
    rig.hub.publish(action('close'))
    rig.hub.publish(streamItem('c', 'late '))
    await questions(1)
    slow.release((call) => call.answer(200, { Action: 'drop' }))
    await questions(2)
    rig.hub.publish(action('close'))
    rig.hub.publish(streamItem('c', 'later '))
    slow.release()
    await questions(3)
    slow.release()
    await client.waitForEnd()
    expect([client.text, counts()]).toEqual(['start late ', { drop_filter: 1, filter_requests: 3 }])
  })

  test('runs all of its filters, and asks for each that does', async () => {
    const filters = 'filter=http-modify; filter=var-subst; filter=http-check; filter=skip-self'
    const { rig, questions, counts } = await setUp(
      (call) => call.answer(200, {}, call.body.length > 0 ? `[%(user)s ${call.body.toString()}]` : ''),
      { filters },
    )
    const client = await openStream(rig)
    rig.hub.publish(streamItem('c', 'own', { meta: { sender: 'alice' } }))
    rig.hub.publish(streamItem('c', 'other', { meta: { sender: 'bob' } }))
    await client.waitForText(']')
    expect(client.text).toBe('start [alice other]')
    expect((await questions(4)).map(({ body }) => body.toString())).toEqual(['own', '', 'other', ''])
    expect(counts()).toEqual({ drop_filter: 1, filter_requests: 4 })
  })

  test.each([
    ['fail', 'unexpected network request status: code=403'],
    ['reset', 'unexpected network request status: code=502'],
    ['half', 'network request failed: disconnected'],
    ['large', 'network response exceeded 100000 bytes'],
  ])('debug mode says why it ends (%s)', async (verdict, message) => {
    const { rig } = await setUp(byContent, { routes: '*,debug TARGET', filters: 'filter=http-modify' })
    const client = await openStream(rig)
    for (const item of verdicts(verdict, 'next')) rig.hub.publish(item)
    await client.waitForEnd()
    expect(client.text).toBe(`start \n\nfilter error: ${message}\n`)
  })

  test.each([
    ['', 'missing url value'],
    ['http://[', 'invalid url value'],
    ['ftp://localhost/', 'unexpected network request status: code=502'],
  ])('debug mode says what is wrong with the URL %j', async (url, message) => {
    const { rig, counts } = await setUp(byContent, { routes: '*,debug TARGET', url })
    const client = await openStream(rig)
    rig.hub.publish(streamItem('c', 'x'))
    await client.waitForEnd()
    expect(client.text).toBe(`start \n\nfilter error: ${message}\n`)
    expect(counts()).toMatchObject({ drop_filter_failed: 1 })
  })

  test('a URL that is missing drops each item, and the order of the others stays', async () => {
    const { rig, counts } = await setUp(byContent, { url: '', hold: ['Grip-Channel', 'plain'] })
    const client = await openStream(rig)
    for (const channel of ['c', 'plain', 'c', 'plain']) rig.hub.publish(streamItem(channel, `${channel} `))
    await client.waitForText('plain plain ')
    expect(counts()).toEqual({ drop_filter_failed: 2 })
  })

  test('asks the next target when the first cannot be reached', async () => {
    const [dead = 0] = await freePorts(1)
    const { rig, counts } = await setUp(byContent, { routes: `* 127.0.0.1:${String(dead)} TARGET` })
    const client = await openStream(rig)
    rig.hub.publish(streamItem('c', 'item '))
    await client.waitForText('item ')
    expect(counts()).toEqual({ filter_requests: 1 })
  })

  test('asks another host straight', async () => {
    const other = await ScriptedBackend.start((call) => call.answer(200, {}))
    closing.push(() => other.stop())
    const url = `http://${other.target}/check`
    const { rig } = await setUp(byContent, { url })
    const client = await openStream(rig)
    rig.hub.publish(streamItem('c', 'item '))
    await client.waitForText('item ')
    expect(other.calls.map(({ method, url: path }) => [method, path])).toEqual([['POST', '/check']])
  })
})

describe('a stream with a next link', () => {
  const link = (page: string): string[] => ['Grip-Link', `<${page}>; rel=next; timeout=120`]

  test('keeps the id it knows when nobody could say whether the item is for it, and asks for what it missed', async () => {
    let isDown = true
    const { backend, rig, questions } = await setUp((call) => (isDown ? call.answer(500, {}) : call.answer(200, {})), {
      filters: 'prev-id=1; filter=http-check',
      hold: link('/page'),
    })
    const client = await openStream(rig)
    rig.hub.publish(streamItem('c', 'two ', { id: '2', prevId: '1' }))
    const [question] = await questions(1)
    expect(question?.header('grip-last')).toBe('c; last-id=1')
    await until(() => rig.counters.get('drop_filter_failed') === 1)
    isDown = false
    rig.hub.publish(streamItem('c', 'three ', { id: '3', prevId: '2' }))
    rig.advance(150)
    await backend.received(1, ({ url }) => url === '/page')
    await client.waitForText('start start ')
    rig.hub.publish(streamItem('c', 'again ', { id: '2', prevId: '1' }))
    await client.waitForText('again ')
    rig.hub.publish(streamItem('c', 'then ', { id: '3', prevId: '2' }))
    await client.waitForText('then ')
    expect((await questions(3)).map((call) => call.header('grip-last'))).toEqual(
      [1, 1, 2].map((id) => `c; last-id=${id}`),
    )
  })

  test('asks for its page when the filter has answered, and the items behind it wait for the page', async () => {
    const slow = heldBack()
    const { backend, rig, questions } = await setUp(slow.script, { hold: link('/page/one'), url: 'check' })
    const client = await openStream(rig)
    rig.hub.publish(action('hint'))
    await questions(1)
    rig.hub.publish(streamItem('c', 'needless '))
    slow.release()
    await backend.received(1, ({ url }) => url === '/page/one')
    await client.waitForText('start start ')
    rig.hub.publish(streamItem('c', 'item '))
    const [, second] = await questions(2)
    // Relative to where the stream is now.
    expect(second?.url).toBe('/page/check')
    slow.release()
    await client.waitForText('item ')
    expect([client.text, rig.counters.get('drop_link_queue')]).toEqual(['start start item ', 1])
  })

  test('what asks for a page meanwhile is remembered', async () => {
    const slow = heldBack()
    const { backend, rig, questions } = await setUp(slow.script, { hold: link('/page') })
    const client = await openStream(rig)
    rig.hub.publish(streamItem('c', 'one '))
    await questions(1)
    for (const content of ['two ', 'three ']) rig.hub.publish(streamItem('c', content))
    rig.listener.recover()
    rig.advance(150)
    slow.release()
    await questions(2)
    await client.waitForText('one ')
    expect(client.text).toBe('start one ')
    slow.release()
    await questions(3)
    expect(backend.calls.filter(({ url }) => url === '/page')).toEqual([])
    slow.release()
    await client.waitForText('start one two three ')
    rig.advance(150)
    await backend.received(1, ({ url }) => url === '/page')
    await client.waitForText('start one two three start ')
  })
})

describe('a long poll', () => {
  test('is answered by the first item that the backend lets pass', async () => {
    const { rig, counts } = await setUp(byContent, { mode: 'response', filters: 'filter=http-modify' })
    const client = await openPoll(rig)
    for (const verdict of ['drop', 'fail', 'send', 'needless'])
      rig.hub.publish(pollItem(verdict, { meta: { verdict } }))
    expect((await client.readAnswer()).body.toString()).toBe('<send>')
    expect(counts()).toEqual({ drop_filter: 1, drop_filter_failed: 1, filter_requests: 3 })
  })

  test('keeps its time-out while the backend is slow', async () => {
    const slow = heldBack()
    const { rig, questions } = await setUp(slow.script, { mode: 'response', hold: ['Grip-Timeout', '5'] })
    const client = await openPoll(rig)
    rig.hub.publish(pollItem('late'))
    const [question] = await questions(1)
    rig.advance(5_100)
    expect((await client.readAnswer()).body.toString()).toBe('start ')
    expect(await question?.over).toBe(true)
  })

  test('that is to ask again does so when its filter has answered', async () => {
    const slow = heldBack()
    const { backend, rig, questions, counts } = await setUp(slow.script, { mode: 'response' })
    const client = await openPoll(rig)
    rig.hub.publish(pollItem('refused'))
    await questions(1)
    rig.listener.recover()
    rig.advance(150)
    expect(backend.calls.filter((call) => !isQuestion(call)).length).toBe(1)
    slow.release((call) => call.answer(200, { Action: 'drop' }))
    await backend.received(2, (call) => !isQuestion(call))
    await rig.hub.subscribed('c')
    rig.hub.publish(pollItem('good'))
    await questions(2)
    slow.release()
    expect((await client.readAnswer()).body.toString()).toBe('good')
    expect(counts()).toEqual({ drop_filter: 1, filter_requests: 2 })
  })

  test('debug mode says why it fails', async () => {
    const { rig } = await setUp(byContent, { mode: 'response', routes: '*,debug TARGET' })
    const client = await openPoll(rig)
    rig.hub.publish(pollItem('x', { meta: { verdict: 'fail' } }))
    const { status, body } = await client.readAnswer()
    expect([status, body.toString()]).toEqual([502, 'filter error: unexpected network request status: code=403\n'])
  })

  test('that its client leaves gives up what it asks', async () => {
    const slow = heldBack()
    const { rig, questions } = await setUp(slow.script, { mode: 'response' })
    const client = await openPoll(rig)
    rig.hub.publish(pollItem('x'))
    const [question] = await questions(1)
    client.destroy()
    expect(await question?.over).toBe(true)
  })
})

test('an item of many receivers is asked about for each, not for all at once', async () => {
  const { rig, questions, counts } = await setUp((call) => call.answer(200, {}))
  const clients = await Promise.all(Array.from({ length: 12 }, () => openStream(rig)))
  await rig.hub.subscribed('c', 12)
  rig.hub.publish(streamItem('c', 'item '))
  // The limit is 100 a second in steps of 25 ms: three begin together.
  await new Promise(setImmediate)
  expect(rig.counters.get('filter_requests')).toBe(3)
  await Promise.all(clients.map((client) => client.waitForText('item ')))
  await questions(12)
  expect(counts()).toEqual({ filter_requests: 12 })
})

test('who leaves before its turn is not asked about', async () => {
  const { rig, counts } = await setUp((call) => call.answer(200, {}))
  const clients = await Promise.all(Array.from({ length: 6 }, () => openStream(rig)))
  await rig.hub.subscribed('c', 6)
  rig.hub.publish(streamItem('c', 'item '))
  rig.listener.drain()
  await Promise.all(clients.map((client) => client.waitForEnd()))
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(counts()).toEqual({})
})
