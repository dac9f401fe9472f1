import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { TargetKind } from '../routing/types.js'
import type { Target } from '../routing/types.js'
import type { PublishItem } from '../wire/publish-types.js'
import { InternalBackendClient } from './internal-client.js'
import type { BackendExchange, BackendFailure, BackendHandler, BackendRequest } from './types.js'

function target(kind: TargetKind): Target {
  return {
    kind,
    name: kind,
    host: '',
    port: 0,
    spec: '',
    ssl: false,
    untrusted: false,
    trustConnectHost: false,
    insecure: false,
    hostOverride: null,
    implicitChannels: [],
    overHttp: false,
    oneEvent: false,
    ipcFileMode: null,
    clientCert: null,
    clientKey: null,
    firstFrameDelayMs: 0,
    pingIntervalS: null,
    pongTimeoutS: null,
  }
}

function request(path: string, more: Partial<BackendRequest> = {}): BackendRequest {
  return { target: target(TargetKind.Demo), method: 'GET', path, headers: ['Host', 'x'], body: null, ...more }
}

class Recorder implements BackendHandler {
  readonly calls: string[] = []
  readonly failures: BackendFailure[] = []
  takesData = true
  onHead = (): void => undefined
  readonly #finished: Promise<void>
  #resolve!: () => void

  constructor() {
    this.#finished = new Promise((resolve) => (this.#resolve = resolve))
  }

  get finished(): Promise<void> {
    return this.#finished
  }

  handleHead(status: number, reason: string, headers: string[]): void {
    this.calls.push(`head ${String(status)} ${reason} ${headers.join('|')}`)
    this.onHead()
  }
  handleData(chunk: Buffer): boolean {
    this.calls.push(`data ${chunk.toString()}`)
    return this.takesData
  }
  handleEnd(): void {
    this.calls.push('end')
    this.#resolve()
  }
  handleFailure(failure: BackendFailure): void {
    this.calls.push(`failure ${failure.kind}`)
    this.failures.push(failure)
    this.#resolve()
  }
}

function start(asked: BackendRequest): { handler: Recorder; exchange: BackendExchange; published: PublishItem[] } {
  const published: PublishItem[] = []
  const client = new InternalBackendClient((items) => published.push(...items))
  const handler = new Recorder()
  return { handler, exchange: client.request(asked, handler), published }
}

const HELLO_HEAD = 'head 200 OK Content-Type|text/plain|Content-Length|37'
const PUBLISH = '{"channel":"a","content":"b"}'

describe('request bodies', () => {
  const bodies: readonly [situation: string, body: () => BackendRequest['body']][] = [
    ['a buffer', () => Buffer.from(PUBLISH)],
    ['slices', () => [Buffer.from(PUBLISH.slice(0, 5)), Buffer.from(PUBLISH.slice(5))]],
    ['a stream', () => Readable.from([Buffer.from(PUBLISH.slice(0, 7)), Buffer.from(PUBLISH.slice(7))])],
  ]
  test.each(bodies)('%s', async (_, body) => {
    const { handler, published } = start(request('/publish', { method: 'POST', body: body() }))
    await handler.finished
    expect(handler.calls.at(1)).toBe('data Published\n')
    expect(published.map((item) => item.channel)).toEqual(['a', 'a.events'])
  })

  test('a stream above the limit is answered before it ends, without a length, and read on', async () => {
    const body = new PassThrough()
    const { handler } = start(request('/', { method: 'POST', body, target: target(TargetKind.Test) }))
    body.write(Buffer.alloc(60_000))
    body.write(Buffer.alloc(60_000))
    await handler.finished
    expect(handler.calls).toEqual(['head 400 Bad Request Content-Type|text/plain', 'data request too large\n', 'end'])
    body.end(Buffer.alloc(1_000_000))
    await once(body, 'close')
    expect(handler.calls).toHaveLength(3)
  })

  test('a stream that breaks off fails the request', async () => {
    const broken = new PassThrough()
    const { handler } = start(request('/', { method: 'POST', body: broken }))
    broken.write('x')
    broken.destroy()
    await handler.finished
    expect(handler.calls).toEqual(['failure generic'])
  })

  test('a stream that fails, fails the request once', async () => {
    const broken = new PassThrough()
    const { handler } = start(request('/', { method: 'POST', body: broken }))
    broken.destroy(new Error('gone'))
    await handler.finished
    await nextTurn()
    expect(handler.calls).toEqual(['failure generic'])
    expect(handler.failures[0]?.message).toContain('gone')
  })
})

describe('answers', () => {
  test('come on a later turn, in order', async () => {
    const { handler } = start(request('/', { method: 'POST' }))
    expect(handler.calls).toEqual([])
    await Promise.resolve()
    expect(handler.calls).toEqual([])
    await handler.finished
    expect(handler.calls).toEqual([HELLO_HEAD, 'data Hello from the Pushpin test handler!\n', 'end'])
  })

  test('HEAD gets the length and no body', async () => {
    const { handler } = start(request('/', { method: 'HEAD', target: target(TargetKind.Test) }))
    await handler.finished
    expect(handler.calls).toEqual([HELLO_HEAD, 'end'])
  })

  test('path_beg of the route is cut off', async () => {
    const { handler } = start(request('/t/x/', { method: 'POST', routePathBeg: '/t/x' }))
    await handler.finished
    expect(handler.calls[0]).toBe(HELLO_HEAD)
  })

  test('the test target has no page', async () => {
    const { handler } = start(request('/', { target: target(TargetKind.Test) }))
    await handler.finished
    expect(handler.calls[0]).toBe(HELLO_HEAD)
  })

  test('the end waits for a handler that is full', async () => {
    const { handler, exchange } = start(request('/x'))
    handler.takesData = false
    await nextTurn()
    await nextTurn()
    expect(handler.calls).toHaveLength(2)
    exchange.resume()
    expect(handler.calls).toHaveLength(2)
    await handler.finished
    expect(handler.calls[2]).toBe('end')
  })
})

describe('giving up', () => {
  test('nothing comes after abort', async () => {
    const { handler, exchange } = start(request('/'))
    exchange.abort()
    exchange.abort()
    await nextTurn()
    expect(handler.calls).toEqual([])
  })

  test('nothing comes after an abort from inside handleHead', async () => {
    const { handler, exchange } = start(request('/'))
    handler.onHead = () => {
      exchange.abort()
    }
    await nextTurn()
    await nextTurn()
    expect(handler.calls).toHaveLength(1)
  })

  test('nothing is published when the request was aborted', async () => {
    const { exchange, published } = start(request('/publish', { method: 'POST', body: Buffer.from(PUBLISH) }))
    exchange.abort()
    await nextTurn()
    expect(published).toEqual([])
  })

  test('closing ends what is under way, and later requests fail', async () => {
    const client = new InternalBackendClient(() => undefined)
    const [waiting, late] = [new Recorder(), new Recorder()]
    client.request(request('/', { method: 'POST', body: new PassThrough() }), waiting)
    await client.close()
    client.request(request('/'), late)
    await Promise.all([waiting.finished, late.finished])
    expect([waiting.calls, late.calls]).toEqual([['failure aborted'], ['failure aborted']])
  })
})
