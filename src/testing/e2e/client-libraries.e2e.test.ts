/**
 * @fanoutio/grip and @fanoutio/serve-grip as their READMEs use them: holds by Express routes, WebSocket-over-HTTP, every
 * way to configure a publisher, and whether Grip-Sig is what their check takes.
 */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type GripInstruct,
  HttpResponseFormat,
  HttpStreamFormat,
  type IGripConfig,
  Item,
  parseGripUri,
  Publisher,
  WebSocketMessageFormat,
} from '@fanoutio/grip'
import { type IRequestGrip, type IResponseGrip, ServeGrip } from '@fanoutio/serve-grip'
import express, { type RequestHandler } from 'express'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Gateway, startGateway } from '../gateway.js'
import { StreamClient } from '../stream-client.js'
import { WsClient } from '../ws-client.js'

const SECRET = 'a secret of some length: it should have one'
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PRIVATE = { type: 'pkcs8', format: 'pem' } as const
const PUBLIC = { type: 'spki', format: 'pem' } as const

let folder: string
let gateway: Gateway
let other: Gateway
let server: http.Server
let serveGrip: ServeGrip
const clients: { destroy?(): void; terminate?(): void }[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'libraries-'))
  await writeFile(join(folder, 'ec.pem'), EC.privateKey.export(PRIVATE))
  await writeFile(join(folder, 'rsa.pem'), RSA.privateKey.export(PRIVATE))
  server = http.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const target = `127.0.0.1:${(server.address() as AddressInfo).port},over_http`
  gateway = await startGateway({
    routes: [
      `* ${target}`,
      `*,path_beg=/sig/ec,sig_key=file:${folder}/ec.pem ${target}`,
      `*,path_beg=/sig/rsa,sig_key=file:${folder}/rsa.pem ${target}`,
    ],
    conf: { 'proxy.sig_iss': 'gateway', 'proxy.sig_key': SECRET },
  })
  other = await startGateway({ routes: [`* ${target}`] })
  const grip = { control_uri: gateway.controlUrl(), control_iss: 'gateway', key: SECRET, verify_iss: 'gateway' }
  serveGrip = new ServeGrip({ grip, prefix: 'app-', gripProxyRequired: true })
  server.on('request', backend())
})

afterEach(() => {
  for (const client of clients.splice(0)) {
    client.destroy?.()
    client.terminate?.()
  }
})

afterAll(async () => {
  await Promise.all([gateway.stop(), other.stop()])
  server.close()
  server.closeAllConnections()
  await rm(folder, { recursive: true })
})

/** What the middleware adds. */
const gripOf = (request: unknown): IRequestGrip => (request as { grip: IRequestGrip }).grip
const holdOf = (response: unknown): GripInstruct => (response as { grip: IResponseGrip }).grip.startInstruct()

function backend(): express.Express {
  const app = express()
  app.get('/sig/:name', (request, response) => {
    response.send(request.get('Grip-Sig'))
  })
  app.get('/plain', (_request, response) => {
    response.set({ 'Grip-Hold': 'stream', 'Grip-Channel': 'plain' }).send('open\n')
  })
  app.use(serveGrip as unknown as RequestHandler)
  const hold = (set: (instruct: GripInstruct) => void): RequestHandler => {
    return (request, response) => {
      const { isProxied, isSigned } = gripOf(request)
      const instruct = holdOf(response)
      instruct.addChannel('test')
      set(instruct)
      response.type('text').end(`proxied ${String(isProxied)}, signed ${String(isSigned)}\n`)
    }
  }
  const streamHold = hold((instruct) => {
    instruct.setHoldStream()
  })
  app.get('/stream', streamHold)
  app.get(
    '/alive',
    hold((instruct) => {
      instruct.setHoldStream()
      instruct.setKeepAlive(new Uint8Array([0, 255, 10]), 1)
    }),
  )
  app.get(
    '/poll',
    hold((instruct) => {
      instruct.setHoldLongPoll(60)
    }),
  )
  app.get(
    '/short-poll',
    hold((instruct) => {
      instruct.setHoldLongPoll(1)
      instruct.setStatus(203)
    }),
  )
  app.post('/ws', answerWebSocket)
  return app
}

const answerWebSocket: RequestHandler = (request, response) => {
  const { wsContext } = gripOf(request)
  if (wsContext === null) {
    response.status(400).end()
    return
  }
  if (wsContext.isOpening()) {
    wsContext.accept()
    wsContext.subscribe('app-test')
  }
  while (wsContext.canRecv()) {
    const message = wsContext.recv()
    if (message === null) {
      wsContext.close()
      break
    }
    wsContext.send(message)
  }
  response.end()
}

async function stream(path: string, from = gateway): Promise<StreamClient> {
  const client = await StreamClient.open(from.ports.http, path)
  clients.push(client)
  return client
}

async function poll(path = '/poll'): Promise<globalThis.Response> {
  const answer = fetch(gateway.httpUrl(path))
  await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === 1)
  return answer
}

const SIGNED = 'proxied true, signed true\n'

describe('serve-grip', () => {
  test('a stream: text, bytes, and its end', async () => {
    const client = await stream('/stream')
    await client.waitForText(SIGNED)
    const publisher = serveGrip.getPublisher()
    await publisher.publishHttpStream('test', 'text\n')
    await publisher.publishHttpStream('test', new HttpStreamFormat(new Uint8Array([0, 200, 255])))
    await publisher.publishHttpStream('test', new HttpStreamFormat(null, true))
    await client.waitForEnd()
    expect(client.text).toBe(`${SIGNED}text\n\x00\xc8\xff`)
  })

  test('a stream with bytes to keep it alive', async () => {
    const client = await stream('/alive')
    await client.waitForText(`${SIGNED}\x00\xff\n\x00\xff\n`)
  })

  test('a long poll: a body, a whole response, and its time-out with the status of the instruct', async () => {
    const publisher = serveGrip.getPublisher()
    const [first] = await Promise.all([fetch(gateway.httpUrl('/poll')), published('body\n')])
    expect([first.status, await first.text()]).toEqual([200, 'body\n'])
    const format = new HttpResponseFormat('201', 'Made', { 'Content-Type': 'text/x' }, new Uint8Array([0, 255]))
    const [second] = await Promise.all([fetch(gateway.httpUrl('/poll')), published(format)])
    expect([second.status, second.statusText, second.headers.get('content-type')]).toEqual([201, 'Made', 'text/x'])
    expect(Buffer.from(await second.arrayBuffer())).toEqual(Buffer.from([0, 255]))
    const third = await poll('/short-poll')
    expect([third.status, await third.text()]).toEqual([203, SIGNED])

    async function published(data: string | HttpResponseFormat): Promise<void> {
      await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === 1)
      await publisher.publishHttpResponse('test', data)
    }
  })

  test('a WebSocket: echo, messages of text and bytes, and a close', async () => {
    const client = await WsClient.connect(gateway.wsUrl('/ws'))
    clients.push(client)
    client.send('echo "é"')
    expect(await client.waitFor(1)).toEqual(['echo "é"'])
    const publisher = serveGrip.getPublisher()
    await publisher.publishFormats('test', new WebSocketMessageFormat('news'))
    await publisher.publishFormats('test', new WebSocketMessageFormat(new Uint8Array([0, 255])))
    await client.waitFor(3)
    expect(client.messages.slice(1)).toEqual([
      { data: Buffer.from('news'), isBinary: false },
      { data: Buffer.from([0, 255]), isBinary: true },
    ])
    await publisher.publishFormats('test', new WebSocketMessageFormat(null, true, 4001))
    expect(await client.closed).toEqual({ code: 4001, reason: '' })
  })

  test('a WebSocket that its client closes', async () => {
    const client = await WsClient.connect(gateway.wsUrl('/ws'))
    expect(await client.close(1000, 'bye')).toEqual({ code: 1000, reason: 'bye' })
  })

  test('who comes around the gateway is refused where one is required', async () => {
    const direct = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/stream`)
    expect([direct.status, await direct.text()]).toEqual([501, 'Not Implemented.\n'])
  })
})

describe('a publisher', () => {
  const CONFIGS: [string, () => IGripConfig | string][] = [
    ['a control URI', () => ({ control_uri: gateway.controlUrl() })],
    ['a control URI without its slash', () => gateway.controlUrl('')],
    ['an issuer and a secret', () => ({ control_uri: gateway.controlUrl(), control_iss: 'app', key: SECRET })],
    ['an issuer and a binary secret', () => ({ ...base(), key: new Uint8Array(32).fill(7) })],
    ['an issuer and an RSA key', () => ({ ...base(), key: RSA.privateKey.export(PRIVATE).toString() })],
    ['a token', () => ({ control_uri: gateway.controlUrl(), key: 'some-token' })],
    ['a user and a password', () => ({ control_uri: gateway.controlUrl(), user: 'me', pass: 'se cret' })],
    ['a GRIP_URL', () => parseGripUri(gateway.controlUrl('/?iss=app&key=base64:c2VjcmV0IQ=='))],
    ['a GRIP_URL as text', () => gateway.controlUrl('/?iss=app&key=secret')],
  ]
  const base = (): IGripConfig => ({ control_uri: gateway.controlUrl(), control_iss: 'app' })

  test.each(CONFIGS)('with %s', async (name, config) => {
    const client = await stream('/plain')
    await client.waitForText('open\n')
    await new Publisher(config()).publishHttpStream('plain', `${name}\n`)
    await client.waitForText(`open\n${name}\n`)
  })

  test('with a prefix, a fetch of its own, and two gateways', async () => {
    const [here, there] = await Promise.all([stream('/plain'), stream('/plain', other)])
    let fetched = 0
    const options = {
      prefix: 'pl',
      fetch: (...args: Parameters<typeof fetch>): Promise<globalThis.Response> => {
        fetched++
        return fetch(...args)
      },
    }
    const publisher = new Publisher(
      [gateway, other].map((each) => ({ control_uri: each.controlUrl() })),
      options,
    )
    await publisher.publishHttpStream('ain', 'both\n')
    await Promise.all([here, there].map((client) => client.waitForText('open\nboth\n')))
    expect(fetched).toBe(2)
  })

  test('items with ids: their order is restored, and what is published twice comes once', async () => {
    const client = await stream('/plain')
    await client.waitForText('open\n')
    const publisher = new Publisher(gateway.controlUrl())
    const item = (text: string, id: string, prevId?: string): Item =>
      new Item([new HttpStreamFormat(`${text}\n`), new WebSocketMessageFormat(text)], id, prevId)
    await publisher.publish('plain', item('one', 'i1'))
    await publisher.publish('plain', item('three', 'i3', 'i2'))
    await publisher.publish('plain', item('two', 'i2', 'i1'))
    await publisher.publish('plain', item('two', 'i2', 'i1'))
    await publisher.publishFormats('plain', new HttpStreamFormat('four\n'), 'i4', 'i3')
    await client.waitForText('open\none\ntwo\nthree\nfour\n')
  })

  test('an address where nobody publishes is an error with its status', async () => {
    const publishing = new Publisher(gateway.controlUrl('/elsewhere/')).publishHttpStream('plain', 'x')
    await expect(publishing).rejects.toMatchObject({ context: { statusCode: 404 } })
  })
})

describe('Grip-Sig', () => {
  const signature = async (name: string): Promise<string> => (await fetch(gateway.httpUrl(`/sig/${name}`))).text()
  const check = async (name: string, config: Omit<IGripConfig, 'control_uri'>): Promise<boolean> => {
    const publisher = new Publisher({ control_uri: gateway.controlUrl(), ...config })
    const { isProxied, isSigned } = await publisher.validateGripSig(await signature(name))
    expect(isProxied).toBe(isSigned)
    return isSigned
  }

  test.each([
    ['text', 'the secret', { verify_key: SECRET }, true],
    ['text', 'the secret and the issuer', { verify_key: SECRET, verify_iss: 'gateway' }, true],
    ['text', 'the secret for publishing', { control_iss: 'app', key: SECRET }, true],
    ['text', 'another secret', { verify_key: `${SECRET}!` }, false],
    ['text', 'another issuer', { verify_key: SECRET, verify_iss: 'somebody' }, false],
    ['ec', 'its public key as PEM', { verify_key: EC.publicKey.export(PUBLIC).toString() }, true],
    ['ec', 'its public key as JWK', { verify_key: JSON.stringify(EC.publicKey.export({ format: 'jwk' })) }, true],
    ['ec', 'a secret', { verify_key: SECRET }, false],
    ['rsa', 'its public key', { verify_key: RSA.publicKey.export(PUBLIC).toString(), verify_iss: 'gateway' }, true],
    ['rsa', 'another key', { verify_key: EC.publicKey.export(PUBLIC).toString() }, false],
  ] as const)('signed with %s, checked with %s', async (name, _checkedWith, config, expected) => {
    expect(await check(name, config)).toBe(expected)
  })

  test('without a key it is proxied, and not signed', async () => {
    const publisher = new Publisher(gateway.controlUrl())
    const result = await publisher.validateGripSig(await signature('text'))
    expect(result).toEqual({ isProxied: true, isSigned: false, needsSigned: false })
  })
})
