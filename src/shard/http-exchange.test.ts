import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { HttpRig, type HttpRigOptions, publishItem, streamItem } from '../testing/http-rig.js'
import { RawClient } from '../testing/raw-client.js'
import { SERVER_CERT, SERVER_KEY } from '../testing/tls-files.js'
import { type BackendScript, ScriptedBackend, type ScriptedBackendOptions } from '../testing/scripted-backend.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function rigOf(options: HttpRigOptions): Promise<HttpRig> {
  const rig = await HttpRig.start(options)
  closing.push(async () => {
    await rig.close()
    expect(rig.errors).toEqual([])
    expect(rig.counters.get('callback_errors')).toBe(0)
    expect(rig.counters.get('stream_holds')).toBe(0)
    expect(rig.counters.get('response_holds')).toBe(0)
  })
  return rig
}

async function backendOf(script: BackendScript, options?: ScriptedBackendOptions): Promise<ScriptedBackend> {
  const backend = await ScriptedBackend.start(script, options)
  closing.push(() => backend.stop())
  return backend
}

async function clientOf(rig: HttpRig): Promise<RawClient> {
  const client = await RawClient.connect(rig.port)
  closing.push(() => {
    client.destroy()
  })
  return client
}

/** A backend, a gateway before it, a client of that. */
async function setUp(script: BackendScript, more: { routes?: string; conf?: string; streaming?: boolean } = {}) {
  const backend = await backendOf(script, { streaming: more.streaming ?? false })
  const routes = (more.routes ?? '* TARGET').replaceAll('TARGET', backend.target)
  const rig = await rigOf({ routes, ...(more.conf === undefined ? {} : { conf: more.conf }) })
  return { backend, rig, client: await clientOf(rig) }
}

/** An answer without its Date line. */
async function exactAnswer(client: RawClient): Promise<string> {
  const head = (await client.readUntil('\r\n\r\n')).toString('latin1')
  expect(head.match(/^date:/gim)).toHaveLength(1)
  const length = /content-length: (\d+)/i.exec(head)?.[1] ?? '0'
  return head.replace(/Date: .*\r\n/, '') + (await client.readExactly(Number(length))).toString('latin1')
}

/**
 * The data of the next chunk; empty: the last one. uWebSockets.js writes the line break that ends a chunk together with
 * the next chunk.
 */
async function chunkOf(client: RawClient): Promise<string> {
  const line = await client.readUntil(
    (received) => /^(?:\r\n)?[0-9a-f]+\r\n/i.exec(received.toString('latin1'))?.[0].length ?? null,
  )
  const size = Number.parseInt(line.toString('latin1').trim(), 16)
  if (size === 0) await client.readExactly(2)
  return (await client.readExactly(size)).toString('latin1')
}

const GET = 'GET /path?q=1 HTTP/1.1\r\nHost: example.com\r\n\r\n'
const BAD_GATEWAY =
  'HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: 32\r\n\r\nError while proxying to origin.\n'

describe('relaying', () => {
  test('a small answer goes out whole, headers in order, hop-by-hop ones and the backend Date removed', async () => {
    const { client, backend, rig } = await setUp((call) => {
      call.endRaw(
        'HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nDate: x\r\nConnection: close\r\nKeep-Alive: y\r\nContent-Encoding: gzip\r\n' +
          'X-B: \xe9\xff\r\nSet-Cookie: b\r\nContent-Length: 5\r\n\r\nhello',
      )
    })
    await client.send(GET)
    expect(await exactAnswer(client)).toBe(
      'HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nX-B: \xe9\xff\r\nSet-Cookie: b\r\nContent-Length: 5\r\n\r\nhello',
    )
    expect(backend.calls[0]?.url).toBe('/path?q=1')
    expect(backend.calls[0]?.rawHeaders.slice(0, 2)).toEqual(['host', 'example.com'])
    expect(await rig.accessed(1)).toMatchObject({
      method: 'GET',
      url: 'http://example.com/path?q=1',
      target: backend.target,
      status: 200,
      bytes: 5,
      outcome: 'relayed',
    })
  })

  test('a chunked answer that is there at once gets a Content-Length', async () => {
    const { client } = await setUp((call) => {
      call.writeRaw('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n')
    })
    await client.send(GET)
    expect(await exactAnswer(client)).toBe('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde')
  })

  test('a chunked answer that comes in pieces is passed on as it comes', async () => {
    const { client, backend } = await setUp((call) => {
      call.response.writeHead(200)
      call.response.write('first')
    })
    await client.send(GET)
    const head = await client.readHead()
    expect(head.get('transfer-encoding')).toBe('chunked')
    expect(await chunkOf(client)).toBe('first')
    backend.calls[0]?.response.end('second')
    expect(await chunkOf(client)).toBe('second')
    expect((await chunkOf(client)).length).toBe(0)
  })

  test('an answer with Content-Length that comes in pieces keeps its length', async () => {
    const { client, backend } = await setUp((call) => {
      call.response.writeHead(200, { 'Content-Length': '10' })
      call.response.write('01234')
    })
    await client.send(GET)
    const head = await client.readHead()
    expect(head.get('content-length')).toBe('10')
    expect((await client.readExactly(5)).toString()).toBe('01234')
    backend.calls[0]?.response.end('56789')
    expect((await client.readExactly(5)).toString()).toBe('56789')
  })

  test('HEAD, 204 and 304 have no body, and the connection goes on', async () => {
    const { client } = await setUp((call) => {
      if (call.url === '/204') call.answer(204, {})
      else if (call.url === '/304') call.answer(304, { ETag: 'x' })
      else call.answer(200, { 'Content-Length': '5' }, call.method === 'HEAD' ? '' : 'hello')
    })
    await client.send('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.readHead()).get('content-length')).toBe('5')
    await client.send('GET /204 HTTP/1.1\r\nHost: a\r\n\r\n')
    const noContent = await client.readHead()
    expect([noContent.status, noContent.get('content-length')]).toEqual([204, null])
    await client.send('GET /304 HTTP/1.1\r\nHost: a\r\n\r\n')
    const notModified = await client.readHead()
    expect([notModified.status, notModified.get('content-length'), notModified.get('etag')]).toEqual([304, null, 'x'])
    await client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.readAnswer()).body.toString()).toBe('hello')
  })

  test.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT'])(
    '%s is passed on with its body',
    async (method) => {
      const { client, backend } = await setUp((call) => {
        call.answer(200, {}, call.body)
      })
      await client.send(`${method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody`)
      expect((await client.readAnswer()).body.toString()).toBe('body')
      expect(backend.calls[0]?.method).toBe(method)
      expect(backend.calls[0]?.header('content-length')).toBe('4')
    },
  )

  test('Connection: close is obeyed and said', async () => {
    const { client } = await setUp((call) => {
      call.answer(200, {}, 'x')
    })
    await client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    const answer = await client.readAnswer()
    expect(answer.get('connection')).toBe('close')
    expect((await client.readToEnd()).length).toBe(0)
  })

  test('informational answers of the backend are skipped', async () => {
    const { client } = await setUp((call) => {
      call.writeRaw('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    await client.send(GET)
    expect((await client.readAnswer()).body.toString()).toBe('ok')
  })
})

describe('uploads', () => {
  test('a chunked body stays chunked', async () => {
    const { client, backend } = await setUp((call) => {
      call.answer(200, {}, call.body)
    })
    await client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
    await client.send('2\r\nde\r\n0\r\n\r\n')
    expect((await client.readAnswer()).body.toString()).toBe('abcde')
    expect(backend.calls[0]?.header('transfer-encoding')).toBe('chunked')
  })

  test('a body with Content-Length is streamed while it comes', async () => {
    const { client, backend } = await setUp(
      async (call) => {
        const body = await call.bodyRead
        call.answer(200, {}, body)
      },
      { streaming: true },
    )
    await client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc')
    const [call] = await backend.received(1)
    expect(call?.header('content-length')).toBe('6')
    await client.send('def')
    expect((await client.readAnswer()).body.toString()).toBe('abcdef')
  })

  test('Expect: 100-continue is answered here and not passed on', async () => {
    const { client, backend } = await setUp((call) => {
      call.answer(200, {}, call.body)
    })
    await client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n')
    expect((await client.readUntil('\r\n\r\n')).toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    await client.send('abc')
    expect((await client.readAnswer()).body.toString()).toBe('abc')
    expect(backend.calls[0]?.header('expect')).toBeNull()
  })

  test('an answer before the end of the upload is relayed at once, and neither connection is used again', async () => {
    const { client, backend } = await setUp(
      (call) => {
        call.answer(413, {}, 'too much')
      },
      { streaming: true },
    )
    await client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc')
    const answer = await client.readAnswer()
    expect([answer.status, answer.get('connection'), answer.body.toString()]).toEqual([413, 'close', 'too much'])
    await client.readToEnd()
    await backend.connectionsAre(0)
  })

  test('a client that goes in the middle of its upload aborts the request to the backend', async () => {
    const { client, backend, rig } = await setUp(() => {}, { streaming: true })
    await client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc')
    const [call] = await backend.received(1)
    client.reset()
    await expect(call?.bodyRead).rejects.toThrow()
    expect(await rig.accessed(1)).toMatchObject({ outcome: 'aborted' })
    expect(rig.counters.get('backend_aborted')).toBe(1)
  })
})

describe('errors', () => {
  test('no route', async () => {
    const rig = await rigOf({ routes: 'other.com 127.0.0.1:1' })
    const client = await clientOf(rig)
    await client.send('GET / HTTP/1.1\r\nHost: Example.com:80\r\n\r\n')
    const answer = await client.readAnswer()
    expect([answer.status, answer.body.toString()]).toEqual([502, 'No route for host: example.com\n'])
  })

  test('backend refuses the connection', async () => {
    const backend = await backendOf(() => {})
    await backend.stop()
    const rig = await rigOf({ routes: `* ${backend.target}` })
    const client = await clientOf(rig)
    await client.send(GET)
    expect(await exactAnswer(client)).toBe(BAD_GATEWAY)
    expect(rig.counters.get('backend_connect_failed')).toBe(1)
  })

  test('an untrusted target with an internal address, or a name that leads to one, is not connected to', async () => {
    const backend = await backendOf((call) => {
      call.answer(200, {}, 'reached')
    })
    const port = backend.target.split(':')[1] as string
    const rig = await rigOf({
      routes: [
        `*,debug 127.0.0.1:${port},untrusted 127.0.0.1:${port}`,
        `name,debug localhost:${port},untrusted`,
        `quiet 127.0.0.1:${port},untrusted`,
        `trusted 127.0.0.1:${port}`,
      ].join('\n'),
    })
    const client = await clientOf(rig)
    const ask = async (host: string): Promise<string> => {
      await client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      return (await client.readAnswer()).body.toString()
    }
    expect(await ask('any')).toBe('Error: Origin host/IP blocked.\n')
    expect(await ask('name')).toBe('Error: Origin host/IP blocked.\n')
    expect(await ask('quiet')).toBe('Error while proxying to origin.\n')
    expect(await ask('trusted')).toBe('reached')
    expect(backend.calls).toHaveLength(1)
  })

  test('debug mode names the targets that were tried', async () => {
    const backend = await backendOf(() => {})
    await backend.stop()
    const rig = await rigOf({ routes: `*,debug ${backend.target}` })
    const client = await clientOf(rig)
    await client.send(GET)
    const { body } = await client.readAnswer()
    expect(body.toString()).toBe(`Unable to connect to any targets. Tried: ${backend.target}\n`)
  })

  test.each([
    [
      'is reset',
      (call: { reset(): void }) => {
        call.reset()
      },
    ],
    [
      'ends before the answer',
      (call: { endRaw(text: string): void }) => {
        call.endRaw('')
      },
    ],
    [
      'is malformed',
      (call: { endRaw(text: string): void }) => {
        call.endRaw('FTP/9 what\r\n\r\n')
      },
    ],
    [
      'has a head that is too large',
      (call: { endRaw(text: string): void }) => {
        call.endRaw(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`)
      },
    ],
  ] as const)('the connection to the backend %s', async (_name, script) => {
    const { client, rig } = await setUp((call) => {
      script(call)
    })
    await client.send(GET)
    expect(await exactAnswer(client)).toBe(BAD_GATEWAY)
    expect(rig.counters.get('backend_failed')).toBe(1)
  })

  test('a backend that says nothing for backend_timeout', async () => {
    const { client, backend, rig } = await setUp(() => {}, { conf: '[proxy]\nbackend_timeout=1\n' })
    await client.send(GET)
    await backend.received(1)
    rig.advance(1_100)
    expect(await exactAnswer(client)).toBe(BAD_GATEWAY)
    expect(rig.counters.get('backend_timeout')).toBe(1)
  })

  test('a backend that dies in the middle of its answer: the client sees no clean end', async () => {
    const { client, backend, rig } = await setUp((call) => {
      call.response.writeHead(200)
      call.response.write('half')
    })
    await client.send(GET)
    await client.readHead()
    await chunkOf(client)
    backend.calls[0]?.reset()
    expect((await client.readToEnd()).length).toBe(0)
    expect(await rig.accessed(1)).toMatchObject({ status: 200, outcome: 'error' })
  })

  test('the next target is tried when the first refuses, with the whole body', async () => {
    const dead = await backendOf(() => {})
    await dead.stop()
    const backend = await backendOf((call) => {
      call.answer(200, {}, call.body)
    })
    const rig = await rigOf({ routes: `* ${dead.target} ${backend.target}` })
    const client = await clientOf(rig)
    const body = 'x'.repeat(150_000)
    await client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${String(body.length)}\r\n\r\n`)
    await client.send(body)
    expect((await client.readAnswer()).body.toString()).toBe(body)
    expect(await rig.accessed(1)).toMatchObject({ target: backend.target })
  })

  test('a backend that is silent is a reason to try the next target', async () => {
    const silent = await backendOf(() => {})
    const backend = await backendOf((call) => {
      call.answer(200, {}, 'second')
    })
    const rig = await rigOf({ routes: `* ${silent.target} ${backend.target}`, conf: '[proxy]\nbackend_timeout=1\n' })
    const client = await clientOf(rig)
    await client.send(GET)
    await silent.received(1)
    rig.advance(1_100)
    expect((await client.readAnswer()).body.toString()).toBe('second')
  })

  test('a certificate that cannot be trusted is one too; debug mode names all that were tried', async () => {
    const server = tls.createServer({ cert: SERVER_CERT, key: SERVER_KEY }, (socket) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecure')
    })
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closing.push(() => {
      server.close()
    })
    const target = `127.0.0.1:${String((server.address() as net.AddressInfo).port)}`
    const rig = await rigOf({
      routes: `both.com ${target},ssl ${target},ssl,insecure\n*,debug ${target},ssl ${target},ssl`,
    })
    const client = await clientOf(rig)
    await client.send('GET / HTTP/1.1\r\nHost: both.com\r\n\r\n')
    expect((await client.readAnswer()).body.toString()).toBe('secure')
    await client.send(GET)
    const { status, body } = await client.readAnswer()
    expect([status, body.toString()]).toEqual([502, `Unable to connect to any targets. Tried: ${target}, ${target}\n`])
    expect(rig.counters.get('backend_tls_failed')).toBe(3)
  })

  test('a name that does not exist: 502, and no further target', async () => {
    const second = await backendOf((call) => {
      call.answer(200, {}, 'no')
    })
    const rig = await rigOf({ routes: `* no-such-host.invalid:80 ${second.target}` })
    const client = await clientOf(rig)
    await client.send(GET)
    expect(await exactAnswer(client)).toBe(BAD_GATEWAY)
    expect(second.calls).toHaveLength(0)
  })

  test('a backend that dies before its Content-Length: fewer bytes, then the end', async () => {
    const { client, backend } = await setUp((call) => {
      call.response.writeHead(200, { 'Content-Length': '10' })
      call.response.write('half')
    })
    await client.send(GET)
    await client.readUntil('half')
    backend.calls[0]?.reset()
    expect((await client.readToEnd()).length).toBe(0)
  })

  test.each([
    ['*,debug TARGET', '\r\n22\r\n\n\nError while proxying to origin.\n'],
    ['* TARGET', ''],
  ])('a stream hold that dies within its large first body (%s): no clean end', async (routes, text) => {
    const { client, backend } = await setUp(
      (call) => {
        call.response.writeHead(200, { 'Grip-Hold': 'stream', 'Grip-Channel': 'room' })
        call.response.write('b'.repeat(150_000))
      },
      { routes },
    )
    await client.send(GET)
    await client.readUntil((received) =>
      received.toString('latin1').split('b').length > 150_000 ? received.length : null,
    )
    backend.calls[0]?.reset()
    expect((await client.readToEnd()).toString()).toBe(text)
  })

  test('a reset is no reason to try the next target', async () => {
    const first = await backendOf((call) => {
      call.reset()
    })
    const second = await backendOf((call) => {
      call.answer(200, {}, 'no')
    })
    const rig = await rigOf({ routes: `* ${first.target} ${second.target}` })
    const client = await clientOf(rig)
    await client.send(GET)
    expect((await client.readAnswer()).status).toBe(502)
    expect(second.calls).toHaveLength(0)
  })

  test('what undici or the backend could not take is answered at the door', async () => {
    const { client, backend } = await setUp(() => {})
    await client.send('F@O /x HTTP/1.1\r\nHost: a\r\n\r\n')
    const answer = await client.readAnswer()
    expect([answer.status, answer.body.toString()]).toEqual([400, 'Failed to parse request: invalid token\n'])
    expect(backend.calls).toHaveLength(0)
  })

  test('a client may not speak WebSocket events to an over_http target itself', async () => {
    const { client } = await setUp(() => {}, { routes: '* TARGET,over_http' })
    await client.send(
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/websocket-events; x\r\nContent-Length: 6\r\n\r\nOPEN\r\n',
    )
    const answer = await client.readAnswer()
    expect([answer.status, answer.body.toString()]).toEqual([
      403,
      'Client not allowed to send WebSocket events directly.\n',
    ])
  })
})

describe('stream holds', () => {
  const stream: BackendScript = (call) => {
    call.answer(200, ['Content-Type', 'text/plain', 'Grip-Hold', 'stream', 'Grip-Channel', 'room'], 'opened\n')
  }

  test('opens when its channels are live, passes what is published, ends on close and goes on', async () => {
    const { client, rig } = await setUp(stream, { routes: '*,prefix=p- TARGET' })
    rig.hub.isOpen = false
    await client.send(GET)
    await rig.hub.waiters.until(
      () => (rig.hub.waiting === 1 ? true : undefined),
      () => 'the subscription',
    )
    expect(client.pending.length).toBe(0)
    rig.hub.isOpen = true
    rig.hub.release()
    const head = await client.readHead()
    expect(head.headers.map(([name]) => name.toLowerCase())).toEqual(['content-type', 'date', 'transfer-encoding'])
    expect(await chunkOf(client)).toBe('opened\n')
    rig.hub.publish(streamItem('p-room', 'hello\n'))
    expect(await chunkOf(client)).toBe('hello\n')
    expect(rig.counters.get('stream_holds')).toBe(1)
    const httpStream = { action: 'close', content: Buffer.alloc(0), contentFilters: null } as const
    rig.hub.publish(publishItem({ channel: 'p-room', httpStream }))
    expect((await chunkOf(client)).length).toBe(0)
    expect(rig.hub.subscribers('p-room')).toBe(0)
    await client.send(GET)
    expect((await client.readHead()).status).toBe(200)
    client.destroy()
    await rig.hub.subscribed('p-room', 0)
  })

  test('a client that goes leaves its channels', async () => {
    const { client, rig } = await setUp(stream)
    await client.send(GET)
    await client.readUntil('opened\n')
    expect(rig.hub.subscribers('room')).toBe(1)
    client.reset()
    await rig.hub.subscribed('room', 0)
    expect(await rig.accessed(1)).toMatchObject({ outcome: 'held', status: 200, bytes: 7 })
  })

  test('channels that do not get live: 500', async () => {
    const { client, rig } = await setUp(stream)
    rig.hub.works = false
    await client.send(GET)
    const answer = await client.readAnswer()
    expect([answer.status, answer.body.toString()]).toEqual([500, 'Accept service unavailable.\n'])
  })

  test('an empty first body: the head does not wait for the first publish', async () => {
    const { client } = await setUp((call) => {
      call.answer(200, ['Content-Type', 'text/event-stream', 'Grip-Hold', 'stream', 'Grip-Channel', 'room'])
    })
    await client.send(GET)
    expect((await client.readHead()).status).toBe(200)
    expect(await chunkOf(client)).toBe(':\n\n')
    client.destroy()
  })

  test.each([
    ['text/plain', '\n'],
    ['application/json', '\n'],
    ['application/x-ndjson', '\n'],
    ['application/octet-stream', ''],
    [null, ''],
  ])('an empty first body of type %s opens with %j, or with the first publish', async (type, opening) => {
    const { client, rig } = await setUp((call) => {
      const headers = type === null ? [] : ['Content-Type', type]
      call.answer(200, [...headers, 'Grip-Hold', 'stream', 'Grip-Channel', 'room'])
    })
    await client.send(GET)
    await rig.hub.subscribed('room')
    if (opening !== '') {
      await client.readHead()
      expect(await chunkOf(client)).toBe(opening)
    }
    rig.hub.publish(streamItem('room', 'first'))
    if (opening === '') await client.readHead()
    expect(await chunkOf(client)).toBe('first')
    client.destroy()
    await rig.hub.subscribed('room', 0)
  })

  test.each([
    ['idle', [0, 0]],
    ['interval', [1, 1]],
  ] as const)('keep-alives in mode %s', async (mode, [early]) => {
    const { client, rig } = await setUp((call) => {
      const keepAlive = `alive; timeout=10; mode=${mode}`
      call.answer(200, ['Grip-Hold', 'stream', 'Grip-Channel', 'room', 'Grip-Keep-Alive', keepAlive], 'opened\n')
    })
    await client.send(GET)
    await client.readUntil('opened\n')
    rig.advance(6_000)
    rig.hub.publish(streamItem('room', 'x\n'))
    expect(await chunkOf(client)).toBe('x\n')
    rig.advance(4_050)
    if (early === 1) expect(await chunkOf(client)).toBe('alive')
    rig.advance(6_000)
    if (early === 0) expect(await chunkOf(client)).toBe('alive')
    rig.hub.publish(streamItem('room', 'y\n'))
    expect(await chunkOf(client)).toBe('y\n')
    client.destroy()
    await rig.hub.subscribed('room', 0)
  })

  test('a body over 100,000 bytes is passed on before the hold', async () => {
    const body = 'b'.repeat(400_000)
    const { client, rig } = await setUp((call) => {
      call.answer(200, ['Grip-Hold', 'stream', 'Grip-Channel', 'room', 'Grip-Status', '201'], body)
    })
    await client.send(GET)
    const head = await client.readHead()
    expect([head.status, head.get('grip-hold')]).toEqual([201, null])
    let got = 0
    while (got < body.length) got += (await chunkOf(client)).length
    await rig.hub.subscribed('room')
    rig.hub.publish(streamItem('room', 'after'))
    expect(await chunkOf(client)).toBe('after')
    client.destroy()
    await rig.hub.subscribed('room', 0)
  })

  test('prev-id without a next link ends the stream', async () => {
    const { client } = await setUp(
      (call) => {
        call.answer(200, ['Grip-Hold', 'stream', 'Grip-Channel', 'room; prev-id=1'], 'body')
      },
      { routes: '*,debug TARGET' },
    )
    await client.send(GET)
    expect((await client.readAnswer()).body.toString()).toBe(
      "body\n\nchannel 'room' specifies prev-id, but no next link found\n",
    )
  })

  test('a client that does not read: what is above the backlog is dropped and counted, then it goes on', async () => {
    const { client, rig } = await setUp(stream)
    await client.send(GET)
    await client.readUntil('opened\n')
    client.pause()
    const item = streamItem('room', 'z'.repeat(100_000))
    for (let n = 0; n < 200; n++) rig.hub.publish(item)
    const dropped = rig.counters.get('drop_stream_backlog')
    expect(dropped).toBeGreaterThan(50)
    expect(rig.counters.get('stream_items_out')).toBe(200 - dropped)
    client.resume()
    for (let left = 200 - dropped; left > 0; left--) expect((await chunkOf(client)).length).toBe(100_000)
    rig.advance(11_000)
    rig.hub.publish(streamItem('room', 'again'))
    expect(await chunkOf(client)).toBe('again')
    rig.hub.publish(streamItem('room', 'and again'))
    expect(await chunkOf(client)).toBe('and again')
    client.destroy()
    await rig.hub.subscribed('room', 0)
  })

  test('a client that never reads again is let go, and counted', async () => {
    const { client, rig } = await setUp(stream)
    await client.send(GET)
    await client.readUntil('opened\n')
    client.pause()
    const item = streamItem('room', 'z'.repeat(1_000_000))
    for (let n = 0; n < 60 && rig.hub.subscribers('room') > 0; n++) {
      rig.hub.publish(item)
      rig.advance(11_000)
    }
    expect(rig.hub.subscribers('room')).toBe(0)
    expect(rig.counters.get('stream_dropped_backlog')).toBe(1)
    client.destroy()
  })

  test('what a slow client has not taken of a stream with a large first body comes without a further publish', async () => {
    const FIRST = 8_000_000
    const { rig } = await setUp((call) => {
      call.answer(200, ['Grip-Hold', 'stream', 'Grip-Channel', 'room'], 'b'.repeat(FIRST))
    })
    const socket = net.connect(rig.port, '127.0.0.1')
    closing.push(() => {
      socket.destroy()
    })
    let bytes = 0
    let published = 0
    socket.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 0x5a) published++
      bytes += chunk.length
    })
    socket.write(GET)
    while (bytes < FIRST) await once(socket, 'data')
    await rig.hub.subscribed('room')
    socket.pause()
    const item = streamItem('room', 'Z'.repeat(500_000))
    for (let n = 0; n < 12; n++) rig.hub.publish(item)
    const items = rig.counters.get('stream_items_out')
    expect(rig.counters.get('drop_stream_backlog')).toBeGreaterThan(0)
    socket.resume()
    while (published < items * 500_000) await once(socket, 'data')
    socket.destroy()
    await rig.hub.subscribed('room', 0)
  })

  test('drain lets a relay finish and says that the connection ends; new requests are refused', async () => {
    const { client, rig, backend } = await setUp(() => {})
    const kept = await clientOf(rig)
    await kept.send('F@O / HTTP/1.1\r\nHost: a\r\n\r\n')
    await kept.readToEnd()
    const idle = await clientOf(rig)
    await client.send(GET)
    const [call] = await backend.received(1)
    rig.isDraining = true
    rig.listener.drain()
    call?.answer(200, {}, 'done')
    const answer = await client.readAnswer()
    expect([answer.status, answer.get('connection'), answer.body.toString()]).toEqual([200, 'close', 'done'])
    expect((await client.readToEnd()).length).toBe(0)
    await idle.send(GET)
    const refused = await idle.readAnswer()
    expect([refused.status, refused.get('connection'), refused.body.toString()]).toEqual([
      500,
      'close',
      'Failed to process request.\n',
    ])
    expect((await idle.readToEnd()).length).toBe(0)
    expect(rig.listener.size).toBe(0)
  })

  test('drain ends streams cleanly and answers long polls', async () => {
    const { client, rig } = await setUp((call) => {
      const hold = call.url === '/poll' ? 'response' : 'stream'
      call.answer(200, ['Grip-Hold', hold, 'Grip-Channel', 'room'], 'body')
    })
    const poll = await clientOf(rig)
    await client.send(GET)
    await client.readUntil('body')
    await poll.send('GET /poll HTTP/1.1\r\nHost: a\r\n\r\n')
    await rig.hub.subscribed('room', 2)
    rig.listener.drain()
    expect((await chunkOf(client)).length).toBe(0)
    expect((await poll.readAnswer()).body.toString()).toBe('body')
    expect(rig.listener.size).toBe(0)
  })
})

describe('response holds and plain instructs', () => {
  const poll: BackendScript = (call) => {
    call.answer(
      200,
      [
        'Content-Type',
        'text/plain',
        'X-Keep',
        'k',
        'Grip-Hold',
        'response',
        'Grip-Channel',
        'room',
        'Grip-Timeout',
        '20',
      ],
      'nothing',
    )
  }

  test('is answered by a publish: its headers replace the held ones of the same name', async () => {
    const { client, rig } = await setUp(poll)
    await client.send(GET)
    await rig.hub.subscribed('room')
    const httpResponse = {
      action: 'send',
      code: 201,
      reason: 'Made',
      headers: [
        ['content-type', 'text/x'],
        ['Grip-Foo', 'no'],
        ['Content-Length', '99'],
      ],
      body: Buffer.from('news'),
      bodyPatch: null,
      contentFilters: null,
    } as const
    rig.hub.publish(publishItem({ channel: 'room', httpResponse }))
    expect(await exactAnswer(client)).toBe(
      'HTTP/1.1 201 Made\r\nX-Keep: k\r\ncontent-type: text/x\r\nContent-Length: 4\r\n\r\nnews',
    )
    expect(rig.counters.get('responses_out')).toBe(1)
    expect(rig.hub.subscribers('room')).toBe(0)
  })

  test('is answered by the backend its own answer at its timeout', async () => {
    const { client, rig } = await setUp(poll)
    await client.send(GET)
    await rig.hub.subscribed('room')
    rig.advance(19_900)
    expect(client.pending.length).toBe(0)
    rig.advance(200)
    expect(await exactAnswer(client)).toBe(
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Keep: k\r\nContent-Length: 7\r\n\r\nnothing',
    )
  })

  test('a client that goes leaves its channels', async () => {
    const { client, rig } = await setUp(poll)
    await client.send(GET)
    await rig.hub.subscribed('room')
    client.reset()
    await rig.hub.subscribed('room', 0)
    expect(await rig.accessed(1)).toMatchObject({ outcome: 'aborted' })
  })

  test('no hold: Grip headers are stripped, Grip-Status applies', async () => {
    const { client } = await setUp((call) => {
      call.answer(200, ['X-A', '1', 'Grip-Foo', 'x', 'Grip-Status', '404'], 'gone')
    })
    await client.send(GET)
    expect(await exactAnswer(client)).toBe('HTTP/1.1 404 Not Found\r\nX-A: 1\r\nContent-Length: 4\r\n\r\ngone')
  })

  test.each([
    [
      ['Grip-Hold', 'bogus'],
      'body',
      "Failed to parse accept instructions: Grip-Hold must be set to either 'response' or 'stream'\n",
    ],
    [
      ['Content-Type', 'application/grip-instruct'],
      '{',
      'Failed to parse accept instructions: failed to parse application/grip-instruct content as JSON\n',
    ],
    [['Grip-Hold', 'response'], 'b'.repeat(100_001), 'GRIP instruct response too large from TARGET\n'],
  ])('bad instructions %#: 502, and debug mode says why', async (headers, body, message) => {
    const script: BackendScript = (call) => {
      call.answer(200, headers, body)
    }
    const { client } = await setUp(script)
    await client.send(GET)
    expect(await exactAnswer(client)).toBe(BAD_GATEWAY)
    const debug = await setUp(script, { routes: '*,debug TARGET' })
    await debug.client.send(GET)
    const answer = await debug.client.readAnswer()
    expect(answer.body.toString()).toBe(message.replace('TARGET', debug.backend.target))
  })

  test('a GRIP answer to a request over 100,000 bytes: 400', async () => {
    const { client } = await setUp(poll)
    await client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n${'x'.repeat(100_001)}`)
    const answer = await client.readAnswer()
    expect([answer.status, answer.body.toString()]).toEqual([400, 'Request too large to accept GRIP instruct.\n'])
  })

  test('no_grip: the headers pass untouched', async () => {
    const { client } = await setUp(
      (call) => {
        call.answer(200, ['Grip-Hold', 'stream', 'Grip-Channel', 'x'], 'plain')
      },
      { routes: '*,no_grip TARGET' },
    )
    await client.send(GET)
    expect(await exactAnswer(client)).toBe(
      'HTTP/1.1 200 OK\r\nGrip-Hold: stream\r\nGrip-Channel: x\r\nContent-Length: 5\r\n\r\nplain',
    )
  })

  test('the test target holds', async () => {
    const rig = await rigOf({ routes: '* test' })
    const client = await clientOf(rig)
    await client.send('GET /stream?channel=c HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.readUntil('[stream opened]\n')
    expect(rig.hub.subscribers('c')).toBe(1)
    client.destroy()
    await rig.hub.subscribed('c', 0)
  })
})

describe('large bodies', () => {
  const TOTAL = 256 * 1024 * 1024
  const PIECE = Buffer.alloc(65_536, 'x')
  /** Megabytes that may be in use beyond what was at the start. */
  const EXTRA_MAX = 100

  function writePieces(write: (piece: Buffer) => boolean, onDrain: (run: () => void) => void, end: () => void): void {
    let left = TOTAL
    const run = (): void => {
      while (left > 0) {
        left -= PIECE.length
        if (!write(PIECE)) return onDrain(run)
      }
      end()
    }
    run()
  }

  function watchMemory(): () => number {
    const start = process.memoryUsage().rss
    let most = 0
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss - start)
    }, 20)
    return () => {
      clearInterval(timer)
      return most / 1024 / 1024
    }
  }

  test.each(['Content-Length', 'chunked'])(
    'a download (%s) does not pile up',
    async (framing) => {
      const { rig } = await setUp((call) => {
        call.response.writeHead(200, framing === 'chunked' ? {} : { 'Content-Length': String(TOTAL) })
        writePieces(
          (piece) => call.response.write(piece),
          (run) => call.response.once('drain', run),
          () => call.response.end(),
        )
      })
      const most = watchMemory()
      const socket = net.connect(rig.port, '127.0.0.1')
      closing.push(() => {
        socket.destroy()
      })
      let got = 0
      socket.on('data', (chunk) => {
        got += chunk.length
      })
      socket.write(GET)
      expect((await rig.accessed(1)).bytes).toBe(TOTAL)
      while (got < TOTAL) await new Promise((resolve) => socket.once('data', resolve))
      expect(most()).toBeLessThan(EXTRA_MAX)
    },
    60_000,
  )

  test('an upload does not pile up', async () => {
    let got = 0
    // Not the scripted backend: that one keeps bodies.
    const server = http.createServer((request, response) => {
      request.on('data', (chunk: Buffer) => {
        got += chunk.length
      })
      request.on('end', () => response.end(String(got)))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closing.push(() => {
      server.closeAllConnections()
      server.close()
    })
    const rig = await rigOf({ routes: `* 127.0.0.1:${String((server.address() as net.AddressInfo).port)}` })
    const most = watchMemory()
    const client = await clientOf(rig)
    await client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${String(TOTAL)}\r\n\r\n`)
    writePieces(
      (piece) => client.socket.write(piece),
      (run) => client.socket.once('drain', run),
      () => {},
    )
    expect((await client.readAnswer()).body.toString()).toBe(String(TOTAL))
    expect(most()).toBeLessThan(EXTRA_MAX)
  }, 60_000)
})
