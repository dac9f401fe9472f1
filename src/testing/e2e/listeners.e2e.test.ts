/** TLS by port and by name, unix sockets and IPv6: every door of one gateway, with curl and `ws`. */
import { existsSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Command, hasCommand, runCommand } from '../command.js'
import { freePorts } from '../free-ports.js'
import { type Gateway, runTackboard, startGateway } from '../gateway.js'
import type { Metrics } from '../metrics.js'
import { publishHttp, streamItem, wsItem } from '../publish.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { DEFAULT_FILES, ENCRYPTED_KEY, NAMED_FILES, WILD_FILES } from '../tls-files.js'
import { answerEvents, decodeEvents, encodeEvent, GRIP_WITHOUT_PREFIX, subscribeEvent } from '../websocket-over-http.js'
import { WsClient, type WsClientOptions } from '../ws-client.js'

const noCurl = !hasCommand('listeners with curl', 'curl', '--version')
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Tells what came: headers of a request; of a WebSocket, as its first message. */
async function startBackend(): Promise<ScriptedBackend> {
  return ScriptedBackend.start((call) => {
    const seen = `proto=${call.header('x-forwarded-proto')} for=${call.header('x-forwarded-for')} ${call.url}`
    if (call.header('accept') !== 'application/websocket-events') return call.answer(200, {}, seen)
    const events = decodeEvents(call.body)
    const first = [encodeEvent('OPEN'), subscribeEvent('room'), encodeEvent('TEXT', seen)]
    if (events[0]?.type === 'OPEN') return answerEvents(call, first, GRIP_WITHOUT_PREFIX)
    return answerEvents(
      call,
      events.map(({ type, content }) => encodeEvent(type, content ?? undefined)),
    )
  })
}

let backend: ScriptedBackend
let gateway: Gateway
let httpsPort = 0
let ipv6Port = 0
let socketPath = ''

beforeAll(async () => {
  backend = await startBackend()
  ;[httpsPort, ipv6Port] = (await freePorts(2)) as [number, number]
  gateway = await startGateway({
    routes: [
      '*,path_beg=/t,ssl=no test',
      `*,ssl=yes,id=secure ${backend.target},over_http`,
      `*,ssl=no,id=plain ${backend.target},over_http`,
    ],
    httpPorts: [`[::]:${ipv6Port}`],
    conf: {
      'runner.https_ports': `127.0.0.1:${httpsPort}`,
      'runner.local_ports': '{rundir}/clients.sock?mode=660,{rundir}/open.sock',
      'proxy.x_forwarded_for': 'append',
      'proxy.set_x_forwarded_protocol': 'proto-only',
      'proxy.log_from': 'true',
    },
    files: {
      [`runner/certs/default_${httpsPort}.crt`]: DEFAULT_FILES.cert,
      [`runner/certs/default_${httpsPort}.key`]: DEFAULT_FILES.key,
      'runner/certs/www.named.test.crt': NAMED_FILES.cert,
      'runner/certs/www.named.test.key': NAMED_FILES.key,
      'runner/certs/_.wild.test.crt': WILD_FILES.cert,
      'runner/certs/_.wild.test.key': WILD_FILES.key,
    },
  })
  socketPath = join(gateway.folder, 'clients.sock')
})

afterAll(async () => {
  await gateway.kill()
  await backend.stop()
})

function curl(...args: string[]): Promise<string> {
  return runCommand('curl', '-sS', ...args)
}

/** Arguments of curl for a host whose name leads to the TLS port; its certificate is checked. */
async function trusting(host: string, certificate: string): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tackboard-ca-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'ca.pem')
  await writeFile(file, certificate)
  return ['--cacert', file, '--resolve', `${host}:${httpsPort}:127.0.0.1`, `https://${host}:${httpsPort}/a?b`]
}

/** The name in the certificate that a client gets who asks for `servername`. */
function nameShownTo(servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: httpsPort, servername, rejectUnauthorized: false }
    const socket = tls.connect(options, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

async function openWebSocket(url: string, options: WsClientOptions = {}): Promise<WsClient> {
  const client = await WsClient.connect(url, options)
  cleanups.push(() => {
    client.terminate()
  })
  return client
}

/** One WebSocket through every door. Each has got its first message, so its channel is live. */
async function openEverywhere(): Promise<WsClient[]> {
  const secure = { rejectUnauthorized: false }
  const clients = await Promise.all([
    openWebSocket(gateway.wsUrl('/ws')),
    openWebSocket(`ws://[::1]:${ipv6Port}/ws`),
    openWebSocket(`wss://127.0.0.1:${httpsPort}/ws`, secure),
    openWebSocket(`wss://127.0.0.1:${httpsPort}/ws`, { ...secure, servername: 'www.named.test' }),
    openWebSocket(`wss://127.0.0.1:${httpsPort}/ws`, { ...secure, servername: 'a.wild.test' }),
    openWebSocket(`ws+unix:${socketPath}:/ws`),
  ])
  for (const client of clients) await client.waitFor(1)
  return clients
}

/** A configuration with these lines in [runner], in a folder of its own. */
async function confWith(runner: string, files: Record<string, string> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tackboard-conf-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'runner/certs'), { recursive: true })
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, 'runner/certs', name), text)
  const path = join(folder, 'pushpin.conf')
  await writeFile(path, `[runner]\n${runner}\n`)
  return path
}

describe('TLS', () => {
  test.each([
    ['localhost', 'default'],
    ['www.named.test', 'www.named.test'],
    ['a.wild.test', '*.wild.test'],
    ['b.a.wild.test', 'default'],
    ['wild.test', 'default'],
    ['named.test', 'default'],
  ])('a client of %s gets the certificate of %s', async (host, name) => {
    expect(await nameShownTo(host)).toBe(name)
  })

  test.skipIf(noCurl)('curl, which checks the certificate; the backend hears of TLS', async () => {
    for (const [host, { cert }] of [
      ['localhost', DEFAULT_FILES],
      ['www.named.test', NAMED_FILES],
      ['x.wild.test', WILD_FILES],
    ] as const) {
      expect(await curl(...(await trusting(host, cert)))).toBe('proto=https for=127.0.0.1 /a?b')
    }
  })

  test('a route for TLS only is taken by TLS only', async () => {
    const client = await openWebSocket(`wss://127.0.0.1:${httpsPort}/ws`, { rejectUnauthorized: false })
    expect(await client.waitFor(1)).toEqual(['proto=wss for=127.0.0.1 /ws'])
    expect(await (await fetch(gateway.httpUrl('/a'))).text()).toBe('proto=null for=127.0.0.1 /a')
    const routes = await gateway.printed(/"url":"wss:[^\n]*"route":"secure"[^\n]*"from":"127\.0\.0\.1"/)
    expect(routes).not.toBeNull()
  })

  test('text on a TLS port, and TLS on a plain one, end the connection and nothing else', async () => {
    const socket = net.connect(httpsPort, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve).once('error', () => undefined))
    const wrong = tls.connect({ host: '127.0.0.1', port: gateway.ports.http, rejectUnauthorized: false })
    await expect(new Promise((_resolve, reject) => wrong.once('error', reject))).rejects.toThrow()
    expect(await nameShownTo('localhost')).toBe('default')
  })
})

describe('a start without what TLS needs', () => {
  test.each<[string, Record<string, string>, RegExp]>([
    ['no certificate', {}, /no certificate for port 1443: expecting \S+\/runner\/certs\/default_1443\.crt/],
    [
      'an encrypted key',
      { 'default_1443.crt': DEFAULT_FILES.cert, 'default_1443.key': ENCRYPTED_KEY },
      /default_1443\.key is encrypted/,
    ],
  ])('%s: a fault in the line of the key, in --check-config too', async (_situation, files, fault) => {
    const path = await confWith('https_ports=127.0.0.1:1443', files)
    for (const more of [[], ['--check-config']]) {
      const run = await runTackboard([`--config=${path}`, '--route=* test', ...more])
      expect(run.code).toBe(2)
      expect(run.stderr).toContain(`${path}:2: runner.https_ports: `)
      expect(run.stderr).toMatch(fault)
    }
  })
})

describe('unix sockets', () => {
  test('have the permissions they were given, or those of the umask', () => {
    expect((statSync(socketPath).mode & 0o777).toString(8)).toBe('660')
    const open = statSync(join(gateway.folder, 'open.sock'))
    expect((open.mode & 0o777).toString(8)).toBe((0o777 & ~process.umask()).toString(8))
  })

  test.skipIf(noCurl)('curl: the address of such a client is empty', async () => {
    expect(await curl('--unix-socket', socketPath, 'http://localhost/a')).toBe('proto=null for= /a')
    const forwarded = ['-H', 'X-Forwarded-For: 9.9.9.9', '--unix-socket', socketPath, 'http://localhost/a']
    expect(await curl(...forwarded)).toBe('proto=null for=9.9.9.9, /a')
  })

  test.skipIf(noCurl)('curl: a stream', async () => {
    const url = 'http://localhost/t/stream?channel=by-socket'
    const stream = Command.start('curl', '-sSN', '--unix-socket', join(gateway.folder, 'open.sock'), url)
    cleanups.push(() => stream.kill())
    await stream.printed('[stream opened]\n')
    await publishHttp(gateway.controlUrl('/publish/'), streamItem('by-socket', 'hello\n'))
    await stream.printed('hello\n')
  })

  test('a path that a gateway listens on is not taken from it', async () => {
    const run = await runTackboard([`--config=${await confWith(`local_ports=${socketPath}`)}`, '--route=* test'])
    expect(run.code).toBe(1)
    expect(run.stderr).toContain(`tackboard: cannot listen on ${socketPath} (runner.local_ports): EADDRINUSE`)
    await openWebSocket(`ws+unix:${socketPath}:/ws`)
  })

  test('a path with something else on it is left alone', async () => {
    const path = await confWith('local_ports=pushpin.conf')
    const run = await runTackboard([`--config=${path}`, '--route=* test'], { cwd: join(path, '..') })
    expect(run.code).toBe(1)
    expect(run.stderr).toContain(`${path} (runner.local_ports): it is there and no socket`)
    expect(statSync(path).isFile()).toBe(true)
  })
})

describe('every door', () => {
  test('gets what is published, and the end of the gateway', async () => {
    const clients = await openEverywhere()
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('room', 'to all'), wsItem('room', 'x'.repeat(100_000)))
    for (const client of clients) {
      await client.waitForText('to all')
      await client.waitForText(/^x{100000}$/)
      client.send('echo')
      await client.waitForText('echo')
    }
    expect(clients.map((client) => client.texts[0])).toEqual([
      'proto=null for=127.0.0.1 /ws',
      'proto=null for=::1 /ws',
      ...Array<string>(3).fill('proto=wss for=127.0.0.1 /ws'),
      'proto=null for= /ws',
    ])
  })

  test('gives back its place when a client goes', async () => {
    const clients = await openEverywhere()
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_ws_connections') === clients.length)
    for (const client of clients) client.terminate()
    const gone = (name: string) => (metrics: Metrics) => metrics.value(`tackboard_${name}_connections`) === 0
    await gateway.metricsWhere(gone('ws'))
    await gateway.metricsWhere(gone('http'))
  })
})

describe('a gateway with one kind of door', () => {
  test('unix sockets alone: removed at the end, and after a crash by the next one', async () => {
    const options = { conf: { 'runner.http_port': '', 'runner.local_ports': '{rundir}/only.sock' }, routes: ['* test'] }
    const folder = await mkdtemp(join(tmpdir(), 'tackboard-socket-'))
    cleanups.push(() => rm(folder, { recursive: true, force: true }))
    const path = join(folder, 'only.sock')
    const start = async (): Promise<Gateway> => {
      const started = await startGateway({ ...options, conf: { ...options.conf, 'runner.local_ports': path } })
      cleanups.push(() => started.kill())
      return started
    }
    await (await start()).kill()
    expect(existsSync(path)).toBe(true)
    const again = await start()
    const client = await openWebSocket(`ws+unix:${path}:/ws`)
    await again.stop()
    expect(await client.closed).toMatchObject({ code: 1001 })
    expect(existsSync(path)).toBe(false)
  })

  test('TLS alone: connections above the limit are refused, and WebSockets end politely', async () => {
    const [port = 0] = await freePorts(1)
    const one = await startGateway({
      routes: ['* test'],
      conf: { 'runner.http_port': '', 'runner.https_ports': `127.0.0.1:${port}`, 'runner.client_maxconn': '1' },
      files: {
        [`runner/certs/default_${port}.crt`]: DEFAULT_FILES.cert,
        [`runner/certs/default_${port}.key`]: DEFAULT_FILES.key,
      },
    })
    cleanups.push(() => one.kill())
    const url = `wss://127.0.0.1:${port}/ws`
    const client = await openWebSocket(url, { rejectUnauthorized: false })
    await expect(WsClient.connect(url, { rejectUnauthorized: false })).rejects.toThrow()
    const metrics = await one.metricsWhere((now) => now.value('tackboard_refused_maxconn_total') === 1)
    expect(metrics.value('tackboard_ws_connections')).toBe(1)
    await one.stop()
    expect(await client.closed).toMatchObject({ code: 1001 })
  })
})
