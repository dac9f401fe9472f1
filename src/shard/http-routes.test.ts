/** What keys and options of routing do to a request on its way through one shard, where no other file shows it. */
import { once } from 'node:events'
import http from 'node:http'
import type net from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { HttpRig, type HttpRigOptions } from '../testing/http-rig.js'
import { RawClient } from '../testing/raw-client.js'
import { type BackendScript, ScriptedBackend } from '../testing/scripted-backend.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function backendOf(script: BackendScript): Promise<ScriptedBackend> {
  const backend = await ScriptedBackend.start(script)
  closing.push(() => backend.stop())
  return backend
}

async function rigOf(options: HttpRigOptions): Promise<HttpRig> {
  const rig = await HttpRig.start(options)
  closing.push(async () => {
    await rig.close()
    expect(rig.errors).toEqual([])
  })
  return rig
}

async function clientOf(rig: HttpRig): Promise<RawClient> {
  const client = await RawClient.connect(rig.port)
  closing.push(() => {
    client.destroy()
  })
  return client
}

describe('Pushpin-Route', () => {
  /** Three lines that say who they are, of which two share an id. */
  async function setUp(conf: string) {
    const backend = await backendOf((call) => {
      call.answer(200, {}, `${call.header('x-line') ?? ''} ${call.header('pushpin-route') ?? ''}`)
    })
    const routes = [
      `one.test,id=one,header=x-line:one ${backend.target}`,
      `two.test,id=two,header=x-line:two ${backend.target}`,
      `three.test,id=shared,header=x-line:three ${backend.target}`,
      `four.test,id=shared,header=x-line:four ${backend.target}`,
    ]
    const client = await clientOf(await rigOf({ routes: routes.join('\n'), conf }))
    return async (id: string): Promise<string> => {
      await client.send(`GET / HTTP/1.1\r\nHost: one.test\r\nPushpin-Route: ${id}\r\n\r\n`)
      return (await client.readAnswer()).body.toString()
    }
  }

  test('names the route by its id and goes no further, where the settings accept it', async () => {
    const ask = await setUp('[proxy]\naccept_pushpin_route=true\n')
    expect(await ask('two')).toBe('two ')
    expect(await ask('none')).toBe('No route for host: one.test\n')
    expect(await ask('shared')).toBe('one ')
  })

  test('is a header like any other where they do not', async () => {
    const ask = await setUp('')
    expect(await ask('two')).toBe('one two')
  })
})

test('a target is reached by its IPv6 address', async () => {
  const server = http.createServer((_, response) => response.end('six'))
  server.listen(0, '::1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as net.AddressInfo
  const client = await clientOf(await rigOf({ routes: `* [::1]:${String(port)}` }))
  await client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n')
  expect((await client.readAnswer()).body.toString()).toBe('six')
})

test('equal requests are made one by one, whatever share_all says', async () => {
  const backend = await backendOf(() => {})
  const rig = await rigOf({ routes: `* ${backend.target}`, conf: '[handler]\nshare_all=true\n' })
  const clients = [await clientOf(rig), await clientOf(rig)]
  for (const client of clients) await client.send('GET /same HTTP/1.1\r\nHost: a.test\r\n\r\n')
  const calls = await backend.received(2)
  for (const [at, call] of calls.entries()) call.answer(200, {}, `answer ${String(at)}`)
  const bodies = await Promise.all(clients.map(async (client) => (await client.readAnswer()).body.toString()))
  expect(bodies.sort()).toEqual(['answer 0', 'answer 1'])
})

test('headers of the session store go no further', async () => {
  const backend = await backendOf((call) => {
    const headers = ['Grip-Session-Id', 's1', 'Grip-Session-Detect', 'path-prefix=/', 'Grip-Last', 'c; last-id=1']
    call.answer(200, headers, `${call.header('grip-session-id') ?? 'none'}`)
  })
  const conf = '[handler]\nstate_spec=ipc:///nowhere\n'
  const client = await clientOf(await rigOf({ routes: `*,session ${backend.target}`, conf }))
  await client.send('GET / HTTP/1.1\r\nHost: a.test\r\nGrip-Session-Id: mine\r\n\r\n')
  const answer = await client.readAnswer()
  expect(answer.headers.filter(([name]) => /^grip-/i.test(name))).toEqual([])
  expect(answer.body.toString()).toBe('none')
})
