import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { PublishItem } from '../wire/publish-types.js'
import { type ControlHandlers, type ControlHttp, type ControlHttpOptions, openControlHttp } from './control-http.js'

const ITEMS = '{"items":[{"channel":"a","ws-message":{"content":"x"}}]}'

let control: ControlHttp | undefined
let published: PublishItem[] = []

afterEach(async () => {
  await control?.close(0)
  control = undefined
  published = []
})

async function open(handlers: Partial<ControlHandlers> = {}, options: Partial<ControlHttpOptions> = {}): Promise<void> {
  control = await openControlHttp({
    host: '127.0.0.1',
    port: 0,
    headersBytesMax: 10_000,
    bodyBytesMax: 1_000_000,
    connectionsMax: 128,
    log: { debug: () => undefined, error: () => undefined, isLevelEnabled: () => true },
    handlers: {
      publish: (items) => void published.push(...items),
      recover: () => undefined,
      metrics: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', body: 'up 1\n' }),
      health: () => ({ ok: true, body: 'ok\n' }),
      ...handlers,
    },
    ...options,
  })
}

class Client {
  readonly socket: Socket
  text = ''
  #changed = (): void => undefined
  ended = false

  constructor() {
    this.socket = connect((control as ControlHttp).address.port, '127.0.0.1')
    this.socket.on('data', (data) => {
      this.text += data.toString('latin1')
      this.#changed()
    })
    this.socket.on('close', () => {
      this.ended = true
      this.#changed()
    })
    this.socket.on('error', () => undefined)
  }

  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  async until(condition: () => boolean): Promise<string> {
    while (!condition()) await new Promise<void>((resolve) => (this.#changed = resolve))
    return this.text
  }

  end(): Promise<string> {
    return this.until(() => this.ended)
  }
}

function raw(text: string): Promise<string> {
  return new Client().send(text).end()
}

function post(path = '/publish/', headers = '', body = ITEMS, version = '1.1'): string {
  return `POST ${path} HTTP/${version}\r\nHost: x\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

function answer(
  status: string,
  body: string,
  { version = '1.1', extra = '', type = 'text/plain', connection = 'close' } = {},
): string {
  const length = Buffer.byteLength(body)
  return `HTTP/${version} ${status}\r\n${extra}Content-Type: ${type}\r\nConnection: ${connection}\r\nContent-Length: ${length}\r\n\r\n${body}`
}

const NOT_ACCEPTABLE = answer(
  '406 Not Acceptable',
  'Not Acceptable. Supported formats are text/plain and application/json.\n',
)
const LENGTH_REQUIRED = answer('411 Length Required', 'Request requires Content-Length.\n')
const bad = (text: string): string => answer('400 Bad Request', `${text}\n`)

describe('paths, methods and Accept', () => {
  it.each([
    ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', answer('200 OK', 'Pushpin API\n')],
    ['GET // HTTP/1.1\r\n\r\n', answer('200 OK', 'Pushpin API\n')],
    ['GET / HTTP/1.0\r\n\r\n', answer('200 OK', 'Pushpin API\n', { version: '1.0' })],
    [post('/', '', 'zzz').replace('POST', 'PUT'), answer('200 OK', 'Pushpin API\n')],
    [post(), answer('200 OK', 'Published\n')],
    [post('/publish'), answer('200 OK', 'Published\n')],
    [post('/publish', '', ITEMS, '1.0'), answer('200 OK', 'Published\n', { version: '1.0' })],
    [post('/publish').replaceAll('\r\n', '\n'), answer('200 OK', 'Published\n')],
    [
      post('/publish', 'Accept: application/json\r\n'),
      answer('200 OK', '{"message":"Published"}\n', { type: 'application/json' }),
    ],
    [post('/publish', 'Accept: application/json, text/plain;q=0.1, text/html\r\n'), answer('200 OK', 'Published\n')],
    [post('/recover', '', ''), answer('200 OK', 'Updated\n')],
    [
      post('/recover/', 'Accept: text/plain\r\nAccept: application/*\r\n', 'x'),
      answer('200 OK', '{"message":"Updated"}\n', { type: 'application/json' }),
    ],
    [post('/publish//'), answer('404 Not Found', 'Not Found\n')],
    [post('/publish?x=1'), answer('404 Not Found', 'Not Found\n')],
    ['OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', answer('404 Not Found', 'Not Found\n')],
    ['CONNECT x:80 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n', answer('404 Not Found', 'Not Found\n')],
    [
      'GET /publish HTTP/1.1\r\nHost: x\r\n\r\n',
      answer('405 Method Not Allowed', 'Method not allowed: GET.\n', { extra: 'Allow: POST\r\n' }),
    ],
    [
      'DELETE /recover/ HTTP/1.0\r\n\r\n',
      answer('405 Method Not Allowed', 'Method not allowed: DELETE.\n', { extra: 'Allow: POST\r\n', version: '1.0' }),
    ],
    [post('/publish', 'Accept: text/html\r\n'), NOT_ACCEPTABLE],
    [post('/publish', 'Accept:\r\n'), NOT_ACCEPTABLE],
    [post('/publish', 'Accept: Application/JSON\r\n'), NOT_ACCEPTABLE],
    [post('/publish', 'Accept: text/plain;a="x\r\n'), NOT_ACCEPTABLE],
    [post('/publish', 'Accept: text/html;a="b,application/json"\r\n'), NOT_ACCEPTABLE],
    [post('/nope', 'Accept: text/html\r\n'), NOT_ACCEPTABLE],
    [
      'GET /metrics HTTP/1.1\r\nAccept: text/html\r\n\r\n',
      answer('200 OK', 'up 1\n', { type: 'text/plain; version=0.0.4' }),
    ],
    ['GET /health HTTP/1.1\r\n\r\n', answer('200 OK', 'ok\n')],
    [post('/health'), answer('405 Method Not Allowed', 'Method not allowed: POST.\n', { extra: 'Allow: GET\r\n' })],
  ])('%j', async (request, expected) => {
    await open()
    expect(await raw(request)).toBe(expected)
  })

  it('says 503 when the gateway is not well', async () => {
    await open({ health: () => ({ ok: false, body: 'starting\n' }) })
    expect(await raw('GET /health HTTP/1.1\r\n\r\n')).toBe(answer('503 Service Unavailable', 'starting\n'))
  })
})

describe('requests that cannot be taken', () => {
  const head = (bytes: number): string => `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(bytes - 32)}\r\n\r\n`

  it.each([
    ['POST /publish HTTP/1.1\r\nHost: x\r\n\r\n', LENGTH_REQUIRED],
    ['POST /publish HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n', LENGTH_REQUIRED],
    ['GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', LENGTH_REQUIRED],
    ['POST /publish HTTP/1.0\r\n\r\n', LENGTH_REQUIRED.replace('1.1', '1.0')],
    ['POST /publish HTTP/1.1\r\nContent-Length: abc\r\n\r\n', bad('Bad Content-Length.')],
    ['POST /publish HTTP/1.0\r\nContent-Length: abc\r\n\r\n', bad('Bad Content-Length.').replace('1.1', '1.0')],
    ['POST /publish HTTP/1.1\r\nContent-Length: -1\r\n\r\n', bad('Request body exceeded Content-Length.')],
    ['POST /publish HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n', bad('Bad Content-Length.')],
    ['POST /publish HTTP/1.1\r\nContent-Length: 1000001\r\n\r\n', bad('Request body too large.')],
    [
      'POST /publish HTTP/1.1\r\nContent-Length: 1000001\r\nExpect: 100-continue\r\n\r\n',
      bad('Request body too large.'),
    ],
    [
      // Its Content-Length counts.
      'POST /publish HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      bad('Request body exceeded Content-Length.'),
    ],
    ['garbage\r\n\r\n', bad('Failed to parse request header.')],
    ['\x16\x03\x01\x00\xa5\x01\n\n', bad('Failed to parse request header.')],
    [head(10_001), bad('Request header too large.')],
    [head(20_000), bad('Request header too large.')],
    [head(10_000), answer('200 OK', 'Pushpin API\n')],
    [`${post()}x`, bad('Request body exceeded Content-Length.')],
    [post() + post(), bad('Request body exceeded Content-Length.')],
    ['GET / HTTP/1.1\r\nHost: x\r\n\r\nzzz', answer('200 OK', 'Pushpin API\n')],
    [post('/publish', '', '{"items":[],}'), bad('Body is not valid JSON.')],
    [post('/publish', '', ''), bad('Body is not valid JSON.')],
    [post('/publish', '', '{"items":[{"channel":"a"}]}'), bad('Invalid format: no formats specified')],
    [post('/publish', '', '{"items":[{"channel":"a","ws-message":{"action":"x"}}]}'), bad('Invalid format: ')],
  ])('%#', async (request, expected) => {
    await open()
    expect(await raw(request)).toBe(expected)
    expect(published).toEqual([])
  })

  it('reads the rest of a body that it refuses, so that the answer is not lost in a reset', async () => {
    await open()
    const client = new Client().send('POST /publish HTTP/1.1\r\nContent-Length: 20000000\r\n\r\n')
    client.send('x'.repeat(4_000_000))
    await client.until(() => client.text.endsWith('large.\n'))
    client.socket.end()
    expect(await client.end()).toBe(bad('Request body too large.'))
  })
})

describe('bodies', () => {
  it('takes a request in single bytes', async () => {
    await open()
    const client = new Client()
    client.socket.setNoDelay(true)
    for (const char of post()) {
      client.send(char)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await client.end()).toBe(answer('200 OK', 'Published\n'))
    expect(published).toHaveLength(1)
  })

  it('takes the largest body and publishes in order', async () => {
    await open()
    const items = Array.from({ length: 5000 }, (_, n) => ({ channel: `c${n}`, 'http-stream': { content: 'x' } }))
    const body = JSON.stringify({ items }).padEnd(1_000_000)
    expect(await raw(post('/publish', '', body))).toBe(answer('200 OK', 'Published\n'))
    expect(published.map(({ channel }) => channel)).toEqual(items.map(({ channel }) => channel))
  })

  it.each(['1.1', '1.0'])('asks for a body with 100 Continue (HTTP/%s)', async (version) => {
    await open()
    const [head, body] = post('/publish', 'Expect: 100-continue\r\n', ITEMS, version).split('\r\n\r\n') as [
      string,
      string,
    ]
    const client = new Client().send(`${head}\r\n\r\n`)
    expect(await client.until(() => client.text !== '')).toBe(`HTTP/${version} 100 Continue\r\n\r\n`)
    client.send(body)
    expect(await client.end()).toBe(
      `HTTP/${version} 100 Continue\r\n\r\n${answer('200 OK', 'Published\n', { version })}`,
    )
  })

  it('answers a client that has closed its half', async () => {
    await open()
    const client = new Client()
    client.socket.end(post())
    expect(await client.end()).toBe(answer('200 OK', 'Published\n'))
  })

  it('survives clients that vanish in the middle', async () => {
    await open()
    for (const part of ['', 'PO', 'POST /publish HTTP/1.1\r\n', post().slice(0, -5)]) {
      const client = new Client()
      await once(client.socket, 'connect')
      client.send(part)
      await new Promise((resolve) => setImmediate(resolve))
      client.socket.resetAndDestroy()
    }
    const half = new Client()
    half.socket.end(post().slice(0, -5))
    expect(await half.end()).toBe('')
    expect(await raw(post())).toBe(answer('200 OK', 'Published\n'))
    expect(published).toHaveLength(1)
  })
})

describe('handlers', () => {
  it('writes the 200 when the publish has been taken', async () => {
    let release = (): void => undefined
    const taken = new Promise<void>((resolve) => (release = resolve))
    let called = (): void => undefined
    const begun = new Promise<void>((resolve) => (called = resolve))
    await open({ publish: () => (called(), taken) })
    const client = new Client().send(post())
    await begun
    expect(client.text).toBe('')
    release()
    expect(await client.end()).toBe(answer('200 OK', 'Published\n'))
  })

  it('survives a client that vanishes while its publish is held', async () => {
    let release = (): void => undefined
    const taken = new Promise<void>((resolve) => (release = resolve))
    let called = (): void => undefined
    const begun = new Promise<void>((resolve) => (called = resolve))
    await open({ publish: () => (called(), taken) })
    const client = new Client().send(post())
    await begun
    client.socket.resetAndDestroy()
    await client.end()
    release()
    expect(await raw('GET / HTTP/1.1\r\n\r\n')).toBe(answer('200 OK', 'Pushpin API\n'))
  })

  it('answers 500 when a handler fails, and goes on', async () => {
    await open({
      publish: () => Promise.reject(new Error('no')),
      metrics: () => {
        throw new Error('no')
      },
    })
    const failed = answer('500 Internal Server Error', 'Internal server error.\n')
    expect(await raw(post())).toBe(failed)
    expect(await raw('GET /metrics HTTP/1.1\r\n\r\n')).toBe(failed)
  })
})

describe('kept connections', () => {
  const KEEP = 'Connection: Keep-Alive\r\n'

  it.each(['1.1', '1.0'])('stay open for the next request when the client asks (HTTP/%s)', async (version) => {
    await open()
    const kept = answer('200 OK', 'Published\n', { version, connection: 'keep-alive' })
    const client = new Client()
    for (let n = 1; n <= 3; n++) {
      client.send(post('/publish', KEEP, ITEMS, version))
      expect(await client.until(() => client.text.length === n * kept.length)).toBe(kept.repeat(n))
    }
    client.send(post('/publish', '', ITEMS, version))
    expect(await client.end()).toBe(kept.repeat(3) + answer('200 OK', 'Published\n', { version }))
    expect(published).toHaveLength(4)
  })

  it('answer pipelined requests in order, also when the first one is held', async () => {
    let release = (): void => undefined
    const taken = new Promise<void>((resolve) => (release = resolve))
    await open({ publish: (items) => (published.push(...items), published.length === 1 ? taken : undefined) })
    const client = new Client().send(post('/publish', KEEP).repeat(50) + post('/nope'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(client.text).toBe('')
    release()
    const kept = answer('200 OK', 'Published\n', { connection: 'keep-alive' })
    expect(await client.end()).toBe(kept.repeat(50) + answer('404 Not Found', 'Not Found\n'))
    expect(published).toHaveLength(50)
  })

  it.each(['/metrics', '/publish'])('wait while the client leaves answers of %s unread', async (path) => {
    const body = 'x'.repeat(300_000)
    let calls = 0
    const metrics = (): Promise<{ contentType: string; body: string }> => {
      calls++
      return Promise.resolve({ contentType: 'text/plain', body })
    }
    let publishes = 0
    const publish = (): void => {
      publishes++
    }
    await open({ metrics, publish })
    const get = `GET /metrics HTTP/1.1\r\n${KEEP}\r\n`
    const client = new Client()
    client.socket.pause()
    // More than any socket keeps.
    client.send(get.repeat(400) + (path === '/publish' ? post(path, KEEP) : get))
    for (let n = 0; n < 20; n++) await raw('GET / HTTP/1.1\r\n\r\n')
    expect(calls).toBeLessThan(400)
    expect(publishes).toBe(0)
    client.socket.resume()
    client.send('GET / HTTP/1.1\r\n\r\n')
    await client.end()
    expect(client.text.split(body).length - 1).toBe(calls)
    expect(calls + publishes).toBe(401)
    expect(client.text.endsWith(answer('200 OK', 'Pushpin API\n'))).toBe(true)
  })

  it('have the whole time for a request that begins late', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] })
    try {
      await open({}, { timeoutMs: 60_000 })
      const kept = answer('200 OK', 'Published\n', { connection: 'keep-alive' })
      const client = new Client().send(post('/publish', KEEP))
      await client.until(() => client.text.length === kept.length)
      vi.advanceTimersByTime(59_000)
      const [head, body] = post('/publish', 'Expect: 100-continue\r\n').split('\r\n\r\n') as [string, string]
      client.send(`${head}\r\n\r\n`)
      await client.until(() => client.text.length > kept.length || client.ended)
      vi.advanceTimersByTime(30_000)
      client.send(body)
      const expected = `${kept}HTTP/1.1 100 Continue\r\n\r\n${answer('200 OK', 'Published\n')}`
      expect(await client.end()).toBe(expected)
    } finally {
      vi.useRealTimers()
    }
  })

  it('refuse a last request with too long a body after the answers that came before it', async () => {
    let release = (): void => undefined
    const taken = new Promise<void>((resolve) => (release = resolve))
    await open({ publish: () => taken })
    const client = new Client().send(`${post('/publish', KEEP)}${post()}x`)
    setImmediate(() => release())
    const kept = answer('200 OK', 'Published\n', { connection: 'keep-alive' })
    expect(await client.end()).toBe(kept + bad('Request body exceeded Content-Length.'))
  })

  it('refuse garbage after the answers that came before it', async () => {
    let release = (): void => undefined
    const taken = new Promise<void>((resolve) => (release = resolve))
    await open({ publish: () => taken })
    const client = new Client().send(`${post('/publish', KEEP)}garbage\r\n\r\n`)
    setImmediate(() => release())
    const kept = answer('200 OK', 'Published\n', { connection: 'keep-alive' })
    expect(await client.end()).toBe(kept + bad('Failed to parse request header.'))
  })
})

describe('limits', () => {
  it('lets connections above the cap wait for their turn', async () => {
    let release = (): void => undefined
    const taken = new Promise<void>((resolve) => (release = resolve))
    await open({ publish: (items) => (published.push(...items), taken) }, { connectionsMax: 2 })
    const first = new Client()
    const second = new Client()
    await Promise.all([once(first.socket, 'connect'), once(second.socket, 'connect')])
    const third = new Client().send(post())
    await once(third.socket, 'connect')
    second.send(post())
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(published.length).toBeLessThan(2)
    release()
    expect(await second.end()).toBe(answer('200 OK', 'Published\n'))
    expect(await third.end()).toBe(answer('200 OK', 'Published\n'))
    first.socket.destroy()
  })

  it('ends clients that take too long for a head, for a body, or between requests', async () => {
    await open({}, { timeoutMs: 40 })
    const late = answer('408 Request Timeout', 'Request timed out.\n')
    expect(await raw('')).toBe('')
    expect(await raw('POST /publi')).toBe(late)
    expect(await raw(post().slice(0, -1))).toBe(late)
    const kept = answer('200 OK', 'Published\n', { connection: 'keep-alive' })
    expect(await raw(post('/publish', 'Connection: keep-alive\r\n'))).toBe(kept)
  })

  it('names the settings when the address is taken', async () => {
    await open()
    const { port } = (control as ControlHttp).address
    const first = control
    await expect(open({}, { port })).rejects.toThrow(
      `push_in_http_addr, push_in_http_port: cannot listen on 127.0.0.1:${port}: EADDRINUSE`,
    )
    control = first
  })

  it('closes: idle clients at once, a held publish after its answer', async () => {
    let release = (): void => undefined
    const taken = new Promise<void>((resolve) => (release = resolve))
    let called = (): void => undefined
    const begun = new Promise<void>((resolve) => (called = resolve))
    await open({ publish: () => (called(), taken) })
    const idle = new Client()
    await once(idle.socket, 'connect')
    const held = new Client().send(post('/publish', 'Connection: keep-alive\r\n'))
    await begun
    const closed = (control as ControlHttp).close(10_000)
    control = undefined
    await idle.end()
    release()
    expect(await held.end()).toBe(answer('200 OK', 'Published\n'))
    await closed
  })
})

it("serves node's own client with an agent", async () => {
  await open()
  const { port } = (control as ControlHttp).address
  const request = httpRequest({ port, host: '127.0.0.1', path: '/publish/', method: 'POST' })
  request.end(ITEMS)
  // Without a length node sends chunks unless the whole body is known at end(); here it is.
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.resume()
  expect(response.statusCode).toBe(200)
})
