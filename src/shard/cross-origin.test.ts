/** CORS and JSON-P through the whole HTTP path of a shard: what src/testing/conformance/scenarios/cross-origin.ts cannot show. */
import { afterEach, expect, test } from 'vitest'
import { HttpRig, publishItem, streamItem } from '../testing/http-rig.js'
import { RawClient } from '../testing/raw-client.js'
import { type BackendCall, type BackendScript, ScriptedBackend } from '../testing/scripted-backend.js'
import { Waiters } from '../testing/wait.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function setUp(script: BackendScript, more: { routes?: string; conf?: string } = {}) {
  const calls: BackendCall[] = []
  const waiters = new Waiters()
  const backend = await ScriptedBackend.start((call) => {
    calls.push(call)
    call.response.sendDate = false
    waiters.changed()
    return script(call)
  })
  closing.push(() => backend.stop())
  const routes = (more.routes ?? '*,aco TARGET').replaceAll('TARGET', backend.target)
  const rig = await HttpRig.start({ routes, ...(more.conf === undefined ? {} : { conf: more.conf }) })
  closing.push(async () => {
    await rig.close()
    expect(rig.errors).toEqual([])
    expect(rig.counters.get('callback_errors')).toBe(0)
  })
  const client = await RawClient.connect(rig.port)
  closing.push(() => {
    client.destroy()
  })
  const called = (): Promise<BackendCall> =>
    waiters.until(
      () => calls.at(-1),
      () => 'a request at the backend',
    )
  return { rig, client, calls, called }
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`

test('a script whose body comes in pieces is passed on as it comes, letters kept whole', async () => {
  const { client, called } = await setUp((call) => {
    call.response.writeHead(200, { 'Cache-Control': 'no-cache', 'Content-Length': '8' })
    call.response.write(Buffer.from('a\xe2\x82', 'latin1'))
  })
  await client.send(get('/?callback=cb'))
  const start = await client.readUntil('"body": "a')
  expect(start.toString()).toContain('Content-Type: application/javascript\r\nCache-Control: no-cache\r\n')
  expect(start.toString()).toContain('/**/cb({"code": 200, "reason": "OK", "headers": {"Cache-Control":"no-cache",')
  ;(await called()).response.end(Buffer.from('\xacb"\n\n', 'latin1').subarray(0, 5))
  const rest = await client.readUntil('0\r\n\r\n')
  expect(rest.toString()).toContain('€b\\"\\n\\n')
  expect(rest.toString()).toContain('"});\n')
})

test('a script of a large body arrives whole, and the connection lives on', async () => {
  const body = 'é"\n'.repeat(200_000)
  const { client } = await setUp((call) => {
    call.answer(200, {}, body)
  })
  for (let round = 0; round < 2; round++) {
    await client.send(get('/?callback=cb'))
    const answer = await client.readAnswer()
    const json = /^\/\*\*\/cb\((.*)\);\n$/s.exec(answer.body.toString())?.[1] ?? ''
    expect((JSON.parse(json) as { body: string }).body === body).toBe(true)
  }
})

test('a backend that dies in the middle of a script: no clean end', async () => {
  const { client, called, rig } = await setUp((call) => {
    call.response.writeHead(200)
    call.response.write('first')
  })
  await client.send(get('/?callback=cb'))
  await client.readUntil('first')
  ;(await called()).reset()
  expect((await client.readToEnd()).toString()).not.toContain(');')
  expect((await rig.accessed(1)).outcome).toBe('error')
})

test('_method=HEAD asks the backend without a body, and the script comes with one', async () => {
  const { client, called } = await setUp((call) => {
    call.answer(200, { 'Content-Length': '5' })
  })
  await client.send(get('/?callback=cb&_method=HEAD'))
  const { body } = await client.readAnswer()
  expect(body.toString()).toBe(
    '/**/cb({"code": 200, "reason": "OK", "headers": {"Content-Length":"5"}, "body": ""});\n',
  )
  expect((await called()).method).toBe('HEAD')
})

test('an answer that has no body becomes a script', async () => {
  const { client } = await setUp((call) => {
    call.answer(304, ['ETag', 'x'])
  })
  await client.send(get('/?callback=cb'))
  const answer = await client.readAnswer()
  expect([answer.status, answer.body.toString()]).toEqual([
    200,
    '/**/cb({"code": 304, "reason": "Not Modified", "headers": {"ETag":"x"}, "body": ""});\n',
  ])
})

test('a body out of the query wins over the one that the client sent with its GET', async () => {
  const { client, called } = await setUp(async (call) => {
    call.answer(200, {}, await call.bodyRead)
  })
  await client.send('GET /?callback=cb&_body=query HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nsent')
  expect((await client.readAnswer()).body.toString()).toContain('"body": "query"')
  expect((await called()).header('content-length')).toBe('5')
  await client.send('GET /?callback=cb HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nsent')
  expect((await client.readAnswer()).body.toString()).toContain('"body": "sent"')
})

test('auto_cross_origin holds where no route does', async () => {
  const { client } = await setUp(() => {}, { routes: 'other.test TARGET', conf: '[proxy]\nauto_cross_origin=true\n' })
  await client.send(get('/?callback=cb'))
  expect((await client.readAnswer()).body.toString()).toBe(
    '/**/cb({"code": 502, "reason": "Bad Gateway", "headers": {"Content-Length":"26","Content-Type":"text/plain"}, ' +
      '"body": "No route for host: a.test\\n"});\n',
  )
  await client.send(get('/'))
  const plain = await client.readAnswer()
  expect(plain.headers.map(([name]) => name)).toContain('Access-Control-Allow-Origin')
})

test('the backend is not asked when a parameter is at fault', async () => {
  const { client, calls, rig } = await setUp(() => {})
  await client.send(get('/?callback='))
  expect((await client.readAnswer()).status).toBe(400)
  expect(calls).toEqual([])
  expect((await rig.accessed(1)).outcome).toBe('error')
})

test('channels that do not become live: the error is a script', async () => {
  const { client, rig } = await setUp((call) => {
    call.answer(200, { 'Grip-Hold': 'response', 'Grip-Channel': 'c' }, 'x')
  })
  rig.hub.works = false
  await client.send(get('/?callback=cb'))
  expect((await client.readAnswer()).body.toString()).toBe(
    '/**/cb({"code": 500, "reason": "Internal Server Error", "headers": {"Content-Length":"28",' +
      '"Content-Type":"text/plain"}, "body": "Accept service unavailable.\\n"});\n',
  )
})

test('Date of the backend: told by CORS and in a held script, never written', async () => {
  const { client, rig } = await setUp((call) => {
    const hold = call.url === '/hold' ? ['Grip-Hold', 'response', 'Grip-Channel', 'c'] : []
    call.answer(200, ['Date', 'then', 'Content-Length', '1', ...hold], 'x')
  })
  await client.send(get('/'))
  const relayed = await client.readAnswer()
  const named = (name: string) => relayed.headers.filter(([candidate]) => candidate === name).map(([, value]) => value)
  expect(named('Date')).toHaveLength(1)
  expect(named('Date')).not.toContain('then')
  expect(named('Access-Control-Expose-Headers')).toEqual(['Date'])
  await client.send(get('/hold?callback=cb'))
  await rig.hub.subscribed('c')
  rig.hub.publish(
    publishItem({
      channel: 'c',
      httpResponse: {
        ...{ action: 'send', code: 200, reason: 'OK', headers: [], body: Buffer.from('p'), bodyPatch: null },
        contentFilters: null,
      },
    }),
  )
  const held = await client.readAnswer()
  expect(held.body.toString()).toContain('"headers":{"Date":"then"}')
  expect(held.headers.filter(([name]) => name === 'Date')).toHaveLength(1)
})

test('a stream whose first body is too large to keep is not wrapped', async () => {
  const { client, rig } = await setUp((call) => {
    call.answer(200, { 'Grip-Hold': 'stream', 'Grip-Channel': 'c' }, 'x'.repeat(150_000))
  })
  await client.send(get('/?callback=cb'))
  await rig.hub.subscribed('c')
  rig.hub.publish(streamItem('c', 'the end'))
  const all = (await client.readUntil('the end')).toString()
  expect(all).toContain('Access-Control-Allow-Origin: *\r\n')
  expect(all).not.toContain('/**/')
})
