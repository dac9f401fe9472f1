import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import tls from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../base/clock.js'
import { Deadlines, TICK_MS } from '../base/deadlines.js'
import { STRANGER_POOLS_MAX } from '../base/limits.js'
import { parseRoutes } from '../routing/routes.js'
import type { Target } from '../routing/types.js'
import { CLIENT_CERT, CLIENT_KEY, DEFAULT_FILES, RENEWED_FILES, SERVER_CERT, SERVER_KEY } from '../testing/tls-files.js'
import { Waiters } from '../testing/wait.js'
import { HttpBackendClient } from './http-client.js'
import type { BackendExchange, BackendFailure, BackendHandler, BackendRequest } from './types.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** Everything that a handler is told, in order, as text. */
class Recorder implements BackendHandler {
  readonly events: string[] = []
  readonly waiters = new Waiters()
  failure: BackendFailure | null = null
  headers: string[] = []
  bytes = 0
  /** False: every chunk pauses. */
  takes = true

  handleHead(status: number, reason: string, headers: string[]): void {
    this.headers = headers
    this.#event(`head ${String(status)} ${reason}`)
  }

  handleData(chunk: Buffer): boolean {
    this.bytes += chunk.length
    this.#event(`data ${chunk.length > 20 ? String(chunk.length) : chunk.toString('latin1')}`)
    return this.takes
  }

  handleEnd(): void {
    this.#event('end')
  }

  handleFailure(failure: BackendFailure): void {
    this.failure = failure
    this.#event(`failure ${failure.kind}${failure.bodySent ? ', body sent' : ''}`)
  }

  until(name: string): Promise<string> {
    return this.waiters.until(
      () => this.events.find((event) => event.startsWith(name)),
      () => `${name}; there are ${this.events.join(' | ')}`,
    )
  }

  /** The event after which nothing comes. */
  async over(): Promise<string[]> {
    await this.waiters.until(
      () => this.events.find((event) => /^(end|failure)/.test(event)),
      () => `the end; there are ${this.events.join(' | ')}`,
    )
    return this.events
  }

  #event(text: string): void {
    this.events.push(text)
    this.waiters.changed()
  }
}

/** A TCP or TLS server by hand. `connections` counts from the start. */
interface Server {
  readonly port: number
  readonly sockets: net.Socket[]
  readonly waiters: Waiters
  /** What came on connection `index`. */
  text(index?: number): string
  untilText(part: string): Promise<void>
  untilClosed(index: number): Promise<void>
}

async function serve(script: (socket: net.Socket, text: string) => void, options?: tls.TlsOptions): Promise<Server> {
  const waiters = new Waiters()
  const sockets: net.Socket[] = []
  const texts: string[] = []
  const accept = (socket: net.Socket): void => {
    const index = sockets.push(socket) - 1
    texts.push('')
    socket.on('error', () => {})
    socket.on('close', () => waiters.changed())
    socket.on('data', (chunk: Buffer) => {
      texts[index] = (texts[index] as string) + chunk.toString('latin1')
      waiters.changed()
      script(socket, texts[index])
    })
    waiters.changed()
  }
  const server = options === undefined ? net.createServer(accept) : tls.createServer(options, accept)
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const untilClosed = async (index: number): Promise<void> => {
    await waiters.until(
      () => sockets[index]?.closed || undefined,
      () => `the end of connection ${String(index)}`,
    )
  }
  return {
    port: (server.address() as net.AddressInfo).port,
    sockets,
    waiters,
    text: (index = 0) => texts[index] ?? '',
    untilText: async (part) => {
      await waiters.until(
        () => texts.some((text) => text.includes(part)) || undefined,
        () => `${part} in ${JSON.stringify(texts)}`,
      )
    },
    untilClosed,
  }
}

function clientOf(more: { backendTimeout?: number; clientBufferSize?: number } = {}): HttpBackendClient {
  const { backendTimeout = 60, clientBufferSize = 8192 } = more
  const deadlines = new Deadlines(systemClock.nowMs())
  const ticks = setInterval(() => {
    deadlines.advance(systemClock.nowMs())
  }, TICK_MS)
  const client = new HttpBackendClient({
    settings: {
      proxy: { backendTimeout, backendKeepAlive: 60, backendConnectionsMax: 10 },
      runner: { clientBufferSize },
    },
    deadlines,
  })
  closing.push(() => {
    clearInterval(ticks)
    return client.close()
  })
  return client
}

/** A client that allows a second of silence, and its time. */
function timedClient(): { client: HttpBackendClient; pass: (ms: number) => void } {
  let nowMs = 0
  const deadlines = new Deadlines(nowMs)
  const client = new HttpBackendClient({
    settings: {
      proxy: { backendTimeout: 1, backendKeepAlive: 60, backendConnectionsMax: 10 },
      runner: { clientBufferSize: 8192 },
    },
    deadlines,
  })
  closing.push(() => client.close())
  const pass = (ms: number): void => {
    nowMs += ms
    deadlines.advance(nowMs)
  }
  return { client, pass }
}

function targetOf(port: number, more: Partial<Target> = {}): Target {
  const { table } = parseRoutes(`* 127.0.0.1:${String(port)}`, '/routes')
  const route = table.match({ proto: 'http', ssl: false, host: 'a', path: '/' })
  return { ...(route?.targets[0] as Target), ...more }
}

function send(
  client: HttpBackendClient,
  target: Target,
  more: Partial<BackendRequest> = {},
): { handler: Recorder; exchange: BackendExchange } {
  const handler = new Recorder()
  const exchange = client.request(
    { target, method: 'GET', path: '/', headers: ['Host', 'backend.test'], body: null, ...more },
    handler,
  )
  expect(handler.events).toEqual([])
  return { handler, exchange }
}

/** undici takes a connection back when its callbacks have returned. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const answerOnHead = (answer: string) => (socket: net.Socket, text: string) => {
  if (text.endsWith('\r\n\r\n')) socket.write(Buffer.from(answer, 'latin1'))
}

describe('answers', () => {
  test('head, data and end; names, values, duplicates and order as sent', async () => {
    const server = await serve(
      answerOnHead('HTTP/1.1 201 Made \xc3\xbc\r\nX-A: \xff\r\nx-a: 2\r\nContent-Length: 2\r\n\r\nok'),
    )
    const { handler } = send(clientOf(), targetOf(server.port))
    expect(await handler.over()).toEqual(['head 201 Made \xc3\xbc', 'data ok', 'end'])
    expect(handler.headers).toEqual(['X-A', '\xff', 'x-a', '2', 'Content-Length', '2'])
  })

  test('1xx are skipped', async () => {
    const server = await serve(answerOnHead(`HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 P\r\n\r\n${OK}`))
    const { handler } = send(clientOf(), targetOf(server.port))
    expect(await handler.over()).toEqual(['head 200 OK', 'data ok', 'end'])
  })

  test.each([
    'HTTP/1.1 404 Not Fo',
    'HTTP/1.1 404 Not Found',
    'HTTP/1.1 404 Not Found\r',
    'HTTP/1.1 404 Not Found\r\nContent-Le',
  ])('a head in two segments: %j', async (first) => {
    const whole = 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'
    const server = await serve((socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return
      socket.setNoDelay(true)
      socket.write(first, () => {
        setTimeout(() => socket.write(whole.slice(first.length)), 20)
      })
    })
    const { handler } = send(clientOf(), targetOf(server.port))
    expect(await handler.over()).toEqual(['head 404 Not Found', 'end'])
  })

  test('without a length or chunks the body ends with the connection', async () => {
    const server = await serve((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall'))
    const { handler } = send(clientOf(), targetOf(server.port))
    expect(await handler.over()).toEqual(['head 200 OK', 'data all', 'end'])
  })

  test('the answer to HEAD has no body, whatever its length says', async () => {
    const server = await serve((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n')
    })
    const client = clientOf()
    const { handler } = send(client, targetOf(server.port), { method: 'HEAD' })
    expect(await handler.over()).toEqual(['head 200 OK', 'end'])
    // undici does not trust a connection after HEAD; another request works all the same.
    const again = send(client, targetOf(server.port), { method: 'HEAD' })
    expect(await again.handler.over()).toEqual(['head 200 OK', 'end'])
  })

  test.each([
    ['POST', 'connection: keep-alive', '0'],
    ['PATCH', 'connection: keep-alive', '0'],
    ['DELETE', 'connection: keep-alive', null],
    ['PURGE', 'connection: keep-alive', null],
    ['HEAD', 'connection: close', null],
  ])('what undici adds to a %s without a body', async (method, connection, length) => {
    const server = await serve(answerOnHead('HTTP/1.1 204 None\r\n\r\n'))
    await send(clientOf(), targetOf(server.port), { method }).handler.over()
    const head = server.text(0).toLowerCase()
    expect(head).toContain(`\r\n${connection}\r\n`)
    expect(/content-length: (\d+)/.exec(head)?.[1] ?? null).toBe(length)
  })

  test('a kept connection is used again', async () => {
    const server = await serve(answerOnHead(OK))
    const client = clientOf()
    const target = targetOf(server.port)
    await send(client, target).handler.over()
    await turn()
    await send(client, target).handler.over()
    await turn()
    // The same address and options in another table, too.
    await send(client, { ...target }).handler.over()
    expect(server.sockets).toHaveLength(1)
  })

  test('pause and resume', async () => {
    const server = await serve((socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n`)
      socket.write(Buffer.alloc(3_000_000))
    })
    const handler = new Recorder()
    handler.takes = false
    const exchange = clientOf().request(
      { target: targetOf(server.port), method: 'GET', path: '/', headers: ['Host', 'a'], body: null },
      handler,
    )
    await handler.until('data')
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(handler.events.filter((event) => event.startsWith('data'))).toHaveLength(1)
    handler.takes = true
    exchange.resume()
    await handler.over()
    expect([handler.bytes, handler.events.at(-1)]).toEqual([3_000_000, 'end'])
  })
})

describe('failures', () => {
  test('nobody listens: connect', async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    server.close()
    await once(server, 'close')
    const { handler } = send(clientOf(), targetOf(port))
    expect(await handler.over()).toEqual(['failure connect'])
  })

  test('a name that does not exist: generic', async () => {
    const { handler } = send(clientOf(), targetOf(80, { host: 'no-such-host.invalid' }))
    expect(await handler.over()).toEqual(['failure generic'])
  })

  test.each([
    ['a reset before the answer', (socket: net.Socket) => socket.resetAndDestroy(), ['failure generic, body sent']],
    ['the end before the answer', (socket: net.Socket) => socket.end(), ['failure generic, body sent']],
    ['no HTTP', (socket: net.Socket) => socket.end('hello\r\n\r\n'), ['failure generic, body sent']],
    [
      'a head above the limit',
      (socket: net.Socket) => socket.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
      ['failure generic, body sent'],
    ],
    [
      'too many headers',
      (socket: net.Socket) => socket.write(`HTTP/1.1 200 OK\r\n${'X: 1\r\n'.repeat(201)}\r\n`),
      ['failure generic, body sent'],
    ],
    [
      'the end before the length is reached',
      (socket: net.Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
      ['head 200 OK', 'data half', 'failure generic, body sent'],
    ],
    [
      'the end before the last chunk',
      (socket: net.Socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'),
      ['head 200 OK', 'data half', 'failure generic, body sent'],
    ],
  ] as const)('%s', async (_name, script, events) => {
    const server = await serve((socket) => void script(socket))
    const { handler } = send(clientOf(), targetOf(server.port))
    expect(await handler.over()).toEqual(events)
  })

  test('headers as many as the limit pass', async () => {
    const server = await serve(answerOnHead(`HTTP/1.1 200 OK\r\n${'X: 1\r\n'.repeat(199)}Content-Length: 0\r\n\r\n`))
    const { handler } = send(clientOf(), targetOf(server.port))
    expect(await handler.over()).toEqual(['head 200 OK', 'end'])
  })

  test('a backend that says nothing: connect-timeout, because the reference treats it so', async () => {
    const server = await serve(() => {})
    const { handler } = send(clientOf({ backendTimeout: 0.2 }), targetOf(server.port))
    expect(await handler.over()).toEqual(['failure connect-timeout, body sent'])
    await server.untilClosed(0)
  })

  test('silence in the middle of a body; each chunk begins it anew', async () => {
    const server = await serve(answerOnHead('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none'))
    const { client, pass } = timedClient()
    const { handler } = send(client, targetOf(server.port))
    await handler.until('data one')
    pass(900)
    server.sockets[0]?.write('tw')
    await handler.until('data tw')
    pass(900)
    expect(handler.events).toEqual(['head 200 OK', 'data one', 'data tw'])
    pass(200)
    expect(handler.events.at(-1)).toBe('failure connect-timeout, body sent')
    await server.untilClosed(0)
  })

  test('a pause of ours is no silence of the backend', async () => {
    const server = await serve(answerOnHead('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none'))
    const { client, pass } = timedClient()
    const { handler, exchange } = send(client, targetOf(server.port))
    handler.takes = false
    await handler.until('data one')
    for (let count = 0; count < 3; count++) pass(1_100)
    handler.takes = true
    exchange.resume()
    pass(900)
    expect(handler.failure).toBeNull()
    pass(1_200)
    expect(handler.events.at(-1)).toBe('failure connect-timeout, body sent')
  })

  test('a client that is slow with its upload is no silence of the backend, a backend that does not read it is', async () => {
    const server = await serve((socket) => void socket.pause())
    const { client, pass } = timedClient()
    const body = new Readable({ read: () => {} })
    body.push('first')
    const { handler } = send(client, targetOf(server.port), { method: 'POST', body })
    await server.untilText('first')
    for (let count = 0; count < 3; count++) pass(1_100)
    expect(handler.events).toEqual([])
    const paused = once(body, 'pause')
    body.push(Buffer.alloc(32 << 20))
    await paused
    for (let count = 0; count < 3; count++) pass(1_100)
    expect(await handler.over()).toEqual(['failure connect-timeout'])
    expect(body.destroyed).toBe(true)
  })

  test('a backend that reads an upload slowly is not silent while it reads', async () => {
    let isReading = false
    const server = await serve((socket) => {
      if (!isReading) socket.pause()
    })
    const { client, pass } = timedClient()
    const body = new Readable({ read: () => {} })
    const fill = async (): Promise<void> => {
      const paused = once(body, 'pause')
      body.push(Buffer.alloc(32 << 20))
      await paused
    }
    const { handler } = send(client, targetOf(server.port), { method: 'POST', body })
    await fill()
    await server.untilText('POST')
    pass(900)
    const taken = once(body, 'resume')
    isReading = true
    server.sockets[0]?.resume()
    await taken
    isReading = false
    server.sockets[0]?.pause()
    await fill()
    pass(900)
    expect(handler.events).toEqual([])
    pass(200)
    expect(await handler.over()).toEqual(['failure connect-timeout'])
  })

  test('an upload that is cut: the body was not sent', async () => {
    const server = await serve((socket, text) => {
      if (text.includes('first')) socket.resetAndDestroy()
    })
    const body = new Readable({ read: () => {} })
    body.on('error', () => {})
    body.push('first')
    const { handler } = send(clientOf(), targetOf(server.port), { method: 'POST', body })
    expect(await handler.over()).toEqual(['failure generic'])
    expect(body.destroyed).toBe(true)
  })

  test('after close(): generic, and not before request() has returned', async () => {
    const client = clientOf()
    await client.close()
    const { handler } = send(client, targetOf(1))
    expect(await handler.over()).toEqual(['failure generic'])
  })

  test('a request that undici refuses: generic', async () => {
    const { handler } = send(clientOf(), targetOf(1), { headers: ['Host', 'a', 'X-A', 'a\x7fb\n'] })
    expect(await handler.over()).toEqual(['failure generic'])
  })
})

describe('uploads', () => {
  test('a list of slices goes out with its length', async () => {
    const server = await serve((socket, text) => {
      if (text.endsWith('abcd')) socket.write(OK)
    })
    const body = [Buffer.from('ab'), Buffer.from('cd')]
    const { handler } = send(clientOf(), targetOf(server.port), { method: 'POST', body })
    await handler.over()
    expect(server.text()).toMatch(/\r\ncontent-length: 4\r\n\r\nabcd$/)
  })

  test('a long list of slices goes out with its length, in order, also to a backend that reads late', async () => {
    const server = await serve((socket, text) => {
      if (text.endsWith('end')) socket.write(OK)
      else if (text.length < 100_000) {
        socket.pause()
        setImmediate(() => socket.resume())
      }
    })
    const slices = Array.from({ length: 400 }, (_, index) => Buffer.from(String(index).padEnd(10_000, '.')))
    const body = [...slices, Buffer.alloc(3_000_000, 'x'), Buffer.from('end')]
    const content = Buffer.concat(body).toString()
    for (const headers of [['Content-Length', String(content.length)], []]) {
      const { handler } = send(clientOf(), targetOf(server.port), {
        method: 'POST',
        body,
        headers: ['Host', 'backend.test', ...headers],
      })
      expect(await handler.over()).toEqual(['head 200 OK', 'data ok', 'end'])
    }
    for (const index of [0, 1]) {
      const text = server.text(index)
      const start = text.indexOf('\r\n\r\n') + 4
      expect(text.slice(0, start).toLowerCase()).toContain(`\r\ncontent-length: ${String(content.length)}\r\n`)
      expect(text.slice(start) === content).toBe(true)
    }
  })

  test('a long list of slices that is cut: the body was not sent, and may be sent again', async () => {
    const server = await serve((socket) => {
      socket.resetAndDestroy()
    })
    const body = Array.from({ length: 100 }, () => Buffer.alloc(500_000, 'x'))
    const headers = ['Host', 'backend.test', 'Content-Length', '50000000']
    const { handler } = send(clientOf(), targetOf(server.port), { method: 'POST', body, headers })
    expect(await handler.over()).toEqual(['failure generic'])
  })

  test('a short answer to a long list of slices before its end: passed on', async () => {
    const server = await serve((socket, text) => {
      if (socket.bytesWritten > 0 || !text.includes('first')) return
      socket.pause()
      socket.write(OK)
    })
    const body = [Buffer.from('first'), ...Array.from({ length: 100 }, () => Buffer.alloc(500_000, 'x'))]
    const headers = ['Host', 'backend.test', 'Content-Length', '50000005']
    const { handler } = send(clientOf(), targetOf(server.port), { method: 'POST', body, headers })
    expect(await handler.over()).toEqual(['head 200 OK', 'data ok', 'end'])
    server.sockets[0]?.resume()
    await server.untilClosed(0)
  })

  test('an answer before the end of the upload: passed on, and the connection is not used again', async () => {
    const server = await serve((socket, text) => {
      if (text.includes('first') || text.startsWith('GET')) socket.write(OK)
    })
    const client = clientOf()
    const body = new Readable({ read: () => {} })
    body.on('error', () => {})
    body.push('first')
    const target = targetOf(server.port)
    const { handler } = send(client, target, { method: 'POST', body, headers: ['Host', 'a', 'Content-Length', '99'] })
    expect(await handler.over()).toEqual(['head 200 OK', 'data ok', 'end'])
    await server.untilClosed(0)
    await send(client, target).handler.over()
    expect(server.text(1)).toMatch(/^GET \/ /)
  })
})

describe('abort', () => {
  test('while connecting: nothing is told, and no request is sent', async () => {
    const server = await serve(answerOnHead(OK))
    const client = clientOf()
    const { handler, exchange } = send(client, targetOf(server.port))
    exchange.abort()
    exchange.abort()
    await send(client, targetOf(server.port), { path: '/second' }).handler.over()
    expect(server.text(0) + server.text(1)).not.toContain('GET / ')
    expect(handler.events).toEqual([])
  })

  test('while waiting for the head: the connection ends', async () => {
    const server = await serve(() => {})
    const { handler, exchange } = send(clientOf(), targetOf(server.port))
    await server.untilText('\r\n\r\n')
    exchange.abort()
    await server.untilClosed(0)
    expect(handler.events).toEqual([])
  })

  test.each([true, false])('in the middle of the body (taking: %s): the connection ends', async (takes) => {
    const server = await serve(answerOnHead('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'))
    const handler = new Recorder()
    handler.takes = takes
    const exchange = clientOf().request(
      { target: targetOf(server.port), method: 'GET', path: '/', headers: ['Host', 'a'], body: null },
      handler,
    )
    await handler.until('data')
    exchange.abort()
    exchange.resume()
    await server.untilClosed(0)
    expect(handler.events).toEqual(['head 200 OK', 'data half'])
  })

  test('in the middle of an upload: the connection ends, and the body is destroyed', async () => {
    const server = await serve(() => {})
    const body = new Readable({ read: () => {} })
    body.on('error', () => {})
    body.push('first')
    const { handler, exchange } = send(clientOf(), targetOf(server.port), { method: 'POST', body })
    await server.untilText('first')
    exchange.abort()
    await server.untilClosed(0)
    expect([handler.events, body.destroyed]).toEqual([[], true])
  })

  test('after the end: the connection is kept', async () => {
    const server = await serve(answerOnHead(OK))
    const client = clientOf()
    const { handler, exchange } = send(client, targetOf(server.port))
    await handler.over()
    exchange.abort()
    await turn()
    await send(client, targetOf(server.port)).handler.over()
    expect(server.sockets).toHaveLength(1)
  })
})

describe('TLS', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tackboard-tls-'))
    await writeFile(join(folder, 'client.crt'), CLIENT_CERT)
    await writeFile(join(folder, 'client.key'), CLIENT_KEY)
  })
  afterAll(() => rm(folder, { recursive: true }))

  /** Answers with the name it was asked for and the common name of the client's certificate. */
  function serveTls(more: tls.TlsOptions = {}): Promise<Server> {
    const script = (socket: net.Socket, text: string): void => {
      const { servername } = socket as tls.TLSSocket & { servername: string | false }
      const { subject } = (socket as tls.TLSSocket).getPeerCertificate() as { subject?: { CN?: string } }
      const body = `${String(servername)}, ${subject?.CN ?? 'no certificate'}`
      if (text.endsWith('\r\n\r\n')) socket.write(`HTTP/1.1 200 ${body}\r\nContent-Length: 0\r\n\r\n`)
    }
    return serve(script, { cert: SERVER_CERT, key: SERVER_KEY, ...more })
  }

  test('a self-signed certificate: tls', async () => {
    const server = await serveTls()
    const { handler } = send(clientOf(), targetOf(server.port, { ssl: true }))
    expect(await handler.over()).toEqual(['failure tls'])
  })

  test('insecure: accepted; the name sent is that of the Host header', async () => {
    const server = await serveTls()
    const { handler } = send(clientOf(), targetOf(server.port, { ssl: true, insecure: true }))
    expect(await handler.over()).toEqual(['head 200 backend.test, no certificate', 'end'])
  })

  test('trust_connect_host: the name sent is that of the target', async () => {
    const server = await serveTls()
    const target = targetOf(server.port, { ssl: true, insecure: true, trustConnectHost: true, host: 'localhost' })
    const { handler } = send(clientOf(), target)
    expect(await handler.over()).toEqual(['head 200 localhost, no certificate', 'end'])
  })

  test('two Hosts on one target: each connection asks for its own name', async () => {
    const server = await serveTls()
    const client = clientOf()
    const target = targetOf(server.port, { ssl: true, insecure: true })
    const first = send(client, target)
    expect((await first.handler.over())[0]).toBe('head 200 backend.test, no certificate')
    const second = send(client, target, { headers: ['Host', 'other.test:8443'] })
    expect((await second.handler.over())[0]).toBe('head 200 other.test, no certificate')
  })

  test('client_cert and client_key are shown', async () => {
    const server = await serveTls({ requestCert: true, ca: [CLIENT_CERT], rejectUnauthorized: true })
    const more = { clientCert: join(folder, 'client.crt'), clientKey: join(folder, 'client.key') }
    const target = targetOf(server.port, { ssl: true, insecure: true, ...more })
    const { handler } = send(clientOf(), target)
    expect(await handler.over()).toEqual(['head 200 backend.test, a client', 'end'])
  })

  test('a client_cert that cannot be read: tls', async () => {
    const target = targetOf(1, { ssl: true, insecure: true, clientCert: join(folder, 'none.crt') })
    const { handler } = send(clientOf(), target)
    expect(await handler.over()).toEqual(['failure tls'])
    expect(handler.failure?.message).toContain('none.crt')
  })

  test('client certificates that change are for new connections, those that cannot be used for none', async () => {
    const server = await serve(
      (socket, text) => {
        const { subject } = (socket as tls.TLSSocket).getPeerCertificate() as { subject?: { CN?: string } }
        const head = `HTTP/1.1 200 ${subject?.CN ?? 'nobody'}\r\nContent-Length: 2\r\n\r\n`
        if (text.endsWith('\r\n\r\n')) socket.write(text.includes('/slow') ? head : `${head}ok`)
      },
      { cert: SERVER_CERT, key: SERVER_KEY, requestCert: true, rejectUnauthorized: false },
    )
    const files = { clientCert: join(folder, 'changing.crt'), clientKey: join(folder, 'changing.key') }
    const put = async ({ cert, key }: { readonly cert: string; readonly key: string }): Promise<void> => {
      await writeFile(files.clientCert, cert)
      await writeFile(files.clientKey, key)
    }
    const target = targetOf(server.port, { ssl: true, insecure: true, ...files })
    const client = clientOf()
    const subject = async (): Promise<string | undefined> => (await send(client, target).handler.over())[0]

    await put(DEFAULT_FILES)
    const slow = send(client, target, { path: '/slow' })
    await slow.handler.until('head 200 default')
    expect(client.reloadCertificates()).toEqual([])
    await put(RENEWED_FILES)
    expect(await subject()).toBe('head 200 default')
    expect(client.reloadCertificates()).toEqual([])
    expect(await subject()).toBe('head 200 renewed')
    await put({ cert: DEFAULT_FILES.cert, key: 'half a key' })
    expect(client.reloadCertificates()).toEqual([expect.stringContaining(`127.0.0.1:${String(server.port)}: `)])
    expect(await subject()).toBe('head 200 renewed')
    server.sockets[0]?.write('ok')
    expect(await slow.handler.over()).toEqual(['head 200 default', 'data ok', 'end'])
    // It had nothing else to do.
    await server.untilClosed(0)
  })

  test('a server that speaks no TLS: tls', async () => {
    const server = await serve((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const { handler } = send(clientOf(), targetOf(server.port, { ssl: true, insecure: true }))
    expect(await handler.over()).toEqual(['failure tls'])
  })
})

test('connections to hosts of no route are kept for the latest of them only', async () => {
  const server = await serve(answerOnHead(OK))
  const client = clientOf()
  // One host by many names: letters in upper case by the bits of the number.
  const named = (bits: number): string =>
    [...'localhost'].map((letter, at) => (((bits >> at) & 1) === 1 ? letter.toUpperCase() : letter)).join('')
  for (let at = 0; at < STRANGER_POOLS_MAX + 10; at++) {
    const target = targetOf(server.port, { host: named(at) })
    const { handler } = send(client, target, { isStranger: true })
    expect(await handler.over()).toEqual(['head 200 OK', 'data ok', 'end'])
  }
  for (let at = 0; at < 10; at++) await server.untilClosed(at)
  expect(server.sockets.filter(({ closed }) => !closed)).toHaveLength(STRANGER_POOLS_MAX)
})
